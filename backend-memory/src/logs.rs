//! Log entries.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
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
    /// The greatest number that was deleted.
    deleted_through: u64,
}

impl Logs {
    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(crate) fn drop_threads(&mut self, ids: &BTreeSet<String>) {
        if !ids.is_empty() {
            let goes = |row: &&LogRow| {
                row.entry.thread_id.as_ref().is_some_and(|thread| ids.contains(thread))
            };
            let doomed = self.rows.values().filter(goes).map(|row| row.id).collect();
            self.delete(doomed);
        }
    }

    fn delete(&mut self, doomed: BTreeSet<u64>) {
        self.deleted_through = self.deleted_through.max(doomed.last().copied().unwrap_or(0));
        for id in doomed {
            self.rows.remove(&id);
        }
    }

    pub(crate) fn prune(&mut self, retention: &Retention, now: DateTime<Utc>) {
        let doomed = retention.doomed(self.rows.values(), now);
        self.delete(doomed);
    }

    fn append(&mut self, entries: Vec<LogEntry>) -> Option<LogIds> {
        let first = self.last_id + 1;
        for entry in entries {
            self.last_id += 1;
            self.rows.insert(self.last_id, LogRow { id: self.last_id, entry });
        }
        (first <= self.last_id).then_some(LogIds { first, last: self.last_id })
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
        let appended = self.write("append", |state| {
            let entries = entries.into_iter().map(LogEntry::prepare).collect::<Result<_>>()?;
            Ok(state.logs.append(entries))
        });
        if let Ok(Some(ids)) = appended {
            self.bell.ring(ids.last);
        }
        appended
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
            Ok(LogPage { items, more, deleted_through: state.logs.deleted_through })
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
            state.logs.prune(&retention, SystemTime::now().into());
            Ok(Pruned::rows((before - state.logs.len()) as u64))
        })
    }

    async fn changed(&self, after: u64, wait: Duration) -> Result<()> {
        self.bell.wait(after, wait).await.map_err(|error| error.during("changed"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use threadkeep_core::LogLevel;

    /// Entries 1 to 4, each of three bytes of text, the odd ones of thread `t`.
    fn four() -> Logs {
        let mut logs = Logs::default();
        let entry = |number: u64| LogEntry {
            thread_id: (number % 2 == 1).then(|| "t".into()),
            message: Some(if number % 2 == 1 { "m" } else { "mm" }.into()),
            ..LogEntry::new(SystemTime::UNIX_EPOCH.into(), LogLevel::Info, "t", "")
        };
        let ids = logs.append((1..=4).map(entry).collect());
        assert_eq!(ids, Some(LogIds { first: 1, last: 4 }));
        logs
    }

    fn prune_to(logs: &mut Logs, max_bytes: u64) {
        logs.prune(&Retention::max_bytes(max_bytes), SystemTime::UNIX_EPOCH.into());
    }

    fn numbers(logs: &Logs, filter: &LogFilter) -> Vec<u64> {
        logs.matching(filter).map(|row| row.id).collect()
    }

    fn all(logs: &Logs) -> Vec<u64> {
        numbers(logs, &LogFilter::new())
    }

    #[test]
    fn as_many_of_the_newest_entries_stay_as_fit() {
        for (max_bytes, left) in [
            (u64::MAX, &[1, 2, 3, 4][..]),
            (12, &[1, 2, 3, 4]),
            (11, &[2, 3, 4]),
            (7, &[3, 4]),
            (6, &[3, 4]),
            (5, &[4]),
            (2, &[]),
            (0, &[]),
        ] {
            let mut logs = four();
            prune_to(&mut logs, max_bytes);
            assert_eq!(all(&logs), left, "{max_bytes}");
        }
    }

    #[test]
    fn numbers_grow_over_deletions() {
        let mut logs = four();
        prune_to(&mut logs, 0);
        assert_eq!(logs.len(), 0);
        assert_eq!(logs.append(Vec::new()), None);
        let entry = LogEntry::new(SystemTime::UNIX_EPOCH.into(), LogLevel::Info, "t", "m");
        assert_eq!(logs.append(vec![entry]), Some(LogIds { first: 5, last: 5 }));
    }

    #[test]
    fn only_entries_of_the_named_threads_are_dropped() {
        let mut logs = four();
        logs.drop_threads(&BTreeSet::new());
        assert_eq!(all(&logs), [1, 2, 3, 4]);
        logs.drop_threads(&BTreeSet::from(["u".to_owned()]));
        assert_eq!(all(&logs), [1, 2, 3, 4]);
        logs.drop_threads(&BTreeSet::from(["t".to_owned()]));
        assert_eq!(all(&logs), [2, 4]);
    }

    #[test]
    fn a_range_of_numbers_that_holds_none_is_empty() {
        let mut filter = LogFilter::new().after_id(2);
        assert_eq!(numbers(&four(), &filter), [3, 4]);
        filter.before_id = Some(4);
        assert_eq!(numbers(&four(), &filter), [3]);
        for before in [0, 2, 3] {
            filter.before_id = Some(before);
            assert!(numbers(&four(), &filter).is_empty(), "{before}");
        }
        assert!(numbers(&four(), &LogFilter::new().after_id(u64::MAX)).is_empty());
    }
}
