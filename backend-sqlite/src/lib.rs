//! threadkeep's store on SQLite: one file for threads and their tools, one for logs.
//!
//! - Each handle has one writer thread a file, which groups waiting batches into one commit and
//!   always takes the write lock first (`BEGIN IMMEDIATE`). Several processes may share the files.
//! - Threads are written at `synchronous=FULL`: an acknowledged write survives a power cut. Logs
//!   are written at `NORMAL`: the last moments before a power cut may be missing.
//! - Reads have connections of their own that cannot write, one short transaction a page.
//! - The file of logs is opened when it is first needed, so that a damaged or locked one never
//!   stops threads.
//! - Creating and upgrading happen under a lock file beside the store; opening a store that is up
//!   to date takes no lock at all.
//!
//! ```
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! use threadkeep_core::{Store, ThreadId, ThreadSeed, ThreadStoreExt, Timestamp};
//! use threadkeep_sqlite::SqliteStore;
//!
//! let folder = tempfile::tempdir().unwrap();
//! let store = SqliteStore::open(folder.path().join("threads.db")).await?;
//! let id = ThreadId::new();
//! let row = ThreadSeed::new(id, "/sessions/a.jsonl", Timestamp::now()).into_metadata();
//! store.upsert_thread(row).await?;
//! assert_eq!(store.get_thread(id).await?.unwrap().revision, 1);
//! store.close().await?;
//! # Ok::<(), threadkeep_core::Error>(())
//! # }).unwrap();
//! ```

mod batches;
mod connect;
mod errors;
mod listing;
mod load;
mod log_file;
mod log_index;
mod log_names;
mod log_prune;
mod log_reader;
mod log_upkeep;
mod log_writer;
mod logs;
mod maintain;
mod open;
mod reader;
mod readers;
mod row;
mod store;
mod threads;
mod tools;
mod writer;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use threadkeep_core::{Result, Retention};

use crate::log_file::LogFile;
use crate::threads::ThreadFile;

/// How a [`SqliteStore`] is opened.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct SqliteOptions {
    /// How long a write, or opening, waits for others before it is
    /// [`Busy`](threadkeep_core::ErrorKind::Busy). Default: 10 s.
    pub deadline: Duration,
    /// Connections for reading threads, and as many for reading logs. Default: 4.
    pub readers: u32,
    /// What is kept of the logs. What goes beyond it is deleted when the writer has time, and by
    /// [`maintain`](threadkeep_core::Store::maintain). Default: [`Retention::standard`];
    /// `Retention::default()` keeps everything.
    pub retention: Retention,
    /// Whether it is opened only to be read. Default: no.
    pub read_only: bool,
}

impl Default for SqliteOptions {
    fn default() -> Self {
        Self {
            deadline: Duration::from_secs(10),
            readers: 4,
            retention: Retention::standard(),
            read_only: false,
        }
    }
}

impl SqliteOptions {
    /// How long a write, or opening, waits for others.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// What is kept of the logs.
    #[must_use]
    pub fn retention(mut self, retention: Retention) -> Self {
        self.retention = retention;
        self
    }

    /// Opens it only to be read, as [`SqliteStore::open_read_only`] does.
    #[must_use]
    pub fn read_only(mut self, read_only: bool) -> Self {
        self.read_only = read_only;
        self
    }

    /// Connections for reading threads, and as many for reading logs; at least 1.
    #[must_use]
    pub fn readers(mut self, readers: u32) -> Self {
        self.readers = readers.max(1);
        self
    }
}

/// A store on two SQLite files. Cloning gives another handle on the same writer and connections.
#[derive(Clone)]
pub struct SqliteStore {
    threads: Arc<ThreadFile>,
    logs: Arc<LogFile>,
}

impl SqliteStore {
    /// Opens the store whose threads are in `path`, creating it where there is none, and its logs
    /// in a file beside it: for `threads.db` that is `threads-logs.db`. Must be called inside a
    /// tokio runtime with time and I/O enabled.
    ///
    /// # Errors
    ///
    /// [`NotFound`](threadkeep_core::ErrorKind::NotFound) where the folder does not exist,
    /// [`Corrupted`](threadkeep_core::ErrorKind::Corrupted) where the file is not a store of this
    /// kind, [`SchemaTooNew`](threadkeep_core::ErrorKind::SchemaTooNew) where a newer version made
    /// it, its bytes untouched.
    pub async fn open(path: impl AsRef<Path>) -> Result<Self> {
        Self::open_with(path, SqliteOptions::default()).await
    }

    /// Opens a store that is there so that it is only read: nothing is created, no lock is taken that
    /// others wait for, and neither the folder nor its files need be writable. Every call sees what
    /// was committed last, by whatever process. Every write is
    /// [`ReadOnly`](threadkeep_core::ErrorKind::ReadOnly).
    ///
    /// # Errors
    ///
    /// [`NotFound`](threadkeep_core::ErrorKind::NotFound) where there is no store,
    /// [`ReadOnly`](threadkeep_core::ErrorKind::ReadOnly) where it would have to be upgraded first.
    pub async fn open_read_only(path: impl AsRef<Path>) -> Result<Self> {
        Self::open_with(path, SqliteOptions::default().read_only(true)).await
    }

    /// The same as [`open`](Self::open) with options.
    pub async fn open_with(path: impl AsRef<Path>, options: SqliteOptions) -> Result<Self> {
        let path = path.as_ref();
        let threads = ThreadFile::open(path, options).await?;
        Ok(Self { threads: Arc::new(threads), logs: Arc::new(LogFile::beside(path, options)) })
    }
}
