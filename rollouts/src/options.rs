//! How to index.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use threadkeep_core::DEFAULT_PROVIDER;

/// More workers than this read no faster, and each may hold a line of 16 MiB.
const MOST_WORKERS: usize = 8;

pub(crate) type Progress = Arc<dyn Fn(IndexProgress) + Send + Sync>;

/// How to index a home.
///
/// ```
/// use threadkeep_rollouts::IndexOptions;
///
/// let options = IndexOptions::new().full(true).workers(2).default_provider("azure");
/// ```
#[derive(Clone)]
pub struct IndexOptions {
    pub(crate) full: bool,
    pub(crate) workers: usize,
    pub(crate) default_provider: String,
    pub(crate) wait: Duration,
    pub(crate) progress: Option<Progress>,
}

/// How far a run has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct IndexProgress {
    /// Files that this run has to look into; unchanged ones are not among them.
    pub files_total: u64,
    /// Of these, done.
    pub files_done: u64,
    /// Bytes to read, as far as known beforehand.
    pub bytes_total: u64,
    /// Bytes read so far; may end above the total where files grow meanwhile.
    pub bytes_done: u64,
}

impl IndexOptions {
    /// The defaults.
    pub fn new() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            full: false,
            workers: cores.min(MOST_WORKERS),
            default_provider: DEFAULT_PROVIDER.to_owned(),
            wait: Duration::from_secs(15),
            progress: None,
        }
    }

    /// Reads every file from its start and makes every row anew. Default: no.
    #[must_use]
    pub fn full(mut self, full: bool) -> Self {
        self.full = full;
        self
    }

    /// Threads that read files, at least 1. Default: one a core, at most 8.
    #[must_use]
    pub fn workers(mut self, workers: usize) -> Self {
        self.workers = workers.max(1);
        self
    }

    /// The provider of threads that name none. Default: [`DEFAULT_PROVIDER`].
    #[must_use]
    pub fn default_provider(mut self, provider: impl Into<String>) -> Self {
        self.default_provider = provider.into();
        self
    }

    /// How long to wait while another run works on the same home. Default: 15 s.
    #[must_use]
    pub fn wait(mut self, wait: Duration) -> Self {
        self.wait = wait;
        self
    }

    /// Is told, about ten times a second and at the end, how far the run has come. It runs where
    /// the run is polled and must return at once.
    #[must_use]
    pub fn progress(mut self, progress: Arc<dyn Fn(IndexProgress) + Send + Sync>) -> Self {
        self.progress = Some(progress);
        self
    }
}

impl Default for IndexOptions {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for IndexOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IndexOptions")
            .field("full", &self.full)
            .field("workers", &self.workers)
            .field("default_provider", &self.default_provider)
            .field("wait", &self.wait)
            .finish_non_exhaustive()
    }
}
