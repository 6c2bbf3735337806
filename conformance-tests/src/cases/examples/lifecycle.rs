//! Opening, closing, counting, checking, copying.

use std::time::Duration;

use threadkeep_core::{
    Capability, DynamicToolSpec, DynamicToolStore, ErrorKind, LogEntry, LogFilter, LogLevel,
    LogQuery, LogStore, Result, Retention, Store, ThreadQuery, ThreadStore, ThreadStoreExt,
};

use super::say::{
    at, change, delete, fails, id, listed, patch_of, put, row, store_all, thread, thread_with,
    title,
};
use super::{MULTI_PROCESS, PERSISTENT};
use crate::cases::{Tier, group};
use crate::lab::{Lab, Verdict};

group! { Tier::Examples;
    P_09: the_store_can_do_what_was_declared,
    E_01: after_closing_every_call_says_so,
    P_06: a_flush_may_be_repeated_and_leaves_everything_there,
    P_07: stats_count_what_is_there,
    S_04: a_check_of_a_sound_store_finds_nothing,
    P_08: maintaining_changes_no_answer,
    P_02: everything_is_there_on_a_new_handle [PERSISTENT],
    P_03: what_was_acknowledged_needs_no_closing [PERSISTENT, MULTI_PROCESS],
    P_04: two_handles_see_each_others_commits [PERSISTENT, MULTI_PROCESS],
    P_05: closing_one_handle_leaves_the_others [PERSISTENT, MULTI_PROCESS],
    P_01: a_sequence_over_reopening_is_one_sequence,
    P_11: two_handles_write_at_once_and_lose_nothing [PERSISTENT, MULTI_PROCESS],
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
    (stats.thread_bytes, stats.log_bytes, stats.live_bytes) = (0, 0, 0);
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
    fails(store.changed(0, budget).await, ErrorKind::Closed);
    fails(store.stats().await, ErrorKind::Closed);
    fails(store.check().await, ErrorKind::Closed);
    fails(store.maintain(budget).await, ErrorKind::Closed);
    fails(store.backup(lab.beside("copy")).await, ErrorKind::Closed);
    fails(store.flush().await, ErrorKind::Closed);
    Ok(())
}

async fn a_flush_may_be_repeated_and_leaves_everything_there(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    store.flush().await?;
    fill(&store).await?;
    let before = seen(&store).await?;
    for _ in 0..2 {
        store.flush().await?;
        assert_eq!(seen(&store).await?, before);
    }
    if lab.declares(Capability::Persistent) && lab.declares(Capability::MultiProcess) {
        assert_eq!(seen(&lab.open().await?).await?, before);
    }
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
    // Both have read the row now: whoever keeps what it read keeps it too long.
    assert_eq!((row(&first, 1).await?.revision, row(&second, 1).await?.revision), (1, 1));
    change(&second, patch_of(1, title("by the second"))).await?;
    assert_eq!(row(&first, 1).await?.title, "by the second");
    let ids = first.append(vec![entry("a")]).await?;
    let next = second.append(vec![entry("b")]).await?;
    assert!(next.map(|ids| ids.first) > ids.map(|ids| ids.last));
    assert_eq!(first.query(LogQuery::new(LogFilter::new())).await?.items.len(), 2);
    Ok(())
}

async fn closing_one_handle_leaves_the_others(lab: &Lab) -> Verdict {
    let handles = [lab.open().await?, lab.open().await?, lab.open().await?];
    store_all(&handles[0], [thread(1)]).await?;
    handles[0].close().await?;
    for (store, name) in [(&handles[1], "second"), (&handles[2], "third")] {
        change(store, patch_of(1, title(name))).await?;
        assert_eq!(row(store, 1).await?.title, name);
        store.append(vec![entry(name)]).await?;
        assert!(store.check().await?.is_sound());
        store.close().await?;
    }
    fails(handles[0].threads(vec![id(1)]).await, ErrorKind::Closed);
    Ok(())
}

async fn a_sequence_over_reopening_is_one_sequence(lab: &Lab) -> Verdict {
    let mut store = lab.open().await?;
    let mut revision = 0;
    for round in 0..4 {
        for step in [put(thread_with(1, |row| row.tokens_used = round)), delete(1, 100 + round)] {
            let outcome = change(&store, step).await?;
            revision += 1;
            assert_eq!(outcome.revision, revision);
            store = lab.reopen(store).await?;
        }
        assert_eq!(store.threads(vec![id(1)]).await?, [None]);
        store.append(vec![entry("m")]).await?;
        assert_eq!(store.stats().await?.tombstones, 1);
    }
    let page = store.query(LogQuery::new(LogFilter::new())).await?;
    assert_eq!(page.items.len(), 4);
    assert!(page.items.is_sorted_by(|a, b| a.id > b.id), "{page:?}");
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
