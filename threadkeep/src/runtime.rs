//! A home directory, a default provider and a store: what an agent keeps its state with.

use std::fs::DirBuilder;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use threadkeep_core::rollout::{RolloutLine, fold};
use threadkeep_core::{
    Archived, Change, DEFAULT_PROVIDER, DynamicToolSpec, DynamicToolStore, Error, ErrorKind,
    LogEntry, LogIds, LogPage, LogQuery, LogStoreExt, Outcome, Page, Result, Store, ThreadId,
    ThreadMetadata, ThreadQuery, ThreadSeed, ThreadStore, ThreadStoreExt, Timestamp,
};
use threadkeep_rollouts::{Home, IndexOptions, IndexReport, first_record_tools, index};

/// A store together with the home directory whose threads it keeps.
///
/// Opening never waits for indexing or for logs: lists answer from what is known, and
/// [`index`](Self::index) runs when the caller wants it. Counted through the [`metrics`] facade:
///
/// | name | labels |
/// |---|---|
/// | `threadkeep_runtime_opened_total` | – |
/// | `threadkeep_runtime_created_total` | – |
/// | `threadkeep_runtime_open_errors_total` | `kind` |
/// | `threadkeep_runtime_write_errors_total` | `stage`, `kind` |
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> threadkeep::Result<()> {
/// use threadkeep::{Runtime, ThreadId, Timestamp};
///
/// # let folder = tempfile::tempdir().unwrap();
/// # let home = folder.path();
/// let runtime = Runtime::builder(home).url("memory:").default_provider("azure").open().await?;
/// let id = ThreadId::new();
/// let seed = runtime.seed(id, home.join("sessions/rollout-a.jsonl"), Timestamp::now());
/// runtime.upsert_thread(seed.into_metadata()).await?;
/// assert_eq!(runtime.get_thread(id).await?.unwrap().model_provider, "azure");
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Runtime {
    store: Arc<dyn Store>,
    home: Home,
    default_provider: String,
}

/// How a [`Runtime`] is opened. Made by [`Runtime::builder`].
pub struct RuntimeBuilder {
    home: PathBuf,
    source: Source,
    default_provider: String,
}

enum Source {
    Home,
    Url(String),
    Store(Arc<dyn Store>),
}

impl RuntimeBuilder {
    /// Opens the store with this URL, as [`open`](crate::open) does. Default: a SQLite file
    /// `threads.db` in the home, or a store in memory where the feature `sqlite` is off.
    #[must_use]
    pub fn url(mut self, url: impl Into<String>) -> Self {
        self.source = Source::Url(url.into());
        self
    }

    /// Uses a store that is open already.
    #[must_use]
    pub fn store(mut self, store: Arc<dyn Store>) -> Self {
        self.source = Source::Store(store);
        self
    }

    /// The provider of threads that name none. Default: [`DEFAULT_PROVIDER`].
    #[must_use]
    pub fn default_provider(mut self, provider: impl Into<String>) -> Self {
        self.default_provider = provider.into();
        self
    }

    /// Opens the runtime, creating the home, for its owner alone, and the store where they are
    /// missing. Errors are those of [`open`](crate::open).
    pub async fn open(self) -> Result<Runtime> {
        let home = self.home.clone();
        match self.open_store().await {
            Ok(runtime) => {
                metrics::counter!("threadkeep_runtime_opened_total").increment(1);
                Ok(runtime)
            }
            Err(error) => {
                let kind = error.kind().as_str();
                metrics::counter!("threadkeep_runtime_open_errors_total", "kind" => kind)
                    .increment(1);
                tracing::warn!(%error, home = %home.display(), "the runtime did not open");
                Err(error)
            }
        }
    }

    async fn open_store(self) -> Result<Runtime> {
        let created = create_home(&self.home)?;
        let store = match self.source {
            Source::Store(store) => store,
            Source::Url(url) => crate::open(&url).await?,
            Source::Home => crate::open(&default_url(&self.home)?).await?,
        };
        if created {
            metrics::counter!("threadkeep_runtime_created_total").increment(1);
        }
        let home = Home::new(self.home);
        Ok(Runtime { store, home, default_provider: self.default_provider })
    }
}

impl Runtime {
    /// Opens the runtime of a home with the defaults of [`RuntimeBuilder`].
    pub async fn open(home: impl Into<PathBuf>) -> Result<Self> {
        Self::builder(home).open().await
    }

    /// How to open the runtime of a home.
    pub fn builder(home: impl Into<PathBuf>) -> RuntimeBuilder {
        RuntimeBuilder {
            home: home.into(),
            source: Source::Home,
            default_provider: DEFAULT_PROVIDER.to_owned(),
        }
    }

    /// The store, for everything that is not here.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// The home directory.
    pub fn home(&self) -> &Home {
        &self.home
    }

    /// The provider of threads that name none.
    pub fn default_provider(&self) -> &str {
        &self.default_provider
    }

    /// Where a new thread's row starts, with this runtime's default provider.
    pub fn seed(
        &self,
        id: ThreadId,
        rollout_path: impl Into<PathBuf>,
        created_at: Timestamp,
    ) -> ThreadSeed {
        ThreadSeed::new(id, rollout_path, created_at).model_provider(&self.default_provider)
    }

    /// Brings the store up to date with the home's rollout files; see
    /// [`rollouts::index`](crate::rollouts::index).
    pub async fn index(&self, options: IndexOptions) -> Result<IndexReport> {
        let options = options.default_provider(&self.default_provider);
        counted("index", index(&*self.store, &self.home, options).await)
    }

    /// See [`ThreadStoreExt::get_thread`].
    pub async fn get_thread(&self, id: ThreadId) -> Result<Option<ThreadMetadata>> {
        self.store.get_thread(id).await
    }

    /// See [`ThreadStore::list`].
    pub async fn list_threads(&self, query: ThreadQuery) -> Result<Page<ThreadMetadata>> {
        self.store.list(query).await
    }

    /// See [`ThreadStore::list_ids`].
    pub async fn list_thread_ids(&self, query: ThreadQuery) -> Result<Page<ThreadId>> {
        self.store.list_ids(query).await
    }

    /// See [`ThreadStoreExt::find_rollout_path_by_id`].
    pub async fn find_rollout_path_by_id(
        &self,
        id: ThreadId,
        archived: Archived,
    ) -> Result<Option<PathBuf>> {
        self.store.find_rollout_path_by_id(id, archived).await
    }

    /// See [`ThreadStoreExt::upsert_thread`].
    pub async fn upsert_thread(&self, metadata: ThreadMetadata) -> Result<Outcome> {
        counted("upsert_thread", self.store.upsert_thread(metadata).await)
    }

    /// Creates the row where there is none, applies what the lines say, and stores the tools they
    /// name if none are stored, as one. Without lines nothing happens. The thread counts as
    /// updated when its history file was modified, or, where that cannot be read, at the newest
    /// time among the lines.
    pub async fn apply_rollout_items(
        &self,
        seed: ThreadSeed,
        lines: &[RolloutLine],
    ) -> Result<Option<Outcome>> {
        if lines.is_empty() {
            return Ok(None);
        }
        let mut patch = fold(seed.id(), lines);
        let file = seed.rollout_path().to_owned();
        let modified = blocking(move || std::fs::metadata(file)?.modified()).await?;
        if let Ok(modified) = modified {
            patch.updated_at = Some(modified.into());
        }
        let change = Change::Apply(Box::new(seed), Box::new(patch));
        let outcomes = counted("apply_rollout_items", self.store.write(change.into()).await)?;
        Ok(outcomes.into_iter().next())
    }

    /// See [`ThreadStoreExt::mark_archived`].
    pub async fn mark_archived(&self, id: ThreadId, path: PathBuf, at: Timestamp) -> Result<bool> {
        counted("mark_archived", self.store.mark_archived(id, path, at).await)
    }

    /// See [`ThreadStoreExt::mark_unarchived`].
    pub async fn mark_unarchived(&self, id: ThreadId, path: PathBuf) -> Result<bool> {
        counted("mark_unarchived", self.store.mark_unarchived(id, path).await)
    }

    /// See [`ThreadStoreExt::rename`].
    pub async fn rename(&self, id: ThreadId, name: Option<String>) -> Result<bool> {
        counted("rename", self.store.rename(id, name).await)
    }

    /// See [`ThreadStoreExt::delete_threads`].
    pub async fn delete_threads(&self, ids: Vec<ThreadId>) -> Result<Vec<ThreadId>> {
        counted("delete_threads", self.store.delete_threads(ids).await)
    }

    /// See [`ThreadStoreExt::persist_dynamic_tools`].
    pub async fn persist_dynamic_tools(
        &self,
        id: ThreadId,
        tools: Option<Vec<DynamicToolSpec>>,
    ) -> Result<()> {
        counted("persist_dynamic_tools", self.store.persist_dynamic_tools(id, tools).await)
    }

    /// The tools a thread was started with: those stored, else those its history file names, which
    /// are then stored. `None` where neither has any, or the file is gone.
    pub async fn get_dynamic_tools(&self, id: ThreadId) -> Result<Option<Vec<DynamicToolSpec>>> {
        if let Some(tools) = self.store.dynamic_tools(id).await? {
            return Ok(Some(tools));
        }
        let Some(row) = self.store.get_thread(id).await? else {
            return Ok(None);
        };
        let found = blocking(move || first_record_tools(&row.rollout_path, id)).await?;
        let tools = match found {
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            other => other?,
        };
        if tools.is_some() {
            self.persist_dynamic_tools(id, tools.clone()).await?;
        }
        Ok(tools)
    }

    /// See [`LogStoreExt::insert_log`].
    pub async fn insert_log(&self, entry: LogEntry) -> Result<u64> {
        counted("insert_log", self.store.insert_log(entry).await)
    }

    /// See [`LogStoreExt::insert_logs`].
    pub async fn insert_logs(&self, entries: Vec<LogEntry>) -> Result<Option<LogIds>> {
        counted("insert_logs", self.store.insert_logs(entries).await)
    }

    /// See [`LogStoreExt::query_logs`].
    pub async fn query_logs(&self, query: LogQuery) -> Result<LogPage> {
        self.store.query_logs(query).await
    }

    /// Closes the store; see [`Store::close`].
    pub async fn close(&self) -> Result<()> {
        self.store.close().await
    }
}

/// Counts a failed write by the stage it failed in.
fn counted<T>(stage: &'static str, result: Result<T>) -> Result<T> {
    if let Err(error) = &result {
        let kind = error.kind().as_str();
        metrics::counter!("threadkeep_runtime_write_errors_total", "stage" => stage, "kind" => kind)
            .increment(1);
    }
    result
}

/// Creates the home for its owner alone; whether it was missing.
fn create_home(home: &Path) -> Result<bool> {
    if home.is_dir() {
        return Ok(false);
    }
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(home).map(|()| true).map_err(|error| {
        Error::new(ErrorKind::Io, format!("cannot create the home {}", home.display()))
            .hint("check that its parent may be written to, or name another home")
            .with_source(error)
    })
}

#[cfg(feature = "sqlite")]
fn default_url(home: &Path) -> Result<String> {
    let path = home.join("threads.db");
    path.to_str().map(|path| format!("sqlite:{path}")).ok_or_else(|| {
        Error::invalid_input(format!("the home {} is not Unicode", home.display()))
            .hint("give the runtime an open store")
    })
}

#[cfg(not(feature = "sqlite"))]
#[allow(clippy::unnecessary_wraps, reason = "the same signature with and without the feature")]
fn default_url(_home: &Path) -> Result<String> {
    Ok("memory:".into())
}

/// Runs something that waits for a disk on a thread of its own.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    let (answer, answered) = flume::bounded(1);
    let thread = std::thread::Builder::new().name("threadkeep-read".into());
    thread
        .spawn(move || {
            // Nobody may be waiting any more.
            let _ = answer.send(work());
        })
        .map_err(|error| {
            Error::new(ErrorKind::Io, "a thread for reading did not start").with_source(error)
        })?;
    answered.recv_async().await.map_err(|_| Error::new(ErrorKind::Internal, "reading was cut off"))
}
