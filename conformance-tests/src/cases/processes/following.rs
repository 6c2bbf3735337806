//! A process that follows what others log, and one whose logs another process has spoiled.

use std::time::{Duration, Instant};

use threadkeep_core::{Follow, LogFilter};

use super::{ATTEMPTS, PATIENCE};
use crate::cases::examples::entries::{append, entry, numbers};
use crate::cases::examples::follow::Told;
use crate::cases::examples::spoiled;
use crate::cases::{MULTI_PROCESS, PERSISTENT, Tier, group};
use crate::fixture::{Need, Spoiled};
use crate::lab::{Failure, Lab, Verdict, run_within};
use crate::role::{Actor, Part, Role, hear, say};

group! { Tier::Processes;
    P_26: entries_of_other_processes_are_told_in_time [PERSISTENT, MULTI_PROCESS],
    P_70: threads_go_on_while_another_process_locks_the_logs
        [PERSISTENT, MULTI_PROCESS, Need::Spoiling],
    P_70: threads_go_on_beside_logs_that_another_process_damaged
        [PERSISTENT, MULTI_PROCESS, Need::Spoiling],
    P_70: threads_go_on_where_another_process_deleted_the_logs
        [PERSISTENT, MULTI_PROCESS, Need::Spoiling],
}

const LOGGERS: usize = 3;
/// Appended by each logger whenever it is told to.
const ENTRIES: usize = 20;
/// How often others' entries are looked for.
const POLL: Duration = Duration::from_millis(200);
/// The interval, and what a busy machine may add to it.
const IN_TIME: Duration = Duration::from_secs(1);

/// Appends entries one by one whenever it is told to.
pub(super) const LOGGER: Role = Role { name: "logger", play: log };
/// Spoils the logs until it is told to let go.
pub(super) const SPOILER: Role = Role { name: "spoiler", play: spoil };

fn log(part: Part) -> Verdict {
    run_within(PATIENCE, async move {
        let store = part.fixture.open(&part.workspace).await?;
        say("ready")?;
        while let Some(count) = hear()? {
            let count: usize = count.parse().map_err(|_| Failure::new("it has no count"))?;
            for number in 0..count {
                append(&*store, vec![entry(&format!("{} {number}", std::process::id()))]).await?;
            }
            say("done")?;
        }
        Ok(store.close().await?)
    })
}

fn spoil(part: Part) -> Verdict {
    run_within(PATIENCE, async move {
        let how = HOW.into_iter().find(|how| format!("{how:?}") == part.argument);
        let how = how.ok_or_else(|| Failure::new("it has nothing to do"))?;
        let spoiled = part.fixture.spoil_logs(&part.workspace, how).await?;
        say("spoiled")?;
        hear()?;
        drop(spoiled);
        Ok(())
    })
}

const HOW: [Spoiled; 3] = [Spoiled::Locked, Spoiled::Damaged, Spoiled::Deleted];

async fn entries_of_other_processes_are_told_in_time(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    let start = |_| lab.setting().start(LOGGER.name, &lab.workspace(), "");
    let mut loggers = (0..LOGGERS).map(start).collect::<Verdict<Vec<_>>>()?;
    for logger in &mut loggers {
        logger.expect("ready")?;
    }
    let mut told = Told::by(&store, Follow::new(LogFilter::new(), 0).poll(POLL));
    let mut seen = Vec::new();
    let mut took = Duration::MAX;
    for _ in 0..ATTEMPTS {
        loggers[0].tell("1")?;
        loggers[0].expect("done")?;
        let begun = Instant::now();
        seen.push(told.entry().await?.id);
        took = begun.elapsed();
        if took <= IN_TIME {
            break;
        }
    }
    if took > IN_TIME {
        return Err(Failure::new(format!(
            "another process's entry was told {took:?} after it was stored, and not only once"
        )));
    }
    for logger in &mut loggers {
        logger.tell(&ENTRIES.to_string())?;
    }
    for _ in 0..LOGGERS * ENTRIES {
        seen.push(told.entry().await?.id);
    }
    for logger in &mut loggers {
        logger.expect("done")?;
    }
    let stored = numbers(&*store).await?;
    if seen != stored {
        return Err(Failure::new(format!("it was told of {seen:?}\n  there is {stored:?}")));
    }
    loggers.into_iter().try_for_each(Actor::finish)
}

async fn threads_go_on_while_another_process_locks_the_logs(lab: &Lab) -> Verdict {
    beside(lab, Spoiled::Locked).await
}

async fn threads_go_on_beside_logs_that_another_process_damaged(lab: &Lab) -> Verdict {
    beside(lab, Spoiled::Damaged).await
}

async fn threads_go_on_where_another_process_deleted_the_logs(lab: &Lab) -> Verdict {
    beside(lab, Spoiled::Deleted).await
}

async fn beside(lab: &Lab, how: Spoiled) -> Verdict {
    let store = lab.open().await?;
    spoiled::prepare(&*store).await?;
    let mut spoiler = lab.setting().start(SPOILER.name, &lab.workspace(), &format!("{how:?}"))?;
    spoiler.expect("spoiled")?;
    spoiled::threads_go_on(lab, &store).await?;
    spoiler.tell("let go")?;
    spoiler.finish()
}
