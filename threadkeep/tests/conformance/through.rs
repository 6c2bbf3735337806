//! Backends behind what an agent may put in front of them, none of which may change an answer.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use threadkeep::hooks::{Faults, Hooked};
use threadkeep::{Capability, MemoryStore, Result, SqliteStore, Store};
use threadkeep_conformance::{Declared, Fixture, async_trait};

/// A backend.
#[derive(Clone, Copy)]
#[allow(dead_code, reason = "each test target uses one")]
pub(crate) enum Backend {
    Memory,
    #[cfg(feature = "redb")]
    Redb,
    Sqlite,
}

/// What stands in front of it.
#[derive(Clone, Copy)]
#[allow(dead_code, reason = "each test target uses one")]
pub(crate) enum Way {
    /// The wrapper with every hook of the library.
    Hooked,
    /// A shared trait object, itself used as a store.
    Shared,
    /// A URL.
    Url,
}

/// Runs the suite on the backend by this way.
pub(crate) fn run(backend: Backend, way: Way) -> ExitCode {
    threadkeep_conformance::run(Through(backend, way))
}

struct Through(Backend, Way);

#[async_trait]
impl Fixture for Through {
    fn name(&self) -> &'static str {
        match (self.0, self.1) {
            (Backend::Memory, Way::Hooked) => "memory behind hooks",
            (Backend::Memory, Way::Shared) => "memory behind `Arc<dyn Store>`",
            (Backend::Memory, Way::Url) => "memory by URL",
            #[cfg(feature = "redb")]
            (Backend::Redb, _) => "redb by URL",
            (Backend::Sqlite, Way::Hooked) => "sqlite behind hooks",
            (Backend::Sqlite, Way::Shared) => "sqlite behind `Arc<dyn Store>`",
            (Backend::Sqlite, Way::Url) => "sqlite by URL",
        }
    }

    fn declared(&self) -> Declared {
        let everything = Declared::everything();
        match self.0 {
            Backend::Memory => everything
                .without(Capability::Persistent, "it is gone with its last handle")
                .without(Capability::Durable, "it has no files")
                .without(Capability::MultiProcess, "other processes cannot reach it")
                .without(Capability::Backup, "it has no files")
                .without(Capability::ReadOnly, "there is nothing to open")
                .without_tamper("it has no files")
                .without_previous_format("it has no files")
                .without_hold("other processes cannot reach it")
                .without_faults("it has no files")
                .without_retention("shown on the backend itself")
                .without_spoiling("it has no files"),
            _ => everything
                .without_tamper("shown on the backend itself")
                .without_previous_format("shown on the backend itself")
                .without_hold("shown on the backend itself")
                .without_faults("shown on the backend itself")
                .without_retention("shown on the backend itself")
                .without_spoiling("shown on the backend itself"),
        }
    }

    async fn open(&self, workspace: &Path) -> Result<Arc<dyn Store>> {
        let file = workspace.join("threads.db");
        if let Way::Url = self.1 {
            return match self.0 {
                Backend::Memory => threadkeep::open("memory:").await,
                #[cfg(feature = "redb")]
                Backend::Redb => {
                    let file = workspace.join("threads.redb");
                    threadkeep::open(&format!("redb:{}?sharing=auto", file.display())).await
                }
                Backend::Sqlite => threadkeep::open(&format!("sqlite:{}", file.display())).await,
            };
        }
        let store: Arc<dyn Store> = match self.0 {
            Backend::Memory => Arc::new(MemoryStore::new()),
            #[cfg(feature = "redb")]
            Backend::Redb => Arc::new(threadkeep::RedbStore::open(file).await?),
            Backend::Sqlite => Arc::new(SqliteStore::open(file).await?),
        };
        let hooked = || {
            let hooked = Hooked::new(Arc::clone(&store)).with_tracing().with_metrics();
            hooked.with_faults(Arc::new(Faults::default()))
        };
        Ok(match self.1 {
            Way::Hooked => Arc::new(hooked()),
            Way::Shared | Way::Url => Arc::new(store),
        })
    }
}
