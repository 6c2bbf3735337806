//! The one wrapper.

use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;

use super::{Call, Faults, Hook, Metrics, Trace};
use crate::{
    Capabilities, CheckReport, Checkpoint, DynamicToolSpec, DynamicToolStore, LogEntry, LogFilter,
    LogIds, LogPage, LogQuery, LogStore, Maintained, Outcome, Page, Pruned, Result, Retention,
    Stats, Store, ThreadId, ThreadMetadata, ThreadQuery, ThreadStore, WriteBatch,
};

/// A store with hooks around every call. Made by [`Hooked::new`], then given its hooks.
#[derive(Clone)]
pub struct Hooked<S> {
    store: S,
    trace: Option<Trace>,
    metrics: Option<Metrics>,
    own: Vec<Arc<dyn Hook>>,
    faults: Option<Arc<Faults>>,
}

impl<S> Hooked<S> {
    /// The store, still without hooks.
    pub fn new(store: S) -> Self {
        Self { store, trace: None, metrics: None, own: Vec::new(), faults: None }
    }

    /// Reports every call to [`tracing`].
    #[must_use]
    pub fn with_tracing(mut self) -> Self {
        self.trace = Some(Trace);
        self
    }

    /// Counts and times every call through [`metrics`].
    #[must_use]
    pub fn with_metrics(mut self) -> Self {
        self.metrics = Some(Metrics);
        self
    }

    /// Adds a hook of your own, inside those added before.
    #[must_use]
    pub fn with(mut self, hook: impl Hook) -> Self {
        self.own.push(Arc::new(hook));
        self
    }

    /// Fails calls as these faults say.
    #[must_use]
    pub fn with_faults(mut self, faults: Arc<Faults>) -> Self {
        self.faults = Some(faults);
        self
    }

    /// The store inside.
    pub fn inner(&self) -> &S {
        &self.store
    }

    /// From the outermost to the innermost.
    fn hooks(&self) -> impl DoubleEndedIterator<Item = &dyn Hook> {
        let trace = self.trace.iter().map(|hook| -> &dyn Hook { hook });
        let metrics = self.metrics.iter().map(|hook| -> &dyn Hook { hook });
        let own = self.own.iter().map(|hook| -> &dyn Hook { &**hook });
        let faults = self.faults.iter().map(|hook| -> &dyn Hook { &**hook });
        trace.chain(metrics).chain(own).chain(faults)
    }

    /// Runs a call inside the hooks. A hook that let the call in always sees how it ended.
    async fn run<T: Send>(
        &self,
        call: Call,
        future: impl Future<Output = Result<T>> + Send,
    ) -> Result<T> {
        let start = Instant::now();
        let mut entered = 0;
        let mut result = Ok(());
        for hook in self.hooks() {
            result = hook.before(&call);
            if result.is_err() {
                break;
            }
            entered += 1;
        }
        let mut result = match result {
            Ok(()) => future.await,
            Err(error) => Err(error),
        };
        let entered: Vec<&dyn Hook> = self.hooks().take(entered).collect();
        for hook in entered.into_iter().rev() {
            if let Err(error) = hook.after(&call, start.elapsed(), result.as_ref().err()) {
                result = Err(error);
            }
        }
        result
    }
}

const fn read(operation: &'static str, items: usize) -> Call {
    Call { operation, items, writes: false }
}

const fn write(operation: &'static str, items: usize) -> Call {
    Call { operation, items, writes: true }
}

#[async_trait]
impl<S: ThreadStore> ThreadStore for Hooked<S> {
    async fn threads(&self, ids: Vec<ThreadId>) -> Result<Vec<Option<ThreadMetadata>>> {
        self.run(read("threads", ids.len()), self.store.threads(ids)).await
    }

    async fn list(&self, query: ThreadQuery) -> Result<Page<ThreadMetadata>> {
        self.run(read("list", 1), self.store.list(query)).await
    }

    async fn list_ids(&self, query: ThreadQuery) -> Result<Page<ThreadId>> {
        self.run(read("list_ids", 1), self.store.list_ids(query)).await
    }

    async fn checkpoints(
        &self,
        prefix: String,
        after: Option<String>,
        limit: usize,
    ) -> Result<Vec<Checkpoint>> {
        self.run(read("checkpoints", 1), self.store.checkpoints(prefix, after, limit)).await
    }

    async fn write(&self, batch: WriteBatch) -> Result<Vec<Outcome>> {
        self.run(write("write", batch.len()), self.store.write(batch)).await
    }
}

#[async_trait]
impl<S: DynamicToolStore> DynamicToolStore for Hooked<S> {
    async fn dynamic_tools(&self, id: ThreadId) -> Result<Option<Vec<DynamicToolSpec>>> {
        self.run(read("dynamic_tools", 1), self.store.dynamic_tools(id)).await
    }
}

#[async_trait]
impl<S: LogStore> LogStore for Hooked<S> {
    async fn append(&self, entries: Vec<LogEntry>) -> Result<Option<LogIds>> {
        self.run(write("append", entries.len()), self.store.append(entries)).await
    }

    async fn query(&self, query: LogQuery) -> Result<LogPage> {
        self.run(read("query", 1), self.store.query(query)).await
    }

    async fn max_log_id(&self, filter: LogFilter) -> Result<u64> {
        self.run(read("max_log_id", 1), self.store.max_log_id(filter)).await
    }

    async fn prune(&self, retention: Retention, budget: Duration) -> Result<Pruned> {
        self.run(write("prune", 1), self.store.prune(retention, budget)).await
    }

    async fn changed(&self, after: u64, wait: Duration) -> Result<()> {
        self.run(read("changed", 1), self.store.changed(after, wait)).await
    }
}

#[async_trait]
impl<S: Store> Store for Hooked<S> {
    fn capabilities(&self) -> Capabilities {
        self.store.capabilities()
    }

    async fn stats(&self) -> Result<Stats> {
        self.run(read("stats", 1), self.store.stats()).await
    }

    async fn check(&self) -> Result<CheckReport> {
        self.run(read("check", 1), self.store.check()).await
    }

    async fn maintain(&self, budget: Duration) -> Result<Maintained> {
        self.run(write("maintain", 1), self.store.maintain(budget)).await
    }

    async fn backup(&self, to: PathBuf) -> Result<()> {
        self.run(read("backup", 1), self.store.backup(to)).await
    }

    async fn flush(&self) -> Result<()> {
        self.run(write("flush", 1), self.store.flush()).await
    }

    async fn close(&self) -> Result<()> {
        self.run(write("close", 1), self.store.close()).await
    }
}
