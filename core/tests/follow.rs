//! What somebody who follows the logs is told, by a store that fails, closes and prunes.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::{BTreeMap, VecDeque};
use std::pin::{Pin, pin};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use chrono::DateTime;
use futures_util::FutureExt as _;
use futures_util::stream::{Stream, StreamExt as _};
use proptest::collection::vec;
use proptest::prelude::*;
use threadkeep_core::{
    Direction, Error, ErrorKind, Follow, Followed, LogBell, LogEntry, LogFilter, LogIds, LogLevel,
    LogPage, LogQuery, LogRow, LogStore, LogStoreExt as _, Pruned, Result, Retention,
};

/// Nobody waits so long in a test.
const LONG: Duration = Duration::from_hours(1);

/// Logs that do to whoever reads them what they were told to.
#[derive(Default)]
struct Logs {
    state: Mutex<State>,
    bell: LogBell,
}

#[derive(Default)]
struct State {
    rows: BTreeMap<u64, LogRow>,
    last: u64,
    deleted: u64,
    /// How the next queries fail.
    failures: VecDeque<ErrorKind>,
    /// Appended when a page is asked for, as by somebody who is faster.
    meanwhile: usize,
    queries: usize,
    /// After which number was waited, and how long.
    waits: Vec<(u64, Duration)>,
}

impl Logs {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Appends so many entries; their threads take turns.
    fn add(&self, count: usize) {
        let mut state = self.state();
        state.add(count);
        let last = state.last;
        drop(state);
        self.bell.ring(last);
    }

    fn delete(&self, ids: impl IntoIterator<Item = u64>) {
        let mut state = self.state();
        for id in ids {
            if state.rows.remove(&id).is_some() {
                state.deleted = state.deleted.max(id);
            }
        }
    }

    /// Takes the rows away, and what is known of them.
    fn vanish(&self) {
        let mut state = self.state();
        state.rows.clear();
        state.deleted = 0;
    }

    fn fail(&self, kinds: impl IntoIterator<Item = ErrorKind>) {
        self.state().failures.extend(kinds);
    }

    fn follow_all(&self, after: u64) -> Telling<'_> {
        Box::pin(self.follow(Follow::new(LogFilter::new(), after).poll(LONG)))
    }
}

impl State {
    fn add(&mut self, count: usize) {
        for _ in 0..count {
            self.last += 1;
            let thread = if self.last.is_multiple_of(2) { "even" } else { "odd" };
            let entry = LogEntry::new(DateTime::UNIX_EPOCH, LogLevel::Info, "target", "m");
            let entry = LogEntry { thread_id: Some(thread.into()), ..entry };
            self.rows.insert(self.last, LogRow { id: self.last, entry });
        }
    }
}

#[async_trait]
impl LogStore for Logs {
    async fn append(&self, entries: Vec<LogEntry>) -> Result<Option<LogIds>> {
        self.add(entries.len());
        Ok(None)
    }

    async fn query(&self, query: LogQuery) -> Result<LogPage> {
        query.validate()?;
        let mut state = self.state();
        state.queries += 1;
        assert!(state.queries < 100_000, "one question is asked again and again");
        if let Some(kind) = state.failures.pop_front() {
            return Err(Error::new(kind, "told to"));
        }
        let meanwhile = std::mem::take(&mut state.meanwhile);
        state.add(meanwhile);
        let mut items: Vec<_> =
            state.rows.values().filter(|row| query.filter.matches(row)).cloned().collect();
        if query.direction == Direction::Descending {
            items.reverse();
        }
        let more = items.len() > query.limit;
        items.truncate(query.limit);
        Ok(LogPage { items, more, deleted_through: state.deleted })
    }

    async fn max_log_id(&self, filter: LogFilter) -> Result<u64> {
        let mut state = self.state();
        state.queries += 1;
        assert!(state.queries < 100_000, "one question is asked again and again");
        Ok(state.rows.values().rfind(|row| filter.matches(row)).map_or(0, |row| row.id))
    }

    async fn prune(&self, _retention: Retention, _budget: Duration) -> Result<Pruned> {
        Err(Error::new(ErrorKind::Unsupported, "tests delete by number"))
    }

    async fn changed(&self, after: u64, wait: Duration) -> Result<()> {
        self.state().waits.push((after, wait));
        self.bell.wait(after, wait).await
    }
}

type Telling<'a> = Pin<Box<dyn Stream<Item = Result<Followed>> + Send + 'a>>;

/// Whatever is told until nothing is left to be told now, entries by their numbers.
fn told(telling: &mut Telling<'_>) -> Vec<Said> {
    let mut all = Vec::new();
    while let Some(next) = telling.next().now_or_never() {
        let Some(next) = next else {
            all.push(Said::End);
            break;
        };
        all.push(match next {
            Ok(Followed::Entry(row)) => Said::Entry(row.id),
            Ok(Followed::Gap { after, through }) => Said::Gap(after, through),
            Ok(other) => panic!("nothing is known of {other:?}"),
            Err(error) => Said::Error(error.kind()),
        });
    }
    all
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Said {
    Entry(u64),
    Gap(u64, u64),
    Error(ErrorKind),
    End,
}

fn entries(ids: impl IntoIterator<Item = u64>) -> Vec<Said> {
    ids.into_iter().map(Said::Entry).collect()
}

#[test]
fn entries_are_told_once_and_in_order() {
    let logs = Logs::default();
    logs.add(3);
    let mut telling = logs.follow_all(1);
    assert_eq!(told(&mut telling), entries(2..=3));
    assert_eq!(told(&mut telling), []);
    logs.add(2);
    assert_eq!(told(&mut telling), entries(4..=5));
    // Waiting begins after the last number, and takes as long as was said.
    assert_eq!(logs.state().waits, [(3, LONG), (5, LONG)]);
}

#[test]
fn more_than_is_read_at_once_is_told_all_the_same() {
    let logs = Logs::default();
    logs.add(2_500);
    assert_eq!(told(&mut logs.follow_all(0)), entries(1..=2_500));
    assert!(logs.state().queries < 20, "{} questions", logs.state().queries);
}

#[test]
fn what_does_not_match_is_passed_over_once() {
    let logs = Logs::default();
    logs.add(3_001);
    let mut filter = LogFilter::new().thread("even").after_id(10);
    filter.before_id = Some(21);
    let mut telling: Telling<'_> = Box::pin(logs.follow(Follow::new(filter, 13).poll(LONG)));
    assert_eq!(told(&mut telling), entries([14, 16, 18, 20]));
    let asked = logs.state().queries;
    logs.add(1);
    assert_eq!(told(&mut telling), []);
    assert!(logs.state().queries <= asked + 4, "what was read is read again");
    assert_eq!(logs.state().waits.last(), Some(&(3_002, LONG)));
}

#[test]
fn entries_that_come_while_a_page_is_read_are_not_missed() {
    let logs = Logs::default();
    let mut telling = logs.follow_all(0);
    for round in 0..5 {
        logs.add(1);
        logs.state().meanwhile = 2;
        let mut found = told(&mut telling);
        // Nobody rang for them.
        logs.add(1);
        found.extend(told(&mut telling));
        assert_eq!(found, entries(4 * round + 1..=4 * round + 4));
    }
}

#[test]
fn entries_that_went_unread_are_a_gap_and_that_once() {
    let logs = Logs::default();
    logs.add(10);
    let mut telling = logs.follow_all(2);
    let mut from_the_first = logs.follow_all(0);
    logs.delete([1, 2, 3, 5, 6]);
    let mut expected = vec![Said::Gap(2, 6)];
    expected.extend(entries([4, 7, 8, 9, 10]));
    assert_eq!(told(&mut telling), expected);
    assert_eq!(told(&mut from_the_first), expected[1..], "the first there is comes first");
    // What was read may go.
    logs.delete([4, 10]);
    logs.add(3);
    assert_eq!(told(&mut telling), entries(11..=13));
    assert_eq!(told(&mut from_the_first), entries(11..=13));
    logs.add(3);
    logs.delete([14]);
    let expected = [Said::Gap(13, 14), Said::Entry(15), Said::Entry(16)];
    assert_eq!(told(&mut telling), expected);
    assert_eq!(told(&mut from_the_first), expected);
    assert_eq!(told(&mut telling), []);
}

#[test]
fn where_all_that_came_is_gone_again_nobody_is_kept_busy() {
    let logs = Logs::default();
    logs.add(2);
    let mut telling = logs.follow_all(0);
    let mut from_the_first = logs.follow_all(0);
    assert_eq!(told(&mut telling), entries(1..=2));
    logs.add(3);
    logs.delete(1..=5);
    assert_eq!(told(&mut telling), [Said::Gap(2, 5)]);
    assert_eq!(told(&mut from_the_first), []);
    assert_eq!(logs.state().waits.last(), Some(&(5, LONG)));
    logs.add(1);
    assert_eq!(told(&mut telling), [Said::Entry(6)]);
    assert_eq!(told(&mut from_the_first), [Said::Entry(6)]);
}

#[test]
fn where_the_logs_were_taken_away_nobody_is_kept_busy() {
    let logs = Logs::default();
    logs.add(9);
    let mut telling = logs.follow_all(3);
    // There is word of number 9, and nothing above 3.
    logs.vanish();
    assert_eq!(told(&mut telling), []);
    assert!(logs.state().waits.len() < 4, "{:?}", logs.state().waits);
}

#[test]
fn a_gap_may_lie_between_two_pages() {
    let logs = Logs::default();
    logs.add(1_500);
    let mut telling = logs.follow_all(0);
    let first = telling.next().now_or_never().flatten().unwrap().unwrap();
    assert!(matches!(first, Followed::Entry(row) if row.id == 1));
    logs.delete(900..=1_200);
    let mut expected = entries(2..=1_000);
    expected.push(Said::Gap(1_000, 1_200));
    expected.extend(entries(1_201..=1_500));
    assert_eq!(told(&mut telling), expected);
}

#[test]
fn an_error_is_told_and_the_next_try_waits_a_while() {
    let logs = Logs::default();
    logs.add(2);
    logs.fail([ErrorKind::Busy, ErrorKind::Io]);
    let pause = Duration::from_millis(1);
    let follow = Follow::new(LogFilter::new(), 0).poll(pause);
    let mut telling = pin!(logs.follow(follow));
    let mut said = Vec::new();
    for _ in 0..4 {
        said.push(match futures_executor::block_on(telling.next()).unwrap() {
            Ok(Followed::Entry(row)) => Said::Entry(row.id),
            Ok(other) => panic!("{other:?}"),
            Err(error) => Said::Error(error.kind()),
        });
    }
    let expected = [Said::Error(ErrorKind::Busy), Said::Error(ErrorKind::Io)];
    assert_eq!(said, [&expected[..], &entries([1, 2])].concat());
    // No commit ends these waits.
    assert_eq!(logs.state().waits, [(u64::MAX, pause), (u64::MAX, pause)]);
}

#[test]
fn following_ends_with_the_handle() {
    let logs = Logs::default();
    logs.add(1);
    let mut telling = logs.follow_all(0);
    assert_eq!(told(&mut telling), [Said::Entry(1)]);
    logs.bell.close();
    assert_eq!(told(&mut telling), [Said::End], "while it waits");
    logs.fail([ErrorKind::Closed]);
    assert_eq!(told(&mut logs.follow_all(0)), [Said::End], "where it reads");
}

/// What happens to the logs while somebody follows them.
#[derive(Clone, Debug)]
enum Step {
    Add(usize),
    /// Deletes from the oldest on.
    DropOldest(usize),
    /// Deletes every entry whose number is a multiple.
    DropEach(u64),
    Fail,
    /// Listens until nothing is left to be told.
    Listen,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (1..5_usize).prop_map(Step::Add),
        1 => (0..6_usize).prop_map(Step::DropOldest),
        1 => (2..5_u64).prop_map(Step::DropEach),
        1 => Just(Step::Fail),
        4 => Just(Step::Listen),
    ]
}

proptest! {
    #[test]
    fn every_entry_is_told_or_lies_in_a_gap(steps in vec(step(), 1..40), after in 1..4_u64) {
        let logs = Logs::default();
        logs.add(4);
        // Which numbers somebody was told of, or was told that they may be missing.
        let (mut entries, mut gaps) = (Vec::new(), Vec::new());
        let follow = Follow::new(LogFilter::new(), after).poll(Duration::ZERO);
        let mut telling = pin!(logs.follow(follow));
        let mut listen = |all: bool| {
            let newest = logs.state().rows.keys().next_back().copied();
            while all && newest.is_some_and(|newest| newest > after)
                && entries.last() != newest.as_ref()
            {
                match futures_executor::block_on(telling.next()) {
                    Some(Ok(Followed::Entry(row))) => entries.push(row.id),
                    Some(Ok(Followed::Gap { after, through })) => gaps.push((after, through)),
                    Some(Err(_)) => {}
                    other => panic!("{other:?}"),
                }
            }
        };
        for step in steps.into_iter().chain([Step::Listen]) {
            match step {
                Step::Add(count) => logs.add(count),
                // The newest stays, to be waited for here.
                Step::DropOldest(count) => {
                    let ids: Vec<_> = logs.state().rows.keys().copied().collect();
                    let count = count.min(ids.len() - 1);
                    logs.delete(ids[..count].iter().copied());
                }
                Step::DropEach(number) => {
                    let ids: Vec<_> = logs.state().rows.keys().copied().collect();
                    let (_, older) = ids.split_last().unwrap();
                    logs.delete(older.iter().copied().filter(|id| id.is_multiple_of(number)));
                }
                Step::Fail => logs.fail([ErrorKind::Busy]),
                Step::Listen => listen(true),
            }
        }
        prop_assert!(entries.is_sorted_by(|a, b| a < b), "{entries:?}");
        let in_a_gap = |id| gaps.iter().any(|(after, through)| (after + 1..=*through).contains(&id));
        let last = logs.state().last;
        for id in after + 1..=last {
            prop_assert!(entries.contains(&id) || in_a_gap(id), "{id} of {last}: {entries:?}, {gaps:?}");
        }
        // Nothing is told of as missing that is there and was never in danger.
        prop_assert!(gaps.is_sorted_by(|one, other| one.1 < other.1), "{gaps:?}");
    }
}
