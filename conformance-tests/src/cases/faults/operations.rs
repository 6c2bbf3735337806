//! Every operation that may meet a failing disk.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use threadkeep_core::{
    Change, DynamicToolSpec, LogEntry, LogFilter, LogLevel, LogQuery, Result, Retention, Store,
    ThreadMetadata, ThreadQuery, WriteBatch,
};

use crate::cases::examples::say::{at, delete, id, patch_of, put, store_all, thread_with, title};
use crate::cases::runtime::whole::Group;

/// The group that operations write.
const GROUP: Group = Group(1);
/// The group that is written to show that a store serves.
pub(super) const SERVED: Group = Group(2);
/// The group that is written where a handle is to have something to do yet.
const WARM: Group = Group(3);

/// Threads that a prepared store has.
const FILLED: std::ops::Range<u32> = 100..106;
/// Of these, those that are deleted together, with their tools and log entries.
const DELETED: std::ops::Range<u32> = 100..103;
/// Threads that are written together.
const WRITTEN: std::ops::Range<u32> = 200..260;

/// An operation.
#[derive(Clone, Copy)]
pub(super) struct Operation {
    pub(super) name: &'static str,
    /// What it is done on.
    pub(super) base: Base,
    pub(super) work: Work,
    /// Whether it cannot be made without a call to the disk.
    pub(super) writes: bool,
    /// Whether its handle has written something before.
    pub(super) warm: bool,
    /// Whether it may be repeated, and is made once all the same.
    pub(super) repeats: bool,
}

/// A disk with something on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Base {
    /// No store.
    Empty,
    /// A store that was closed.
    Filled,
    /// A store whose power was cut while it was open.
    Cut,
}

/// What is done.
#[derive(Clone, Copy)]
pub(super) enum Work {
    Open,
    Call(fn(Arc<dyn Store>) -> Answer),
    Close,
}

/// What is answered, as text.
pub(super) type Answer = Pin<Box<dyn Future<Output = Result<String>> + Send>>;

impl Operation {
    const fn new(name: &'static str, base: Base, work: Work) -> Self {
        Self { name, base, work, writes: false, warm: false, repeats: false }
    }

    const fn writing(self) -> Self {
        Self { writes: true, ..self }
    }

    const fn warm(self) -> Self {
        Self { warm: true, ..self }
    }

    const fn repeating(self) -> Self {
        Self { repeats: true, ..self }
    }
}

/// Makes an [`Operation`] of what is done with a store.
macro_rules! call {
    ($name:literal, $store:ident => $answer:expr) => {
        Operation::new(
            $name,
            Base::Filled,
            Work::Call(|$store| {
                Box::pin(async move {
                    let answer = $answer;
                    Ok(format!("{answer:#?}"))
                })
            }),
        )
    };
}

/// Every one of them.
pub(super) fn all() -> Vec<Operation> {
    [handles(), batches(), others(), reads()].concat()
}

/// What begins and ends a handle.
pub(super) fn handles() -> Vec<Operation> {
    vec![
        Operation::new("creation", Base::Empty, Work::Open).writing(),
        Operation::new("open", Base::Filled, Work::Open).writing(),
        Operation::new("open after a power cut", Base::Cut, Work::Open).writing(),
        Operation::new("close", Base::Filled, Work::Close).warm(),
    ]
}

/// What writes batches.
pub(super) fn batches() -> Vec<Operation> {
    vec![
        call!("write of a batch", store => store.write(GROUP.batch(2)?).await?).writing(),
        call!("write of a batch with a name", store => {
            store.write(GROUP.named_batch(2)?).await?
        })
        .writing()
        .repeating(),
        call!("write of many rows", store => {
            store_all(&*store, WRITTEN.map(row)).await?;
        })
        .writing(),
        call!("write of a patch", store => {
            store.write(patch_of(FILLED.start, title("patched")).into()).await?
        })
        .writing(),
        call!("deletion of threads with tools and logs", store => {
            let mut batch = WriteBatch::new();
            for number in DELETED {
                batch.push(delete(number, 1));
            }
            let value = Some("deleted".into());
            store.write(batch.and(Change::SetCheckpoint { key: "deleted".into(), value })).await?
        })
        .writing(),
    ]
}

/// What writes else.
pub(super) fn others() -> Vec<Operation> {
    vec![
        call!("append", store => store.append(entries(1_000..1_020)).await?).writing(),
        call!("prune", store => {
            let half = at(i64::from(FILLED.start) + 3).to_datetime();
            store.prune(Retention::before(half), Duration::from_secs(5)).await?
        })
        .writing(),
        call!("maintain", store => {
            store.maintain(Duration::from_secs(1)).await?;
        }),
        call!("flush", store => store.flush().await?).warm(),
    ]
}

/// What reads.
pub(super) fn reads() -> Vec<Operation> {
    vec![
        call!("threads", store => store.threads(FILLED.map(id).collect()).await?),
        call!("list", store => store.list(ThreadQuery::everything()).await?),
        call!("list by a text", store => {
            store.list(ThreadQuery::everything().text("no such text")).await?
        }),
        call!("list_ids", store => store.list_ids(ThreadQuery::new().source("cli")).await?),
        call!("checkpoints", store => store.checkpoints(String::new(), None, 10).await?),
        call!("dynamic_tools", store => store.dynamic_tools(id(FILLED.start)).await?),
        call!("query", store => store.query(LogQuery::new(LogFilter::new())).await?),
        call!("max_log_id", store => store.max_log_id(LogFilter::new().message("no such")).await?),
        call!("stats", store => {
            let stats = store.stats().await?;
            (stats.threads, stats.threads_with_tools, stats.tombstones, stats.log_entries)
        }),
        call!("check", store => store.check().await?),
    ]
}

/// Fills a store, so that every operation has something to work on.
pub(super) async fn fill(store: &dyn Store) -> Result<()> {
    let mut batch = GROUP.batch(1)?;
    for number in FILLED {
        batch.push(put(row(number)));
        let tools = vec![DynamicToolSpec::function(&number.to_string(), "a tool", "{}")?];
        batch.push(Change::SetTools { id: id(number), tools, replace: true });
    }
    // Deleted just now, so that something of it may be left to be maintained.
    let gone = FILLED.end;
    store.write(batch.and(put(row(gone)))).await?;
    store.append(entries(FILLED.start..gone + 1)).await?;
    store.write(delete(gone, 1).into()).await.map(drop)
}

/// Writes something that nothing else writes.
pub(super) async fn warm(store: &dyn Store) -> Result<()> {
    store.write(WARM.batch(1)?).await.map(drop)
}

fn row(number: u32) -> ThreadMetadata {
    thread_with(number, |row| row.preview = Some("words of a thread ".repeat(4)))
}

/// An entry of each of these threads, at its number.
fn entries(threads: std::ops::Range<u32>) -> Vec<LogEntry> {
    let entry = |number: u32| {
        let time = at(i64::from(number)).to_datetime();
        let mut entry = LogEntry::new(time, LogLevel::Info, "target", format!("entry {number}"));
        entry.thread_id = Some(id(number).to_string());
        entry
    };
    threads.map(entry).collect()
}
