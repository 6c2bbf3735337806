//! Batches: all or nothing, expectations, names.

use std::time::Duration;

use threadkeep_core::{
    Applied, BatchId, Change, DynamicToolStore, Effect, ErrorKind, Expect, FieldPatch, LogEntry,
    LogLevel, LogStore as _, Result, Store, ThreadStore, ThreadStoreExt, WriteBatch, limits,
};

use super::PERSISTENT;
use super::say::{
    apply, at, change, delete, fails, id, patch, patch_of, put, row, seed, store_all, thread,
    thread_with, title,
};
use crate::cases::{Tier, group};
use crate::lab::{Lab, Verdict};

group! { Tier::Examples;
    T_65: changes_are_answered_in_order,
    T_66: later_changes_see_earlier_ones,
    T_67: an_empty_batch_is_answered_by_nothing,
    T_69: an_expected_revision_lets_the_change_through,
    T_70: another_revision_refuses_the_whole_batch,
    T_71: an_expected_absence_refuses_the_whole_batch,
    T_68: a_change_beyond_a_limit_refuses_the_whole_batch,
    T_68: a_refused_batch_leaves_every_kind_of_thing_alone,
    T_72: a_revision_is_expected_of_the_row_within_the_batch,
    T_73: a_repeated_batch_answers_as_the_first_time,
    T_74: a_repeated_batch_answers_as_the_first_time_on_a_new_handle [PERSISTENT],
    T_75: a_refused_batch_may_be_tried_again_under_its_name,
    T_76: batches_without_a_name_are_never_repeats,
    T_77: ten_thousand_names_are_remembered,
    T_68: a_large_batch_with_one_bad_change_leaves_nothing,
    T_73: a_repeated_delete_leaves_the_entries_that_came_since,
    T_78: a_batch_may_be_large,
    T_78: more_than_the_limit_of_changes_is_refused,
    P_11: concurrent_batches_lose_nothing,
}

async fn changes_are_answered_in_order(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    store_all(&store, [thread(2), thread(3)]).await?;
    let batch = WriteBatch::new()
        .and(put(thread(1)))
        .and(delete(3, 9))
        .and(patch_of(2, title("new")))
        .and(delete(4, 9))
        .and(patch_of(2, title("new")))
        .and(Change::SetCheckpoint { key: "k".into(), value: Some("v".into()) });
    let outcomes = store.write(batch).await?;
    let outcomes: Vec<_> = outcomes.iter().map(|done| (done.effect, done.revision)).collect();
    let expected = [
        (Effect::Created, 1),
        (Effect::Deleted, 2),
        (Effect::Updated, 2),
        (Effect::Absent, 0),
        (Effect::Unchanged, 2),
        (Effect::Created, 1),
    ];
    assert_eq!(outcomes, expected);
    Ok(())
}

async fn later_changes_see_earlier_ones(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    let batch = WriteBatch::new()
        .and(apply(seed(1), title("a")))
        .and(Change::Rename { id: id(1), name: Some("n".into()), at: at(1) })
        .and(delete(1, 5))
        .and(put(thread_with(1, |row| row.tokens_used = 3)))
        .and(Change::Archive { id: id(1), path: None, at: at(6) });
    store.write(batch).await?;
    let expected = thread_with(1, |row| {
        row.tokens_used = 3;
        row.archived_at = Some(at(6));
        row.revision = 5;
    });
    assert_eq!(row(&store, 1).await?, expected);
    Ok(())
}

async fn an_empty_batch_is_answered_by_nothing(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    assert_eq!(store.write(WriteBatch::new()).await?, []);
    Ok(())
}

async fn an_expected_revision_lets_the_change_through(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    let batch = |expect, text| WriteBatch::new().and_if(expect, apply(seed(1), title(text)));
    store.write(batch(Expect::Absent, "a")).await?;
    store.write(batch(Expect::Revision(1), "b")).await?;
    store.write(batch(Expect::Any, "c")).await?;
    store.write(batch(Expect::Revision(3), "d")).await?;
    assert_eq!(row(&store, 1).await?.title, "d");
    Ok(())
}

async fn another_revision_refuses_the_whole_batch(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    store_all(&store, [thread(1)]).await?;
    for (number, revision) in [(1, 0), (1, 2), (9, 0), (9, 1)] {
        let batch = WriteBatch::new()
            .and(put(thread(5)))
            .and_if(Expect::Revision(revision), delete(number, 7));
        let error = fails(store.write(batch).await, ErrorKind::Conflict);
        assert_eq!(error.outcome(), Applied::NotApplied);
        assert!(error.to_string().contains(&id(number).to_string()), "{error}");
    }
    assert_eq!(store.threads(vec![id(5)]).await?, [None]);
    assert_eq!(row(&store, 1).await?.revision, 1);
    Ok(())
}

async fn an_expected_absence_refuses_the_whole_batch(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    store_all(&store, [thread(1)]).await?;
    let batch = WriteBatch::new().and(put(thread(5))).and_if(Expect::Absent, put(thread(1)));
    let error = fails(store.write(batch).await, ErrorKind::AlreadyExists);
    assert_eq!(error.outcome(), Applied::NotApplied);
    assert_eq!(store.threads(vec![id(5)]).await?, [None]);
    // A deleted thread is absent.
    change(&store, delete(1, 9)).await?;
    store.write(WriteBatch::new().and_if(Expect::Absent, put(thread(1)))).await?;
    assert_eq!(row(&store, 1).await?.revision, 3);
    Ok(())
}

async fn a_change_beyond_a_limit_refuses_the_whole_batch(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    let pathless = thread_with(2, |row| row.rollout_path = "".into());
    let batch = WriteBatch::new().and(put(thread(1))).and(put(pathless));
    let error = fails(store.write(batch).await, ErrorKind::InvalidInput);
    assert_eq!(error.outcome(), Applied::NotApplied);
    assert!(error.to_string().contains("rollout_path"), "{error}");
    assert_eq!(store.threads(vec![id(1), id(2)]).await?, [None, None]);
    Ok(())
}

async fn a_refused_batch_leaves_every_kind_of_thing_alone(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    store_all(&store, [thread(1), thread(2)]).await?;
    let tool = threadkeep_core::DynamicToolSpec::function("a", "", "{}")?;
    let batch = WriteBatch::new()
        .and(patch_of(1, title("changed")))
        .and(Change::SetTools { id: id(1), tools: vec![tool], replace: true })
        .and(delete(2, 5))
        .and(Change::SetCheckpoint { key: "k".into(), value: Some("v".into()) })
        .and_if(Expect::Revision(99), delete(3, 5));
    fails(store.write(batch).await, ErrorKind::Conflict);
    assert_eq!(row(&store, 1).await?.title, "thread 1");
    assert_eq!(row(&store, 2).await?.revision, 1);
    assert_eq!(store.dynamic_tools(id(1)).await?, None);
    assert_eq!(store.checkpoints(String::new(), None, 10).await?, []);
    assert_eq!(store.stats().await?.tombstones, 0);
    Ok(())
}

async fn a_revision_is_expected_of_the_row_within_the_batch(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    let batch = WriteBatch::new()
        .and_if(Expect::Absent, put(thread(1)))
        .and_if(Expect::Revision(1), patch_of(1, title("a")))
        .and_if(Expect::Revision(2), delete(1, 5))
        .and_if(Expect::Absent, put(thread(1)));
    let outcomes = store.write(batch).await?;
    assert_eq!(outcomes.iter().map(|done| done.revision).collect::<Vec<_>>(), [1, 2, 3, 4]);
    Ok(())
}

fn named(byte: u8) -> WriteBatch {
    WriteBatch::new().with_id(BatchId::from_bytes([byte; 16]))
}

/// A batch that is applied once has these effects; applied twice, others.
fn once(byte: u8) -> WriteBatch {
    named(byte)
        .and_if(Expect::Absent, put(thread(1)))
        .and(Change::Rename { id: id(1), name: Some("n".into()), at: at(1) })
        .and(Change::SetCheckpoint { key: "k".into(), value: Some("v".into()) })
        .and(delete(2, 5))
}

async fn check_repeats(first: &dyn Store, then: &dyn Store) -> Result<()> {
    let answer = first.write(once(1)).await?;
    assert_eq!(answer.len(), 4);
    change(first, patch_of(1, title("changed since"))).await?;
    for _ in 0..2 {
        assert_eq!(then.write(once(1)).await?, answer);
    }
    let found = row(then, 1).await?;
    assert_eq!((found.title.as_str(), found.revision), ("changed since", 3));
    Ok(())
}

async fn a_repeated_batch_answers_as_the_first_time(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    store_all(&store, [thread(2)]).await?;
    check_repeats(&store, &store).await?;
    Ok(())
}

async fn a_repeated_batch_answers_as_the_first_time_on_a_new_handle(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    store_all(&store, [thread(2)]).await?;
    let answer = store.write(once(1)).await?;
    let store = lab.reopen(store).await?;
    assert_eq!(store.write(once(1)).await?, answer);
    assert_eq!(row(&store, 1).await?.revision, 2);
    Ok(())
}

async fn a_refused_batch_may_be_tried_again_under_its_name(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    let batch = named(1).and_if(Expect::Revision(1), patch_of(1, title("done")));
    fails(store.write(batch.clone()).await, ErrorKind::Conflict);
    store_all(&store, [thread(1)]).await?;
    assert_eq!(store.write(batch).await?[0].effect, Effect::Updated);
    Ok(())
}

async fn batches_without_a_name_are_never_repeats(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    let batch = WriteBatch::new().and_if(Expect::Absent, put(thread(1)));
    store.write(batch.clone()).await?;
    fails(store.write(batch).await, ErrorKind::AlreadyExists);
    Ok(())
}

async fn ten_thousand_names_are_remembered(lab: &Lab) -> Verdict {
    const NAMES: u64 = 10_000;
    let store = lab.open().await?;
    let named = |number: u64| {
        WriteBatch::new().with_id(BatchId::from_bytes(u128::from(number).to_be_bytes()))
    };
    let once = || named(0).and_if(Expect::Absent, put(thread(1))).and(delete(1, 5));
    let first = store.write(once()).await?;
    let tasks: Vec<_> = (1..NAMES)
        .map(|number| {
            let (store, batch) = (store.clone(), named(number).and(delete(9, 5)));
            tokio::spawn(async move { store.write(batch).await.map(drop) })
        })
        .collect();
    for task in tasks {
        match task.await {
            Ok(result) => result?,
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }
    assert_eq!(store.write(once()).await?, first);
    let next = change(&store, put(thread(1))).await?;
    assert_eq!((next.effect, next.revision), (Effect::Created, 3));
    Ok(())
}

async fn a_large_batch_with_one_bad_change_leaves_nothing(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    let mut batch = WriteBatch::new();
    (0..3_000).for_each(|number| batch.push(put(thread(number))));
    batch.push_if(Expect::Revision(7), patch_of(1, title("never")));
    fails(store.write(batch).await, ErrorKind::Conflict);
    assert_eq!(store.stats().await?.threads, 0);
    Ok(())
}

/// Found by the model, on SQLite: the answer of the first time says that a thread was deleted.
async fn a_repeated_delete_leaves_the_entries_that_came_since(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    store_all(&store, [thread(1)]).await?;
    let batch = named(1).and(delete(1, 100));
    let answer = store.write(batch.clone()).await?;
    for _ in 0..1_000 {
        if store.maintain(Duration::from_secs(1)).await?.done {
            break;
        }
    }
    let mut entry = LogEntry::new(at(0).to_datetime(), LogLevel::Info, "t", "late");
    entry.thread_id = Some(id(1).to_string());
    store.append(vec![entry]).await?;
    assert_eq!(store.write(batch).await?, answer);
    assert_eq!(store.stats().await?.log_entries, 1);
    Ok(())
}

async fn a_batch_may_be_large(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    let mut batch = WriteBatch::new();
    for number in 0..5_000 {
        batch.push(put(thread(number)));
        batch.push(patch_of(number, title("patched")));
    }
    let outcomes = store.write(batch).await?;
    assert_eq!(outcomes.len(), 10_000);
    assert!(outcomes.chunks(2).all(|pair| pair[0].revision == 1 && pair[1].revision == 2));
    assert_eq!(store.stats().await?.threads, 5_000);
    assert_eq!(row(&store, 4_999).await?.title, "patched");
    Ok(())
}

async fn more_than_the_limit_of_changes_is_refused(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    store_all(&store, [thread(0)]).await?;
    let mut batch = WriteBatch::new();
    (0..=limits::BATCH_CHANGES).for_each(|_| batch.push(delete(0, 5)));
    fails(store.write(batch).await, ErrorKind::InvalidInput);
    assert_eq!(row(&store, 0).await?.revision, 1);
    Ok(())
}

async fn concurrent_batches_lose_nothing(lab: &Lab) -> Verdict {
    const TASKS: u32 = 8;
    const ROUNDS: u32 = 25;
    let store = lab.open().await?;
    store_all(&store, [thread(0)]).await?;
    let tasks: Vec<_> = (1..=TASKS)
        .map(|task| {
            let store = store.clone();
            tokio::spawn(async move {
                for round in 1..=ROUNDS {
                    let tokens = patch(|patch| patch.tokens_used = FieldPatch::Set(round.into()));
                    let batch = WriteBatch::new()
                        .and(apply(seed(task), tokens))
                        // Every change of the shared thread differs from the one before it.
                        .and(patch_of(0, title(&format!("{task} {round}"))));
                    store.write(batch).await?;
                }
                Ok::<_, threadkeep_core::Error>(())
            })
        })
        .collect();
    for task in tasks {
        match task.await {
            Ok(result) => result?,
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }
    assert_eq!(row(&store, 0).await?.revision, u64::from(1 + TASKS * ROUNDS));
    for task in 1..=TASKS {
        assert_eq!(row(&store, task).await?.tokens_used, i64::from(ROUNDS));
    }
    assert_eq!(store.get_thread(id(TASKS + 1)).await?, None);
    Ok(())
}
