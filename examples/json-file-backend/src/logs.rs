//! Log entries.

use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use threadkeep_core::{
    Direction, LogEntry, LogFilter, LogIds, LogPage, LogQuery, LogRow, LogStore, Pruned, Result,
    Retention,
};

use crate::JsonFileStore;
use crate::state::State;

#[async_trait]
impl LogStore for JsonFileStore {
    async fn append(&self, entries: Vec<LogEntry>) -> Result<Option<LogIds>> {
        let append = self.change("append", |state| {
            let entries = entries.into_iter().map(LogEntry::prepare).collect::<Result<_>>()?;
            Ok(state.append(entries))
        });
        let ids = append.await?;
        if let Some(ids) = ids {
            self.bell.ring(ids.last);
        }
        Ok(ids)
    }

    async fn query(&self, query: LogQuery) -> Result<LogPage> {
        self.read("query", move |state| {
            query.validate()?;
            let rows = state.matching_logs(&query.filter);
            // One more than asked for tells whether there are more.
            let mut items: Vec<_> = match query.direction {
                Direction::Ascending => rows.take(query.limit + 1).cloned().collect(),
                Direction::Descending => rows.rev().take(query.limit + 1).cloned().collect(),
            };
            let more = items.len() > query.limit;
            items.truncate(query.limit);
            Ok(LogPage { items, more, deleted_through: state.deleted_log_id })
        })
        .await
    }

    async fn max_log_id(&self, filter: LogFilter) -> Result<u64> {
        let newest =
            move |state: &State| state.matching_logs(&filter).next_back().map(|row| row.id);
        self.read("max_log_id", move |state| Ok(newest(state).unwrap_or(0))).await
    }

    async fn prune(&self, retention: Retention, _budget: Duration) -> Result<Pruned> {
        self.change("prune", move |state| {
            let before = state.logs.len();
            let doomed = retention.doomed(state.logs.iter(), SystemTime::now().into());
            state.delete_logs(|row| doomed.contains(&row.id));
            Ok(Pruned::rows((before - state.logs.len()) as u64))
        })
        .await
    }

    async fn changed(&self, after: u64, wait: Duration) -> Result<()> {
        self.bell.wait(after, wait).await.map_err(|error| error.during("changed"))
    }
}

impl State {
    /// Deletes entries, and remembers how far.
    pub(crate) fn delete_logs(&mut self, goes: impl Fn(&LogRow) -> bool) {
        let last = self.logs.iter().filter(|row| goes(row)).map(|row| row.id).max();
        self.deleted_log_id = self.deleted_log_id.max(last.unwrap_or(0));
        self.logs.retain(|row| !goes(row));
    }

    fn append(&mut self, entries: Vec<LogEntry>) -> Option<LogIds> {
        let first = self.last_log_id + 1;
        for entry in entries {
            self.last_log_id += 1;
            self.logs.push(LogRow { id: self.last_log_id, entry });
        }
        (first <= self.last_log_id).then_some(LogIds { first, last: self.last_log_id })
    }

    /// What matches, by number.
    fn matching_logs(&self, filter: &LogFilter) -> impl DoubleEndedIterator<Item = &LogRow> {
        self.logs.iter().filter(|row| filter.matches(row))
    }
}
