//! Backends behind what an agent may put in front of them, none of which may change an answer.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use threadkeep::hooks::{Faults, Hooked};
use threadkeep::{Capability, Result, Store};
use threadkeep_conformance::{Declared, Fixture, async_trait};

/// A backend.
#[derive(Clone, Copy)]
#[allow(dead_code, reason = "each test target uses one")]
pub(crate) enum Backend {
    Memory,
    #[cfg(feature = "postgres")]
    Postgres,
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
            #[cfg(feature = "postgres")]
            (Backend::Postgres, _) => "postgres by URL",
            #[cfg(feature = "redb")]
            (Backend::Redb, _) => "redb by URL",
            (Backend::Sqlite, Way::Hooked) => "sqlite behind hooks",
            (Backend::Sqlite, Way::Shared) => "sqlite behind `Arc<dyn Store>`",
            (Backend::Sqlite, Way::Url) => "sqlite by URL",
        }
    }

    fn declared(&self) -> Declared {
        let everything = Declared::everything();
        #[cfg(feature = "postgres")]
        let everything = match self.0 {
            Backend::Postgres => everything
                .without(Capability::Backup, "the server has its own: pg_dump and base backups")
                .without_power_cut("the server's files are its own"),
            _ => everything,
        };
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

    #[cfg(feature = "postgres")]
    fn lacking(&self) -> Option<String> {
        match self.0 {
            Backend::Postgres => threadkeep_test_server::lacking(),
            _ => None,
        }
    }

    async fn open(&self, workspace: &Path) -> Result<Arc<dyn Store>> {
        self.opened(workspace, false).await
    }

    /// Whoever writes to a namespace has its lock.
    #[cfg(feature = "postgres")]
    async fn settle(&self, workspace: &Path) -> Result<()> {
        if matches!(self.0, Backend::Postgres) {
            let failed = |error: threadkeep_test_server::Error| {
                threadkeep::Error::new(threadkeep::ErrorKind::Io, error.to_string())
            };
            let server = threadkeep_test_server::shared().map_err(failed)?;
            let namespace = workspace.join("").display().to_string();
            let settle =
                format!("select pg_advisory_xact_lock(1953002085, hashtext('{namespace}'))");
            server.psql(&settle).map_err(failed)?;
        }
        Ok(())
    }

    async fn open_read_only(&self, workspace: &Path) -> Result<Arc<dyn Store>> {
        self.opened(workspace, true).await
    }
}

impl Through {
    async fn opened(&self, workspace: &Path, read_only: bool) -> Result<Arc<dyn Store>> {
        let path = |name| workspace.join(name).display().to_string();
        let url = match self.0 {
            Backend::Memory => "memory:".to_owned(),
            // Each workspace is a namespace of one database.
            #[cfg(feature = "postgres")]
            Backend::Postgres => {
                let server = std::env::var(threadkeep_test_server::GIVEN).unwrap_or_default();
                let parting = if server.contains('?') { '&' } else { '?' };
                format!("{server}{parting}namespace={}&retention=off", path(""))
            }
            #[cfg(feature = "redb")]
            Backend::Redb => {
                format!("redb:{}?sharing=auto&retention=off", path("threads.redb"))
            }
            Backend::Sqlite => format!("sqlite:{}?retention=off", path("threads.db")),
        };
        let store = if read_only {
            threadkeep::open_read_only(&url).await?
        } else {
            threadkeep::open(&url).await?
        };
        Ok(match self.1 {
            Way::Hooked => {
                let hooked = Hooked::new(store).with_tracing().with_metrics();
                Arc::new(hooked.with_faults(Arc::new(Faults::default())))
            }
            Way::Shared => Arc::new(store),
            Way::Url => store,
        })
    }
}
