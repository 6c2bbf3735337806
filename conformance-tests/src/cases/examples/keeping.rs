//! Stores that keep only some of their logs, or all of them.

use std::path::Path;
use std::time::{Duration, Instant, SystemTime};
use std::{fs, io};

use chrono::{DateTime, TimeDelta, Utc};
use threadkeep_core::{LogEntry, LogFilter, LogStore as _, Retention, Store};

use super::PERSISTENT;
use super::entries::{append, entries_of, entry, numbers, rows};
use super::log_sizes::{fill, size};
use super::say::{store_all, thread};
use crate::cases::{Tier, group};
use crate::fixture::Need;
use crate::lab::{Failure, Lab, Verdict};

group! { Tier::Examples;
    G_45: maintenance_keeps_to_the_retention [Need::Retention],
    G_45: new_entries_are_kept_to_it_too [Need::Retention],
    G_46: files_are_hardly_larger_than_they_may_be [Need::Retention],
    G_47: without_a_retention_nothing_goes_unasked,
    G_48: the_bytes_told_are_those_of_all_files [PERSISTENT],
}

const PATIENCE: Duration = Duration::from_secs(20);

/// Maintains until nothing is left to do.
async fn settle(store: &dyn Store) -> Verdict {
    let begun = Instant::now();
    while !store.maintain(Duration::from_millis(100)).await?.done {
        if begun.elapsed() > PATIENCE {
            return Err(Failure::new("maintain: there is always something left to do"));
        }
    }
    Ok(())
}

fn minutes_ago(minutes: i64) -> DateTime<Utc> {
    DateTime::<Utc>::from(SystemTime::now()) - TimeDelta::minutes(minutes)
}

async fn maintenance_keeps_to_the_retention(lab: &Lab) -> Verdict {
    let mut retention = Retention::thread_rows(40);
    retention.max_age = Some(Duration::from_hours(1));
    let store = lab.open_keeping(retention).await?;
    store_all(&*store, [thread(1)]).await?;
    let aged = |thread: &str, count, age| -> Vec<LogEntry> {
        let entries = entries_of(thread, count).into_iter();
        entries.map(|entry| LogEntry { time: minutes_ago(age), ..entry }).collect()
    };
    let mut entries = aged("old", 10, 90);
    entries.extend(aged("much", 100, 1));
    entries.extend(aged("little", 40, 1));
    let ids = append(&*store, entries).await?;
    settle(&*store).await?;
    let (left, expected) = (numbers(&*store).await?, [&ids[70..110], &ids[110..]].concat());
    assert_eq!(left, expected, "of one thread the newest, and all of the other");
    assert_eq!(store.stats().await?.threads, 1, "threads are no logs");
    Ok(())
}

async fn new_entries_are_kept_to_it_too(lab: &Lab) -> Verdict {
    let store = lab.open_keeping(Retention::thread_rows(5)).await?;
    let mut newest = Vec::new();
    for round in 0..5 {
        newest = append(&*store, vec![entry(&round.to_string()); 4]).await?;
        // Whatever goes, it is the oldest: those that were just appended are few enough to stay.
        let found = numbers(&*store).await?;
        assert!(found.ends_with(&newest), "{found:?} has not all of {newest:?}");
    }
    settle(&*store).await?;
    let left = numbers(&*store).await?;
    assert_eq!(left.len(), 5);
    assert!(left.ends_with(&newest), "{left:?} has not all of {newest:?}");
    Ok(())
}

async fn files_are_hardly_larger_than_they_may_be(lab: &Lab) -> Verdict {
    // How large the same logs are where all of them are kept.
    let beside = lab.beside("everything");
    fs::create_dir(&beside)?;
    let store = lab.open_at(&beside).await?;
    fill(&*store).await?;
    settle(&*store).await?;
    let most = size(&*store).await?.1 / 2;
    store.close().await?;

    let store = lab.open_keeping(Retention::max_bytes(most)).await?;
    for _ in 0..2 {
        fill(&*store).await?;
        settle(&*store).await?;
        let (left, bytes) = size(&*store).await?;
        assert!(!left.is_empty(), "some fit into {most} bytes");
        if bytes > most + most / 4 {
            return Err(Failure::new(format!(
                "the logs have {bytes} bytes, {most} would have been enough"
            )));
        }
    }
    let newest = rows(&*store, LogFilter::new()).await?.pop();
    assert_eq!(newest.map_or(0, |row| row.id), store.max_log_id(LogFilter::new()).await?);
    Ok(())
}

async fn without_a_retention_nothing_goes_unasked(lab: &Lab) -> Verdict {
    const ENTRIES: usize = 1_500;
    let mut store = lab.open().await?;
    // More of one thread than most keep, and all of 1970.
    let ids = append(&*store, entries_of("t", ENTRIES)).await?;
    for _ in 0..2 {
        settle(&*store).await?;
        store = lab.reopen(store).await?;
        assert!(numbers(&*store).await? == ids, "entries went");
    }
    Ok(())
}

/// The bytes of all files in a folder.
fn bytes_in(folder: &Path) -> io::Result<u64> {
    let mut bytes = 0;
    for found in fs::read_dir(folder)? {
        let found = found?;
        let kind = found.metadata()?;
        bytes += if kind.is_dir() { bytes_in(&found.path())? } else { kind.len() };
    }
    Ok(bytes)
}

async fn the_bytes_told_are_those_of_all_files(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    store_all(&*store, (1..=20).map(thread)).await?;
    fill(&*store).await?;
    let begun = Instant::now();
    loop {
        let stats = store.stats().await?;
        let (told, found) = (stats.thread_bytes + stats.log_bytes, bytes_in(&lab.workspace())?);
        if told == found {
            return Ok(());
        }
        // A store may be about to write what it wrote beside into its place.
        if begun.elapsed() > PATIENCE / 10 {
            return Err(Failure::new(format!(
                "{told} bytes are told of, the files have {found}: {stats:?}"
            )));
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
