//! A process that holds the store's write side and does not go on.

use std::sync::Arc;
use std::time::{Duration, Instant};

use threadkeep_core::{Applied, ErrorKind, Result, Store};

use super::reading::{self, WRITER};
use super::{ATTEMPTS, PATIENCE};
use crate::cases::examples::say::{change, patch_of, put, row, store_all, thread, title};
use crate::cases::{MULTI_PROCESS, PERSISTENT, Tier, group};
use crate::fixture::Need;
use crate::lab::{Failure, Lab, Verdict, run_within};
use crate::role::{Part, Role, hear, say};

group! { Tier::Processes;
    P_24: others_are_busy_in_time_while_the_holder_is_stopped
        [PERSISTENT, MULTI_PROCESS, Need::Hold],
    P_25: a_store_opens_at_once_after_its_holder_was_killed
        [PERSISTENT, MULTI_PROCESS, Need::Hold],
    P_25: a_store_opens_at_once_after_its_writer_was_killed [PERSISTENT, MULTI_PROCESS],
}

/// How long the holder is stopped.
const STOPPED: Duration = Duration::from_secs(20);
/// The deadline of 10 s, and what a busy machine may add to it.
const IN_TIME: Duration = Duration::from_secs(15);
/// How long opening and the first write may take.
const AT_ONCE: Duration = Duration::from_secs(1);
/// Threads that the holder writes before.
const THREADS: u32 = 200;

/// Writes something, then holds the write side until it is told to let go.
pub(super) const HOLDER: Role = Role { name: "holder", play: hold };

fn hold(part: Part) -> Verdict {
    run_within(PATIENCE, async move {
        let store = part.fixture.open(&part.workspace).await?;
        store_all(&*store, (1..=THREADS).map(thread)).await?;
        let held = part.fixture.hold(&part.workspace).await?;
        say("held")?;
        hear()?;
        drop(held);
        Ok(store.close().await?)
    })
}

async fn others_are_busy_in_time_while_the_holder_is_stopped(lab: &Lab) -> Verdict {
    let handles = [lab.open().await?, lab.open().await?];
    let mut holder = lab.setting().start(HOLDER.name, &lab.workspace(), "")?;
    holder.expect("held")?;
    holder.stop()?;
    let begun = Instant::now();
    let writers = handles.clone().map(|store| {
        tokio::spawn(async move {
            while begun.elapsed() < STOPPED {
                is_busy_in_time(&*store).await?;
            }
            Ok::<_, Failure>(())
        })
    });
    while writers.iter().any(|writer| !writer.is_finished()) {
        for store in &handles {
            row(&**store, 1).await?;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    for writer in writers {
        writer.await.map_err(|error| Failure::new(error.to_string()))??;
    }
    holder.resume()?;
    holder.tell("let go")?;
    for (store, revision) in handles.iter().zip(2..) {
        let outcome = change(&**store, patch_of(1, title(&revision.to_string()))).await?;
        if outcome.revision != revision {
            return Err(Failure::new(format!(
                "after the holder let go, the row has revision {}, not {revision}: what was \
                 answered busy was written",
                outcome.revision
            )));
        }
    }
    holder.finish()
}

/// A write is answered `Busy`, soon enough.
async fn is_busy_in_time(store: &dyn Store) -> Verdict {
    let begun = Instant::now();
    let answer = store.write(patch_of(1, title("refused")).into());
    let Ok(answer) = tokio::time::timeout(IN_TIME, answer).await else {
        return Err(Failure::new(format!(
            "while the holder is stopped, a write hangs {IN_TIME:?}"
        )));
    };
    match answer {
        Err(error)
            if error.kind() == ErrorKind::Busy
                && error.is_retryable()
                && error.outcome() == Applied::NotApplied =>
        {
            Ok(())
        }
        other => Err(Failure::new(format!(
            "a write while the holder is stopped was answered after {:?}, expected a retryable \
             error of kind busy that wrote nothing: {other:?}",
            begun.elapsed()
        ))),
    }
}

async fn a_store_opens_at_once_after_its_holder_was_killed(lab: &Lab) -> Verdict {
    opens_at_once_after(lab, HOLDER, "held").await
}

async fn a_store_opens_at_once_after_its_writer_was_killed(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    reading::prepare(&*store).await?;
    store.close().await?;
    opens_at_once_after(lab, WRITER, "writing").await
}

/// The store opens, and writes, at once after the process that plays this role was killed.
async fn opens_at_once_after(lab: &Lab, role: Role, sign: &str) -> Verdict {
    let mut took = Duration::MAX;
    for _ in 0..ATTEMPTS {
        let mut killed = lab.setting().start(role.name, &lab.workspace(), "")?;
        killed.expect(sign)?;
        tokio::time::sleep(Duration::from_millis(30)).await;
        killed.kill()?;
        let begun = Instant::now();
        let store = open_and_write(lab).await?;
        took = begun.elapsed();
        store.close().await?;
        if took <= AT_ONCE {
            return Ok(());
        }
    }
    Err(Failure::new(format!(
        "after a kill, opening the store and one write took {took:?}, and not only once"
    )))
}

async fn open_and_write(lab: &Lab) -> Result<Arc<dyn Store>> {
    let store = lab.open().await?;
    change(&*store, put(thread(THREADS + 1))).await?;
    Ok(store)
}
