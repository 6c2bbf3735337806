//! The processes that write until the power is cut, and that look what is left.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use threadkeep_core::{Result, Store, ThreadId};
use tokio::task::JoinSet;

use crate::cases::examples::say::{id, put, thread};
use crate::cases::runtime::whole::Group;
use crate::lab::{Failure, Verdict, run_within};
use crate::role::{Part, Role, say};

pub(super) const WRITER: &str = "power-writer";
pub(super) const READER: &str = "power-reader";

pub(super) fn roles() -> Vec<Role> {
    vec![Role { name: WRITER, play: write }, Role { name: READER, play: read }]
}

/// Tasks that write at once.
pub(super) const TASKS: u32 = 4;
/// What the writer says when it begins to write.
pub(super) const OPENED: &str = "opened";
/// What it says next when nothing of the store is in its folder.
pub(super) const ELSEWHERE: &str = "elsewhere";

const PATIENCE: Duration = Duration::from_mins(1);

/// The row that a task adds with its batch of this number.
fn added(task: u32, number: u32) -> u32 {
    (task + 1) * 1_000_000 + number
}

/// Writes for ever, and tells each batch that was acknowledged.
fn write(part: Part) -> Verdict {
    run_within(PATIENCE, async move {
        let store = part.fixture.open(&part.workspace).await?;
        store.write(Group(TASKS).batch(1)?).await?;
        say(OPENED)?;
        if fs::read_dir(&part.workspace)?.next().is_none() {
            say(ELSEWHERE)?;
        }
        let mut tasks = JoinSet::new();
        for task in 0..TASKS {
            tasks.spawn(write_one_by_one(Arc::clone(&store), task));
        }
        match tasks.join_next().await {
            Some(Ok(ended)) => ended,
            ended => Err(Failure::new(format!("a writing task ended: {ended:?}"))),
        }
    })
}

async fn write_one_by_one(store: Arc<dyn Store>, task: u32) -> Verdict {
    let group = Group(task);
    let mut number = group.mark(&store).await?;
    loop {
        number += 1;
        let batch = group.batch(number)?.and(put(thread(added(task, number))));
        store.write(batch).await?;
        say(format!("{task} {number}"))?;
    }
}

/// Looks whether everything acknowledged is there, given the last number of each task, and
/// whether everything that is there is sound.
fn read(part: Part) -> Verdict {
    run_within(PATIENCE, async move {
        let store = part.fixture.open(&part.workspace).await?;
        let acknowledged =
            part.argument.split(' ').map(str::parse).collect::<Result<Vec<u32>, _>>();
        let acknowledged =
            acknowledged.map_err(|error| Failure::new(format!("{}: {error}", part.argument)))?;
        let mut lost = Vec::new();
        for (task, last) in (0..).zip(acknowledged) {
            let mark = Group(task).mark(&store).await?;
            if mark < last {
                lost.push(format!(
                    "  task {task}: {last} batches, one after the other; {mark} are there, {} lost",
                    last - mark
                ));
            }
            rows_fit(&*store, task, mark).await?;
        }
        if !lost.is_empty() {
            let text = format!("acknowledged was, of {TASKS} tasks:\n{}", lost.join("\n"));
            return Err(Failure::new(text));
        }
        let report = store.check().await?;
        if !report.is_sound() {
            return Err(Failure::new(format!("the store is not sound: {report:?}")));
        }
        Ok(store.close().await?)
    })
}

/// Fails unless the rows that a task added are there up to this number, and none after it.
async fn rows_fit(store: &dyn Store, task: u32, mark: u32) -> Verdict {
    // Two more: a batch may have come without its mark.
    let ids: Vec<ThreadId> = (1..=mark + 2).map(|number| id(added(task, number))).collect();
    let mut number = 0;
    for ids in ids.chunks(500) {
        for row in store.threads(ids.to_vec()).await? {
            number += 1;
            if row.is_some() != (number <= mark) {
                let there = if row.is_some() { "is" } else { "is not" };
                return Err(Failure::new(format!(
                    "half a batch is there: task {task} left the mark {mark}, but the row added by \
                     batch {number} {there} there"
                )));
            }
        }
    }
    Ok(())
}
