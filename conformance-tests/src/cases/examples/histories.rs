//! Files that move, and rows made anew from them.

use threadkeep_core::{
    Change, Effect, FieldPatch, NamePatch, ThreadPatch, ThreadSeed, ThreadStore,
};

use super::say::{
    at, change, delete, id, mark, patch, put, row, seed, store_all, thread, thread_with,
};
use crate::cases::{Tier, group};
use crate::lab::{Lab, Verdict};

group! { Tier::Examples;
    T_47: a_moved_file_changes_the_path,
    T_48: a_file_moved_into_the_archive_archives_the_thread,
    T_49: a_file_moved_out_of_the_archive_makes_the_thread_active,
    T_47: a_file_moved_within_a_folder_keeps_what_a_person_did,
    T_44: an_absent_thread_does_not_move,
    T_50: a_rebuild_makes_the_row_anew,
    T_51: a_rebuild_creates_a_missing_thread,
    T_52: a_rebuild_keeps_the_name_unless_the_history_has_a_later_one,
    T_53: a_rebuild_keeps_whether_the_thread_is_archived,
    T_53: a_rebuild_from_the_other_folder_follows_the_file,
}

fn moved(path: &str) -> Change {
    Change::Move { id: id(1), path: path.into(), archived_at: at(500) }
}

fn rebuild(seed: ThreadSeed, patch: ThreadPatch) -> Change {
    Change::Rebuild(Box::new(seed), Box::new(patch))
}

fn archived_seed() -> ThreadSeed {
    ThreadSeed::new(id(1), "/archived_sessions/1.jsonl", at(1)).archived_at(at(700))
}

async fn a_moved_file_changes_the_path(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    store_all(&store, [thread(1)]).await?;
    let outcome = change(&store, moved("/home/2/sessions/1.jsonl")).await?;
    assert_eq!((outcome.effect, outcome.revision), (Effect::Updated, 2));
    let expected = thread_with(1, |row| {
        row.rollout_path = "/home/2/sessions/1.jsonl".into();
        row.revision = 2;
    });
    assert_eq!(row(&store, 1).await?, expected);
    assert_eq!(change(&store, moved("/home/2/sessions/1.jsonl")).await?.effect, Effect::Unchanged);
    Ok(())
}

async fn a_file_moved_into_the_archive_archives_the_thread(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    store_all(&store, [thread(1)]).await?;
    change(&store, moved("/archived_sessions/1.jsonl")).await?;
    assert_eq!(row(&store, 1).await?.archived_at, Some(at(500)));
    Ok(())
}

async fn a_file_moved_out_of_the_archive_makes_the_thread_active(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    store_all(&store, [thread(1)]).await?;
    change(&store, moved("/archived_sessions/1.jsonl")).await?;
    change(&store, moved("/sessions/1.jsonl")).await?;
    assert_eq!(row(&store, 1).await?.archived_at, None);
    Ok(())
}

async fn a_file_moved_within_a_folder_keeps_what_a_person_did(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    store_all(&store, [thread_with(1, |row| row.archived_at = Some(at(3)))]).await?;
    change(&store, moved("/other/sessions/1.jsonl")).await?;
    assert_eq!(row(&store, 1).await?.archived_at, Some(at(3)));
    // A file of that name is no folder of that name.
    change(&store, moved("/other/archived_sessions")).await?;
    assert_eq!(row(&store, 1).await?.archived_at, Some(at(3)));
    change(&store, moved("/archived_sessions/1.jsonl")).await?;
    assert_eq!(row(&store, 1).await?.archived_at, Some(at(500)));
    Ok(())
}

async fn an_absent_thread_does_not_move(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    assert_eq!(change(&store, moved("/sessions/1.jsonl")).await?.effect, Effect::Absent);
    assert_eq!(store.threads(vec![id(1)]).await?, [None]);
    Ok(())
}

async fn a_rebuild_makes_the_row_anew(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    let before = thread_with(1, |row| {
        row.title = "wrong".into();
        row.tokens_used = 9;
        row.git_sha = Some("wrong".into());
        row.applied_file = "z.jsonl".into();
        row.applied_through = 999;
        row.updated_at = at(50);
    });
    store_all(&store, [before]).await?;
    let whole = patch(|patch| {
        patch.title = FieldPatch::SetIfEmpty("right".into());
        patch.mark = Some(mark("a.jsonl", 10));
    });
    let outcome = change(&store, rebuild(seed(1), whole)).await?;
    assert_eq!((outcome.effect, outcome.revision), (Effect::Updated, 2));
    let mut expected = seed(1).into_metadata();
    expected.title = "right".into();
    expected.applied_file = "a.jsonl".into();
    expected.applied_through = 10;
    expected.updated_at = at(50);
    expected.revision = 2;
    assert_eq!(row(&store, 1).await?, expected);
    Ok(())
}

async fn a_rebuild_creates_a_missing_thread(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    let outcome = change(&store, rebuild(archived_seed(), ThreadPatch::default())).await?;
    assert_eq!((outcome.effect, outcome.revision), (Effect::Created, 1));
    assert_eq!(row(&store, 1).await?.archived_at, Some(at(700)));
    change(&store, delete(1, 10)).await?;
    let newer = patch(|patch| patch.newest_item_at = Some(at(11)));
    assert_eq!(change(&store, rebuild(seed(1), newer)).await?.effect, Effect::Created);
    Ok(())
}

async fn a_rebuild_keeps_the_name_unless_the_history_has_a_later_one(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    store_all(&store, [thread(1)]).await?;
    change(&store, Change::Rename { id: id(1), name: Some("by hand".into()), at: at(20) }).await?;
    let with_name = |millis| {
        let name = NamePatch { name: Some("in history".into()), at: Some(at(millis)) };
        rebuild(seed(1), patch(|patch| patch.name = Some(name)))
    };
    for (naming, expected) in [
        (rebuild(seed(1), ThreadPatch::default()), "by hand"),
        (with_name(19), "by hand"),
        (with_name(21), "in history"),
    ] {
        change(&store, naming).await?;
        assert_eq!(row(&store, 1).await?.name.as_deref(), Some(expected));
    }
    Ok(())
}

async fn a_rebuild_keeps_whether_the_thread_is_archived(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    store_all(&store, [thread(1)]).await?;
    change(&store, Change::Archive { id: id(1), path: None, at: at(3) }).await?;
    change(&store, rebuild(seed(1), ThreadPatch::default())).await?;
    assert_eq!(row(&store, 1).await?.archived_at, Some(at(3)));
    change(&store, Change::Unarchive { id: id(1), path: None }).await?;
    change(&store, rebuild(seed(1), ThreadPatch::default())).await?;
    assert_eq!(row(&store, 1).await?.archived_at, None);
    Ok(())
}

async fn a_rebuild_from_the_other_folder_follows_the_file(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    change(&store, put(thread(1))).await?;
    change(&store, rebuild(archived_seed(), ThreadPatch::default())).await?;
    assert_eq!(row(&store, 1).await?.archived_at, Some(at(700)));
    change(&store, rebuild(seed(1), ThreadPatch::default())).await?;
    assert_eq!(row(&store, 1).await?.archived_at, None);
    Ok(())
}
