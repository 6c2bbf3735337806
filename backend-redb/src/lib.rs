//! threadkeep's store on redb: a file for threads and their tools, a folder of files for logs.
//!
//! - [`Sharing`] says who may have it open. `auto` lets any number of processes read and write,
//!   where the system has the locks for it.
//! - Each open store has one writer thread for threads and one for logs. They group what waits into
//!   one commit, and let go of redb's write lock between groups; of several processes none is passed
//!   over. Every commit survives a power cut.
//! - Reads run on the runtime's threads for blocking work, one transaction a page. All handles of
//!   one process share the file, its cache and its writers.
//! - Logs lie in segments of 16 MiB, each a file, so that old ones are dropped whole and their space
//!   is the system's at once. A damaged segment never stops threads.
//! - Entries beyond the [retention](RedbOptions::retention) go while nothing else is written. Where the
//!   last segment is damaged, it is moved aside and logs go on in a new one.
//! - Where redb has given a file up, after a failed write or a full disk, it is opened anew at the
//!   next call.
//!
//! ```
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! use threadkeep_core::{Store, ThreadId, ThreadSeed, ThreadStoreExt, Timestamp};
//! use threadkeep_redb::RedbStore;
//!
//! let folder = tempfile::tempdir().unwrap();
//! let store = RedbStore::open(folder.path().join("threads.redb")).await?;
//! let id = ThreadId::new();
//! let row = ThreadSeed::new(id, "/sessions/a.jsonl", Timestamp::now()).into_metadata();
//! store.upsert_thread(row).await?;
//! assert_eq!(store.get_thread(id).await?.unwrap().revision, 1);
//! store.close().await?;
//! # Ok::<(), threadkeep_core::Error>(())
//! # }).unwrap();
//! ```

mod blocks;
mod copy;
mod database;
mod doomed;
mod errors;
#[cfg(feature = "faults")]
mod faults;
mod files;
mod holders;
mod interner;
mod keep;
mod listing;
mod log_pages;
mod log_reader;
mod log_taking;
mod log_writer;
mod logs;
mod maintain;
mod names;
mod network;
mod open;
mod options;
mod outline;
mod owner;
mod prune;
mod reader;
mod registry;
mod rows;
mod segment;
mod segments;
mod space;
mod storage;
mod tables;
mod tally;
mod threads;
mod tools;
mod turns;
mod unpacked;
mod writer;

#[cfg(feature = "faults")]
pub use faults::SimulatedDisk;
pub use options::{RedbOptions, Sharing};

use std::path::Path;
use std::sync::Arc;

use threadkeep_core::{Error, ErrorKind, Result};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use crate::logs::Logs;
use crate::open::OpenStore;
use crate::registry::Handle;

/// A store on redb. Cloning gives the same handle again: closing one closes its clones. Opening the
/// same path again in this process gives another handle on the same file.
#[derive(Clone, Debug)]
pub struct RedbStore {
    handle: Arc<Handle>,
}

impl RedbStore {
    /// Opens the store whose threads are in the file `path`, creating it where there is none, and
    /// its logs in a folder beside it: for `threads.redb` that is `threads-logs`. Must be called
    /// inside a tokio runtime; dropping the future leaves nothing open.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound) where the folder does not exist,
    /// [`Locked`](ErrorKind::Locked), saying who, where the store is open in a way that does not
    /// admit this one, [`Corrupted`](ErrorKind::Corrupted) where the file is not a store of this
    /// kind, [`SchemaTooNew`](ErrorKind::SchemaTooNew) where a newer version made it,
    /// [`Unsupported`](ErrorKind::Unsupported) on a network file system.
    pub async fn open(path: impl AsRef<Path>) -> Result<Self> {
        Self::open_with(path, RedbOptions::default()).await
    }

    /// Opens the store only to be read: in a folder that may not be written to, and while others
    /// write. Nothing is created or changed.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound) where there is no store, and those of [`open`](Self::open).
    pub async fn open_read_only(path: impl AsRef<Path>) -> Result<Self> {
        Self::open_with(path, RedbOptions::default().read_only(true)).await
    }

    /// The same as [`open`](Self::open) with options. A file that is open in this process keeps those it was opened with.
    pub async fn open_with(path: impl AsRef<Path>, options: RedbOptions) -> Result<Self> {
        let path = path.as_ref().to_owned();
        let opened = spawn_blocking(move || registry::open(&path, &options)).await;
        let handle = opened.map_err(|error| not_ended(error, "opening"))??;
        Ok(Self { handle: Arc::new(handle) })
    }

    /// The open store, unless this handle was closed.
    pub(crate) fn store(&self) -> Result<&Arc<OpenStore>> {
        self.handle.store()
    }

    /// Reads, on a thread that may be blocked.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&OpenStore) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let store = Arc::clone(self.store()?);
        let readers = Arc::clone(&store.readers);
        blocking(readers, move || work(&store)).await
    }

    /// The same for logs.
    pub(crate) async fn read_logs<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Logs) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let store = Arc::clone(self.store()?);
        let readers = Arc::clone(&store.log_readers);
        blocking(readers, move || work(&store.logs)).await
    }
}

async fn blocking<T: Send + 'static>(
    readers: Arc<Semaphore>,
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let permit = readers.acquire_owned().await.map_err(|_| errors::closed())?;
    let read = spawn_blocking(move || {
        let _permit = permit;
        work()
    });
    read.await.map_err(|error| not_ended(error, "reading"))?
}

/// The runtime is ending, or what was done panicked.
fn not_ended(error: tokio::task::JoinError, what: &str) -> Error {
    Error::new(ErrorKind::Internal, format!("{what} did not come to its end")).with_source(error)
}
