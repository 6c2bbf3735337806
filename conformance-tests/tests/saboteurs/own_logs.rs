//! Logs kept beside a store, with at most one fault: what saboteurs of logs are built from.

use std::sync::Mutex;
use std::time::{Duration, SystemTime};

use chrono::{DateTime, Utc};
use threadkeep_conformance::async_trait;
use threadkeep_core::{
    LogBell, LogEntry, LogFilter, LogIds, LogPage, LogQuery, LogRow, Outcome, Pruned, Result,
    Retention, Stats, Store, ThreadStore, WriteBatch,
};

use crate::imitate::{Names, deleted, hold};
use crate::logs::page_of;
use crate::sabotage::{Inner, Sabotage};

#[derive(Clone, Copy, PartialEq)]
pub(crate) enum LogFault {
    /// None: these logs are right.
    Nothing,
    NumbersAgain,
    KeepsDeleted,
    PrunesNewest,
    CountsTogether,
    ForgetsProcesses,
    KeepsOneMore,
    KeepsOneLess,
    CountsMessages,
    AgesByNewest,
    LimitsApart,
}

#[derive(Default)]
struct Logs {
    rows: Vec<LogRow>,
    /// The greatest number ever given out.
    greatest: u64,
    /// The greatest number that was deleted.
    deleted: u64,
}

pub(crate) struct OwnLogs {
    fault: LogFault,
    logs: Mutex<Logs>,
    bell: LogBell,
    names: Names,
}

impl OwnLogs {
    pub(crate) fn new(fault: LogFault) -> Self {
        Self { fault, logs: Mutex::default(), bell: LogBell::new(), names: Names::default() }
    }
}

impl Logs {
    /// Takes some away; answers how many.
    fn delete(&mut self, goes: impl Fn(&LogRow) -> bool) -> u64 {
        let before = self.rows.len();
        let last = self.rows.iter().rfind(|row| goes(row)).map_or(0, |row| row.id);
        self.deleted = self.deleted.max(last);
        self.rows.retain(|row| !goes(row));
        (before - self.rows.len()) as u64
    }
}

impl LogFault {
    /// What a row counts as where this is the fault.
    fn counted(self, row: &LogRow) -> LogRow {
        let mut row = row.clone();
        match self {
            Self::CountsTogether => row.entry.thread_id = Some("every thread".into()),
            Self::ForgetsProcesses => row.entry.process_id = None,
            Self::CountsMessages => {
                row.entry.target.clear();
                (row.entry.module_path, row.entry.file) = (None, None);
            }
            _ => {}
        }
        row
    }

    fn prune(self, logs: &mut Logs, mut retention: Retention) -> u64 {
        // The bytes of all logs are right, where a count of them is the fault.
        let is_other = self == Self::CountsMessages && retention.thread_bytes.is_none();
        let counts = if is_other { Self::Nothing } else { self };
        let mut rows: Vec<_> = logs.rows.iter().map(|row| counts.counted(row)).collect();
        let mut now = DateTime::<Utc>::from(SystemTime::now());
        match self {
            Self::PrunesNewest => rows.reverse(),
            Self::KeepsOneMore => {
                retention.thread_rows = retention.thread_rows.map(|rows| rows + 1);
            }
            Self::KeepsOneLess => {
                retention.thread_rows = retention.thread_rows.map(|rows| rows.saturating_sub(1));
            }
            Self::AgesByNewest => {
                now = rows.iter().map(|row| row.entry.time).max().unwrap_or(now);
            }
            _ => {}
        }
        let limits = match self {
            Self::LimitsApart => apart(&retention),
            _ => vec![retention],
        };
        let doomed: Vec<_> = limits.iter().map(|limit| limit.doomed(rows.iter(), now)).collect();
        logs.delete(|row| doomed.iter().any(|doomed| doomed.contains(&row.id)))
    }
}

/// A retention for each of its limits.
fn apart(retention: &Retention) -> Vec<Retention> {
    let mut age = Retention::default();
    (age.before, age.max_age) = (retention.before, retention.max_age);
    let mut limits = vec![age];
    limits.extend(retention.max_bytes.map(Retention::max_bytes));
    limits.extend(retention.thread_bytes.map(Retention::thread_bytes));
    limits.extend(retention.thread_rows.map(Retention::thread_rows));
    limits
}

#[async_trait]
impl Sabotage for OwnLogs {
    async fn before(&self, inner: &Inner) -> Result<()> {
        // Only the store knows whether it was closed.
        inner.flush().await
    }

    async fn append(&self, _inner: &Inner, entries: Vec<LogEntry>) -> Result<Option<LogIds>> {
        let entries: Vec<_> = entries.into_iter().map(LogEntry::prepare).collect::<Result<_>>()?;
        let mut logs = hold(&self.logs);
        if self.fault == LogFault::NumbersAgain {
            logs.greatest = logs.rows.last().map_or(0, |row| row.id);
        }
        let first = logs.greatest + 1;
        let rows = (first..).zip(entries).map(|(id, entry)| LogRow { id, entry });
        logs.rows.extend(rows);
        let last = logs.rows.last().map_or(0, |row| row.id).max(logs.greatest);
        logs.greatest = last;
        drop(logs);
        self.bell.ring(last);
        Ok((first <= last).then_some(LogIds { first, last }))
    }

    async fn query(&self, _inner: &Inner, query: LogQuery) -> Result<LogPage> {
        query.validate()?;
        let logs = hold(&self.logs);
        let rows = logs.rows.iter().filter(|row| query.filter.matches(row)).cloned().collect();
        Ok(page_of(&query, rows, logs.deleted))
    }

    async fn max_log_id(&self, _inner: &Inner, filter: LogFilter) -> Result<u64> {
        let logs = hold(&self.logs);
        Ok(logs.rows.iter().rfind(|row| filter.matches(row)).map_or(0, |row| row.id))
    }

    async fn prune(
        &self,
        _inner: &Inner,
        retention: Retention,
        _budget: Duration,
    ) -> Result<Pruned> {
        Ok(Pruned::rows(self.fault.prune(&mut hold(&self.logs), retention)))
    }

    async fn changed(&self, _inner: &Inner, after: u64, wait: Duration) -> Result<()> {
        self.bell.wait(after, wait).await
    }

    async fn write(&self, inner: &Inner, batch: WriteBatch) -> Result<Vec<Outcome>> {
        // A repeat deletes nothing: not the entries either that came since.
        let repeated = self.names.get(&batch).is_some();
        let outcomes = inner.write(batch.clone()).await?;
        self.names.note(&batch, &outcomes);
        if self.fault != LogFault::KeepsDeleted && !repeated {
            for (id, ..) in deleted(&batch, &outcomes) {
                let id = Some(id.to_string());
                hold(&self.logs).delete(|row| row.entry.thread_id == id);
            }
        }
        Ok(outcomes)
    }

    async fn stats(&self, inner: &Inner) -> Result<Stats> {
        let mut stats = inner.stats().await?;
        stats.log_entries = hold(&self.logs).rows.len() as u64;
        Ok(stats)
    }

    async fn close(&self, inner: &Inner) -> Result<()> {
        self.bell.close();
        inner.close().await
    }
}
