//! Which entries a retention takes.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use threadkeep_core::{LogEntry, LogLevel, LogRow, Retention};

/// A minute after 1970 began.
fn at(minute: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::minutes(minute)
}

/// When all these are pruned.
fn now() -> DateTime<Utc> {
    at(10)
}

prop_compose! {
    fn entry()(
        minute in 0..12_i64,
        thread in option::of("[ab]?"),
        process in option::of("[ab]?"),
        message in option::of("x{0,9}"),
        target in "t{0,1}",
    ) -> LogEntry {
        LogEntry {
            message,
            thread_id: thread,
            process_id: process,
            ..LogEntry::new(at(minute), LogLevel::Info, target, "")
        }
    }
}

/// Entries with numbers that grow by more than one at times.
fn rows() -> impl Strategy<Value = Vec<LogRow>> {
    vec((entry(), 1..3_u64), 0..25).prop_map(|entries| {
        let mut id = 0;
        let number = |(entry, step)| {
            id += step;
            LogRow { id, entry }
        };
        entries.into_iter().map(number).collect()
    })
}

prop_compose! {
    fn retention()(
        before in option::of(0..12_i64),
        age in option::of(prop_oneof![4 => (0..12_u64).prop_map(|minutes| 60 * minutes), 1 => Just(u64::MAX)]),
        max_bytes in option::of(0..120_u64),
        thread_bytes in option::of(0..40_u64),
        thread_rows in option::of(0..6_u64),
    ) -> Retention {
        let mut retention = Retention::default();
        retention.before = before.map(at);
        retention.max_age = age.map(Duration::from_secs);
        (retention.max_bytes, retention.thread_bytes) = (max_bytes, thread_bytes);
        retention.thread_rows = thread_rows;
        retention
    }
}

/// The thread, or else the process, that an entry counts for.
fn owner(row: &LogRow) -> (bool, Option<String>) {
    match &row.entry.thread_id {
        Some(thread) => (true, Some(thread.clone())),
        None => (false, row.entry.process_id.clone()),
    }
}

/// The entries of which every one is allowed together with all that are newer.
fn allowed(rows: &[LogRow], allows: impl Fn(&LogRow, &[&LogRow]) -> bool) -> Vec<LogRow> {
    let allowed = |place: &usize| {
        let newer: Vec<_> = rows[*place..].iter().collect();
        allows(&rows[*place], &newer)
    };
    (0..rows.len()).filter(allowed).map(|place| rows[place].clone()).collect()
}

fn bytes(rows: &[&LogRow]) -> u64 {
    rows.iter().map(|row| row.entry.text_bytes()).sum()
}

/// The same in the slowest way: what is left, and not what goes, looked at row by row.
fn kept(rows: &[LogRow], retention: &Retention) -> Vec<LogRow> {
    let mut left = rows.to_vec();
    left.retain(|row| {
        let age = now() - row.entry.time;
        let too_old = |most: Duration| age.to_std().is_ok_and(|age| age > most);
        retention.before.is_none_or(|before| row.entry.time >= before)
            && !retention.max_age.is_some_and(too_old)
    });
    let left = allowed(&left, |row, newer| {
        let same: Vec<_> = newer.iter().copied().filter(|one| owner(one) == owner(row)).collect();
        retention.thread_rows.is_none_or(|most| same.len() as u64 <= most)
            && retention.thread_bytes.is_none_or(|most| bytes(&same) <= most)
    });
    allowed(&left, |_, newer| retention.max_bytes.is_none_or(|most| bytes(newer) <= most))
}

fn left(rows: &[LogRow], retention: &Retention) -> Vec<u64> {
    let doomed = retention.doomed(rows.iter(), now());
    rows.iter().map(|row| row.id).filter(|id| !doomed.contains(id)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn as_much_goes_as_the_limits_say(rows in rows(), retention in retention()) {
        let expected: Vec<_> = kept(&rows, &retention).iter().map(|row| row.id).collect();
        prop_assert_eq!(left(&rows, &retention), expected);
    }

    #[test]
    fn what_was_pruned_is_not_pruned_again(rows in rows(), retention in retention()) {
        let once: BTreeSet<_> = left(&rows, &retention).into_iter().collect();
        let rest: Vec<_> = rows.into_iter().filter(|row| once.contains(&row.id)).collect();
        prop_assert!(retention.doomed(rest.iter(), now()).is_empty());
    }
}

#[test]
fn without_limits_everything_stays() {
    let row = LogRow { id: 1, entry: LogEntry::new(at(0), LogLevel::Info, "t", "m") };
    let doomed = |retention: &Retention| retention.doomed([&row].into_iter(), now());
    assert!(doomed(&Retention::default()).is_empty());
    assert_eq!(doomed(&Retention::standard()), BTreeSet::new(), "it is ten minutes old");
    assert_eq!(doomed(&Retention::max_bytes(1)), BTreeSet::from([1]));
}
