//! Reading a store from one end to the other, in pages that fit into memory.

use futures_util::stream::{self, StreamExt as _};

use super::{Moved, is_private};
use crate::{
    Checkpoint, Direction, DynamicToolSpec, ErrorKind, LogFilter, LogPage, LogQuery, Result,
    Skipped, SortKey, Store, ThreadId, ThreadQuery,
};

/// About how many bytes a page should have.
pub(super) const PAGE_BYTES: usize = 8 * 1024 * 1024;
/// Threads, or checkpoints, in a page at most.
pub(super) const PAGE_THREADS: usize = 256;
/// Log entries in a page at most.
pub(super) const PAGE_ENTRIES: usize = 4_096;
/// Tools of so many threads are asked for at once.
const TOOLS_AT_ONCE: usize = 16;

/// How many items the next page is asked for: as many as should fit, by what those before had.
pub(super) struct PageSize {
    now: usize,
    most: usize,
}

impl PageSize {
    fn new(most: usize) -> Self {
        // What rows are like is not known yet.
        Self { now: 32, most }
    }

    fn next_after(&mut self, items: usize, bytes: usize) {
        if items > 0 {
            let fit = items.saturating_mul(PAGE_BYTES) / bytes.max(1);
            self.now = fit.clamp(1, self.most.min(self.now * 2));
        }
    }
}

/// The threads of a store with their tools, those begun first first.
pub(super) struct ThreadPages<'a> {
    store: &'a dyn Store,
    query: Option<ThreadQuery>,
    size: PageSize,
}

/// Some threads, and what could not be read of them.
pub(super) struct ThreadPage {
    pub(super) threads: Vec<Moved>,
    /// Rows.
    pub(super) skipped: Vec<Skipped>,
    /// Tools of threads that are there.
    pub(super) skipped_tools: Vec<Skipped>,
}

impl<'a> ThreadPages<'a> {
    pub(super) fn new(store: &'a dyn Store) -> Self {
        let query = ThreadQuery::everything().sort(SortKey::CreatedAt);
        let query = Some(query.direction(Direction::Ascending));
        Self { store, query, size: PageSize::new(PAGE_THREADS) }
    }

    pub(super) async fn next(&mut self) -> Result<Option<ThreadPage>> {
        let Some(query) = self.query.take() else {
            return Ok(None);
        };
        let query = query.limit(self.size.now);
        let page = self.store.list(query.clone()).await?;
        let ids = page.items.iter().map(|row| row.id).collect();
        let mut threads = Vec::with_capacity(page.items.len());
        let mut skipped_tools = Vec::new();
        for (row, tools) in page.items.into_iter().zip(tools_of(self.store, ids).await) {
            let tools = tools.unwrap_or_else(|error| {
                skipped_tools.push((row.id, error));
                None
            });
            threads.push(Moved { row, tools });
        }
        self.size.next_after(threads.len(), threads.iter().map(Moved::bytes).sum());
        self.query = page.next.map(|next| query.after(next));
        let skipped_tools = skipped_tools.into_iter().map(|(id, error)| match error.kind() {
            ErrorKind::Corrupted => Ok(Skipped { id, reason: error.message().to_owned() }),
            _ => Err(error),
        });
        let skipped_tools = skipped_tools.collect::<Result<_>>()?;
        Ok(Some(ThreadPage { threads, skipped: page.skipped, skipped_tools }))
    }
}

/// The tools of threads, in their order.
pub(super) async fn tools_of(
    store: &dyn Store,
    ids: Vec<ThreadId>,
) -> Vec<Result<Option<Vec<DynamicToolSpec>>>> {
    let asked = stream::iter(ids).map(|id| store.dynamic_tools(id));
    asked.buffered(TOOLS_AT_ONCE).collect().await
}

/// The checkpoints of a store that are not its alone, by key.
pub(super) struct CheckpointPages<'a> {
    store: &'a dyn Store,
    after: Option<String>,
    size: PageSize,
    ended: bool,
}

impl<'a> CheckpointPages<'a> {
    pub(super) fn new(store: &'a dyn Store) -> Self {
        Self { store, after: None, size: PageSize::new(PAGE_THREADS * 4), ended: false }
    }

    pub(super) async fn next(&mut self) -> Result<Option<Vec<Checkpoint>>> {
        if self.ended {
            return Ok(None);
        }
        let limit = self.size.now;
        let mut page = self.store.checkpoints(String::new(), self.after.clone(), limit).await?;
        self.ended = page.len() < limit;
        if let Some(last) = page.last() {
            self.after = Some(last.key.clone());
        }
        self.size.next_after(page.len(), page.iter().map(bytes_of).sum());
        page.retain(|checkpoint| !is_private(&checkpoint.key));
        Ok(Some(page))
    }
}

/// About how much memory a checkpoint takes.
pub(super) fn bytes_of(checkpoint: &Checkpoint) -> usize {
    size_of::<Checkpoint>() + checkpoint.key.len() + checkpoint.value.len()
}

/// Log entries by number.
pub(super) struct LogPages<'a> {
    store: &'a dyn Store,
    after: u64,
    /// Up to this number; what comes while the pages are read is not waited for.
    through: u64,
    size: PageSize,
    ended: bool,
}

impl<'a> LogPages<'a> {
    /// The entries after this number that are there now.
    pub(super) async fn after(store: &'a dyn Store, after: u64) -> Result<Self> {
        let through = store.max_log_id(LogFilter::new()).await?;
        Ok(Self { store, after, through, size: PageSize::new(PAGE_ENTRIES), ended: false })
    }

    pub(super) async fn next(&mut self) -> Result<Option<LogPage>> {
        if self.ended || self.after >= self.through {
            return Ok(None);
        }
        let mut filter = LogFilter::new().after_id(self.after);
        filter.before_id = self.through.checked_add(1);
        let query = LogQuery::new(filter).direction(Direction::Ascending).limit(self.size.now);
        let page = self.store.query(query).await?;
        self.ended = !page.more;
        if let Some(last) = page.items.last() {
            self.after = last.id;
        }
        let bytes = page.items.iter().map(|row| size_of_val(row) as u64 + row.entry.text_bytes());
        let bytes = usize::try_from(bytes.sum::<u64>()).unwrap_or(usize::MAX);
        self.size.next_after(page.items.len(), bytes);
        Ok(Some(page))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_grow_while_rows_are_small_and_shrink_at_once_where_they_are_not() {
        let mut size = PageSize::new(256);
        let mut asked = Vec::new();
        for bytes in [1_000; 5] {
            asked.push(size.now);
            size.next_after(size.now, size.now * bytes);
        }
        assert_eq!(asked, [32, 64, 128, 256, 256]);
        size.next_after(256, 256 * 1024 * 1024);
        assert_eq!(size.now, 8);
        size.next_after(8, 8 * 64 * 1024 * 1024);
        assert_eq!(size.now, 1, "a page has at least one");
        size.next_after(0, 0);
        assert_eq!(size.now, 1);
    }
}
