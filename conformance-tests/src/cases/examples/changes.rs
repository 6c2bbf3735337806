//! Waiting for log entries.

use std::sync::Arc;
use std::time::{Duration, Instant};

use threadkeep_core::{ErrorKind, LogFilter, LogStore as _, Result, Store};
use tokio::time::{sleep, timeout};

use super::entries::{append, entry};
use super::say::fails;
use super::{MULTI_PROCESS, PERSISTENT};
use crate::cases::{Tier, group};
use crate::lab::{Failure, Lab, Verdict};

group! { Tier::Examples;
    G_50: a_commit_ends_the_waiting,
    G_50: a_commit_of_another_handle_ends_the_waiting [PERSISTENT, MULTI_PROCESS],
    G_50: what_was_committed_before_ends_the_waiting,
    G_50: the_waiting_ends_with_its_time,
    G_51: closing_ends_the_waiting,
    G_51: closing_ends_the_waiting_of_one_handle [PERSISTENT, MULTI_PROCESS],
}

/// Much longer than any case may take.
const LONG: Duration = Duration::from_hours(1);
/// What is at once, on a busy machine.
const AT_ONCE: Duration = Duration::from_secs(3);
/// Time for a task to begin its waiting. Where it is too short, less is shown.
const A_MOMENT: Duration = Duration::from_millis(30);

/// What a waiting comes to, which has to end at once.
async fn ends(what: &str, waiting: impl Future<Output = Result<()>>) -> Verdict<Result<()>> {
    timeout(AT_ONCE, waiting)
        .await
        .map_err(|_| Failure::new(format!("{what} did not end the waiting within {AT_ONCE:?}")))
}

async fn a_commit_ends_the_waiting(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    wakes(&store, &store).await
}

async fn a_commit_of_another_handle_ends_the_waiting(lab: &Lab) -> Verdict {
    let handles = [lab.open().await?, lab.open().await?];
    append(&*handles[1], vec![entry("before")]).await?;
    wakes(&handles[0], &handles[1]).await?;
    wakes(&handles[1], &handles[0]).await
}

/// Two tasks that wait on one handle both hear of a commit on another.
async fn wakes(waiting: &Arc<dyn Store>, other: &Arc<dyn Store>) -> Verdict {
    let last = waiting.max_log_id(LogFilter::new()).await?;
    let wait = || {
        let store = Arc::clone(waiting);
        tokio::spawn(async move { store.changed(last, LONG).await })
    };
    let tasks = [wait(), wait()];
    sleep(A_MOMENT).await;
    append(&**other, vec![entry("m")]).await?;
    for task in tasks {
        let joined = async { task.await.unwrap_or(Ok(())) };
        ends("a commit", joined).await??;
    }
    Ok(())
}

async fn what_was_committed_before_ends_the_waiting(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    let ids = append(&*store, vec![entry("a"), entry("b")]).await?;
    for after in [0, ids[0]] {
        ends("a commit before it", store.changed(after, LONG)).await??;
    }
    Ok(())
}

async fn the_waiting_ends_with_its_time(lab: &Lab) -> Verdict {
    const WAIT: Duration = Duration::from_millis(25);
    let store = lab.open().await?;
    for step in 0..3 {
        let last = match step {
            0 => 0,
            1 => append(&*store, vec![entry("a")]).await?[0],
            _ => u64::MAX,
        };
        let begun = Instant::now();
        for _ in 0..4 {
            ends("its time", store.changed(last, WAIT)).await??;
        }
        // It may end early, but who follows must not be kept busy by that.
        assert!(begun.elapsed() >= WAIT, "four waits after {last} took {:?}", begun.elapsed());
        ends("no time at all", store.changed(last, Duration::ZERO)).await??;
    }
    Ok(())
}

async fn closing_ends_the_waiting(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    let waiting = Arc::clone(&store);
    let task = tokio::spawn(async move { waiting.changed(0, LONG).await });
    sleep(A_MOMENT).await;
    store.close().await?;
    let joined = async { task.await.unwrap_or(Ok(())) };
    fails(ends("closing", joined).await?, ErrorKind::Closed);
    fails(ends("having been closed", store.changed(0, LONG)).await?, ErrorKind::Closed);
    Ok(())
}

async fn closing_ends_the_waiting_of_one_handle(lab: &Lab) -> Verdict {
    let (closed, open) = (lab.open().await?, lab.open().await?);
    let waiting = Arc::clone(&open);
    let mut task = tokio::spawn(async move { waiting.changed(0, LONG).await });
    sleep(A_MOMENT).await;
    closed.close().await?;
    fails(ends("having been closed", closed.changed(0, LONG)).await?, ErrorKind::Closed);
    if let Ok(ended) = timeout(A_MOMENT, &mut task).await {
        // Early is allowed, closed is not.
        ended.unwrap_or(Ok(()))?;
        return Ok(());
    }
    append(&*open, vec![entry("m")]).await?;
    ends("a commit", async { task.await.unwrap_or(Ok(())) }).await??;
    Ok(())
}
