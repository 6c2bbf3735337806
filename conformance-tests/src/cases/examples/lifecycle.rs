//! Opening, closing, counting, checking, copying.

use std::time::Duration;

use threadkeep_core::{
    Capability, DynamicToolSpec, DynamicToolStore, ErrorKind, LogEntry, LogFilter, LogLevel,
    LogQuery, LogStore, Result, Retention, Store, ThreadQuery, ThreadStore, ThreadStoreExt,
};

use super::say::{
    at, change, delete, fails, id, listed, patch_of, row, store_all, thread, thread_with, title,
};
use super::{MULTI_PROCESS, PERSISTENT};
use crate::cases::group;
use crate::lab::{Lab, Verdict};

group! { "examples::lifecycle":
    the_store_can_do_what_was_declared,
    backup_copies_or_is_unsupported,
    after_closing_every_call_says_so,
    flushing_waits_for_nothing_twice,
    stats_count_what_is_there,
    a_check_of_a_sound_store_finds_nothing,
    maintaining_changes_no_answer,
    everything_is_there_on_a_new_handle [PERSISTENT],
    what_was_acknowledged_needs_no_closing [PERSISTENT, MULTI_PROCESS],
    two_handles_see_each_others_commits [PERSISTENT, MULTI_PROCESS],
    two_handles_write_at_once_and_lose_nothing [PERSISTENT, MULTI_PROCESS],
}

fn entry(message: &str) -> LogEntry {
    LogEntry::new(at(0).to_datetime(), LogLevel::Info, "target", message)
}

async fn fill(store: &dyn Store) -> Result<()> {
    let archived = thread_with(2, |row| row.archived_at = Some(at(9)));
    store_all(store, [thread(1), archived, thread(3), thread(4)]).await?;
    let tools = vec![DynamicToolSpec::function("a", "", "{}")?];
    store.persist_dynamic_tools(id(1), Some(tools.clone())).await?;
    store.persist_dynamic_tools(id(4), Some(tools)).await?;
    change(store, delete(4, 100)).await?;
    store.append(vec![entry("a"), entry("b")]).await?;
    Ok(())
}

/// What a caller can see of a store that was filled.
async fn seen(store: &dyn Store) -> Result<String> {
    let rows = store.list(ThreadQuery::everything()).await?;
    let tools = store.dynamic_tools(id(1)).await?;
    let gone = store.dynamic_tools(id(4)).await?;
    let logs = store.query(LogQuery::new(LogFilter::new())).await?;
    let mut stats = store.stats().await?;
    (stats.thread_bytes, stats.log_bytes) = (0, 0);
    Ok(format!("{rows:#?}\n{tools:#?}\n{gone:#?}\n{logs:#?}\n{stats:#?}"))
}

async fn the_store_can_do_what_was_declared(lab: &Lab) -> Verdict {
    let capabilities = lab.open().await?.capabilities();
    for capability in Capability::ALL {
        assert_eq!(
            capabilities.has(capability),
            lab.declares(capability),
            "capability {}: the store says the one, the fixture the other",
            capability.as_str()
        );
    }
    Ok(())
}

async fn backup_copies_or_is_unsupported(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    fill(&store).await?;
    let copy = lab.beside("copy");
    let result = store.backup(copy.clone()).await;
    if !lab.declares(Capability::Backup) {
        let error = fails(result, ErrorKind::Unsupported);
        assert!(error.hint_text().is_some(), "{error} does not say what to do");
        assert!(!copy.exists(), "a refused backup left something behind");
        return Ok(());
    }
    result?;
    let before = seen(&store).await?;
    change(&store, delete(1, 200)).await?;
    assert_eq!(seen(&lab.open_at(&copy).await?).await?, before);
    assert!(store.backup(copy).await.is_err(), "a backup went over another");
    Ok(())
}

async fn after_closing_every_call_says_so(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    fill(&store).await?;
    store.close().await?;
    store.close().await?;
    let budget = Duration::from_secs(1);
    let logs = || LogQuery::new(LogFilter::new());
    fails(store.threads(vec![id(1)]).await, ErrorKind::Closed);
    fails(store.list(ThreadQuery::new()).await, ErrorKind::Closed);
    fails(store.list_ids(ThreadQuery::new()).await, ErrorKind::Closed);
    fails(store.checkpoints(String::new(), None, 1).await, ErrorKind::Closed);
    fails(store.write(delete(1, 1).into()).await, ErrorKind::Closed);
    fails(store.dynamic_tools(id(1)).await, ErrorKind::Closed);
    fails(store.append(vec![entry("m")]).await, ErrorKind::Closed);
    fails(store.query(logs()).await, ErrorKind::Closed);
    fails(store.max_log_id(LogFilter::new()).await, ErrorKind::Closed);
    fails(store.prune(Retention::before(entry("m").time), budget).await, ErrorKind::Closed);
    fails(store.stats().await, ErrorKind::Closed);
    fails(store.check().await, ErrorKind::Closed);
    fails(store.maintain(budget).await, ErrorKind::Closed);
    fails(store.backup(lab.beside("copy")).await, ErrorKind::Closed);
    fails(store.flush().await, ErrorKind::Closed);
    Ok(())
}

async fn flushing_waits_for_nothing_twice(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    store.flush().await?;
    fill(&store).await?;
    store.flush().await?;
    store.flush().await?;
    Ok(())
}

async fn stats_count_what_is_there(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    let count = |stats: threadkeep_core::Stats| {
        (
            stats.threads,
            stats.archived,
            stats.threads_with_tools,
            stats.tombstones,
            stats.log_entries,
        )
    };
    assert_eq!(count(store.stats().await?), (0, 0, 0, 0, 0));
    fill(&store).await?;
    assert_eq!(count(store.stats().await?), (3, 1, 1, 1, 2));
    store.mark_unarchived(id(2), "/sessions/2.jsonl".into()).await?;
    store_all(&store, [thread(4)]).await?;
    assert_eq!(count(store.stats().await?), (4, 0, 1, 0, 2));
    Ok(())
}

async fn a_check_of_a_sound_store_finds_nothing(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    assert!(store.check().await?.is_sound());
    fill(&store).await?;
    let report = store.check().await?;
    assert!(report.is_sound(), "{report:?}");
    assert_eq!(report.threads, 3);
    Ok(())
}

async fn maintaining_changes_no_answer(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    fill(&store).await?;
    let before = seen(&store).await?;
    let mut rounds = 0;
    while !store.maintain(Duration::from_millis(100)).await?.done {
        rounds += 1;
        assert!(rounds < 1_000, "there is always something left to do");
    }
    assert_eq!(seen(&store).await?, before);
    Ok(())
}

async fn everything_is_there_on_a_new_handle(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    fill(&store).await?;
    let before = seen(&store).await?;
    let store = lab.reopen(store).await?;
    assert_eq!(seen(&store).await?, before);
    assert!(store.check().await?.is_sound());
    Ok(())
}

async fn what_was_acknowledged_needs_no_closing(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    fill(&store).await?;
    let before = seen(&store).await?;
    drop(store);
    assert_eq!(seen(&lab.open().await?).await?, before);
    Ok(())
}

async fn two_handles_see_each_others_commits(lab: &Lab) -> Verdict {
    let first = lab.open().await?;
    let second = lab.open().await?;
    store_all(&first, [thread(1)]).await?;
    assert_eq!(listed(&second, ThreadQuery::new()).await?, [1]);
    change(&second, patch_of(1, title("by the second"))).await?;
    assert_eq!(row(&first, 1).await?.title, "by the second");
    let ids = first.append(vec![entry("a")]).await?;
    let next = second.append(vec![entry("b")]).await?;
    assert!(next.map(|ids| ids.first) > ids.map(|ids| ids.last));
    assert_eq!(first.query(LogQuery::new(LogFilter::new())).await?.items.len(), 2);
    first.close().await?;
    assert_eq!(row(&second, 1).await?.revision, 2, "closing one handle closed the other");
    Ok(())
}

async fn two_handles_write_at_once_and_lose_nothing(lab: &Lab) -> Verdict {
    const ROUNDS: u64 = 50;
    let handles = [lab.open().await?, lab.open().await?];
    store_all(&handles[0], [thread(1)]).await?;
    let tasks = handles.each_ref().map(|store| {
        let store = store.clone();
        tokio::spawn(async move {
            for round in 0..ROUNDS {
                // Whichever comes last, every one of them changes something.
                let name = format!("{:p} {round}", std::sync::Arc::as_ptr(&store));
                change(&store, patch_of(1, title(&name))).await?;
            }
            Ok::<_, threadkeep_core::Error>(())
        })
    });
    for task in tasks {
        match task.await {
            Ok(result) => result?,
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }
    for store in handles {
        assert_eq!(row(&store, 1).await?.revision, 1 + 2 * ROUNDS);
    }
    Ok(())
}
