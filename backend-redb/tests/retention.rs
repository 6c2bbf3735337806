//! What a store keeps of its logs by itself, and what it remembers of segments while entries go.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods)]
#![allow(clippy::cast_possible_truncation, clippy::cast_possible_wrap, reason = "all are small")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use chrono::{DateTime, TimeDelta, Utc};
use redb::ReadableDatabase as _;
use threadkeep_core::{
    Direction, LogEntry, LogFilter, LogLevel, LogQuery, LogRow, LogStore as _, Retention,
    Store as _,
};
use threadkeep_redb::{RedbOptions, RedbStore};

const ENOUGH: Duration = Duration::from_secs(30);

/// Numbers that look random and are the same in every run (xorshift).
struct Random(u64);

impl Random {
    fn below(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % below
    }

    /// A text that cannot be packed.
    fn noise(&mut self, bytes: usize) -> String {
        let words = std::iter::repeat_with(|| format!("{:016x}", self.below(u64::MAX)));
        words.take(bytes / 16).collect()
    }
}

fn now() -> DateTime<Utc> {
    SystemTime::now().into()
}

fn of(thread: &str, text: String) -> LogEntry {
    let mut entry = LogEntry::new(now(), LogLevel::Info, "target", text);
    entry.thread_id = Some(thread.to_owned());
    entry
}

async fn open(path: &Path, retention: Retention) -> RedbStore {
    RedbStore::open_with(path, RedbOptions::default().retention(retention)).await.unwrap()
}

async fn all(store: &RedbStore) -> Vec<LogRow> {
    let mut rows: Vec<LogRow> = Vec::new();
    loop {
        let after = rows.last().map_or(0, |row| row.id);
        let query = LogQuery::new(LogFilter::new().after_id(after)).limit(LogQuery::MAX_LIMIT);
        let page = store.query(query.direction(Direction::Ascending)).await.unwrap();
        rows.extend(page.items);
        if !page.more {
            return rows;
        }
    }
}

/// Looks until it is so.
async fn becomes<T>(what: &str, look: impl AsyncFn() -> Result<T, String>) -> T {
    let begun = Instant::now();
    loop {
        match look().await {
            Ok(found) => return found,
            Err(found) => assert!(begun.elapsed() < ENOUGH, "{what}: {found}"),
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_store_keeps_near_its_retention_without_being_asked() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("threads.redb");
    let mut retention = Retention::thread_rows(80);
    retention.max_age = Some(Duration::from_hours(1));
    let store = open(&path, retention).await;
    let mut entries: Vec<_> = (0..300).map(|_| of("much", "m".into())).collect();
    entries.extend((0..85).map(|_| of("little", "m".into())));
    for entry in &mut entries[300..310] {
        entry.time = now() - TimeDelta::hours(2);
    }
    let last = store.append(entries).await.unwrap().unwrap().last;
    let left = becomes("of one thread the newest are left", async || {
        let left = all(&store).await;
        if left.len() == 80 + 75 { Ok(left) } else { Err(format!("{} entries", left.len())) }
    })
    .await;
    let of_much = left.iter().filter(|row| row.entry.thread_id.as_deref() == Some("much"));
    assert!(of_much.map(|row| row.id).eq(221..=300));
    // A few too many are no reason to begin; maintenance is exact.
    store.append((0..13).map(|_| of("little", "m".into())).collect()).await.unwrap();
    let maintained = store.maintain(ENOUGH).await.unwrap();
    assert_eq!((maintained.log_entries, maintained.done), (8, true));
    let left = all(&store).await;
    assert_eq!(left.len(), 160);
    assert_eq!(left.last().unwrap().id, last + 13);
    store.close().await.unwrap();
}

fn bytes(folder: &Path) -> u64 {
    let files = fs::read_dir(folder.join("threads-logs")).unwrap();
    files.filter_map(|file| file.ok()?.metadata().ok()).map(|file| file.len()).sum()
}

#[tokio::test]
async fn files_stay_near_the_bytes_they_may_have_while_they_are_written_to() {
    stays_small(false).await;
}

#[tokio::test]
async fn files_stay_as_small_while_somebody_else_keeps_reading_what_was_there() {
    stays_small(true).await;
}

async fn stays_small(with_readers: bool) {
    const MOST: u64 = 4 << 20;
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder.path().join("threads.redb"), Retention::max_bytes(MOST)).await;
    let mut random = Random(7);
    let (mut most, mut readers) = (0, Vec::new());
    // 15 MB.
    for round in 0..100 {
        let entries = (0..50).map(|_| of("thread", random.noise(3_000))).collect();
        store.append(entries).await.unwrap();
        most = most.max(bytes(folder.path()));
        if with_readers && round % 7 == 0 {
            readers.push(read_the_last(folder.path()));
        }
    }
    // What is full goes at once, and the rest a moment later.
    assert!(most <= MOST + MOST / 2, "{most} bytes");
    becomes("the files are small enough", async || {
        let bytes = bytes(folder.path());
        if bytes <= MOST { Ok(()) } else { Err(format!("{bytes} bytes")) }
    })
    .await;
    assert_eq!(all(&store).await.last().unwrap().id, 5_000);
    assert!(store.stats().await.unwrap().log_bytes > MOST / 2, "no more than needed went");
    drop(readers);
    store.close().await.unwrap();
    assert!(bytes(folder.path()) <= MOST);
}

/// Reads in the last segment, until the value is dropped.
fn read_the_last(folder: &Path) -> (redb::ReadTransaction, redb::ReadOnlyDatabase) {
    let files = fs::read_dir(folder.join("threads-logs")).unwrap();
    let last = files.map(|file| file.unwrap().path()).max().unwrap();
    let mut builder = redb::Database::builder();
    builder.set_concurrency_mode(redb::ConcurrencyMode::MultiWriter);
    let database = builder.open_read_only(last).unwrap();
    (database.begin_read().unwrap(), database)
}

#[tokio::test]
async fn space_of_entries_that_went_from_between_others_returns() {
    let folder = tempfile::tempdir().unwrap();
    // Segments of 1 MiB.
    let mut retention = Retention::max_bytes(8 << 20);
    retention.thread_rows = Some(50);
    let store = open(&folder.path().join("threads.redb"), retention).await;
    let mut random = Random(9);
    let mut most = 0;
    for round in 0..6 {
        let thread =
            |number| if number % 4 == 0 { format!("{round} {number}") } else { "loud".into() };
        let entries = (0..200).map(|number| of(&thread(number), random.noise(2_000)));
        store.append(entries.collect()).await.unwrap();
        most = most.max(bytes(folder.path()));
    }
    becomes("the files are much smaller", async || {
        let bytes = bytes(folder.path());
        if bytes < most / 3 * 2 { Ok(()) } else { Err(format!("{bytes} of {most} bytes")) }
    })
    .await;
    let left = all(&store).await;
    let of_loud = left.iter().filter(|row| row.entry.thread_id.as_deref() == Some("loud")).count();
    assert!(of_loud <= 57 && left.len() - of_loud == 6 * 50, "{of_loud} of {}", left.len());
    assert!(store.check().await.unwrap().is_sound());
    store.close().await.unwrap();
}

/// What somebody asks of the logs.
fn filter(random: &mut Random, last: u64) -> LogFilter {
    let mut filter = LogFilter::new();
    if random.below(2) == 0 {
        filter = filter.thread(format!("thread {}", random.below(9)));
    }
    if random.below(4) == 0 {
        filter = filter.threadless();
    }
    if random.below(3) == 0 {
        filter.min_level = Some(LogLevel::ALL[random.below(5) as usize]);
    }
    if random.below(3) == 0 {
        filter.modules = Some([format!("part_{}", random.below(12))].into());
    }
    if random.below(4) == 0 {
        filter.after_id = Some(random.below(last + 1));
    }
    if random.below(4) == 0 {
        filter.before_id = Some(random.below(last + 2));
    }
    if random.below(6) == 0 {
        filter.process_id = Some(format!("{}", random.below(3)));
    }
    filter
}

/// One handle writes and prunes, another reads by what it remembers of the segments: both answer
/// like a plain list, over many segments.
#[tokio::test]
async fn what_is_remembered_of_segments_is_true_whatever_goes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("threads.redb");
    // Segments of 1 MiB, and nothing that goes unasked, because all are never so large.
    let store = open(&path, Retention::max_bytes(8 << 20)).await;
    let reader = RedbOptions::default().read_only(true);
    let reader = RedbStore::open_with(&path, reader).await.unwrap();
    let mut random = Random(0x5eed_1234_9876_0001);
    let mut kept: BTreeMap<u64, LogEntry> = BTreeMap::new();
    let mut through = 0;
    let begin = now();
    for round in 0..24 {
        let size = [1, 30, 400][random.below(3) as usize];
        let entries: Vec<_> = (0..size).map(|_| some_entry(&mut random, begin)).collect();
        let ids = store.append(entries.clone()).await.unwrap().unwrap();
        kept.extend((ids.first..).zip(entries));
        let last = ids.last;
        let before: BTreeSet<u64> = kept.keys().copied().collect();
        match random.below(4) {
            0 => {
                let most = 20 + random.below(300) as usize;
                store.prune(Retention::thread_rows(most as u64), ENOUGH).await.unwrap();
                keep_newest(&mut kept, most);
            }
            1 => {
                let time = begin + TimeDelta::seconds(random.below(400) as i64);
                store.prune(Retention::before(time), ENOUGH).await.unwrap();
                kept.retain(|_, entry| entry.time >= time);
            }
            _ => {}
        }
        let gone = before.iter().rfind(|id| !kept.contains_key(id));
        through = through.max(gone.copied().unwrap_or(0));
        for _ in 0..12 {
            let filter = filter(&mut random, last);
            let direction = [Direction::Ascending, Direction::Descending][random.below(2) as usize];
            let limit = 1 + random.below(200) as usize;
            let query = LogQuery::new(filter.clone()).direction(direction).limit(limit);
            let rows = kept.iter().map(|(id, entry)| LogRow { id: *id, entry: entry.clone() });
            let mut rows: Vec<_> = rows.filter(|row| filter.matches(row)).collect();
            if direction == Direction::Descending {
                rows.reverse();
            }
            let more = rows.len() > limit;
            rows.truncate(limit);
            for (who, store) in [("the writer", &store), ("the reader", &reader)] {
                let page = store.query(query.clone()).await.unwrap();
                assert_eq!(page.items, rows, "{who}, {round}: {query:?}");
                assert_eq!(page.more, more, "{who}, {round}: {query:?}");
                let told = page.deleted_through;
                let most = if through == 0 { 0 } else { last };
                assert!((through..=most).contains(&told), "{who}: {told} of {through} to {most}");
            }
        }
    }
    let files = fs::read_dir(folder.path().join("threads-logs")).unwrap().count();
    assert!(files >= 3, "{} entries in {files} files", kept.len());
    assert!(store.check().await.unwrap().is_sound());
    reader.close().await.unwrap();
    store.close().await.unwrap();
}

fn some_entry(random: &mut Random, begin: DateTime<Utc>) -> LogEntry {
    let level = LogLevel::ALL[random.below(5) as usize];
    let part = random.below(12);
    let bytes = 16 * (1 + random.below(100) as usize);
    let text = random.noise(bytes);
    let time = begin + TimeDelta::seconds(random.below(600) as i64);
    let mut entry = LogEntry::new(time, level, format!("part_{part}"), text);
    entry.module_path = (part > 0).then(|| format!("crate::part_{part}"));
    entry.thread_id = (random.below(8) > 0).then(|| format!("thread {}", random.below(8)));
    entry.process_id = (random.below(4) > 0).then(|| format!("{}", random.below(2)));
    entry
}

/// Of each owner the newest.
fn keep_newest(kept: &mut BTreeMap<u64, LogEntry>, most: usize) {
    let mut counts: BTreeMap<_, usize> = BTreeMap::new();
    let mut gone = Vec::new();
    for (id, entry) in kept.iter().rev() {
        let count = counts.entry(format!("{:?}", entry.owner())).or_default();
        *count += 1;
        if *count > most {
            gone.push(*id);
        }
    }
    for id in gone {
        kept.remove(&id);
    }
}
