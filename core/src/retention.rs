//! What a store keeps of its logs, and what has to go so that it does.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime};

use chrono::{DateTime, Utc};

use crate::{LogOwner, LogRow};

/// What is kept of the logs. What is absent limits nothing.
///
/// The limits hold together, and whatever has to go, the oldest entries go first. A *thread* here is
/// also a process's entries of no thread, and those of neither thread nor process
/// (see [`LogOwner`](crate::LogOwner)).
///
/// ```
/// use std::time::Duration;
/// use threadkeep_core::Retention;
///
/// let mut retention = Retention::standard();
/// retention.max_age = Some(Duration::from_secs(3 * 86_400));
/// assert_eq!(retention.thread_rows, Some(1_000));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Retention {
    /// Entries before this time go.
    pub before: Option<DateTime<Utc>>,
    /// Entries that are older than this go.
    pub max_age: Option<Duration>,
    /// The files of the logs, side files included, have at most so many bytes; in a store without
    /// files, the [texts](crate::LogEntry::text_bytes) of the entries have.
    pub max_bytes: Option<u64>,
    /// The [texts](crate::LogEntry::text_bytes) of a thread's entries have at most so many bytes.
    pub thread_bytes: Option<u64>,
    /// A thread has at most so many entries.
    pub thread_rows: Option<u64>,
}

impl Retention {
    /// What a store keeps where nobody says otherwise: 10 days, 256 MiB in all, and 10 MiB and
    /// 1,000 entries a thread.
    pub fn standard() -> Self {
        Self {
            before: None,
            max_age: Some(Duration::from_hours(10 * 24)),
            max_bytes: Some(256 * 1024 * 1024),
            thread_bytes: Some(10 * 1024 * 1024),
            thread_rows: Some(1_000),
        }
    }

    /// Deletes entries before this time.
    pub fn before(time: DateTime<Utc>) -> Self {
        Self { before: Some(time), ..Self::default() }
    }

    /// Deletes the oldest entries, until the logs have at most so many bytes.
    pub fn max_bytes(bytes: u64) -> Self {
        Self { max_bytes: Some(bytes), ..Self::default() }
    }

    /// Deletes the oldest entries of each thread that has more than so many.
    pub fn thread_rows(rows: u64) -> Self {
        Self { thread_rows: Some(rows), ..Self::default() }
    }

    /// Deletes the oldest entries of each thread whose texts have more than so many bytes.
    pub fn thread_bytes(bytes: u64) -> Self {
        Self { thread_bytes: Some(bytes), ..Self::default() }
    }

    /// The time before which entries go, by this machine's clock where an age is given.
    pub fn oldest(&self) -> Option<DateTime<Utc>> {
        self.oldest_at(SystemTime::now().into())
    }

    /// The same as if it were `now`.
    pub fn oldest_at(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let by_age = self
            .max_age
            .and_then(|age| now.checked_sub_signed(chrono::TimeDelta::from_std(age).ok()?));
        self.before.max(by_age)
    }

    /// Whether a thread is limited.
    pub fn limits_threads(&self) -> bool {
        self.thread_bytes.is_some() || self.thread_rows.is_some()
    }

    /// The numbers of those of these entries, the oldest first, that have to go, where the bytes in
    /// all are those of the texts: for stores that have all entries at hand.
    pub fn doomed<'a>(
        &self,
        rows: impl Iterator<Item = &'a LogRow> + Clone,
        now: DateTime<Utc>,
    ) -> BTreeSet<u64> {
        let oldest = self.oldest_at(now);
        let is_too_old = |row: &LogRow| oldest.is_some_and(|oldest| row.entry.time < oldest);
        let mut doomed: BTreeSet<_> =
            rows.clone().filter(|row| is_too_old(row)).map(|row| row.id).collect();
        let mut held: BTreeMap<LogOwner<'_>, (u64, u64)> = BTreeMap::new();
        for row in rows.clone().filter(|row| !doomed.contains(&row.id)) {
            let (rows, bytes) = held.entry(row.entry.owner()).or_default();
            *rows += 1;
            *bytes += row.entry.text_bytes();
        }
        let surplus = |(owner, (rows, bytes))| (owner, self.surplus(rows, bytes));
        let mut surplus: BTreeMap<_, _> = held.into_iter().map(surplus).collect();
        let mut bytes = 0;
        for row in rows.clone() {
            if doomed.contains(&row.id) {
                continue;
            }
            let size = row.entry.text_bytes();
            if surplus.get_mut(&row.entry.owner()).is_some_and(|surplus| surplus.take(size)) {
                doomed.insert(row.id);
            } else {
                bytes += size;
            }
        }
        let over = bytes.saturating_sub(self.max_bytes.unwrap_or(u64::MAX));
        let mut surplus = Surplus { rows: 0, bytes: over };
        for row in rows {
            if surplus.is_none() {
                break;
            }
            if doomed.insert(row.id) {
                surplus.take(row.entry.text_bytes());
            }
        }
        doomed
    }

    /// What of one thread has to go.
    pub fn surplus(&self, rows: u64, bytes: u64) -> Surplus {
        let over = |held: u64, most: Option<u64>| most.map_or(0, |most| held.saturating_sub(most));
        Surplus { rows: over(rows, self.thread_rows), bytes: over(bytes, self.thread_bytes) }
    }
}

/// How exactly a [`Retention`] is kept to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Thrift {
    /// Whatever is too much goes, and no more.
    Exact,
    /// A thread may have an eighth too much. Once one has more, every thread loses what it has too
    /// much: their entries lie side by side, so that taking them out together writes least. Where the
    /// whole has too much, a thirty-second part of
    /// what it may have goes beyond that: so that a store that is written to all the time is not pruned
    /// all the time. Less for the whole, because what is freed is best filled again soon.
    Lazy,
}

impl Thrift {
    const EIGHTH: u64 = 8;

    fn tolerates(self, surplus: Surplus, retention: &Retention) -> bool {
        let little = |surplus: u64, most: Option<u64>| surplus <= most.unwrap_or(0) / Self::EIGHTH;
        match self {
            Self::Exact => surplus.is_none(),
            Self::Lazy => {
                little(surplus.rows, retention.thread_rows)
                    && little(surplus.bytes, retention.thread_bytes)
            }
        }
    }

    /// The bytes that the whole is brought to.
    pub const fn aim(self, max_bytes: u64) -> u64 {
        match self {
            Self::Exact => max_bytes,
            Self::Lazy => max_bytes - max_bytes / 32,
        }
    }
}

/// What of one thread's entries has to go: the oldest, until neither is left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Surplus {
    /// So many entries at least.
    pub rows: u64,
    /// Entries of so many bytes at least.
    pub bytes: u64,
}

impl Surplus {
    /// Whether nothing has to go.
    pub const fn is_none(self) -> bool {
        self.rows == 0 && self.bytes == 0
    }

    /// Whether an entry, of so many bytes and the oldest that is left, has to go; it counts as gone
    /// then.
    pub fn take(&mut self, bytes: u64) -> bool {
        let takes = !self.is_none();
        self.rows = self.rows.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(bytes);
        takes
    }
}

/// What a store has of logs. `K` is how it calls a thread.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogsHeld<K> {
    /// Entries in all.
    pub rows: u64,
    /// Bytes in all, as [`Retention::max_bytes`] counts them.
    pub bytes: u64,
    /// Entries, and bytes of their texts, of each thread; may be empty where a retention does not
    /// [limit threads](Retention::limits_threads).
    pub threads: Vec<(K, u64, u64)>,
}

/// What has to go, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrunePlan<K> {
    /// Entries before this time.
    pub before: Option<DateTime<Utc>>,
    /// Of these threads, so much.
    pub threads: Vec<(K, Surplus)>,
    /// The oldest entries, so many as an estimate: entries are about alike. When they have gone, the
    /// bytes are to be looked at again.
    pub oldest: u64,
}

impl<K> PrunePlan<K> {
    /// Whether nothing has to go, as far as times do not decide it.
    pub fn is_empty(&self) -> bool {
        self.threads.is_empty() && self.oldest == 0
    }
}

/// What has to go of what is there.
pub fn plan_prune<K>(
    retention: &Retention,
    held: LogsHeld<K>,
    thrift: Thrift,
    now: DateTime<Utc>,
) -> PrunePlan<K> {
    let surplus = |(thread, rows, bytes)| (thread, retention.surplus(rows, bytes));
    let mut threads: Vec<_> = held.threads.into_iter().map(surplus).collect();
    if threads.iter().all(|(_, surplus)| thrift.tolerates(*surplus, retention)) {
        threads.clear();
    }
    threads.retain(|(_, surplus)| !surplus.is_none());
    let oldest = match retention.max_bytes {
        Some(most) if held.bytes > most => {
            let surplus = u128::from(held.bytes - thrift.aim(most));
            let rows = (u128::from(held.rows) * surplus).div_ceil(u128::from(held.bytes));
            u64::try_from(rows).unwrap_or(u64::MAX)
        }
        _ => 0,
    };
    PrunePlan { before: retention.oldest_at(now), threads, oldest }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(rows: u64, bytes: u64, threads: &[(&'static str, u64, u64)]) -> LogsHeld<&'static str> {
        LogsHeld { rows, bytes, threads: threads.to_vec() }
    }

    fn plan(
        retention: &Retention,
        held: LogsHeld<&'static str>,
        thrift: Thrift,
    ) -> PrunePlan<&'static str> {
        plan_prune(retention, held, thrift, DateTime::UNIX_EPOCH)
    }

    #[test]
    fn without_limits_nothing_goes() {
        let all =
            plan(&Retention::default(), held(9, 1 << 40, &[("a", 9, 1 << 40)]), Thrift::Exact);
        assert!(all.is_empty());
        assert_eq!(all.before, None);
    }

    #[test]
    fn an_age_and_a_time_go_together() {
        let time = |seconds| DateTime::from_timestamp(seconds, 0).unwrap();
        let mut retention = Retention::before(time(50));
        assert_eq!(retention.oldest_at(time(1_000)), Some(time(50)));
        retention.max_age = Some(Duration::from_secs(100));
        assert_eq!(retention.oldest_at(time(1_000)), Some(time(900)));
        assert_eq!(retention.oldest_at(time(120)), Some(time(50)));
        // So long ago that no calendar has it.
        retention.max_age = Some(Duration::MAX);
        assert_eq!(retention.oldest_at(time(120)), Some(time(50)));
    }

    #[test]
    fn threads_over_a_limit_are_named_with_what_is_too_much() {
        let mut retention = Retention::thread_rows(80);
        retention.thread_bytes = Some(800);
        let threads = [("fits", 80, 800), ("rows", 81, 800), ("bytes", 80, 1_000), ("no", 0, 0)];
        let plan_of = |threads, thrift| plan(&retention, held(0, 0, threads), thrift).threads;
        let (rows, bytes) = (Surplus { rows: 1, bytes: 0 }, Surplus { rows: 0, bytes: 200 });
        assert_eq!(plan_of(&threads, Thrift::Exact), [("rows", rows), ("bytes", bytes)]);
        assert_eq!(plan_of(&threads, Thrift::Lazy), [("rows", rows), ("bytes", bytes)]);
        // Without one that has much too much, a little too much stays.
        assert_eq!(plan_of(&threads[..2], Thrift::Exact), [("rows", rows)]);
        assert_eq!(plan_of(&threads[..2], Thrift::Lazy), []);
    }

    #[test]
    fn of_too_many_bytes_as_large_a_part_of_the_entries_goes() {
        let retention = Retention::max_bytes(800);
        let oldest = |bytes, thrift| plan(&retention, held(100, bytes, &[]), thrift).oldest;
        assert_eq!(oldest(800, Thrift::Exact), 0);
        assert_eq!(oldest(801, Thrift::Exact), 1);
        assert_eq!(oldest(1_600, Thrift::Exact), 50);
        assert_eq!(oldest(800, Thrift::Lazy), 0);
        assert_eq!(oldest(1_550, Thrift::Lazy), 50);
    }

    #[test]
    fn entries_are_taken_until_neither_count_nor_bytes_are_left() {
        let taken = |mut surplus: Surplus| (0..5).take_while(|_| surplus.take(10)).count();
        assert_eq!(taken(Surplus::default()), 0);
        assert_eq!(taken(Surplus { rows: 2, bytes: 0 }), 2);
        assert_eq!(taken(Surplus { rows: 1, bytes: 21 }), 3);
        assert_eq!(taken(Surplus { rows: 4, bytes: 1 }), 4);
    }
}
