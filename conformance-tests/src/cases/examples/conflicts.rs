//! Copies into a store that holds something else.

use threadkeep_core::moving::{CopyConflict, CopyOptions, CopyReport, Found, OnConflict, copy};
use threadkeep_core::{Store, Subject, ThreadStoreExt as _};

use super::moving::{another, checkpoint, tool};
use super::say::{at, change, delete, id, row, store_all, thread, thread_with};
use crate::cases::{Tier, group};
use crate::diff::same;
use crate::lab::{Lab, Verdict};

group! { Tier::Examples;
    S_17: a_conflict_is_named_and_the_rest_is_copied,
    S_17: what_the_target_has_is_kept_or_replaced_as_told,
    S_17: of_two_the_newer_is_taken,
    S_17: tools_are_part_of_a_thread,
    S_17: checkpoints_follow_the_threads,
    S_18: what_was_deleted_comes_back_only_as_told,
}

fn told(policy: OnConflict) -> CopyOptions {
    CopyOptions::new().on_conflict(policy)
}

/// Thread 1 is only in the first, 2 in both alike, 3 newer in the first, 4 older there, 5 of the
/// same time and with another title.
async fn two(lab: &Lab) -> Verdict<[std::sync::Arc<dyn Store>; 2]> {
    let (from, to) = (lab.open().await?, another(lab, "to").await?);
    let of = |number, time, title: &'static str| {
        thread_with(number, |row| (row.updated_at, row.title) = (at(time), title.into()))
    };
    let ours = [thread(1), thread(2), of(3, 200, "from"), of(4, 100, "from"), of(5, 9, "from")];
    store_all(&*from, ours).await?;
    store_all(&*from, [of(3, 201, "from")]).await?;
    store_all(&*to, [thread(2), of(3, 100, "to"), of(4, 200, "to"), of(5, 9, "to")]).await?;
    Ok([from, to])
}

/// The titles of threads 1 to 5.
async fn titles(store: &dyn Store) -> Verdict<Vec<String>> {
    let mut titles = Vec::new();
    for number in 1..=5 {
        titles.push(row(store, number).await?.title);
    }
    Ok(titles)
}

/// Created, replaced, unchanged, kept and in conflict.
fn counts(report: &CopyReport) -> [u64; 5] {
    let threads = report.threads;
    [threads.created, threads.replaced, threads.unchanged, threads.kept, threads.conflicts]
}

async fn a_conflict_is_named_and_the_rest_is_copied(lab: &Lab) -> Verdict {
    let [from, to] = two(lab).await?;
    let report = copy(&*from, &*to, &told(OnConflict::Refuse)).await?;
    same("the counts", &counts(&report), &[1, 0, 1, 0, 3])?;
    let conflict = |number, revision| CopyConflict {
        subject: Subject::Thread(id(number)),
        revision,
        found: Found::Present { revision: 1 },
    };
    let mut conflicts = report.conflicts.clone();
    conflicts.sort_by_key(|conflict| conflict.subject.clone());
    same("the conflicts", &conflicts, &vec![conflict(3, 2), conflict(4, 1), conflict(5, 1)])?;
    let text = conflicts[0].to_string();
    let expected = format!("thread {}: revision 2 in the source, revision 1 in the target", id(3));
    same("a conflict in words", &text, &expected)?;
    let expected = ["thread 1", "thread 2", "to", "to", "to"].map(str::to_owned).to_vec();
    same("the titles", &titles(&*to).await?, &expected)
}

async fn what_the_target_has_is_kept_or_replaced_as_told(lab: &Lab) -> Verdict {
    let [from, to] = two(lab).await?;
    let report = copy(&*from, &*to, &told(OnConflict::Keep)).await?;
    same("the counts", &counts(&report), &[1, 0, 1, 3, 0])?;
    same("the titles", &titles(&*to).await?[2..].concat(), &"tototo".to_owned())?;
    let report = copy(&*from, &*to, &told(OnConflict::Replace)).await?;
    same("the counts", &counts(&report), &[0, 3, 2, 0, 0])?;
    same("the titles", &titles(&*to).await?, &titles(&*from).await?)?;
    same("the revision", &row(&*to, 3).await?.revision, &2)?;
    let report = copy(&*from, &*to, &told(OnConflict::Refuse)).await?;
    same("the counts", &counts(&report), &[0, 0, 5, 0, 0])
}

async fn of_two_the_newer_is_taken(lab: &Lab) -> Verdict {
    let [from, to] = two(lab).await?;
    let report = copy(&*from, &*to, &told(OnConflict::Newer)).await?;
    same("the counts", &counts(&report), &[1, 1, 1, 2, 0])?;
    same("the titles", &titles(&*to).await?[2..].concat(), &"fromtoto".to_owned())
}

async fn tools_are_part_of_a_thread(lab: &Lab) -> Verdict {
    let (from, to) = (lab.open().await?, another(lab, "to").await?);
    store_all(&*from, [thread(1), thread(2), thread(3)]).await?;
    store_all(&*to, [thread(1), thread(2), thread(3)]).await?;
    for (store, number, name) in [(&from, 1, "a"), (&to, 1, "b"), (&from, 2, "a"), (&to, 3, "b")] {
        store.persist_dynamic_tools(id(number), Some(vec![tool(name)?])).await?;
    }
    let report = copy(&*from, &*to, &told(OnConflict::Refuse)).await?;
    // Tools that only the target has are nothing that could be copied.
    same("the counts", &counts(&report), &[0, 0, 1, 0, 2])?;
    let report = copy(&*from, &*to, &told(OnConflict::Replace)).await?;
    same("the counts", &counts(&report), &[0, 2, 1, 0, 0])?;
    for (number, name, revision) in [(1, "a", 3), (2, "a", 2), (3, "b", 2)] {
        let tools = to.dynamic_tools(id(number)).await?;
        same(&format!("the tools of thread {number}"), &tools, &Some(vec![tool(name)?]))?;
        same("its revision", &row(&*to, number).await?.revision, &revision)?;
    }
    Ok(())
}

async fn checkpoints_follow_the_threads(lab: &Lab) -> Verdict {
    let (from, to) = (lab.open().await?, another(lab, "to").await?);
    store_all(&*from, [thread(1)]).await?;
    for (store, key, value) in [(&from, "a", "new"), (&to, "a", "old"), (&from, "b", "b")] {
        change(&**store, checkpoint(key, value)).await?;
    }
    change(&*to, checkpoint("c", "the target's own")).await?;
    let values = async || {
        let found = to.checkpoints(String::new(), None, 10).await?;
        Verdict::Ok(found.into_iter().map(|found| found.value).collect::<Vec<_>>())
    };
    let report = copy(&*from, &*to, &told(OnConflict::Refuse)).await?;
    let found = Found::Present { revision: 1 };
    let conflict = CopyConflict { subject: Subject::Checkpoint("a".into()), revision: 1, found };
    same("the conflicts", &report.conflicts, &vec![conflict])?;
    assert_eq!(values().await?, ["old", "b", "the target's own"]);

    // Of a thread that the target has otherwise, a checkpoint would tell an indexer too much.
    store_all(&*to, [thread_with(1, |row| row.title = "to".into())]).await?;
    change(&*from, checkpoint("d", "d")).await?;
    let report = copy(&*from, &*to, &told(OnConflict::Newer)).await?;
    assert_eq!((report.checkpoints.left_out, report.checkpoints.unchanged), (2, 1), "{report:?}");
    assert_eq!(values().await?, ["old", "b", "the target's own"]);

    let report = copy(&*from, &*to, &told(OnConflict::Replace)).await?;
    assert!(report.is_whole(), "{report:?}");
    assert_eq!(values().await?, ["new", "b", "the target's own", "d"]);
    Ok(())
}

async fn what_was_deleted_comes_back_only_as_told(lab: &Lab) -> Verdict {
    let (from, to) = (lab.open().await?, another(lab, "to").await?);
    for number in [1, 2] {
        let changed = at(1_000 * i64::from(number));
        store_all(&*from, [thread_with(number, |row| row.updated_at = changed)]).await?;
        from.persist_dynamic_tools(id(number), Some(vec![tool("a")?])).await?;
        store_all(&*to, [thread(number)]).await?;
        change(&*to, delete(number, 1_500)).await?;
    }
    let report = copy(&*from, &*to, &told(OnConflict::Refuse)).await?;
    same("the counts", &counts(&report), &[0, 0, 0, 0, 2])?;
    let deleted = report.conflicts.iter().map(|conflict| conflict.found.clone());
    let expected = vec![Found::Deleted { revision: 2 }; 2];
    same("what was found", &deleted.collect::<Vec<_>>(), &expected)?;
    let there = async || -> Verdict<_> {
        let rows = to.threads(vec![id(1), id(2)]).await?;
        Ok(rows.iter().map(Option::is_some).collect::<Vec<_>>())
    };
    for (policy, expected, threads) in [
        (OnConflict::Keep, [0, 0, 0, 2, 0], [false, false]),
        (OnConflict::Newer, [1, 0, 0, 1, 0], [false, true]),
        (OnConflict::Replace, [1, 0, 1, 0, 0], [true, true]),
    ] {
        let report = copy(&*from, &*to, &told(policy)).await?;
        same(&format!("the counts of {policy}"), &counts(&report), &expected)?;
        same(&format!("what {policy} brings back"), &there().await?, &threads.to_vec())?;
    }
    for number in [1, 2] {
        assert!(row(&*to, number).await?.revision > 2, "the revision goes on over the deletion");
        same("the tools", &to.dynamic_tools(id(number)).await?, &Some(vec![tool("a")?]))?;
    }
    Ok(())
}
