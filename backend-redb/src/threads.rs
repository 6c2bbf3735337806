//! Threads and checkpoints.

use async_trait::async_trait;
use threadkeep_core::{
    Checkpoint, Outcome, Page, Result, ThreadId, ThreadMetadata, ThreadQuery, ThreadStore,
    WriteBatch, limits,
};

use crate::writer::Written;
use crate::{RedbStore, reader};

#[async_trait]
impl ThreadStore for RedbStore {
    async fn threads(&self, ids: Vec<ThreadId>) -> Result<Vec<Option<ThreadMetadata>>> {
        self.read(move |store| store.threads.read("threads", |from| reader::threads(from, &ids)))
            .await
    }

    async fn list(&self, query: ThreadQuery) -> Result<Page<ThreadMetadata>> {
        query.validate()?;
        self.read(move |store| store.threads.read("list", |from| reader::page(from, &query))).await
    }

    async fn list_ids(&self, query: ThreadQuery) -> Result<Page<ThreadId>> {
        query.validate()?;
        self.read(move |store| store.threads.read("list_ids", |from| reader::id_page(from, &query)))
            .await
    }

    async fn checkpoints(
        &self,
        prefix: String,
        after: Option<String>,
        limit: usize,
    ) -> Result<Vec<Checkpoint>> {
        limits::check_checkpoint_limit(limit)?;
        self.read(move |store| {
            store.threads.read("checkpoints", |from| {
                reader::checkpoints(from, &prefix, after.as_deref(), limit)
            })
        })
        .await
    }

    async fn write(&self, batch: WriteBatch) -> Result<Vec<Outcome>> {
        let store = self.store()?;
        let Written { outcomes, deleted } = store.writer()?.submit(batch).await?;
        if !deleted.is_empty() {
            store.drop_logs_soon(deleted).await;
        }
        Ok(outcomes)
    }
}
