//! threadkeep's store in memory: the fake for unit tests and a real store for short-lived agents.
//!
//! [`MemoryStore`] keeps everything the contract asks for, in ordered maps behind one lock. It
//! does no I/O, starts no thread and needs no async runtime: its futures are ready when first
//! polled. What it holds is gone with its last handle.
//!
//! ```
//! use threadkeep_core::{
//!     FieldPatch, Change, ThreadId, ThreadPatch, ThreadQuery, ThreadSeed, ThreadStore,
//!     ThreadStoreExt, Timestamp,
//! };
//! use threadkeep_memory::MemoryStore;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> threadkeep_core::Result<()> {
//! let store = MemoryStore::new();
//! let id = ThreadId::new();
//! let seed = ThreadSeed::new(id, "/sessions/a.jsonl", Timestamp::now());
//! let mut patch = ThreadPatch::default();
//! patch.title = FieldPatch::SetIfEmpty("fix the build".into());
//! patch.has_user_event = true;
//! store.write(Change::Apply(Box::new(seed), Box::new(patch)).into()).await?;
//!
//! let other_handle = store.clone();
//! other_handle.rename(id, Some("release".into())).await?;
//!
//! let page = store.list(ThreadQuery::new().text("RELEASE")).await?;
//! assert_eq!(page.items[0].title, "fix the build");
//! assert_eq!(page.items[0].revision, 2);
//! # Ok(())
//! # }
//! ```

mod logs;
mod maintain;
mod reader;
mod threads;
mod tools;
mod writer;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError, RwLock};

use logs::Logs;
use threadkeep_core::index::Key;
use threadkeep_core::{
    Checkpoint, DynamicToolSpec, Error, ErrorKind, LogBell, Result, Retention, ThreadId,
    ThreadMetadata, Tombstone,
};
use writer::Batches;

/// A handle onto a store in memory. Clones share one store; closing one closes all.
#[derive(Clone, Debug)]
pub struct MemoryStore {
    /// `None` once closed.
    state: Arc<RwLock<Option<State>>>,
    bell: Arc<LogBell>,
    retention: Retention,
}

/// Everything stored. The index holds exactly the keys of the rows.
#[derive(Debug, Default)]
struct State {
    rows: BTreeMap<ThreadId, ThreadMetadata>,
    index: BTreeSet<Key>,
    tools: BTreeMap<ThreadId, Vec<DynamicToolSpec>>,
    tombstones: BTreeMap<ThreadId, Tombstone>,
    checkpoints: BTreeMap<String, Checkpoint>,
    batches: Batches,
    logs: Logs,
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty store that keeps only these of its logs, whenever it is
    /// [maintained](threadkeep_core::Store::maintain). Otherwise it keeps all.
    pub fn keeping(retention: Retention) -> Self {
        Self { retention, ..Self::default() }
    }

    fn read<T>(
        &self,
        operation: &'static str,
        read: impl FnOnce(&State) -> Result<T>,
    ) -> Result<T> {
        // No write panics between its first and its last change, so a poisoned state is whole.
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        state.as_ref().ok_or_else(closed).and_then(read).map_err(|error| error.during(operation))
    }

    fn write<T>(
        &self,
        operation: &'static str,
        write: impl FnOnce(&mut State) -> Result<T>,
    ) -> Result<T> {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        state.as_mut().ok_or_else(closed).and_then(write).map_err(|error| error.during(operation))
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self {
            state: Arc::new(RwLock::new(Some(State::default()))),
            bell: Arc::default(),
            retention: Retention::default(),
        }
    }
}

fn closed() -> Error {
    Error::new(ErrorKind::Closed, "the store in memory was closed").hint("open a new one")
}
