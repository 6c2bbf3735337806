//! A store that does as another one does, but for what a saboteur breaks.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use threadkeep_conformance::async_trait;
use threadkeep_core::{
    Capabilities, CheckReport, Checkpoint, DynamicToolSpec, DynamicToolStore, LogEntry, LogFilter,
    LogIds, LogPage, LogQuery, LogStore, Maintained, Outcome, Page, Pruned, Result, Retention,
    Stats, Store, ThreadId, ThreadMetadata, ThreadQuery, ThreadStore, WriteBatch,
};

/// The store underneath.
pub(crate) type Inner = Arc<dyn Store>;

/// What a saboteur does in place of the store: everything as the store does, unless overridden.
#[async_trait]
pub(crate) trait Sabotage: Send + Sync + 'static {
    /// Runs before every other method but `close`.
    async fn before(&self, _inner: &Inner) -> Result<()> {
        Ok(())
    }

    async fn threads(
        &self,
        inner: &Inner,
        ids: Vec<ThreadId>,
    ) -> Result<Vec<Option<ThreadMetadata>>> {
        inner.threads(ids).await
    }

    async fn list(&self, inner: &Inner, query: ThreadQuery) -> Result<Page<ThreadMetadata>> {
        inner.list(query).await
    }

    async fn list_ids(&self, inner: &Inner, query: ThreadQuery) -> Result<Page<ThreadId>> {
        inner.list_ids(query).await
    }

    async fn checkpoints(
        &self,
        inner: &Inner,
        prefix: String,
        after: Option<String>,
        limit: usize,
    ) -> Result<Vec<Checkpoint>> {
        inner.checkpoints(prefix, after, limit).await
    }

    async fn write(&self, inner: &Inner, batch: WriteBatch) -> Result<Vec<Outcome>> {
        inner.write(batch).await
    }

    async fn dynamic_tools(
        &self,
        inner: &Inner,
        id: ThreadId,
    ) -> Result<Option<Vec<DynamicToolSpec>>> {
        inner.dynamic_tools(id).await
    }

    async fn append(&self, inner: &Inner, entries: Vec<LogEntry>) -> Result<Option<LogIds>> {
        inner.append(entries).await
    }

    async fn query(&self, inner: &Inner, query: LogQuery) -> Result<LogPage> {
        inner.query(query).await
    }

    async fn max_log_id(&self, inner: &Inner, filter: LogFilter) -> Result<u64> {
        inner.max_log_id(filter).await
    }

    async fn prune(&self, inner: &Inner, retention: Retention, budget: Duration) -> Result<Pruned> {
        inner.prune(retention, budget).await
    }

    async fn changed(&self, inner: &Inner, after: u64, wait: Duration) -> Result<()> {
        inner.changed(after, wait).await
    }

    async fn stats(&self, inner: &Inner) -> Result<Stats> {
        inner.stats().await
    }

    async fn check(&self, inner: &Inner) -> Result<CheckReport> {
        inner.check().await
    }

    async fn maintain(&self, inner: &Inner, budget: Duration) -> Result<Maintained> {
        inner.maintain(budget).await
    }

    async fn backup(&self, inner: &Inner, to: PathBuf) -> Result<()> {
        inner.backup(to).await
    }

    async fn flush(&self, inner: &Inner) -> Result<()> {
        inner.flush().await
    }

    async fn close(&self, inner: &Inner) -> Result<()> {
        inner.close().await
    }
}

/// A store with a saboteur in it.
pub(crate) struct Sabotaged<A> {
    inner: Inner,
    sabotage: A,
}

impl<A: Sabotage> Sabotaged<A> {
    pub(crate) fn new(inner: Inner, sabotage: A) -> Self {
        Self { inner, sabotage }
    }

    async fn ready(&self) -> Result<(&A, &Inner)> {
        self.sabotage.before(&self.inner).await?;
        Ok((&self.sabotage, &self.inner))
    }
}

#[async_trait]
impl<A: Sabotage> ThreadStore for Sabotaged<A> {
    async fn threads(&self, ids: Vec<ThreadId>) -> Result<Vec<Option<ThreadMetadata>>> {
        let (sabotage, inner) = self.ready().await?;
        sabotage.threads(inner, ids).await
    }

    async fn list(&self, query: ThreadQuery) -> Result<Page<ThreadMetadata>> {
        let (sabotage, inner) = self.ready().await?;
        sabotage.list(inner, query).await
    }

    async fn list_ids(&self, query: ThreadQuery) -> Result<Page<ThreadId>> {
        let (sabotage, inner) = self.ready().await?;
        sabotage.list_ids(inner, query).await
    }

    async fn checkpoints(
        &self,
        prefix: String,
        after: Option<String>,
        limit: usize,
    ) -> Result<Vec<Checkpoint>> {
        let (sabotage, inner) = self.ready().await?;
        sabotage.checkpoints(inner, prefix, after, limit).await
    }

    async fn write(&self, batch: WriteBatch) -> Result<Vec<Outcome>> {
        let (sabotage, inner) = self.ready().await?;
        sabotage.write(inner, batch).await
    }
}

#[async_trait]
impl<A: Sabotage> DynamicToolStore for Sabotaged<A> {
    async fn dynamic_tools(&self, id: ThreadId) -> Result<Option<Vec<DynamicToolSpec>>> {
        let (sabotage, inner) = self.ready().await?;
        sabotage.dynamic_tools(inner, id).await
    }
}

#[async_trait]
impl<A: Sabotage> LogStore for Sabotaged<A> {
    async fn append(&self, entries: Vec<LogEntry>) -> Result<Option<LogIds>> {
        let (sabotage, inner) = self.ready().await?;
        sabotage.append(inner, entries).await
    }

    async fn query(&self, query: LogQuery) -> Result<LogPage> {
        let (sabotage, inner) = self.ready().await?;
        sabotage.query(inner, query).await
    }

    async fn max_log_id(&self, filter: LogFilter) -> Result<u64> {
        let (sabotage, inner) = self.ready().await?;
        sabotage.max_log_id(inner, filter).await
    }

    async fn prune(&self, retention: Retention, budget: Duration) -> Result<Pruned> {
        let (sabotage, inner) = self.ready().await?;
        sabotage.prune(inner, retention, budget).await
    }

    async fn changed(&self, after: u64, wait: Duration) -> Result<()> {
        let (sabotage, inner) = self.ready().await?;
        sabotage.changed(inner, after, wait).await
    }
}

#[async_trait]
impl<A: Sabotage> Store for Sabotaged<A> {
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    async fn stats(&self) -> Result<Stats> {
        let (sabotage, inner) = self.ready().await?;
        sabotage.stats(inner).await
    }

    async fn check(&self) -> Result<CheckReport> {
        let (sabotage, inner) = self.ready().await?;
        sabotage.check(inner).await
    }

    async fn maintain(&self, budget: Duration) -> Result<Maintained> {
        let (sabotage, inner) = self.ready().await?;
        sabotage.maintain(inner, budget).await
    }

    async fn backup(&self, to: PathBuf) -> Result<()> {
        let (sabotage, inner) = self.ready().await?;
        sabotage.backup(inner, to).await
    }

    async fn flush(&self) -> Result<()> {
        let (sabotage, inner) = self.ready().await?;
        sabotage.flush(inner).await
    }

    async fn close(&self) -> Result<()> {
        self.sabotage.close(&self.inner).await
    }
}
