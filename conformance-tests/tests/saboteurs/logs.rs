//! Saboteurs of logs.

use std::sync::Mutex;
use std::time::Duration;

use chrono::{SubsecRound as _, TimeDelta};
use threadkeep_conformance::async_trait;
use threadkeep_core::{
    Direction, LogEntry, LogFilter, LogIds, LogPage, LogQuery, LogRow, LogStore, Outcome, Pruned,
    Result, Retention, Stats, Store, ThreadStore, WriteBatch,
};

use crate::Saboteur;
use crate::fixtures::memory;
use crate::imitate::{Names, deleted, hold};
use crate::sabotage::{Inner, Sabotage};

pub(crate) fn all() -> Vec<Saboteur> {
    vec![
        Saboteur {
            name: "gives_log_numbers_out_again",
            breaks: "After the newest entries were deleted, new ones get their numbers.",
            seen: "SQLite's `INTEGER PRIMARY KEY` without AUTOINCREMENT, and every `max(id) + 1`.",
            rules: "G-32",
            fixture: |name| memory(name, |_| OwnLogs::new(LogFault::NumbersAgain)),
        },
        Saboteur {
            name: "keeps_the_logs_of_deleted_threads",
            breaks: "Deleting a thread leaves its log entries.",
            seen: "Logs in another file or service than the threads, which no delete reaches.",
            rules: "T-58",
            fixture: |name| memory(name, |_| OwnLogs::new(LogFault::KeepsDeleted)),
        },
        Saboteur {
            name: "orders_logs_by_time",
            breaks: "Entries come by their time, not by number, so going on after a number skips \
                     what was written late.",
            seen: "`ORDER BY ts`, natural for logs, with paging by id.",
            rules: "G-10",
            fixture: |name| memory(name, |_| ByTime),
        },
        Saboteur {
            name: "appends_one_by_one",
            breaks: "Entries of one append are stored one after the other, so that others' come \
                     between and a refused one leaves those before it.",
            seen: "A loop of INSERTs without a transaction.",
            rules: "G-06, G-08",
            fixture: |name| memory(name, |_| OneByOne),
        },
        Saboteur {
            name: "prunes_the_edge",
            breaks: "Deleting what is before a time deletes what is at that time as well.",
            seen: "`WHERE ts <= ?`.",
            rules: "G-30",
            fixture: |name| memory(name, |_| PrunesTheEdge),
        },
        Saboteur {
            name: "prunes_the_newest",
            breaks: "Pruning to a number of bytes takes the newest entries.",
            seen: "`ORDER BY id DESC LIMIT ?` in the subquery of the DELETE, where the newest were \
                   meant to be kept.",
            rules: "G-35",
            fixture: |name| memory(name, |_| OwnLogs::new(LogFault::PrunesNewest)),
        },
        Saboteur {
            name: "keeps_microseconds_of_logs",
            breaks: "A log entry's time loses its nanoseconds.",
            seen: "PostgreSQL's `timestamptz` and every clock in microseconds.",
            rules: "G-04",
            fixture: |name| memory(name, |_| Microseconds),
        },
    ]
}

/// Everything that matches, by number.
pub(crate) async fn every_entry(inner: &Inner, mut filter: LogFilter) -> Result<Vec<LogRow>> {
    let mut rows = Vec::new();
    loop {
        let query = LogQuery::new(filter.clone())
            .direction(Direction::Ascending)
            .limit(LogQuery::MAX_LIMIT);
        let page = inner.query(query).await?;
        rows.extend(page.items);
        if !page.more {
            return Ok(rows);
        }
        filter.after_id = rows.last().map(|row| row.id);
    }
}

/// The page that begins with the first of these rows, or with the last where the query descends.
pub(crate) fn page_of(query: &LogQuery, mut items: Vec<LogRow>) -> LogPage {
    if query.direction == Direction::Descending {
        items.reverse();
    }
    let more = items.len() > query.limit;
    items.truncate(query.limit);
    LogPage { items, more, deleted_through: 0 }
}

#[derive(Clone, Copy, PartialEq)]
pub(crate) enum LogFault {
    /// None: these logs are right.
    Nothing,
    NumbersAgain,
    KeepsDeleted,
    PrunesNewest,
}

/// Logs kept beside the store, with at most one fault.
pub(crate) struct OwnLogs {
    fault: LogFault,
    /// The rows, and the greatest number ever given out.
    logs: Mutex<(Vec<LogRow>, u64)>,
    names: Names,
}

impl OwnLogs {
    pub(crate) fn new(fault: LogFault) -> Self {
        Self { fault, logs: Mutex::default(), names: Names::default() }
    }
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
        let (rows, greatest) = &mut *logs;
        if self.fault == LogFault::NumbersAgain {
            *greatest = rows.last().map_or(0, |row| row.id);
        }
        let first = *greatest + 1;
        for entry in entries {
            *greatest += 1;
            rows.push(LogRow { id: *greatest, entry });
        }
        Ok((first <= *greatest).then_some(LogIds { first, last: *greatest }))
    }

    async fn query(&self, _inner: &Inner, query: LogQuery) -> Result<LogPage> {
        query.validate()?;
        let logs = hold(&self.logs);
        let rows = logs.0.iter().filter(|row| query.filter.matches(row)).cloned().collect();
        Ok(page_of(&query, rows))
    }

    async fn max_log_id(&self, _inner: &Inner, filter: LogFilter) -> Result<u64> {
        let logs = hold(&self.logs);
        Ok(logs.0.iter().rfind(|row| filter.matches(row)).map_or(0, |row| row.id))
    }

    async fn prune(
        &self,
        _inner: &Inner,
        retention: Retention,
        _budget: Duration,
    ) -> Result<Pruned> {
        let rows = &mut hold(&self.logs).0;
        let before = rows.len();
        rows.retain(|row| retention.before.is_none_or(|time| row.entry.time >= time));
        if let Some(most) = retention.max_bytes {
            let mut bytes: u64 = rows.iter().map(|row| row.entry.text_bytes()).sum();
            while bytes > most && !rows.is_empty() {
                let newest = self.fault == LogFault::PrunesNewest;
                let gone = rows.remove(if newest { rows.len() - 1 } else { 0 });
                bytes -= gone.entry.text_bytes();
            }
        }
        Ok(Pruned::rows((before - rows.len()) as u64))
    }

    async fn write(&self, inner: &Inner, batch: WriteBatch) -> Result<Vec<Outcome>> {
        // A repeat deletes nothing: not the entries either that came since.
        let repeated = self.names.get(&batch).is_some();
        let outcomes = inner.write(batch.clone()).await?;
        self.names.note(&batch, &outcomes);
        if self.fault != LogFault::KeepsDeleted && !repeated {
            for (id, ..) in deleted(&batch, &outcomes) {
                let id = Some(id.to_string());
                hold(&self.logs).0.retain(|row| row.entry.thread_id != id);
            }
        }
        Ok(outcomes)
    }

    async fn stats(&self, inner: &Inner) -> Result<Stats> {
        let mut stats = inner.stats().await?;
        stats.log_entries = hold(&self.logs).0.len() as u64;
        Ok(stats)
    }
}

struct ByTime;

#[async_trait]
impl Sabotage for ByTime {
    async fn query(&self, inner: &Inner, query: LogQuery) -> Result<LogPage> {
        query.validate()?;
        let mut rows = every_entry(inner, query.filter.clone()).await?;
        rows.sort_by_key(|row| (row.entry.time, row.id));
        Ok(page_of(&query, rows))
    }
}

struct OneByOne;

#[async_trait]
impl Sabotage for OneByOne {
    async fn append(&self, inner: &Inner, entries: Vec<LogEntry>) -> Result<Option<LogIds>> {
        let mut ids: Option<LogIds> = None;
        for entry in entries {
            let next = inner.append(vec![entry]).await?;
            // Where a database would be asked, others get their turn.
            tokio::task::yield_now().await;
            ids = match (ids, next) {
                (Some(LogIds { first, .. }), Some(LogIds { last, .. })) => {
                    Some(LogIds { first, last })
                }
                (ids, next) => ids.or(next),
            };
        }
        Ok(ids)
    }
}

struct PrunesTheEdge;

#[async_trait]
impl Sabotage for PrunesTheEdge {
    async fn prune(
        &self,
        inner: &Inner,
        mut retention: Retention,
        budget: Duration,
    ) -> Result<Pruned> {
        retention.before = retention.before.map(|time| time + TimeDelta::nanoseconds(1));
        inner.prune(retention, budget).await
    }
}

struct Microseconds;

#[async_trait]
impl Sabotage for Microseconds {
    async fn append(&self, inner: &Inner, mut entries: Vec<LogEntry>) -> Result<Option<LogIds>> {
        for entry in &mut entries {
            entry.time = entry.time.trunc_subsecs(6);
        }
        inner.append(entries).await
    }
}
