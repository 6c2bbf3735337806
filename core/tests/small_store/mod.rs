//! A whole store of a few lines, for tests of what stands between a caller and a store.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::FutureExt as _;
use threadkeep_core::{
    Capabilities, Capability, CheckReport, Checkpoint, Cursor, Direction, DynamicToolSpec,
    DynamicToolStore, LogEntry, LogFilter, LogIds, LogPage, LogQuery, LogRow, LogStore, Maintained,
    Outcome, Page, Pruned, Record, Records, Result, Retention, Slot, Stats, Store, Subject,
    ThreadId, ThreadMetadata, ThreadQuery, ThreadStore, ToolsChange, WriteBatch,
};

#[derive(Default)]
struct State {
    threads: BTreeMap<ThreadId, Record>,
    tools: BTreeMap<ThreadId, Vec<DynamicToolSpec>>,
    logs: Vec<LogRow>,
    last_log: u64,
    deleted_log: u64,
    upkeep: Vec<String>,
}

/// Scans everything for every question, and writes down what upkeep it was asked for.
#[derive(Default)]
pub(crate) struct SmallStore(Mutex<State>);

impl SmallStore {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// The calls that only keep the store in order, as they came.
    #[allow(dead_code, reason = "not every test asks")]
    pub(crate) fn upkeep(&self) -> Vec<String> {
        self.state().upkeep.clone()
    }

    fn note<T>(&self, call: String, answer: T) -> T {
        self.state().upkeep.push(call);
        answer
    }
}

/// The answer of a store that never waits.
pub(crate) fn now<T>(future: impl Future<Output = T>) -> T {
    future.now_or_never().expect("the call waits for something")
}

fn row(record: &Record) -> Option<&ThreadMetadata> {
    match &record.thread {
        Slot::Present(row) => Some(row),
        _ => None,
    }
}

#[async_trait]
impl ThreadStore for SmallStore {
    async fn threads(&self, ids: Vec<ThreadId>) -> Result<Vec<Option<ThreadMetadata>>> {
        let state = self.state();
        Ok(ids.iter().map(|id| state.threads.get(id).and_then(row).cloned()).collect())
    }

    async fn list(&self, query: ThreadQuery) -> Result<Page<ThreadMetadata>> {
        query.validate()?;
        let state = self.state();
        let place = |row: &ThreadMetadata| (query.sort.of(row), row.id);
        let mut rows: Vec<_> = state
            .threads
            .values()
            .filter_map(row)
            .filter(|row| query.filter.matches(row))
            .cloned()
            .collect();
        rows.sort_by_key(place);
        if query.direction == Direction::Descending {
            rows.reverse();
        }
        if let Some(after) = query.after {
            let last = rows.iter().position(|row| place(row) == (after.value(), after.id()));
            rows.drain(..=last.expect("no test deletes what a cursor stands on"));
        }
        let more = rows.len() > query.limit;
        rows.truncate(query.limit);
        let last = rows.last().filter(|_| more);
        let next = last.map(|row| Cursor::new(&query, query.sort.of(row), row.id));
        Ok(Page { items: rows, next, skipped: Vec::new() })
    }

    async fn list_ids(&self, query: ThreadQuery) -> Result<Page<ThreadId>> {
        let page = self.list(query).await?;
        let items = page.items.iter().map(|row| row.id).collect();
        Ok(Page { items, next: page.next, skipped: page.skipped })
    }

    async fn checkpoints(
        &self,
        prefix: String,
        after: Option<String>,
        limit: usize,
    ) -> Result<Vec<Checkpoint>> {
        let value = format!("{prefix} {after:?} {limit}");
        Ok(vec![Checkpoint { key: "asked".into(), value, revision: 1 }])
    }

    async fn write(&self, batch: WriteBatch) -> Result<Vec<Outcome>> {
        let mut state = self.state();
        let mut records = Records::new();
        for subject in batch.subjects() {
            if let Subject::Thread(id) = subject {
                let record = state.threads.get(&id).cloned().unwrap_or_default();
                records.insert_thread(id, record);
            }
        }
        let outcomes = records.apply(batch)?;
        for changed in records.into_changed().threads {
            match changed.after.tools_change.clone() {
                Some(ToolsChange::Store(tools)) => state.tools.insert(changed.id, tools),
                Some(ToolsChange::Remove) => state.tools.remove(&changed.id),
                None => None,
            };
            let stored = Record { tools_change: None, drop_logs: false, ..changed.after };
            state.threads.insert(changed.id, stored);
        }
        Ok(outcomes)
    }
}

#[async_trait]
impl DynamicToolStore for SmallStore {
    async fn dynamic_tools(&self, id: ThreadId) -> Result<Option<Vec<DynamicToolSpec>>> {
        Ok(self.state().tools.get(&id).cloned())
    }
}

#[async_trait]
impl LogStore for SmallStore {
    async fn append(&self, entries: Vec<LogEntry>) -> Result<Option<LogIds>> {
        let mut state = self.state();
        let first = state.last_log + 1;
        let count = entries.len() as u64;
        let numbered = entries.into_iter().zip(first..);
        state.logs.extend(numbered.map(|(entry, id)| LogRow { id, entry }));
        state.last_log += count;
        Ok((count > 0).then(|| LogIds { first, last: state.last_log }))
    }

    async fn query(&self, query: LogQuery) -> Result<LogPage> {
        query.validate()?;
        let state = self.state();
        let mut items: Vec<_> =
            state.logs.iter().filter(|row| query.filter.matches(row)).cloned().collect();
        if query.direction == Direction::Descending {
            items.reverse();
        }
        let more = items.len() > query.limit;
        items.truncate(query.limit);
        Ok(LogPage { items, more, deleted_through: state.deleted_log })
    }

    async fn max_log_id(&self, filter: LogFilter) -> Result<u64> {
        let state = self.state();
        Ok(state.logs.iter().filter(|row| filter.matches(row)).map(|row| row.id).max().unwrap_or(0))
    }

    async fn prune(&self, retention: Retention, _budget: Duration) -> Result<Pruned> {
        let mut state = self.state();
        let goes = |row: &LogRow| retention.before.is_some_and(|time| row.entry.time < time);
        let (gone, kept): (Vec<_>, Vec<_>) = state.logs.drain(..).partition(goes);
        state.logs = kept;
        let last = gone.iter().map(|row| row.id).max().unwrap_or(0);
        state.deleted_log = state.deleted_log.max(last);
        Ok(Pruned::rows(gone.len() as u64))
    }

    async fn changed(&self, after: u64, wait: Duration) -> Result<()> {
        self.note(format!("changed after {after} for {wait:?}"), Ok(()))
    }
}

#[async_trait]
impl Store for SmallStore {
    fn capabilities(&self) -> Capabilities {
        Capabilities::none().with(Capability::Backup)
    }

    async fn stats(&self) -> Result<Stats> {
        let mut stats = Stats::default();
        stats.threads = self.state().threads.values().filter_map(row).count() as u64;
        Ok(stats)
    }

    async fn check(&self) -> Result<CheckReport> {
        let mut report = CheckReport::default();
        report.threads = self.stats().await?.threads;
        Ok(report)
    }

    async fn maintain(&self, budget: Duration) -> Result<Maintained> {
        let mut maintained = Maintained::default();
        maintained.done = true;
        Ok(self.note(format!("maintain for {budget:?}"), maintained))
    }

    async fn backup(&self, to: PathBuf) -> Result<()> {
        self.note(format!("backup to {}", to.display()), Ok(()))
    }

    async fn flush(&self) -> Result<()> {
        self.note("flush".into(), Ok(()))
    }

    async fn close(&self) -> Result<()> {
        self.note("close".into(), Ok(()))
    }
}
