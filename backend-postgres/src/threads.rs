//! Threads: reading and writing.

use std::time::Duration;

use async_trait::async_trait;
use threadkeep_core::{
    Checkpoint, Outcome, Page, Result, ThreadId, ThreadMetadata, ThreadQuery, ThreadStore,
    WriteBatch, limits,
};

use crate::writer::Written;
use crate::{PostgresStore, runtime};

/// So long a deletion waits for the logs of its threads: threads do not wait for logs.
const LOGS_WAIT: Duration = Duration::from_millis(50);

#[async_trait]
impl ThreadStore for PostgresStore {
    async fn threads(&self, ids: Vec<ThreadId>) -> Result<Vec<Option<ThreadMetadata>>> {
        self.read_threads(ids).await
    }

    async fn list(&self, query: ThreadQuery) -> Result<Page<ThreadMetadata>> {
        self.read_page(query).await
    }

    async fn list_ids(&self, query: ThreadQuery) -> Result<Page<ThreadId>> {
        self.read_id_page(query).await
    }

    async fn checkpoints(
        &self,
        prefix: String,
        after: Option<String>,
        limit: usize,
    ) -> Result<Vec<Checkpoint>> {
        limits::check_checkpoint_limit(limit)?;
        self.read_checkpoints(prefix, after, limit).await
    }

    async fn write(&self, batch: WriteBatch) -> Result<Vec<Outcome>> {
        let Written { outcomes, deleted } = self.handle.threads()?.submit(batch.into()).await?;
        if !deleted.is_empty() {
            self.drop_logs_soon(deleted).await;
        }
        Ok(outcomes)
    }
}

impl PostgresStore {
    /// Deletes the logs of deleted threads; what is not done at once is left to `maintain`.
    async fn drop_logs_soon(&self, deleted: Vec<ThreadId>) {
        let store = self.clone();
        // The clock needs a runtime, which the caller may have none of.
        let dropped = runtime::run(async move {
            match tokio::time::timeout(LOGS_WAIT, store.drop_logs(deleted)).await {
                Ok(dropped) => dropped.map(Some),
                Err(_) => Ok(None),
            }
        });
        match dropped.await {
            Ok(Some(_)) => {}
            Ok(None) => tracing::debug!("logs of deleted threads are left for maintenance"),
            Err(error) => {
                tracing::debug!(%error, "logs of deleted threads are left for maintenance");
            }
        }
    }
}
