//! The process that is killed.

use std::sync::Arc;
use std::time::Duration;

use threadkeep_core::{LogFilter, LogQuery, LogStore as _, Store, ThreadStore as _};
use tokio::task::JoinSet;

use super::plan::{Plan, key};
use crate::lab::{Failure, Verdict, run_within};
use crate::role::{Part, Role, say};

/// Longer than a process lives that is to be killed.
const PATIENCE: Duration = Duration::from_mins(1);

/// Makes the steps of all lanes, and says which were acknowledged.
pub(super) const TOILER: Role = Role { name: "toiler", play: toil };

fn toil(part: Part) -> Verdict {
    let plan = Plan::named(&part.argument).ok_or_else(|| Failure::new("there is no such plan"))?;
    say("opening")?;
    run_within(PATIENCE, async move {
        let store = part.fixture.open(&part.workspace).await?;
        say("open")?;
        let mut tasks = JoinSet::new();
        for lane in plan.all_lanes() {
            tasks.spawn(steps(Arc::clone(&store), plan, lane));
        }
        if plan.churns {
            tasks.spawn(upkeep(store));
        }
        // None of them ends, unless it fails.
        match tasks.join_next().await {
            Some(Ok(verdict)) => verdict,
            ended => Err(Failure::new(format!("{ended:?}"))),
        }
    })
}

async fn steps(store: Arc<dyn Store>, plan: Plan, lane: u32) -> Verdict {
    let done = if plan.is_logs(lane) {
        let page = store.query(LogQuery::new(LogFilter::new()).limit(1)).await?;
        let newest = page.items.into_iter().next().and_then(|row| row.entry.message);
        newest.and_then(|text| text.split(' ').next().map(str::to_owned))
    } else {
        store.checkpoints(key(lane), None, 1).await?.pop().map(|found| found.value)
    };
    let done: u32 = done.and_then(|step| step.parse().ok()).unwrap_or(0);
    for step in done + 1.. {
        if plan.is_logs(lane) {
            store.append(plan.entries(step)).await?;
        } else {
            store.write(plan.batch(lane, step)?).await?;
        }
        say(format_args!("{lane} {step}"))?;
    }
    Ok(())
}

async fn upkeep(store: Arc<dyn Store>) -> Verdict {
    loop {
        store.maintain(Duration::from_millis(20)).await?;
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
