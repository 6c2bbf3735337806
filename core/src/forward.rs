//! Pointers to stores are stores.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::store::{CheckReport, Maintained, Stats};
use crate::{
    Capabilities, Checkpoint, DynamicToolSpec, DynamicToolStore, LogEntry, LogFilter, LogIds,
    LogPage, LogQuery, LogStore, Outcome, Page, Pruned, Result, Retention, Store, ThreadId,
    ThreadMetadata, ThreadQuery, ThreadStore, WriteBatch,
};

macro_rules! forward {
    ($($pointer:ty),*) => {$(
        #[async_trait]
        impl<T: ThreadStore + ?Sized> ThreadStore for $pointer {
            async fn threads(&self, ids: Vec<ThreadId>) -> Result<Vec<Option<ThreadMetadata>>> {
                (**self).threads(ids).await
            }

            async fn list(&self, query: ThreadQuery) -> Result<Page<ThreadMetadata>> {
                (**self).list(query).await
            }

            async fn list_ids(&self, query: ThreadQuery) -> Result<Page<ThreadId>> {
                (**self).list_ids(query).await
            }

            async fn checkpoints(
                &self,
                prefix: String,
                after: Option<String>,
                limit: usize,
            ) -> Result<Vec<Checkpoint>> {
                (**self).checkpoints(prefix, after, limit).await
            }

            async fn write(&self, batch: WriteBatch) -> Result<Vec<Outcome>> {
                (**self).write(batch).await
            }
        }

        #[async_trait]
        impl<T: DynamicToolStore + ?Sized> DynamicToolStore for $pointer {
            async fn dynamic_tools(&self, id: ThreadId) -> Result<Option<Vec<DynamicToolSpec>>> {
                (**self).dynamic_tools(id).await
            }
        }

        #[async_trait]
        impl<T: LogStore + ?Sized> LogStore for $pointer {
            async fn append(&self, entries: Vec<LogEntry>) -> Result<Option<LogIds>> {
                (**self).append(entries).await
            }

            async fn query(&self, query: LogQuery) -> Result<LogPage> {
                (**self).query(query).await
            }

            async fn max_log_id(&self, filter: LogFilter) -> Result<u64> {
                (**self).max_log_id(filter).await
            }

            async fn prune(&self, retention: Retention, budget: Duration) -> Result<Pruned> {
                (**self).prune(retention, budget).await
            }

            async fn changed(&self, after: u64, wait: Duration) -> Result<()> {
                (**self).changed(after, wait).await
            }
        }

        #[async_trait]
        impl<T: Store + ?Sized> Store for $pointer {
            fn capabilities(&self) -> Capabilities {
                (**self).capabilities()
            }

            async fn stats(&self) -> Result<Stats> {
                (**self).stats().await
            }

            async fn check(&self) -> Result<CheckReport> {
                (**self).check().await
            }

            async fn maintain(&self, budget: Duration) -> Result<Maintained> {
                (**self).maintain(budget).await
            }

            async fn backup(&self, to: PathBuf) -> Result<()> {
                (**self).backup(to).await
            }

            async fn flush(&self) -> Result<()> {
                (**self).flush().await
            }

            async fn close(&self) -> Result<()> {
                (**self).close().await
            }
        }
    )*};
}

forward!(Arc<T>, Box<T>, &'static T);
