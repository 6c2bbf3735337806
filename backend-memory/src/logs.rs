//! Log entries.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use async_trait::async_trait;
use threadkeep_core::{
    Direction, LogEntry, LogFilter, LogIds, LogPage, LogQuery, LogRow, LogStore, Pruned, Result,
    Retention,
};

use crate::MemoryStore;

/// The entries by number.
#[derive(Debug, Default)]
pub(crate) struct Logs {
    rows: BTreeMap<u64, LogRow>,
    /// The greatest number ever given out, so that none is given twice after a deletion.
    last_id: u64,
}

impl Logs {
    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(crate) fn drop_threads(&mut self, ids: &BTreeSet<String>) {
        if !ids.is_empty() {
            self.rows
                .retain(|_, row| row.entry.thread_id.as_ref().is_none_or(|id| !ids.contains(id)));
        }
    }

    fn append(&mut self, entries: Vec<LogEntry>) -> Option<LogIds> {
        let first = self.last_id + 1;
        for entry in entries {
            self.last_id += 1;
            self.rows.insert(self.last_id, LogRow { id: self.last_id, entry });
        }
        (first <= self.last_id).then_some(LogIds { first, last: self.last_id })
    }

    /// Drops the oldest entries, until the texts of the rest have at most so many bytes.
    fn keep_newest(&mut self, max_bytes: u64) {
        let mut bytes: u64 = self.rows.values().map(|row| row.entry.text_bytes()).sum();
        while bytes > max_bytes
            && let Some((_, oldest)) = self.rows.pop_first()
        {
            bytes -= oldest.entry.text_bytes();
        }
    }

    /// What matches, by number.
    fn matching<'a>(
        &'a self,
        filter: &'a LogFilter,
    ) -> impl DoubleEndedIterator<Item = &'a LogRow> {
        let first = filter.after_id.map_or(0, |id| id.saturating_add(1));
        // A range that ends before it begins would panic.
        let end = filter.before_id.unwrap_or(u64::MAX).max(first);
        self.rows.range(first..end).map(|(_, row)| row).filter(|row| filter.matches(row))
    }
}

#[async_trait]
impl LogStore for MemoryStore {
    async fn append(&self, entries: Vec<LogEntry>) -> Result<Option<LogIds>> {
        self.write("append", |state| {
            let entries = entries.into_iter().map(LogEntry::prepare).collect::<Result<_>>()?;
            Ok(state.logs.append(entries))
        })
    }

    async fn query(&self, query: LogQuery) -> Result<LogPage> {
        self.read("query", |state| {
            query.validate()?;
            let rows = state.logs.matching(&query.filter);
            // One more than asked for tells whether there are more.
            let mut items: Vec<_> = match query.direction {
                Direction::Ascending => rows.take(query.limit + 1).cloned().collect(),
                Direction::Descending => rows.rev().take(query.limit + 1).cloned().collect(),
            };
            let more = items.len() > query.limit;
            items.truncate(query.limit);
            Ok(LogPage { items, more })
        })
    }

    async fn max_log_id(&self, filter: LogFilter) -> Result<u64> {
        self.read("max_log_id", |state| {
            Ok(state.logs.matching(&filter).next_back().map_or(0, |row| row.id))
        })
    }

    async fn prune(&self, retention: Retention, _budget: Duration) -> Result<Pruned> {
        self.write("prune", |state| {
            let before = state.logs.len();
            if let Some(time) = retention.before {
                state.logs.rows.retain(|_, row| row.entry.time >= time);
            }
            if let Some(bytes) = retention.max_bytes {
                state.logs.keep_newest(bytes);
            }
            Ok(Pruned::rows((before - state.logs.len()) as u64))
        })
    }
}
