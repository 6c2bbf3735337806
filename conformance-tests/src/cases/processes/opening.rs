//! Many processes that open a store at the same moment.

use std::fs;
use std::path::Path;

use chrono::DateTime;
use threadkeep_core::{
    LogEntry, LogFilter, LogLevel, LogQuery, LogStore as _, LogStoreExt as _, Store, ThreadQuery,
    ThreadStore as _,
};

use super::PATIENCE;
use crate::cases::examples::say::{change, put, store_all, thread, thread_with};
use crate::cases::{MULTI_PROCESS, PERSISTENT, Tier, group};
use crate::fixture::Need;
use crate::lab::{Failure, Lab, Verdict, run_within};
use crate::role::{Actor, Part, Role, hear, say};

group! { Tier::Processes;
    P_20: sixteen_processes_open_a_new_store_at_once [PERSISTENT, MULTI_PROCESS],
    P_21: eight_processes_open_a_store_of_the_previous_format_at_once
        [PERSISTENT, MULTI_PROCESS, Need::PreviousFormat],
}

/// Stores opened by all processes, one after the other.
const ROUNDS: u32 = 10;

/// Opens the store of each folder it hears of, and writes a thread and a log entry there.
pub(super) const OPENER: Role = Role { name: "opener", play: open };

fn open(part: Part) -> Verdict {
    let number: u32 = part.argument.parse().map_err(|_| Failure::new("it has no number"))?;
    run_within(PATIENCE, async move {
        say("ready")?;
        while let Some(round) = hear()? {
            let store = part.fixture.open(&part.workspace.join(round)).await?;
            store_all(&*store, [thread(number)]).await?;
            store.insert_log(entry(number)).await?;
            store.close().await?;
            say("done")?;
        }
        Ok(())
    })
}

fn entry(number: u32) -> LogEntry {
    LogEntry::new(DateTime::UNIX_EPOCH, LogLevel::Info, "opener", number.to_string())
}

async fn sixteen_processes_open_a_new_store_at_once(lab: &Lab) -> Verdict {
    race(lab, 16, false).await
}

async fn eight_processes_open_a_store_of_the_previous_format_at_once(lab: &Lab) -> Verdict {
    race(lab, 8, true).await
}

async fn race(lab: &Lab, processes: u32, previous_format: bool) -> Verdict {
    let workspace = lab.workspace();
    let start = |number: u32| lab.setting().start(OPENER.name, &workspace, &number.to_string());
    let mut openers = (1..=processes).map(start).collect::<Verdict<Vec<_>>>()?;
    for opener in &mut openers {
        opener.expect("ready")?;
    }
    for round in 1..=ROUNDS {
        let round = round.to_string();
        let folder = workspace.join(&round);
        fs::create_dir(&folder)?;
        if previous_format {
            lab.setting().fixture.lay_down_previous_format(&folder).await?;
        }
        for opener in &mut openers {
            opener.tell(&round)?;
        }
        for opener in &mut openers {
            opener.expect("done").map_err(|failure| failure.during(format!("store {round}")))?;
        }
        let found = all_is_there(lab, &folder, processes).await;
        found.map_err(|failure| failure.during(format!("store {round}")))?;
    }
    openers.into_iter().try_for_each(Actor::finish)
}

/// Every process wrote its thread and its log entry, and the store goes on working.
async fn all_is_there(lab: &Lab, folder: &Path, processes: u32) -> Verdict {
    let store = lab.open_at(folder).await?;
    let rows = store.list(ThreadQuery::everything().limit(100)).await?.items;
    // The newest first.
    let expected: Vec<_> =
        (1..=processes).rev().map(|number| thread_with(number, |row| row.revision = 1)).collect();
    if rows != expected {
        let titles: Vec<_> = rows.iter().map(|row| &row.title).collect();
        return Err(Failure::new(format!(
            "{processes} processes each wrote a thread; these are there: {titles:?}"
        )));
    }
    let logged = store.query(LogQuery::new(LogFilter::new())).await?.items.len();
    if logged != expected.len() {
        return Err(Failure::new(format!(
            "{processes} processes each logged an entry; {logged} are there"
        )));
    }
    works(&*store, processes + 1).await?;
    Ok(store.close().await?)
}

async fn works(store: &dyn Store, number: u32) -> Verdict {
    change(store, put(thread(number))).await?;
    let report = store.check().await?;
    if report.is_sound() && report.threads == u64::from(number) {
        return Ok(());
    }
    Err(Failure::new(format!("{number} threads were written, and the check found {report:?}")))
}
