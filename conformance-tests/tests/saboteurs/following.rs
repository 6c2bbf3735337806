//! Saboteurs of those who follow the logs.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use threadkeep_conformance::async_trait;
use threadkeep_core::{
    Direction, LogEntry, LogFilter, LogIds, LogPage, LogQuery, LogRow, LogStore, Result, Store,
};

use crate::Saboteur;
use crate::fixtures::{memory, sqlite};
use crate::logs::{deleted_through, every_entry, page_of};
use crate::sabotage::{Inner, Sabotage};

pub(crate) fn all() -> Vec<Saboteur> {
    vec![
        Saboteur {
            name: "loses_an_entry_at_the_border_of_a_segment",
            breaks: "Who goes on after the last entry of a segment of 16 misses the first one of \
                     the next.",
            seen: "Files or tables for ranges of numbers, with `>` where the range begins and `>` \
                   again where reading goes on.",
            rules: "G-11, G-52, P-14",
            fixture: |name| memory(name, |_| LosesAtBorders),
        },
        Saboteur {
            name: "follows_by_time",
            breaks: "What comes after an entry is what has a later time.",
            seen: "`WHERE ts > ?`, the usual tail of a log.",
            rules: "G-54",
            fixture: |name| memory(name, |_| FollowsByTime),
        },
        Saboteur {
            name: "forgets_to_wake",
            breaks: "Whoever waits for entries waits as long as was said, whatever is committed.",
            seen: "A loop of reading and sleeping.",
            rules: "G-50, G-51, G-53",
            fixture: |name| memory(name, |_| ForgetsToWake),
        },
        Saboteur {
            name: "never_waits",
            breaks: "Waiting for entries ends at once, so that who follows keeps a core busy.",
            seen: "A wake-up that is never taken back, and a poll interval of zero.",
            rules: "G-50",
            fixture: |name| memory(name, |_| NeverWaits),
        },
        Saboteur {
            name: "waits_for_its_own_commits_alone",
            breaks: "Waiting ends with a commit of the same process, and never by its time.",
            seen: "A condition variable in a store that several processes share.",
            rules: "G-50",
            fixture: |name| memory(name, |_| WaitsForOwn),
        },
        Saboteur {
            name: "repeats_an_entry_after_opening",
            breaks: "The first page that a new handle reads after a number begins with that number.",
            seen: "`WHERE id >= ?` where a reader goes on from the last number it remembers.",
            rules: "G-56",
            fixture: |name| sqlite(name, |_| Repeats::default()),
        },
        Saboteur {
            name: "takes_numbers_before_the_commit",
            breaks: "An append gets its numbers some time before its entries can be read, and later \
                     appends are not held up meanwhile.",
            seen: "Sequences and identity columns of servers, and a tail by the highest number.",
            rules: "G-52, P-14",
            fixture: |name| memory(name, |_| CommitsLate::default()),
        },
    ]
}

/// Entries in a segment.
const SEGMENT: u64 = 16;

struct LosesAtBorders;

#[async_trait]
impl Sabotage for LosesAtBorders {
    async fn query(&self, inner: &Inner, mut query: LogQuery) -> Result<LogPage> {
        if let Some(after) = &mut query.filter.after_id
            && query.direction == Direction::Ascending
            && *after > 0
            && after.is_multiple_of(SEGMENT)
        {
            *after += 1;
        }
        inner.query(query).await
    }
}

struct FollowsByTime;

impl FollowsByTime {
    /// What matches, where after a number means after the time of its entry.
    async fn matching(inner: &Inner, filter: &LogFilter) -> Result<Vec<LogRow>> {
        let mut all = filter.clone();
        let place = |row: &LogRow| (row.entry.time, row.id);
        let after = match all.after_id.take() {
            None => None,
            Some(after) => {
                let mut one = LogFilter::new().after_id(after.saturating_sub(1));
                one.before_id = after.checked_add(1);
                match every_entry(inner, one).await?.first() {
                    None => return every_entry(inner, filter.clone()).await,
                    Some(row) => Some(place(row)),
                }
            }
        };
        let mut rows = every_entry(inner, all).await?;
        rows.retain(|row| after.is_none_or(|after| place(row) > after));
        Ok(rows)
    }
}

#[async_trait]
impl Sabotage for FollowsByTime {
    async fn query(&self, inner: &Inner, query: LogQuery) -> Result<LogPage> {
        query.validate()?;
        let rows = Self::matching(inner, &query.filter).await?;
        Ok(page_of(&query, rows, deleted_through(inner).await?))
    }
}

struct ForgetsToWake;

#[async_trait]
impl Sabotage for ForgetsToWake {
    async fn changed(&self, inner: &Inner, _after: u64, wait: Duration) -> Result<()> {
        tokio::time::sleep(wait).await;
        inner.flush().await
    }
}

struct NeverWaits;

#[async_trait]
impl Sabotage for NeverWaits {
    async fn changed(&self, inner: &Inner, _after: u64, _wait: Duration) -> Result<()> {
        // Others get their turn all the same.
        tokio::task::yield_now().await;
        inner.flush().await
    }
}

struct WaitsForOwn;

#[async_trait]
impl Sabotage for WaitsForOwn {
    async fn changed(&self, inner: &Inner, after: u64, _wait: Duration) -> Result<()> {
        inner.changed(after, Duration::from_hours(1)).await
    }
}

#[derive(Default)]
struct Repeats {
    went_on: AtomicBool,
}

#[async_trait]
impl Sabotage for Repeats {
    async fn query(&self, inner: &Inner, mut query: LogQuery) -> Result<LogPage> {
        if let Some(after) = &mut query.filter.after_id
            && query.direction == Direction::Ascending
            && !self.went_on.swap(true, Ordering::Relaxed)
        {
            *after = after.saturating_sub(1);
        }
        inner.query(query).await
    }
}

/// How long a late append stays unseen.
const LATE: Duration = Duration::from_millis(5);

#[derive(Default)]
struct CommitsLate {
    /// Numbers that were given out, of entries that nobody sees yet.
    unseen: Mutex<BTreeSet<u64>>,
}

impl CommitsLate {
    fn unseen(&self) -> MutexGuard<'_, BTreeSet<u64>> {
        self.unseen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn seen(&self, inner: &Inner, filter: &LogFilter) -> Result<Vec<LogRow>> {
        let mut rows = every_entry(inner, filter.clone()).await?;
        let unseen = self.unseen();
        rows.retain(|row| !unseen.contains(&row.id));
        Ok(rows)
    }
}

#[async_trait]
impl Sabotage for CommitsLate {
    async fn append(&self, inner: &Inner, entries: Vec<LogEntry>) -> Result<Option<LogIds>> {
        let is_late = entries.len() == 2;
        let appended = inner.append(entries).await?;
        if let Some(ids) = appended
            && is_late
        {
            self.unseen().extend(ids.first..=ids.last);
            tokio::time::sleep(LATE).await;
            self.unseen().retain(|id| !(ids.first..=ids.last).contains(id));
        }
        Ok(appended)
    }

    async fn query(&self, inner: &Inner, query: LogQuery) -> Result<LogPage> {
        query.validate()?;
        let rows = self.seen(inner, &query.filter).await?;
        Ok(page_of(&query, rows, deleted_through(inner).await?))
    }

    async fn max_log_id(&self, inner: &Inner, filter: LogFilter) -> Result<u64> {
        Ok(self.seen(inner, &filter).await?.last().map_or(0, |row| row.id))
    }
}
