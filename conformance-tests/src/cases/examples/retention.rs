//! What pruning takes of the logs, and what it leaves.

use std::time::{Duration, Instant, SystemTime};

use chrono::{DateTime, TimeDelta, Utc};
use threadkeep_core::{LogEntry, LogFilter, LogStore as _, Result, Retention, Store, limits};

use super::entries::{append, entries_of, entry, numbers, rows};
use crate::cases::{Tier, group};
use crate::lab::{Failure, Lab, Verdict};

group! { Tier::Examples;
    G_36: each_thread_keeps_its_newest_entries,
    G_36: a_thousand_threads_are_pruned_at_once,
    G_37: entries_of_no_thread_count_for_their_process,
    G_38: each_thread_keeps_the_newest_entries_that_fit,
    G_39: entries_go_by_age_and_by_time,
    G_40: limits_hold_together,
    G_41: what_the_limits_allow_stays,
    G_42: a_prune_without_time_goes_on_when_it_is_called_again,
    G_32: numbers_grow_over_the_pruning_of_threads,
}

/// Time enough to prune everything here in one call.
const ENOUGH: Duration = Duration::from_secs(30);

/// How long a prune without time may take, on a busy machine.
const PROMPT: Duration = Duration::from_secs(2);

/// An entry of a thread, or of none, and of a process, or of none.
fn of(thread: Option<&str>, process: Option<&str>) -> LogEntry {
    LogEntry {
        thread_id: thread.map(Into::into),
        process_id: process.map(Into::into),
        ..entry("m")
    }
}

/// Prunes, and answers the places, from 0 on, of the entries that are left.
async fn prune(store: &dyn Store, ids: &[u64], retention: Retention) -> Result<Vec<usize>> {
    let before = numbers(store).await?;
    let pruned = store.prune(retention, ENOUGH).await?;
    let after = numbers(store).await?;
    assert_eq!(pruned.rows, (before.len() - after.len()) as u64, "the count of what went");
    assert_eq!(store.stats().await?.log_entries, after.len() as u64);
    Ok((0..ids.len()).filter(|place| after.contains(&ids[*place])).collect())
}

/// The places that are left where of each owner, named by place, the last `most` are.
fn newest_of_each<O: PartialEq>(owners: &[O], most: usize) -> Vec<usize> {
    let newer =
        |place: usize| owners[place + 1..].iter().filter(|owner| **owner == owners[place]).count();
    (0..owners.len()).filter(|place| newer(*place) < most).collect()
}

async fn each_thread_keeps_its_newest_entries(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    let threads = ["a", "b", "a", "c", "a", "", "b", "A", "c", "a", "c", "", "a"];
    // Which process says something about a thread makes no difference.
    let entries = (0..).zip(threads);
    let entries =
        entries.map(|(place, thread)| of(Some(thread), (place % 2 == 0).then_some("p"))).collect();
    let ids = append(&*store, entries).await?;
    for most in [5, 3, 2, 1, 0] {
        let left = prune(&*store, &ids, Retention::thread_rows(most as u64)).await?;
        assert_eq!(left, newest_of_each(&threads, most), "{most} entries a thread");
    }
    Ok(())
}

async fn a_thousand_threads_are_pruned_at_once(lab: &Lab) -> Verdict {
    const THREADS: usize = 1_000;
    let store = lab.open().await?;
    let threads: Vec<_> = (0..3 * THREADS).map(|place| format!("{}", place % THREADS)).collect();
    let ids =
        append(&*store, threads.iter().map(|thread| of(Some(thread), None)).collect()).await?;
    let left = prune(&*store, &ids, Retention::thread_rows(1)).await?;
    assert_eq!(left, (2 * THREADS..3 * THREADS).collect::<Vec<_>>());
    Ok(())
}

async fn entries_of_no_thread_count_for_their_process(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    let owners = [
        (None, Some("p")),
        (None, None),
        (Some("p"), None),
        (None, Some("q")),
        (None, Some("p")),
        (None, None),
        (None, Some("")),
        (None, Some("p")),
        (None, None),
        (None, Some("q")),
        (Some(""), None),
        (None, Some("p")),
    ];
    let entries = owners.map(|(thread, process)| of(thread, process)).into();
    let ids = append(&*store, entries).await?;
    for most in [3, 2, 1] {
        let left = prune(&*store, &ids, Retention::thread_rows(most as u64)).await?;
        assert_eq!(left, newest_of_each(&owners, most), "{most} entries each");
    }
    Ok(())
}

async fn each_thread_keeps_the_newest_entries_that_fit(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    // Of each entry the message, the target of one byte and the owner of one byte count.
    let of = |thread: Option<&str>, bytes: usize| LogEntry {
        target: "t".into(),
        message: Some("x".repeat(bytes - 2)),
        process_id: thread.is_none().then(|| "p".into()),
        ..of(thread, None)
    };
    let entries = vec![
        of(Some("a"), 50),
        of(Some("b"), 10),
        of(None, 30),
        of(Some("a"), 20),
        of(Some("b"), 100),
        of(Some("a"), 30),
        of(None, 31),
        of(Some("b"), 10),
    ];
    let ids = append(&*store, entries).await?;
    for (most, left) in [
        (200, &[0, 1, 2, 3, 4, 5, 6, 7][..]),
        (120, &[0, 1, 2, 3, 4, 5, 6, 7]),
        (110, &[0, 2, 3, 4, 5, 6, 7]),
        (100, &[0, 2, 3, 5, 6, 7]),
        (99, &[2, 3, 5, 6, 7]),
        (61, &[2, 3, 5, 6, 7]),
        (60, &[3, 5, 6, 7]),
        (49, &[5, 6, 7]),
        (30, &[5, 7]),
        (9, &[]),
    ] {
        let found = prune(&*store, &ids, Retention::thread_bytes(most)).await?;
        assert_eq!(found, left, "{most} bytes a thread");
    }
    Ok(())
}

/// So long before, or after, now.
fn ago(minutes: i64) -> DateTime<Utc> {
    DateTime::<Utc>::from(SystemTime::now()) - TimeDelta::minutes(minutes)
}

async fn entries_go_by_age_and_by_time(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    // The newest by number is not the newest by time, and none of them says what time it is.
    let ages = [-600, 50, 100_000, 20, 400, -50, 200, 90];
    let entries = ages.map(|age| LogEntry { time: ago(age), ..entry("m") });
    let ids = append(&*store, entries.into()).await?;
    let age = |minutes: u64| {
        let mut retention = Retention::default();
        retention.max_age = Some(Duration::from_secs(60 * minutes));
        retention
    };
    let both = |minutes: u64| {
        let mut retention = age(minutes);
        retention.before = Some(ago(300));
        retention
    };
    for (retention, left) in [
        (age(1_000_000), &[0, 1, 2, 3, 4, 5, 6, 7][..]),
        (age(1_000), &[0, 1, 3, 4, 5, 6, 7]),
        (both(1_000), &[0, 1, 3, 5, 6, 7]),
        (both(95), &[0, 1, 3, 5, 7]),
        (age(30), &[0, 3, 5]),
        (age(0), &[0, 5]),
    ] {
        assert_eq!(prune(&*store, &ids, retention).await?, left, "{retention:?}");
    }
    let mut forever = Retention::default();
    forever.max_age = Some(Duration::MAX);
    assert_eq!(prune(&*store, &ids, forever).await?, [0, 5], "no calendar goes so far back");
    Ok(())
}

async fn limits_hold_together(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    let of = |thread: &str, bytes: usize, age| LogEntry {
        time: ago(age),
        target: "t".into(),
        message: Some("x".repeat(bytes - 2)),
        ..of(Some(thread), None)
    };
    let entries = vec![
        of("a", 10, 0),
        of("b", 10, 0),
        of("a", 10, 0),
        of("a", 10, 90),
        of("b", 90, 0),
        of("a", 10, 0),
        of("b", 10, 90),
        of("c", 10, 90),
        of("a", 10, 0),
        of("b", 20, 0),
    ];
    let ids = append(&*store, entries).await?;
    let mut retention = Retention::thread_rows(3);
    retention.max_age = Some(Duration::from_hours(1));
    retention.thread_bytes = Some(115);
    // By age 3, 6 and 7 go, and what is gone counts no more: of `a` the oldest, so that three are
    // left, and of `b` the oldest, so that 110 bytes are.
    assert_eq!(prune(&*store, &ids, retention).await?, [2, 4, 5, 8, 9]);
    retention.thread_rows = Some(2);
    retention.thread_bytes = Some(25);
    assert_eq!(prune(&*store, &ids, retention).await?, [5, 8, 9]);
    assert_eq!(prune(&*store, &ids, retention).await?, [5, 8, 9]);
    Ok(())
}

async fn what_the_limits_allow_stays(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    let long = LogEntry { message: Some("x".repeat(limits::LOG_MESSAGE_BYTES)), ..entry("") };
    let mut entries = entries_of("t", 1_000);
    entries.push(long);
    let ids = append(&*store, entries).await?;
    let all: Vec<_> = (0..ids.len()).collect();
    for retention in [
        Retention::thread_rows(1_000),
        Retention::thread_bytes(limits::LOG_MESSAGE_BYTES as u64 + 6),
        Retention::before(entry("").time),
        Retention::max_bytes(u64::MAX),
    ] {
        assert_eq!(prune(&*store, &ids, retention).await?, all, "{retention:?}");
    }
    // One too many is one that goes; so is one byte too many of the long one, alone of its owner.
    assert_eq!(prune(&*store, &ids, Retention::thread_rows(999)).await?, all[1..]);
    let most = limits::LOG_MESSAGE_BYTES as u64 + 5;
    assert_eq!(prune(&*store, &ids, Retention::thread_bytes(most)).await?, all[1..1_000]);
    Ok(())
}

async fn a_prune_without_time_goes_on_when_it_is_called_again(lab: &Lab) -> Verdict {
    const ENTRIES: usize = 2_000;
    const KEPT: usize = 100;
    let retention = Retention::thread_rows(KEPT as u64);
    let store = lab.open().await?;
    append(&*store, entries_of("a", ENTRIES)).await?;
    append(&*store, entries_of("b", ENTRIES)).await?;
    let mut left = 2 * ENTRIES as u64;
    let begun = Instant::now();
    while left > 2 * KEPT as u64 {
        let called = Instant::now();
        let gone = store.prune(retention, Duration::ZERO).await?.rows;
        let took = called.elapsed();
        let found = store.stats().await?.log_entries;
        assert_eq!(left - gone, found, "{gone} entries are said to have gone");
        left = found;
        if took > PROMPT || begun.elapsed() > 3 * PROMPT {
            return Err(Failure::new(format!(
                "a prune without time took {took:?}, and {left} entries are left"
            )));
        }
    }
    let newest = |thread| LogFilter::new().thread(thread);
    for thread in ["a", "b"] {
        let messages: Vec<_> = rows(&*store, newest(thread))
            .await?
            .into_iter()
            .filter_map(|row| row.entry.message)
            .collect();
        let expected: Vec<_> = (ENTRIES - KEPT..ENTRIES).map(|number| number.to_string()).collect();
        assert_eq!(messages, expected, "of thread {thread}");
    }
    assert_eq!(store.prune(retention, Duration::ZERO).await?.rows, 0);
    Ok(())
}

async fn numbers_grow_over_the_pruning_of_threads(lab: &Lab) -> Verdict {
    let mut store = lab.open().await?;
    let mut greatest = 0;
    for most in [2, 0, 1, 0] {
        let ids = append(&*store, entries_of("t", 4)).await?;
        assert!(ids[0] > greatest, "{} was given out before", ids[0]);
        greatest = ids[3];
        store.prune(Retention::thread_rows(most), ENOUGH).await?;
        store.maintain(ENOUGH).await?;
        assert_eq!(numbers(&*store).await?.len() as u64, most);
        store = lab.reopen(store).await?;
    }
    Ok(())
}
