//! The comfort on top of the traits, written once for every backend.

use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use futures_util::stream::{self, Stream};

use crate::follow::{self, Follow, Followed};
use crate::rollout::{RolloutLine, fold};
use crate::{
    Archived, Change, DynamicToolSpec, DynamicToolStore, Effect, Error, ErrorKind, LogEntry,
    LogIds, LogPage, LogQuery, LogStore, Outcome, Page, Result, Retention, ThreadId,
    ThreadMetadata, ThreadQuery, ThreadSeed, ThreadStore, Timestamp, WriteBatch,
};

/// What callers of a [`ThreadStore`] mostly use. Errors are those of the trait's own methods.
#[async_trait]
pub trait ThreadStoreExt: ThreadStore {
    /// One row.
    async fn get_thread(&self, id: ThreadId) -> Result<Option<ThreadMetadata>> {
        Ok(self.threads(vec![id]).await?.pop().flatten())
    }

    /// One page of threads.
    async fn list_threads(&self, query: ThreadQuery) -> Result<Page<ThreadMetadata>> {
        self.list(query).await
    }

    /// The ids of one page of threads.
    async fn list_thread_ids(&self, query: ThreadQuery) -> Result<Page<ThreadId>> {
        self.list_ids(query).await
    }

    /// Where a thread's history file is, if the thread is active or archived as asked.
    async fn find_rollout_path_by_id(
        &self,
        id: ThreadId,
        archived: Archived,
    ) -> Result<Option<PathBuf>> {
        let row = self.get_thread(id).await?;
        Ok(row.filter(|row| archived.admits(row.is_archived())).map(|row| row.rollout_path))
    }

    /// Inserts or replaces every field of a row but its revision. Tools stay.
    async fn upsert_thread(&self, metadata: ThreadMetadata) -> Result<Outcome> {
        write_one(self, Change::Put(Box::new(metadata))).await
    }

    /// Creates the row where there is none, applies what the lines say, and stores the tools they
    /// name if none are stored, as one. Without lines nothing happens.
    ///
    /// Where the lines lie in their file is not known here, so they are applied however often they
    /// come; [`Change::Apply`] with a marked patch is for whoever knows.
    async fn apply_rollout_items(
        &self,
        seed: ThreadSeed,
        lines: &[RolloutLine],
    ) -> Result<Option<Outcome>> {
        if lines.is_empty() {
            return Ok(None);
        }
        let patch = fold(seed.id(), lines);
        write_one(self, Change::Apply(Box::new(seed), Box::new(patch))).await.map(Some)
    }

    /// Archives a thread whose history file is now at `path`; `false` where there is none.
    async fn mark_archived(&self, id: ThreadId, path: PathBuf, at: Timestamp) -> Result<bool> {
        found(write_one(self, Change::Archive { id, path: Some(path), at }).await)
    }

    /// Makes a thread active whose history file is now at `path`; `false` where there is none.
    async fn mark_unarchived(&self, id: ThreadId, path: PathBuf) -> Result<bool> {
        found(write_one(self, Change::Unarchive { id, path: Some(path) }).await)
    }

    /// Names a thread, or takes its name away; `false` where there is none.
    async fn rename(&self, id: ThreadId, name: Option<String>) -> Result<bool> {
        found(write_one(self, Change::Rename { id, name, at: Timestamp::now() }).await)
    }

    /// Deletes threads with their tools and logs, as one; answers which were there.
    async fn delete_threads(&self, ids: Vec<ThreadId>) -> Result<Vec<ThreadId>> {
        let at = Timestamp::now();
        let mut batch = WriteBatch::new();
        for &id in &ids {
            batch.push(Change::Delete { id, at });
        }
        let outcomes = self.write(batch).await?;
        let went = ids.into_iter().zip(outcomes);
        Ok(went.filter(|(_, o)| o.effect == Effect::Deleted).map(|(id, _)| id).collect())
    }

    /// Stores a thread's tools, once: where some are stored, nothing changes. `None` or an empty
    /// list changes nothing.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound) for an unknown thread.
    async fn persist_dynamic_tools(
        &self,
        id: ThreadId,
        tools: Option<Vec<DynamicToolSpec>>,
    ) -> Result<()> {
        set_tools(self, id, tools.unwrap_or_default(), false).await
    }

    /// Stores a thread's tools in place of those it has. An empty list changes nothing.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound) for an unknown thread.
    async fn replace_dynamic_tools(&self, id: ThreadId, tools: Vec<DynamicToolSpec>) -> Result<()> {
        set_tools(self, id, tools, true).await
    }

    /// Every thread of a query, page after page; `limit` is the size of a page. Rows that cannot
    /// be decoded are passed over.
    fn thread_stream(
        &self,
        query: ThreadQuery,
    ) -> impl Stream<Item = Result<ThreadMetadata>> + Send + '_
    where
        Self: Sized,
    {
        let start = (Vec::new().into_iter(), Some(query));
        stream::try_unfold(start, move |(mut rows, mut query)| async move {
            loop {
                if let Some(row) = rows.next() {
                    return Ok(Some((row, (rows, query))));
                }
                let Some(page_query) = query.take() else {
                    return Ok(None);
                };
                let page = self.list(page_query.clone()).await?;
                query = page.next.map(|cursor| page_query.after(cursor));
                rows = page.items.into_iter();
            }
        })
    }
}

impl<T: ThreadStore + ?Sized> ThreadStoreExt for T {}

/// What callers of a [`DynamicToolStore`] mostly use.
#[async_trait]
pub trait DynamicToolStoreExt: DynamicToolStore {
    /// The tools in order; `None` where none were ever stored.
    async fn get_dynamic_tools(&self, id: ThreadId) -> Result<Option<Vec<DynamicToolSpec>>> {
        self.dynamic_tools(id).await
    }
}

impl<T: DynamicToolStore + ?Sized> DynamicToolStoreExt for T {}

/// What callers of a [`LogStore`] mostly use.
#[async_trait]
pub trait LogStoreExt: LogStore {
    /// Appends one entry and answers its number.
    async fn insert_log(&self, entry: LogEntry) -> Result<u64> {
        let ids = self.append(vec![entry]).await?;
        ids.map(|ids| ids.last)
            .ok_or_else(|| Error::new(ErrorKind::Internal, "an append gave out no number"))
    }

    /// Appends entries in order, as one.
    async fn insert_logs(&self, entries: Vec<LogEntry>) -> Result<Option<LogIds>> {
        self.append(entries).await
    }

    /// One page of entries.
    async fn query_logs(&self, query: LogQuery) -> Result<LogPage> {
        self.query(query).await
    }

    /// Every entry that matches, each once and in the order of numbers, those of other processes
    /// included; it goes on until the store is closed. An error does not end it: the next item is
    /// tried after the poll interval, and nothing is missed by it.
    ///
    /// The last number told is all that has to be remembered to go on later, on another handle too.
    fn follow(&self, follow: Follow) -> impl Stream<Item = Result<Followed>> + Send + '_
    where
        Self: Sized,
    {
        follow::follow(self, follow)
    }

    /// Deletes every entry before this time; answers how many went.
    async fn delete_logs_before(&self, time: DateTime<Utc>) -> Result<u64> {
        Ok(self.prune(Retention::before(time), Duration::MAX).await?.rows)
    }
}

impl<T: LogStore + ?Sized> LogStoreExt for T {}

async fn write_one<S: ThreadStore + ?Sized>(store: &S, change: Change) -> Result<Outcome> {
    let outcomes = store.write(change.into()).await?;
    outcomes
        .into_iter()
        .next()
        .ok_or_else(|| Error::new(ErrorKind::Internal, "a change was not answered"))
}

async fn set_tools<S: ThreadStore + ?Sized>(
    store: &S,
    id: ThreadId,
    tools: Vec<DynamicToolSpec>,
    replace: bool,
) -> Result<()> {
    if tools.is_empty() {
        return Ok(());
    }
    write_one(store, Change::SetTools { id, tools, replace }).await.map(drop)
}

fn found(outcome: Result<Outcome>) -> Result<bool> {
    Ok(outcome?.effect != Effect::Absent)
}
