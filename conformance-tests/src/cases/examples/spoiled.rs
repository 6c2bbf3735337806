//! Logs that cannot be used, which must not matter to threads.

use std::sync::Arc;
use std::time::{Duration, Instant};

use threadkeep_core::{
    Change, ErrorKind, LogFilter, LogQuery, LogStore as _, Result, Store, ThreadQuery,
};
use tokio::time::timeout;

use super::PERSISTENT;
use super::entries::{append, entries_of, entry, numbers};
use super::say::{change, delete, id, patch_of, put, row, store_all, thread, title};
use crate::cases::{Tier, group};
use crate::fixture::{Need, Spoiled};
use crate::lab::{Failure, Lab, Verdict};

group! { Tier::Examples;
    P_70: threads_go_on_while_the_logs_are_locked [PERSISTENT, Need::Spoiling],
    P_70: threads_go_on_beside_damaged_logs [PERSISTENT, Need::Spoiling],
    P_70: threads_go_on_where_the_logs_are_deleted [PERSISTENT, Need::Spoiling],
    P_71: spoiled_logs_say_what_they_are [PERSISTENT, Need::Spoiling],
    P_72: logs_that_were_locked_go_on [PERSISTENT, Need::Spoiling],
    P_72: deleted_logs_are_begun_anew [PERSISTENT, Need::Spoiling],
}

/// How long opening may take.
const OPENING: Duration = Duration::from_secs(1);
/// How long a call about threads may take.
const CALL: Duration = Duration::from_millis(100);
/// How often it may take longer before that is the store's fault and not that of a busy machine.
const ATTEMPTS: u32 = 3;
/// The deadline of 10 s, and what a busy machine may add to it.
const IN_TIME: Duration = Duration::from_secs(15);

/// A store with some threads, an entry of each in the logs.
pub(in crate::cases) async fn prepare(store: &dyn Store) -> Verdict {
    let threads = 1..=2 * ATTEMPTS;
    store_all(store, threads.clone().map(thread)).await?;
    let entries = threads.flat_map(|number| entries_of(&id(number).to_string(), 1));
    append(store, entries.collect()).await?;
    Ok(())
}

/// With logs that are spoiled, threads are as they always are, on a handle from before and on a new
/// one.
pub(in crate::cases) async fn threads_go_on(lab: &Lab, before: &Arc<dyn Store>) -> Verdict {
    let begun = Instant::now();
    let store = lab.open().await?;
    let took = begun.elapsed();
    if took > OPENING {
        return Err(Failure::new(format!("with logs that are spoiled, opening took {took:?}")));
    }
    // A call of the logs that waits must not keep the others waiting.
    let waiting = [Arc::clone(&store), Arc::clone(before)]
        .map(|store| tokio::spawn(async move { store.append(vec![entry("waits")]).await }));
    for (handle, first) in [(&store, 1), (before, 1 + ATTEMPTS)] {
        let mut slowest = ("", Duration::MAX);
        for attempt in 0..ATTEMPTS {
            slowest = every_call(&**handle, first + attempt).await?;
            if slowest.1 <= CALL {
                break;
            }
        }
        if slowest.1 > CALL {
            return Err(Failure::new(format!(
                "with logs that are spoiled, {} took {:?}, and not only once",
                slowest.0, slowest.1
            )));
        }
    }
    for task in waiting {
        task.abort();
    }
    Ok(())
}

/// Makes every kind of call about a thread that has logs, and deletes it; answers which took
/// longest, and how long.
async fn every_call(store: &dyn Store, number: u32) -> Result<(&'static str, Duration)> {
    let mut slowest = ("", Duration::ZERO);
    let mut clock = Instant::now();
    let mut lap = |what| {
        slowest = std::cmp::max_by_key(slowest, (what, clock.elapsed()), |(_, took)| *took);
        clock = Instant::now();
    };
    change(store, put(thread(100 + number))).await?;
    lap("putting a row");
    change(store, patch_of(number, title("patched"))).await?;
    lap("a patch");
    let checkpoint = Change::SetCheckpoint { key: "key".into(), value: Some(number.to_string()) };
    change(store, checkpoint).await?;
    lap("a checkpoint");
    assert_eq!(row(store, number).await?.title, "patched");
    lap("reading a row");
    assert!(!store.list(ThreadQuery::everything()).await?.items.is_empty());
    lap("a list");
    store.list_ids(ThreadQuery::everything()).await?;
    lap("a list of ids");
    store.dynamic_tools(id(number)).await?;
    lap("reading tools");
    store.checkpoints(String::new(), None, 10).await?;
    lap("reading checkpoints");
    change(store, delete(number, 1_000)).await?;
    lap("deleting a thread");
    assert_eq!(store.threads(vec![id(number)]).await?, [None]);
    lap("reading a row that is gone");
    Ok(slowest)
}

async fn threads_go_on_while_the_logs_are_locked(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    prepare(&*store).await?;
    let held = lab.spoil_logs(Spoiled::Locked).await?;
    threads_go_on(lab, &store).await?;
    drop(held);
    Ok(())
}

async fn threads_go_on_beside_damaged_logs(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    prepare(&*store).await?;
    let _spoiled = lab.spoil_logs(Spoiled::Damaged).await?;
    threads_go_on(lab, &store).await
}

async fn threads_go_on_where_the_logs_are_deleted(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    prepare(&*store).await?;
    let _spoiled = lab.spoil_logs(Spoiled::Deleted).await?;
    threads_go_on(lab, &store).await
}

async fn spoiled_logs_say_what_they_are(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    prepare(&*store).await?;
    store.close().await?;
    let _spoiled = lab.spoil_logs(Spoiled::Damaged).await?;
    let store = lab.open().await?;
    let asked = async {
        let query = LogQuery::new(LogFilter::new());
        [
            ("query", store.query(query).await.err()),
            ("max_log_id", store.max_log_id(LogFilter::new()).await.err()),
            ("append", store.append(vec![entry("m")]).await.err()),
        ]
    };
    let answers = timeout(IN_TIME, asked)
        .await
        .map_err(|_| Failure::new("calls of logs that are damaged hang"))?;
    for (call, error) in answers {
        let Some(error) = error else { continue };
        let told = matches!(error.kind(), ErrorKind::Corrupted | ErrorKind::Busy);
        assert!(told, "{call} of logs that are damaged: {error:?}");
        assert!(error.hint_text().is_some(), "{error:?} has no hint");
    }
    row(&*store, 1).await?;
    Ok(())
}

async fn logs_that_were_locked_go_on(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    prepare(&*store).await?;
    let before = numbers(&*store).await?;
    let held = lab.spoil_logs(Spoiled::Locked).await?;
    let waiting = Arc::clone(&store);
    let task = tokio::spawn(async move { waiting.append(vec![entry("waited")]).await });
    tokio::time::sleep(Duration::from_millis(50)).await;
    drop(held);
    let waited = timeout(IN_TIME, task)
        .await
        .map_err(|_| Failure::new("an append hangs though the lock is gone"))?
        .map_err(|error| Failure::new(error.to_string()))?;
    if let Err(error) = &waited {
        assert_eq!(error.kind(), ErrorKind::Busy, "{error:?}");
    }
    let next = append(&*store, vec![entry("after")]).await?;
    let found = numbers(&*store).await?;
    assert!(found.starts_with(&before) && found.ends_with(&next), "{before:?}, now {found:?}");
    assert_eq!(found.len(), before.len() + 1 + usize::from(waited.is_ok()));
    Ok(())
}

async fn deleted_logs_are_begun_anew(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    prepare(&*store).await?;
    store.close().await?;
    let _spoiled = lab.spoil_logs(Spoiled::Deleted).await?;
    let store = lab.open().await?;
    assert!(numbers(&*store).await?.is_empty());
    let ids = append(&*store, vec![entry("a"), entry("b")]).await?;
    assert_eq!(numbers(&*store).await?, ids);
    assert!(store.check().await?.is_sound());
    let store = lab.reopen(store).await?;
    assert_eq!(numbers(&*store).await?, ids);
    row(&*store, 1).await?;
    Ok(())
}
