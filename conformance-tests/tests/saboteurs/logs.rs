//! Saboteurs of logs.

use std::time::Duration;

use chrono::{SubsecRound as _, TimeDelta};
use threadkeep_conformance::async_trait;
use threadkeep_core::{
    Direction, LogEntry, LogFilter, LogIds, LogPage, LogQuery, LogRow, LogStore, Pruned, Result,
    Retention,
};

use crate::Saboteur;
use crate::fixtures::{memory, own_logs};
use crate::own_logs::{LogFault, OwnLogs};
use crate::sabotage::{Inner, Sabotage};

pub(crate) fn all() -> Vec<Saboteur> {
    vec![
        Saboteur {
            name: "gives_log_numbers_out_again",
            breaks: "After the newest entries were deleted, new ones get their numbers.",
            seen: "SQLite's `INTEGER PRIMARY KEY` without AUTOINCREMENT, and every `max(id) + 1`.",
            rules: "G-32",
            fixture: |name| own_logs(name, |_| OwnLogs::new(LogFault::NumbersAgain)),
        },
        Saboteur {
            name: "keeps_the_logs_of_deleted_threads",
            breaks: "Deleting a thread leaves its log entries.",
            seen: "Logs in another file or service than the threads, which no delete reaches.",
            rules: "T-58",
            fixture: |name| own_logs(name, |_| OwnLogs::new(LogFault::KeepsDeleted)),
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
            breaks: "Pruning to a number of bytes or of entries takes the newest.",
            seen: "`ORDER BY id DESC LIMIT ?` in the subquery of the DELETE, where the newest were \
                   meant to be kept.",
            rules: "G-35, G-36",
            fixture: |name| own_logs(name, |_| OwnLogs::new(LogFault::PrunesNewest)),
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

/// How far entries were deleted.
pub(crate) async fn deleted_through(inner: &Inner) -> Result<u64> {
    Ok(inner.query(LogQuery::new(LogFilter::new()).limit(1)).await?.deleted_through)
}

/// The page that begins with the first of these rows, or with the last where the query descends.
pub(crate) fn page_of(query: &LogQuery, mut items: Vec<LogRow>, deleted_through: u64) -> LogPage {
    if query.direction == Direction::Descending {
        items.reverse();
    }
    let more = items.len() > query.limit;
    items.truncate(query.limit);
    LogPage { items, more, deleted_through }
}

struct ByTime;

#[async_trait]
impl Sabotage for ByTime {
    async fn query(&self, inner: &Inner, query: LogQuery) -> Result<LogPage> {
        query.validate()?;
        let mut rows = every_entry(inner, query.filter.clone()).await?;
        rows.sort_by_key(|row| (row.entry.time, row.id));
        Ok(page_of(&query, rows, deleted_through(inner).await?))
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
