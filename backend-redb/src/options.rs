//! How a store is opened.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use redb::ConcurrencyMode;
use serde::{Deserialize, Serialize};
use threadkeep_core::{Error, Result, Retention};

use crate::files::{Files, System};

/// Who may have a store open at the same time. All processes have to open it alike; one that does
/// not is refused with [`Locked`](threadkeep_core::ErrorKind::Locked).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Sharing {
    /// Any number of processes read and write: on Linux, Apple's systems and Windows. Elsewhere as
    /// `Exclusive`.
    #[default]
    Auto,
    /// The first process writes, the others read: they are refused with
    /// [`ReadOnly`](threadkeep_core::ErrorKind::ReadOnly) where they try to write.
    Single,
    /// One process. The fastest, because nothing has to be looked up again for changes of others.
    Exclusive,
}

impl Sharing {
    pub(crate) const fn mode(self) -> ConcurrencyMode {
        match self {
            Self::Auto => ConcurrencyMode::MultiWriter,
            Self::Single => ConcurrencyMode::SingleWriter,
            Self::Exclusive => ConcurrencyMode::ExclusiveWriter,
        }
    }
}

impl fmt::Display for Sharing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Auto => "auto",
            Self::Single => "single",
            Self::Exclusive => "exclusive",
        })
    }
}

impl FromStr for Sharing {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        [Self::Auto, Self::Single, Self::Exclusive]
            .into_iter()
            .find(|sharing| sharing.to_string() == text)
            .ok_or_else(|| {
                Error::invalid_input(format!("{text:?} is no way to share a store"))
                    .hint("use auto, single or exclusive")
            })
    }
}

/// How a [`RedbStore`](crate::RedbStore) is opened.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RedbOptions {
    /// Who may have it open. Default: [`Sharing::Auto`].
    pub sharing: Sharing,
    /// How long a write, or opening, waits for others before it is
    /// [`Busy`](threadkeep_core::ErrorKind::Busy). Default: 10 s.
    pub deadline: Duration,
    /// Bytes of memory for pages of threads. Default: 64 MiB.
    pub thread_cache: usize,
    /// Bytes of memory for pages of logs and what is in them. Default: 32 MiB.
    pub log_cache: usize,
    /// Whether a network file system is good enough. Its locks may not be what they seem, and two
    /// machines that have the store open then destroy it. Default: no.
    pub allow_network: bool,
    /// What is kept of the logs: entries beyond it go while nothing else is written, and in
    /// [`maintain`](threadkeep_core::Store::maintain). Default: [`Retention::standard`];
    /// [`Retention::default`] keeps everything.
    pub retention: Retention,
    /// Whether it is opened only to be read. Default: no.
    pub read_only: bool,
    pub(crate) files: Arc<dyn Files>,
}

impl Default for RedbOptions {
    fn default() -> Self {
        Self {
            sharing: Sharing::default(),
            deadline: Duration::from_secs(10),
            thread_cache: 64 * 1024 * 1024,
            log_cache: 32 * 1024 * 1024,
            allow_network: false,
            retention: Retention::standard(),
            read_only: false,
            files: Arc::new(System),
        }
    }
}

impl RedbOptions {
    /// Who may have it open.
    #[must_use]
    pub fn sharing(mut self, sharing: Sharing) -> Self {
        self.sharing = sharing;
        self
    }

    /// How long a write, or opening, waits for others.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Bytes of memory for pages of threads.
    #[must_use]
    pub fn thread_cache(mut self, bytes: usize) -> Self {
        self.thread_cache = bytes;
        self
    }

    /// Bytes of memory for pages of logs.
    #[must_use]
    pub fn log_cache(mut self, bytes: usize) -> Self {
        self.log_cache = bytes;
        self
    }

    /// Whether a network file system is good enough.
    #[must_use]
    pub fn allow_network(mut self, allow: bool) -> Self {
        self.allow_network = allow;
        self
    }

    /// What is kept of the logs.
    #[must_use]
    pub fn retention(mut self, retention: Retention) -> Self {
        self.retention = retention;
        self
    }

    /// Opens it only to be read: nothing is created or changed, and every write is
    /// [`ReadOnly`](threadkeep_core::ErrorKind::ReadOnly). Works in a folder that may not be
    /// written to, and while others write, except where one has the store as
    /// [`Sharing::Exclusive`].
    #[must_use]
    pub fn read_only(mut self, read_only: bool) -> Self {
        self.read_only = read_only;
        self
    }

    /// Keeps the store on a disk in memory, where only this process finds it.
    #[cfg(feature = "faults")]
    #[must_use]
    pub fn disk(mut self, disk: &crate::SimulatedDisk) -> Self {
        self.files = disk.files();
        self
    }
}
