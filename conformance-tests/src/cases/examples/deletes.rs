//! Deleting, and what stays deleted.

use std::time::Duration;

use threadkeep_core::{
    Change, DynamicToolSpec, DynamicToolStore, Effect, LogEntry, LogFilter, LogLevel, LogStore,
    Result, Store, ThreadPatch, ThreadStore, ThreadStoreExt, Timestamp, WriteBatch,
};

use super::say::{apply, at, change, delete, id, patch, put, row, seed, store_all, thread};
use crate::cases::{Tier, group};
use crate::lab::{Lab, Verdict};

group! { Tier::Examples;
    T_55: a_delete_answers_what_went,
    T_56: an_absent_thread_is_no_error,
    T_57: tools_go_with_their_thread,
    T_58: log_entries_go_with_their_thread,
    T_58: log_entries_go_where_the_batch_that_deletes_makes_the_thread_anew,
    T_59: entries_appended_after_the_delete_stay,
    T_60: a_late_patch_does_not_bring_a_thread_back,
    T_61: a_patch_with_a_newer_item_brings_it_back,
    T_27: a_plain_patch_finds_nothing,
    T_62: put_brings_it_back_without_its_tools,
    T_25: the_revision_goes_on_over_a_delete,
    T_63: deleting_again_does_not_move_the_deletion,
    T_64: the_tombstone_survives_a_new_handle,
}

fn with_item_at(millis: Option<i64>) -> ThreadPatch {
    patch(|patch| patch.newest_item_at = millis.map(at))
}

async fn a_delete_answers_what_went(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    store_all(&store, [thread(1), thread(2), thread(3)]).await?;
    let went = store.delete_threads(vec![id(3), id(9), id(1), id(3)]).await?;
    assert_eq!(went, [id(3), id(1)]);
    let left = store.threads(vec![id(1), id(2), id(3)]).await?;
    assert_eq!(left.iter().map(Option::is_some).collect::<Vec<_>>(), [false, true, false]);
    Ok(())
}

async fn an_absent_thread_is_no_error(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    assert_eq!(store.delete_threads(vec![id(1)]).await?, []);
    assert_eq!(store.delete_threads(vec![]).await?, []);
    let outcome = change(&store, delete(1, 5)).await?;
    assert_eq!((outcome.effect, outcome.revision), (Effect::Absent, 0));
    // What was never there leaves no tombstone.
    let outcome = change(&store, apply(seed(1), with_item_at(None))).await?;
    assert_eq!((outcome.effect, outcome.revision), (Effect::Created, 1));
    Ok(())
}

async fn tools_go_with_their_thread(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    let tools = vec![DynamicToolSpec::function("a", "", "{}")?];
    store_all(&store, [thread(1), thread(2)]).await?;
    store.persist_dynamic_tools(id(1), Some(tools.clone())).await?;
    store.persist_dynamic_tools(id(2), Some(tools.clone())).await?;
    change(&store, delete(1, 100)).await?;
    assert_eq!(store.dynamic_tools(id(1)).await?, None);
    assert_eq!(store.dynamic_tools(id(2)).await?, Some(tools));
    Ok(())
}

fn entry(thread_id: Option<String>) -> LogEntry {
    let mut entry = LogEntry::new(at(0).to_datetime(), LogLevel::Info, "t", "m");
    entry.thread_id = thread_id;
    entry
}

/// Waits for what a store may put off.
async fn settle(store: &dyn Store) -> Result<()> {
    for _ in 0..1_000 {
        if store.maintain(Duration::from_secs(1)).await?.done {
            break;
        }
    }
    Ok(())
}

async fn log_entries_go_with_their_thread(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    store_all(&store, [thread(1), thread(2)]).await?;
    let of = |number| entry(Some(id(number).to_string()));
    store.append(vec![of(1), of(2), entry(None), of(1), entry(Some("not a uuid".into()))]).await?;
    change(&store, delete(1, 100)).await?;
    settle(&store).await?;
    assert_eq!(store.max_log_id(LogFilter::new().thread(id(1).to_string())).await?, 0);
    assert_ne!(store.max_log_id(LogFilter::new().thread(id(2).to_string())).await?, 0);
    assert_ne!(store.max_log_id(LogFilter::new().threadless()).await?, 0);
    assert_ne!(store.max_log_id(LogFilter::new().thread("not a uuid")).await?, 0);
    assert_eq!(store.stats().await?.log_entries, 3);
    Ok(())
}

/// Found by the model, on SQLite: such a batch leaves no tombstone to tell that something was deleted.
async fn log_entries_go_where_the_batch_that_deletes_makes_the_thread_anew(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    store_all(&store, [thread(1)]).await?;
    store.append(vec![entry(Some(id(1).to_string()))]).await?;
    store.write(WriteBatch::new().and(delete(1, 100)).and(put(thread(1)))).await?;
    settle(&store).await?;
    assert_eq!(store.stats().await?.log_entries, 0);
    Ok(())
}

async fn entries_appended_after_the_delete_stay(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    store_all(&store, [thread(1)]).await?;
    change(&store, delete(1, 100)).await?;
    settle(&store).await?;
    store.append(vec![entry(Some(id(1).to_string()))]).await?;
    settle(&store).await?;
    assert_ne!(store.max_log_id(LogFilter::new().thread(id(1).to_string())).await?, 0);
    Ok(())
}

async fn a_late_patch_does_not_bring_a_thread_back(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    store_all(&store, [thread(1)]).await?;
    change(&store, delete(1, 100)).await?;
    for late in [None, Some(99), Some(100)] {
        let outcome = change(&store, apply(seed(1), with_item_at(late))).await?;
        assert_eq!((outcome.effect, outcome.revision), (Effect::Tombstoned, 2), "{late:?}");
        let rebuild = Change::Rebuild(Box::new(seed(1)), Box::new(with_item_at(late)));
        assert_eq!(change(&store, rebuild).await?.effect, Effect::Tombstoned);
    }
    assert_eq!(store.get_thread(id(1)).await?, None);
    Ok(())
}

async fn a_patch_with_a_newer_item_brings_it_back(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    store_all(&store, [thread(1)]).await?;
    change(&store, delete(1, 100)).await?;
    let outcome = change(&store, apply(seed(1), with_item_at(Some(101)))).await?;
    assert_eq!((outcome.effect, outcome.revision), (Effect::Created, 3));
    // It is a thread like others again: an older patch applies.
    let older = patch(|patch| {
        patch.newest_item_at = Some(at(50));
        patch.has_user_event = true;
    });
    assert_eq!(change(&store, apply(seed(1), older)).await?.effect, Effect::Updated);
    Ok(())
}

async fn a_plain_patch_finds_nothing(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    store_all(&store, [thread(1)]).await?;
    change(&store, delete(1, 100)).await?;
    let patch = Change::Patch(id(1), Box::new(with_item_at(Some(999))));
    let outcome = change(&store, patch).await?;
    assert_eq!((outcome.effect, outcome.revision), (Effect::Absent, 2));
    assert!(!store.mark_archived(id(1), "/a".into(), at(200)).await?);
    Ok(())
}

async fn put_brings_it_back_without_its_tools(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    store_all(&store, [thread(1)]).await?;
    let tools = vec![DynamicToolSpec::function("a", "", "{}")?];
    store.persist_dynamic_tools(id(1), Some(tools)).await?;
    let batch = WriteBatch::new().and(delete(1, 100)).and(put(thread(1)));
    let outcomes = store.write(batch).await?;
    assert_eq!(outcomes[0].effect, Effect::Deleted);
    assert_eq!((outcomes[1].effect, outcomes[1].revision), (Effect::Created, 4));
    assert_eq!(store.dynamic_tools(id(1)).await?, None);
    assert_eq!(store.stats().await?.tombstones, 0);
    Ok(())
}

async fn the_revision_goes_on_over_a_delete(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    store_all(&store, [thread(1)]).await?;
    for round in 0..3 {
        let outcome = change(&store, delete(1, 100)).await?;
        assert_eq!((outcome.effect, outcome.revision), (Effect::Deleted, 2 * round + 2));
        let outcome = change(&store, put(thread(1))).await?;
        assert_eq!((outcome.effect, outcome.revision), (Effect::Created, 2 * round + 3));
    }
    assert_eq!(row(&store, 1).await?.revision, 7);
    Ok(())
}

async fn deleting_again_does_not_move_the_deletion(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    store_all(&store, [thread(1)]).await?;
    change(&store, delete(1, 100)).await?;
    let outcome = change(&store, delete(1, 900)).await?;
    assert_eq!((outcome.effect, outcome.revision), (Effect::Absent, 2));
    let outcome = change(&store, apply(seed(1), with_item_at(Some(500)))).await?;
    assert_eq!(outcome.effect, Effect::Created);
    Ok(())
}

async fn the_tombstone_survives_a_new_handle(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    store_all(&store, [thread(1)]).await?;
    let at = Timestamp::MAX;
    change(&store, Change::Delete { id: id(1), at }).await?;
    let store = lab.reopen(store).await?;
    assert_eq!(store.stats().await?.tombstones, 1);
    let outcome = change(&store, apply(seed(1), with_item_at(Some(i64::MAX)))).await?;
    assert_eq!((outcome.effect, outcome.revision), (Effect::Tombstoned, 2));
    Ok(())
}
