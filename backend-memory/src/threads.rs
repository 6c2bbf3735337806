//! Threads and checkpoints.

use std::ops::Bound::{Excluded, Included, Unbounded};

use async_trait::async_trait;
use threadkeep_core::{
    Checkpoint, Outcome, Page, Result, ThreadId, ThreadMetadata, ThreadQuery, ThreadStore,
    WriteBatch, limits,
};

use crate::MemoryStore;

#[async_trait]
impl ThreadStore for MemoryStore {
    async fn threads(&self, ids: Vec<ThreadId>) -> Result<Vec<Option<ThreadMetadata>>> {
        self.read("threads", |state| Ok(ids.iter().map(|id| state.rows.get(id).cloned()).collect()))
    }

    async fn list(&self, query: ThreadQuery) -> Result<Page<ThreadMetadata>> {
        self.read("list", |state| {
            let (ids, next) = state.select(&query)?;
            let items = ids.iter().filter_map(|id| state.rows.get(id).cloned()).collect();
            Ok(Page { items, next, ..Page::default() })
        })
    }

    async fn list_ids(&self, query: ThreadQuery) -> Result<Page<ThreadId>> {
        self.read("list_ids", |state| {
            let (items, next) = state.select(&query)?;
            Ok(Page { items, next, ..Page::default() })
        })
    }

    async fn checkpoints(
        &self,
        prefix: String,
        after: Option<String>,
        limit: usize,
    ) -> Result<Vec<Checkpoint>> {
        self.read("checkpoints", |state| {
            limits::check_checkpoint_limit(limit)?;
            let from = match after.as_deref() {
                Some(after) if after >= prefix.as_str() => Excluded(after),
                _ => Included(prefix.as_str()),
            };
            let checkpoints = state.checkpoints.range::<str, _>((from, Unbounded));
            Ok(checkpoints
                .map(|(_, checkpoint)| checkpoint)
                .take_while(|checkpoint| checkpoint.key.starts_with(&prefix))
                .take(limit)
                .cloned()
                .collect())
        })
    }

    async fn write(&self, batch: WriteBatch) -> Result<Vec<Outcome>> {
        self.write("write", |state| state.apply(batch))
    }
}
