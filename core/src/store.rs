//! The traits a backend implements.
//!
//! They hold only what a backend must do itself. The comfort on top of them is in the extension
//! traits ([`ThreadStoreExt`](crate::ThreadStoreExt) and its siblings), written once. No method
//! has a default body, so a wrapper cannot forget one.
//!
//! Dropping a future of any method leaves no lock held and no half batch; a write whose future
//! was dropped may still be committed.

use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;

use crate::{
    Capabilities, Checkpoint, DynamicToolSpec, LogEntry, LogFilter, LogIds, LogPage, LogQuery,
    Outcome, Page, Pruned, Result, Retention, Skipped, ThreadId, ThreadMetadata, ThreadQuery,
    WriteBatch,
};

/// Keeps threads.
#[async_trait]
pub trait ThreadStore: Send + Sync + 'static {
    /// The rows of these threads, in the order asked, `None` for each that is missing.
    ///
    /// # Errors
    ///
    /// [`Corrupted`](crate::ErrorKind::Corrupted), naming the thread, where a row is damaged.
    async fn threads(&self, ids: Vec<ThreadId>) -> Result<Vec<Option<ThreadMetadata>>>;

    /// One page of threads.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) for a limit out of range,
    /// [`InvalidCursor`](crate::ErrorKind::InvalidCursor) for a cursor of another query.
    async fn list(&self, query: ThreadQuery) -> Result<Page<ThreadMetadata>>;

    /// The same page, ids only; no metadata is read, so a damaged row is listed, not skipped.
    async fn list_ids(&self, query: ThreadQuery) -> Result<Page<ThreadId>>;

    /// Up to `limit` (1 to 100,000) checkpoints whose key begins with `prefix` and is greater
    /// than `after`, by key.
    async fn checkpoints(
        &self,
        prefix: String,
        after: Option<String>,
        limit: usize,
    ) -> Result<Vec<Checkpoint>>;

    /// Applies a batch as one, and answers what became of each change, in order.
    ///
    /// # Errors
    ///
    /// [`Conflict`](crate::ErrorKind::Conflict) or
    /// [`AlreadyExists`](crate::ErrorKind::AlreadyExists) where an
    /// [`Expect`](crate::Expect) does not hold, [`InvalidInput`](crate::ErrorKind::InvalidInput)
    /// beyond a limit, [`Busy`](crate::ErrorKind::Busy) where the write lock was not to be had in
    /// time. Nothing was written then; only an error whose
    /// [`outcome`](crate::Error::outcome) is `Unknown` leaves that open.
    async fn write(&self, batch: WriteBatch) -> Result<Vec<Outcome>>;
}

/// Keeps the tools of threads. They are written by a [`Change`](crate::Change), in the same
/// commit as their thread.
#[async_trait]
pub trait DynamicToolStore: Send + Sync + 'static {
    /// The tools in order; `None` where none were ever stored.
    async fn dynamic_tools(&self, id: ThreadId) -> Result<Option<Vec<DynamicToolSpec>>>;
}

/// Keeps log entries.
#[async_trait]
pub trait LogStore: Send + Sync + 'static {
    /// Appends entries in order, as one; `None` where there are none.
    async fn append(&self, entries: Vec<LogEntry>) -> Result<Option<LogIds>>;

    /// One page of entries, by number.
    async fn query(&self, query: LogQuery) -> Result<LogPage>;

    /// The greatest number of these entries, 0 where there are none.
    async fn max_log_id(&self, filter: LogFilter) -> Result<u64>;

    /// Deletes what the policy does not keep, oldest first, for about as long as the budget
    /// allows. Threads are never touched.
    async fn prune(&self, retention: Retention, budget: Duration) -> Result<Pruned>;

    /// Waits until entries with a number above `after` may be there, at most for `wait`: a hint for
    /// whoever [follows](crate::LogStoreExt::follow). Commits of this process end the waiting at
    /// once; those of other processes need not. It may end early.
    ///
    /// # Errors
    ///
    /// [`Closed`](crate::ErrorKind::Closed) also where the handle is closed meanwhile.
    async fn changed(&self, after: u64, wait: Duration) -> Result<()>;
}

/// A whole store: threads, their tools, and logs.
#[async_trait]
pub trait Store: ThreadStore + DynamicToolStore + LogStore {
    /// What this backend can do.
    fn capabilities(&self) -> Capabilities;

    /// Counts and sizes.
    async fn stats(&self) -> Result<Stats>;

    /// Reads everything and compares it with its checksums. Changes nothing.
    async fn check(&self) -> Result<CheckReport>;

    /// Does what was put off, for about as long as the budget allows: logs of deleted threads and
    /// those the store's [`Retention`] does not keep, bounding side files, giving space back. Never
    /// needed for a right answer.
    async fn maintain(&self, budget: Duration) -> Result<Maintained>;

    /// Writes a copy of a consistent state into the folder `to`, which is created and must be
    /// empty. Others may go on writing.
    async fn backup(&self, to: PathBuf) -> Result<()>;

    /// Waits until everything handed over before is stored.
    async fn flush(&self) -> Result<()>;

    /// Stores what was handed over and lets go of files and threads. Every later call gives
    /// [`Closed`](crate::ErrorKind::Closed); closing twice is no error.
    async fn close(&self) -> Result<()>;
}

/// Counts and sizes of a store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Threads in all.
    pub threads: u64,
    /// Of these, archived.
    pub archived: u64,
    /// Threads with tools.
    pub threads_with_tools: u64,
    /// Deleted threads that are remembered.
    pub tombstones: u64,
    /// Log entries.
    pub log_entries: u64,
    /// Bytes of the threads' files, side files included; 0 where there are none.
    pub thread_bytes: u64,
    /// Bytes of the logs' files, side files included; 0 where there are none.
    pub log_bytes: u64,
    /// Bytes of all these that hold something; the rest is free and is filled before the files
    /// grow. 0 where there are no files.
    pub live_bytes: u64,
}

impl Stats {
    /// Bytes of the files that hold nothing.
    pub fn free_bytes(&self) -> u64 {
        (self.thread_bytes + self.log_bytes).saturating_sub(self.live_bytes)
    }
}

/// What a check found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CheckReport {
    /// Threads read.
    pub threads: u64,
    /// Rows, or tool lists, that are not what was written.
    pub damaged: Vec<Skipped>,
    /// What else is wrong, a sentence each.
    pub problems: Vec<String>,
}

impl CheckReport {
    /// Whether nothing is wrong.
    pub fn is_sound(&self) -> bool {
        self.damaged.is_empty() && self.problems.is_empty()
    }
}

/// What maintenance did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Maintained {
    /// Log entries that went: those of deleted threads, and those the retention does not keep.
    pub log_entries: u64,
    /// Bytes given back to the system.
    pub freed_bytes: u64,
    /// Whether nothing is left to do.
    pub done: bool,
}
