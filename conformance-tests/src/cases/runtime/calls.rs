//! Every operation of the traits, ready to be called again and again.

use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use threadkeep_core::{
    ErrorKind, LogEntry, LogFilter, LogLevel, LogQuery, Result, Retention, Store, ThreadQuery,
    WriteBatch,
};

use super::whole::Group;
use crate::Fixture;
use crate::cases::examples::say::{at, delete, id, patch_of, put, store_all, thread_with, title};

/// The group that is written.
pub(super) const GROUP: Group = Group(1);

/// The first of the threads that a filled store has.
const FILLED: u32 = 1_000_000;
/// The first of the threads that are written again and again.
const WRITTEN: u32 = 2_000_000;
/// The first of the threads that come and go.
const DELETED: u32 = 3_000_000;
/// A thread with a long text.
const LONG: u32 = 4_000_000;

/// An operation.
pub(super) struct Call {
    pub(super) name: &'static str,
    pub(super) run: fn(Turn) -> Answer,
}

type Answer = Pin<Box<dyn Future<Output = Result<()>> + Send>>;

/// What one call is made with.
#[derive(Clone)]
pub(super) struct Turn {
    pub(super) fixture: Arc<dyn Fixture>,
    pub(super) store: Arc<dyn Store>,
    /// The folder of the store.
    pub(super) workspace: PathBuf,
    /// A path that nothing is at.
    pub(super) nowhere: PathBuf,
    /// Different in every call.
    pub(super) number: u32,
    /// How many rows or entries a call reads or writes.
    pub(super) size: u32,
}

/// Makes a [`Call`] of what is done in one turn.
macro_rules! call {
    ($name:literal, $turn:ident => $body:expr) => {
        Call {
            name: $name,
            run: |$turn| {
                Box::pin(async move {
                    $body;
                    Ok(())
                })
            },
        }
    };
}

/// What reads.
pub(super) fn reads() -> Vec<Call> {
    vec![
        call!("threads", turn => {
            turn.store.threads((FILLED..FILLED + turn.size).map(id).collect()).await?
        }),
        call!("list", turn => {
            let query = ThreadQuery::everything().limit(turn.size as usize);
            let page = turn.store.list(query.clone()).await?;
            turn.store.list(query.after(page.next)).await?
        }),
        call!("list by a text that nothing has", turn => {
            turn.store.list(ThreadQuery::everything().text("no such text")).await?
        }),
        call!("list_ids", turn => {
            let query = ThreadQuery::new().source("cli").cwd("/home/mira/project");
            turn.store.list_ids(query.limit(turn.size as usize)).await?
        }),
        call!("checkpoints", turn => {
            turn.store.checkpoints(String::new(), None, turn.size as usize).await?
        }),
        call!("dynamic_tools", turn => {
            turn.store.dynamic_tools(id(3)).await?
        }),
        call!("query", turn => {
            let query = LogQuery::new(LogFilter::new()).limit(turn.size as usize);
            turn.store.query(query).await?
        }),
        call!("max_log_id", turn => {
            turn.store.max_log_id(LogFilter::new().message("no such text")).await?
        }),
        call!("stats", turn => turn.store.stats().await?),
        call!("check", turn => turn.store.check().await?),
        call!("backup", turn => match turn.store.backup(turn.nowhere).await {
            Err(error) if error.kind() == ErrorKind::Unsupported => {}
            result => result?,
        }),
        call!("open", turn => {
            let store = turn.fixture.open(&turn.workspace).await?;
            store.stats().await?;
            store.close().await?;
        }),
    ]
}

/// What writes.
pub(super) fn writes() -> Vec<Call> {
    vec![
        call!("write of a batch", turn => {
            turn.store.write(GROUP.batch(turn.number)?).await?
        }),
        call!("write of a batch with a name", turn => {
            turn.store.write(GROUP.named_batch(turn.number)?).await?
        }),
        call!("write of a patch", turn => {
            turn.store.write(patch_of(FILLED, title(&turn.number.to_string())).into()).await?
        }),
        call!("write of many rows", turn => {
            store_all(&*turn.store, rows(WRITTEN, &turn)).await?;
        }),
        call!("write and read of a long text", turn => {
            let text = "long ".repeat(256 * turn.size as usize);
            store_all(&*turn.store, [thread_with(LONG, |row| row.sandbox_policy = text)]).await?;
            turn.store.threads(vec![id(LONG)]).await?
        }),
        call!("write and deletion of many rows", turn => {
            store_all(&*turn.store, rows(DELETED, &turn)).await?;
            let mut batch = WriteBatch::new();
            for number in DELETED..DELETED + turn.size {
                batch.push(delete(number, i64::from(turn.number)));
            }
            turn.store.write(batch).await?
        }),
        call!("append", turn => turn.store.append(entries(&turn)).await?),
        call!("prune", turn => {
            let all = at(i64::MAX).to_datetime();
            turn.store.append(entries(&turn)).await?;
            turn.store.prune(Retention::before(all), Duration::from_secs(5)).await?
        }),
        call!("maintain", turn => turn.store.maintain(Duration::from_secs(1)).await?),
        call!("flush", turn => turn.store.flush().await?),
    ]
}

/// Fills a store, so that reading it takes a while.
pub(super) async fn fill(turn: &Turn) -> Result<()> {
    turn.store.write(GROUP.batch(turn.number)?).await?;
    let mut batch = WriteBatch::new();
    for row in rows(FILLED, turn) {
        batch.push(put(row));
    }
    turn.store.write(batch).await?;
    turn.store.append(entries(turn)).await.map(drop)
}

fn rows(first: u32, turn: &Turn) -> impl Iterator<Item = threadkeep_core::ThreadMetadata> {
    let title = format!("written in turn {}", turn.number);
    (first..first + turn.size)
        .map(move |number| thread_with(number, |row| row.title.clone_from(&title)))
}

fn entries(turn: &Turn) -> Vec<LogEntry> {
    let text = format!("logged in turn {}", turn.number);
    let time = at(i64::from(turn.number)).to_datetime();
    let entry = LogEntry::new(time, LogLevel::Info, "target", text);
    vec![entry; turn.size as usize]
}
