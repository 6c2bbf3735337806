//! Runs that are interrupted, meet others, or end badly.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use serde_json::Value;
use threadkeep_core::hooks::{Call, Fault, Faults, Hook, Hooked};
use threadkeep_core::{Change, Effect, ErrorKind, Result, Store, ThreadStore};
use threadkeep_rollouts::IndexOptions;

use crate::fixture::{Fixture, name, thread, write};

fn home_of(threads: u8) -> Fixture {
    let home = Fixture::new();
    for n in 1..=threads {
        write(&home.active(&name(n)), thread(n), 100);
    }
    home
}

fn at_once() -> IndexOptions {
    IndexOptions::new().wait(Duration::ZERO)
}

/// Slows every write down, so that a run can be met in its middle.
struct Slow;

impl Hook for Slow {
    fn before(&self, call: &Call) -> Result<()> {
        if call.writes {
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }
}

/// Starts a run and drops it after some polls, at least the first of which is too early for its
/// end: nothing was read then.
fn drop_after(polls: u32, home: &Fixture) {
    let store = Hooked::new(home.store.clone()).with(Slow);
    let mut run = pin!(home.try_index(&store, at_once()));
    let mut context = Context::from_waker(Waker::noop());
    for _ in 0..polls {
        if run.as_mut().poll(&mut context).is_ready() {
            return;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[tokio::test]
async fn a_dropped_run_is_continued() {
    for polls in 1..8 {
        let home = home_of(250);
        drop_after(polls, &home);
        // Elsewhere a run that was dropped shows only by not renewing its claim.
        let options = if cfg!(target_os = "linux") { at_once() } else { IndexOptions::new() };
        let report = home.try_index(&home.store, options).await.unwrap();
        assert_eq!(report.files_opened + report.unchanged, 250);
        assert_eq!(home.rows().await, home.fresh_rows().await);
    }
}

#[tokio::test]
async fn a_run_that_failed_is_continued() {
    for fault in [Fault::Before(ErrorKind::StorageFull), Fault::After(ErrorKind::Io)] {
        for ok_before in 0..4 {
            let home = home_of(250);
            let faults = Arc::new(Faults::default());
            let store =
                Hooked::new(home.store.clone()).with(CountDown::new(ok_before, &faults, fault));
            let store = store.with_faults(Arc::clone(&faults));
            let result = home.try_index(&store, at_once()).await;
            if let Err(error) = result {
                let (Fault::Before(kind) | Fault::After(kind)) = fault;
                assert_eq!(error.kind(), kind);
            }
            let report = home.try_index(&home.store, IndexOptions::new()).await.unwrap();
            assert_eq!(report.files_opened + report.unchanged, 250, "{fault:?} after {ok_before}");
            assert_eq!(home.rows().await, home.fresh_rows().await);
        }
    }
}

/// Puts a fault in after some writes went well.
struct CountDown {
    left: AtomicU64,
    faults: Arc<Faults>,
    fault: Fault,
}

impl CountDown {
    fn new(left: u64, faults: &Arc<Faults>, fault: Fault) -> Self {
        Self { left: AtomicU64::new(left), faults: Arc::clone(faults), fault }
    }
}

impl Hook for CountDown {
    fn before(&self, call: &Call) -> Result<()> {
        if call.operation == "write" && self.left.fetch_sub(1, Ordering::Relaxed) == 0 {
            self.faults.push("write", self.fault);
        }
        Ok(())
    }
}

#[tokio::test]
async fn two_runs_at_once_do_the_work_once() {
    let home = home_of(200);
    let slow = Hooked::new(home.store.clone()).with(Slow);
    let (one, two) = tokio::join!(
        home.try_index(&slow, IndexOptions::new()),
        home.try_index(&slow, IndexOptions::new())
    );
    let (one, two) = (one.unwrap(), two.unwrap());
    assert_eq!(one.files_opened + two.files_opened, 200);
    assert_eq!(one.unchanged + two.unchanged, 200);
    assert_eq!(home.rows().await, home.fresh_rows().await);
    assert_eq!(claim(&home).await, None);
}

/// What is stored of the claim, and its key.
async fn claim(home: &Fixture) -> Option<(String, Value)> {
    let found = home.store.checkpoints("claim:".into(), None, 1).await.unwrap().pop()?;
    Some((found.key, serde_json::from_str(&found.value).unwrap()))
}

/// Leaves a claim as if another run had it.
async fn leave_claim(home: &Fixture, change: impl FnOnce(&mut Value)) {
    drop_after(1, home);
    let (key, mut held) = claim(home).await.unwrap();
    change(&mut held);
    let change = Change::SetCheckpoint { key, value: Some(held.to_string()) };
    home.store.write(change.into()).await.unwrap();
}

fn elsewhere(held: &mut Value, beat: &str) {
    held["owner"]["machine"] = "another".into();
    held["owner"]["host"] = "build-7".into();
    held["owner"]["pid"] = 4321.into();
    held["beat"] = beat.into();
}

#[tokio::test]
async fn a_living_run_is_waited_for() {
    let home = home_of(250);
    let now = threadkeep_core::Timestamp::now().to_string();
    leave_claim(&home, |held| elsewhere(held, &now)).await;
    let wait = IndexOptions::new().wait(Duration::from_millis(200));
    let start = Instant::now();
    let error = home.try_index(&home.store, wait).await.unwrap_err();
    assert!(start.elapsed() >= Duration::from_millis(200));
    assert_eq!(error.kind(), ErrorKind::Busy);
    assert!(error.to_string().contains("process 4321 on build-7"), "{error}");
}

#[tokio::test]
async fn a_run_that_did_not_show_for_long_is_replaced() {
    let home = home_of(250);
    leave_claim(&home, |held| elsewhere(held, "2026-03-01T09:00:00.000Z")).await;
    home.try_index(&home.store, at_once()).await.unwrap();
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_process_that_is_gone_is_replaced_at_once() {
    let home = home_of(250);
    leave_claim(&home, |held| held["owner"]["pid"] = (u32::MAX - 1).into()).await;
    home.try_index(&home.store, at_once()).await.unwrap();

    let home = home_of(250);
    let started_before = |held: &mut Value| held["owner"]["started"] = "1".into();
    leave_claim(&home, started_before).await;
    home.try_index(&home.store, at_once()).await.unwrap();
}

/// Whatever its clock says.
#[tokio::test]
async fn a_run_that_does_not_show_is_replaced_within_ten_seconds() {
    let home = home_of(250);
    leave_claim(&home, |held| elsewhere(held, "9000-03-01T09:00:00.000Z")).await;
    let start = Instant::now();
    home.index().await;
    let waited = start.elapsed();
    assert!((Duration::from_secs(9)..Duration::from_secs(13)).contains(&waited), "{waited:?}");
}

/// Takes the claim away at the second write.
struct Thief(Arc<dyn Store>, AtomicU64);

impl Hook for Thief {
    fn before(&self, call: &Call) -> Result<()> {
        if call.writes && self.1.fetch_add(1, Ordering::Relaxed) == 1 {
            let found = now(self.0.checkpoints("claim:".into(), None, 1))?;
            let change = Change::SetCheckpoint {
                key: found[0].key.clone(),
                value: Some(found[0].value.replace("token", "Token")),
            };
            assert_eq!(now(self.0.write(change.into()))?[0].effect, Effect::Updated);
        }
        Ok(())
    }
}

/// The answer of a store that never waits.
fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => answer,
        Poll::Pending => panic!("the in-memory store waited"),
    }
}

#[tokio::test]
async fn a_run_that_lost_its_claim_writes_nothing_more() {
    let home = home_of(20);
    let store: Arc<dyn Store> = Arc::new(home.store.clone());
    let thief = Hooked::new(home.store.clone()).with(Thief(store, AtomicU64::new(0)));
    let error = home.try_index(&thief, at_once()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Busy);
    assert_eq!(home.rows().await, []);
}

#[tokio::test]
async fn progress_ends_at_its_total() {
    let home = home_of(50);
    let last = Arc::new(std::sync::Mutex::new(None));
    let seen = Arc::clone(&last);
    let options =
        at_once().progress(Arc::new(move |progress| *seen.lock().unwrap() = Some(progress)));
    let report = home.try_index(&home.store, options).await.unwrap();
    let last = last.lock().unwrap().unwrap();
    assert_eq!((last.files_done, last.files_total), (50, 50));
    assert_eq!((last.bytes_done, last.bytes_total), (report.bytes_read, report.bytes_read));
}
