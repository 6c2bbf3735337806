//! The queue with an engine made of a vector.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_executor::block_on;
use threadkeep_core::{Applied, Error, ErrorKind, Result};
use threadkeep_writer::{Engine, Writer, WriterOptions};

#[derive(Default)]
struct State {
    committed: Vec<u32>,
    groups: Vec<usize>,
    busy: usize,
    fail_commit: bool,
    upkeeps: usize,
    /// How often upkeep says that there is more to do.
    chores: usize,
}

struct Numbers {
    state: Arc<Mutex<State>>,
    pending: Vec<u32>,
}

impl Engine for Numbers {
    type Job = u32;
    type Answer = usize;

    fn size(_: &u32) -> usize {
        4
    }

    fn begin(&mut self, _wait: Duration) -> Result<()> {
        let mut state = self.state.lock().unwrap();
        if state.busy > 0 {
            state.busy -= 1;
            std::thread::sleep(Duration::from_millis(2));
            return Err(Error::new(ErrorKind::Busy, "locked"));
        }
        Ok(())
    }

    fn apply(&mut self, jobs: Vec<u32>) -> Result<Vec<Result<usize>>> {
        self.state.lock().unwrap().groups.push(jobs.len());
        if jobs.contains(&666) {
            return Err(Error::new(ErrorKind::Io, "disk on fire"));
        }
        let answer = |job: u32| {
            if job == 13 {
                return Err(Error::invalid_input("13"));
            }
            self.pending.push(job);
            Ok(self.pending.len())
        };
        Ok(jobs.into_iter().map(answer).collect())
    }

    fn commit(&mut self) -> Result<()> {
        let mut state = self.state.lock().unwrap();
        if state.fail_commit {
            return Err(Error::new(ErrorKind::Io, "no sync"));
        }
        state.committed.append(&mut self.pending);
        Ok(())
    }

    fn rollback(&mut self) {
        self.pending.clear();
    }

    fn upkeep(&mut self) -> Option<Duration> {
        let mut state = self.state.lock().unwrap();
        state.upkeeps += 1;
        state.chores.checked_sub(1).map(|left| {
            state.chores = left;
            Duration::ZERO
        })
    }
}

fn wait_until(what: &str, holds: impl Fn() -> bool) {
    let begun = std::time::Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(10), "{what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn upkeep_comes_after_a_write_until_nothing_is_left_to_do() {
    let (writer, state) = writer(WriterOptions::default());
    let upkeeps = || state.lock().unwrap().upkeeps;
    std::thread::sleep(Duration::from_millis(80));
    assert_eq!(upkeeps(), 0, "nothing was written");
    state.lock().unwrap().chores = 2;
    block_on(writer.submit(1)).unwrap();
    wait_until("the chores are done", || upkeeps() == 3);
    std::thread::sleep(Duration::from_millis(80));
    assert_eq!(upkeeps(), 3, "nothing is left to do");
    block_on(writer.submit(2)).unwrap();
    wait_until("another write, another upkeep", || upkeeps() == 4);
}

#[test]
fn upkeep_comes_though_jobs_keep_coming() {
    let (writer, state) = writer(WriterOptions::default());
    state.lock().unwrap().chores = usize::MAX;
    wait_until("upkeep between groups", || {
        block_on(writer.submit(1)).unwrap();
        state.lock().unwrap().upkeeps > 3
    });
}

fn writer(options: WriterOptions) -> (Writer<Numbers>, Arc<Mutex<State>>) {
    let state = Arc::new(Mutex::new(State::default()));
    let engine = Numbers { state: state.clone(), pending: Vec::new() };
    (Writer::spawn("numbers", engine, options).unwrap(), state)
}

#[test]
fn waiting_jobs_share_a_commit_and_a_refused_one_fails_alone() {
    let (writer, state) = writer(WriterOptions::default());
    let (hold, released) = flume::bounded::<()>(0);
    std::thread::scope(|scope| {
        scope.spawn(|| block_on(writer.run(move |_| released.recv().ok())));
        std::thread::sleep(Duration::from_millis(20));
        let jobs: Vec<_> = (10..18)
            .map(|job| {
                scope.spawn({
                    let w = &writer;
                    move || block_on(w.submit(job))
                })
            })
            .collect();
        std::thread::sleep(Duration::from_millis(50));
        drop(hold);
        for (job, handle) in (10..).zip(jobs) {
            let answer = handle.join().unwrap();
            assert_eq!(answer.is_err(), job == 13);
        }
    });
    let state = state.lock().unwrap();
    assert_eq!(state.groups, [8]);
    assert_eq!(state.committed.len(), 7);
}

#[test]
fn a_failed_commit_leaves_the_outcome_open_but_a_refusal_stands() {
    let (writer, state) = writer(WriterOptions::default());
    state.lock().unwrap().fail_commit = true;
    assert_eq!(block_on(writer.submit(1)).unwrap_err().outcome(), Applied::Unknown);
    assert_eq!(block_on(writer.submit(13)).unwrap_err().outcome(), Applied::NotApplied);
    state.lock().unwrap().fail_commit = false;
    block_on(writer.submit(2)).unwrap();
    assert_eq!(state.lock().unwrap().committed, [2]);
}

#[test]
fn a_failed_group_is_not_applied() {
    let (writer, state) = writer(WriterOptions::default());
    let error = block_on(writer.submit(666)).unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Io, Applied::NotApplied));
    assert!(state.lock().unwrap().committed.is_empty());
}

#[test]
fn busy_is_answered_at_the_deadline_and_not_before() {
    let options = WriterOptions { deadline: Duration::from_millis(60), ..WriterOptions::default() };
    let (writer, state) = writer(options);
    state.lock().unwrap().busy = 3;
    assert!(block_on(writer.submit(1)).is_ok());
    state.lock().unwrap().busy = usize::MAX;
    assert_eq!(block_on(writer.submit(2)).unwrap_err().kind(), ErrorKind::Busy);
    state.lock().unwrap().busy = 0;
    assert!(block_on(writer.submit(3)).is_ok());
    assert_eq!(state.lock().unwrap().committed, [1, 3]);
}

#[test]
fn closing_finishes_what_was_queued_and_refuses_the_rest() {
    let (writer, state) = writer(WriterOptions::default());
    block_on(writer.submit(1)).unwrap();
    block_on(writer.close());
    block_on(writer.close());
    assert_eq!(block_on(writer.submit(2)).unwrap_err().kind(), ErrorKind::Closed);
    assert_eq!(state.lock().unwrap().committed, [1]);
}
