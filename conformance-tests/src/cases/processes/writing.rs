//! Processes that write the same threads at the same time.

use std::sync::Arc;
use std::time::{Duration, Instant};

use threadkeep_core::{ErrorKind, Expect, FieldPatch, Store, WriteBatch};

use super::PATIENCE;
use crate::cases::examples::say::{patch, patch_of, row, store_all, thread, title};
use crate::cases::{MULTI_PROCESS, PERSISTENT, Tier, group};
use crate::lab::{Failure, Lab, Verdict, run_within};
use crate::role::{Part, Role, hear, say};

group! { Tier::Processes;
    P_22: eight_writing_processes_are_never_busy_and_lose_nothing [PERSISTENT, MULTI_PROCESS],
}

const PROCESSES: u32 = 8;
/// In each process, so that writes are waiting while others are stored.
const TASKS: u32 = 25;
/// Of each task.
const PATCHES: u32 = 40;
/// Written by every task in turn.
const THREADS: u32 = 4;
/// The thread that is counted in, and how often each process does.
const COUNTER: u32 = THREADS + 1;
const COUNTS: u32 = 20;
/// The deadline of 10 s, and what a busy machine may add to it.
const IN_TIME: Duration = Duration::from_secs(15);

/// Patches the shared threads once it is told to, and says how long the slowest write took.
pub(super) const PATCHER: Role = Role { name: "patcher", play: write };

fn write(part: Part) -> Verdict {
    run_within(PATIENCE, async move {
        let store = part.fixture.open(&part.workspace).await?;
        say("ready")?;
        hear()?;
        let start = |task| tokio::spawn(patch_in_turn(Arc::clone(&store), task));
        let counting = tokio::spawn(count(Arc::clone(&store)));
        let tasks: Vec<_> = (0..TASKS).map(start).chain([counting]).collect();
        let mut slowest = Duration::ZERO;
        for task in tasks {
            slowest = slowest.max(task.await.map_err(|error| Failure::new(error.to_string()))??);
        }
        say(slowest.as_millis())?;
        Ok(store.close().await?)
    })
}

/// The longest that one of the writes took.
async fn patch_in_turn(store: Arc<dyn Store>, task: u32) -> Verdict<Duration> {
    let mut slowest = Duration::ZERO;
    for count in 0..PATCHES {
        let text = format!("{} {task} {count}", std::process::id());
        let begun = Instant::now();
        store.write(patch_of(1 + count % THREADS, title(&text)).into()).await?;
        slowest = slowest.max(begun.elapsed());
    }
    Ok(slowest)
}

/// Counts in the tokens of one more thread: reads, and writes only onto what was read. Answers as
/// the others do.
async fn count(store: Arc<dyn Store>) -> Verdict<Duration> {
    let mut slowest = Duration::ZERO;
    let mut counted = 0;
    while counted < COUNTS {
        let row = row(&*store, COUNTER).await?;
        let more = patch(|patch| patch.tokens_used = FieldPatch::Set(row.tokens_used + 1));
        let more = patch_of(COUNTER, more);
        let begun = Instant::now();
        match store.write(WriteBatch::new().and_if(Expect::Revision(row.revision), more)).await {
            Ok(_) => counted += 1,
            // Somebody else was faster.
            Err(error) if error.kind() == ErrorKind::Conflict => {}
            Err(error) => return Err(error.into()),
        }
        slowest = slowest.max(begun.elapsed());
    }
    Ok(slowest)
}

async fn eight_writing_processes_are_never_busy_and_lose_nothing(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    store_all(&*store, (1..=COUNTER).map(thread)).await?;
    let start = |_| lab.setting().start(PATCHER.name, &lab.workspace(), "");
    let mut patchers = (0..PROCESSES).map(start).collect::<Verdict<Vec<_>>>()?;
    for patcher in &mut patchers {
        patcher.expect("ready")?;
    }
    for patcher in &mut patchers {
        patcher.tell("go")?;
    }
    for mut patcher in patchers {
        let slowest = patcher.line()?.and_then(|line| line.parse().ok());
        // What went wrong in it comes before anything that follows from it.
        patcher.finish()?;
        let slowest = slowest.map(Duration::from_millis);
        if slowest.is_none_or(|slowest| slowest > IN_TIME) {
            return Err(Failure::new(format!("a write took {slowest:?}, more than {IN_TIME:?}")));
        }
    }
    // Every patch changes its row, so that each is counted there.
    let expected = 1 + u64::from(PROCESSES * TASKS * PATCHES / THREADS);
    for number in 1..=THREADS {
        let revision = row(&*store, number).await?.revision;
        if revision != expected {
            return Err(Failure::new(format!(
                "thread {number} has revision {revision}, {expected} after all patches: updates \
                 were lost or made twice"
            )));
        }
    }
    let counted = row(&*store, COUNTER).await?.tokens_used;
    if counted != i64::from(PROCESSES * COUNTS) {
        return Err(Failure::new(format!(
            "{PROCESSES} processes counted to {COUNTS} each, together to {counted}"
        )));
    }
    Ok(())
}
