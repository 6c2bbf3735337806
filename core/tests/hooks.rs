//! What hooks see of a call, and what they make of it.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::FutureExt as _;
use threadkeep_core::hooks::{Call, Fault, Faults, Hook, Hooked, Spy};
use threadkeep_core::{
    Applied, Change, Checkpoint, Error, ErrorKind, Outcome, Page, Result, ThreadId, ThreadMetadata,
    ThreadQuery, ThreadStore, Timestamp, WriteBatch,
};

/// A store that only counts the calls that reach it, and has no row.
#[derive(Default)]
struct Counting(AtomicUsize);

impl Counting {
    fn called<T>(&self, answer: T) -> T {
        self.0.fetch_add(1, Ordering::Relaxed);
        answer
    }

    fn calls(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

#[async_trait]
impl ThreadStore for Counting {
    async fn threads(&self, ids: Vec<ThreadId>) -> Result<Vec<Option<ThreadMetadata>>> {
        Ok(self.called(vec![None; ids.len()]))
    }

    async fn list(&self, _query: ThreadQuery) -> Result<Page<ThreadMetadata>> {
        Ok(self.called(Page::default()))
    }

    async fn list_ids(&self, _query: ThreadQuery) -> Result<Page<ThreadId>> {
        Ok(self.called(Page::default()))
    }

    async fn checkpoints(
        &self,
        _prefix: String,
        _after: Option<String>,
        _limit: usize,
    ) -> Result<Vec<Checkpoint>> {
        Err(Error::new(ErrorKind::Unsupported, "a counting store keeps no checkpoints"))
    }

    async fn write(&self, _batch: WriteBatch) -> Result<Vec<Outcome>> {
        Ok(self.called(Vec::new()))
    }
}

/// Writes down when it is entered and left, and refuses on the half it is told to.
struct Noting {
    name: &'static str,
    notes: Arc<Mutex<Vec<String>>>,
    refuses: Option<(&'static str, ErrorKind)>,
}

impl Noting {
    fn note(&self, half: &str, seen: Option<&Error>) -> Result<()> {
        let seen = seen.map_or(String::new(), |error| format!(", saw {}", error.kind()));
        self.notes.lock().unwrap().push(format!("{half} {}{seen}", self.name));
        match self.refuses {
            Some((refused, kind)) if refused == half => Err(Error::new(kind, self.name)),
            _ => Ok(()),
        }
    }
}

impl Hook for Noting {
    fn before(&self, _call: &Call) -> Result<()> {
        self.note("before", None)
    }

    fn after(&self, _call: &Call, _took: Duration, error: Option<&Error>) -> Result<()> {
        self.note("after", error)
    }
}

/// The answer of a store that never waits.
fn now<T>(future: impl Future<Output = T>) -> T {
    future.now_or_never().expect("the call waits for something")
}

fn batch(changes: usize) -> WriteBatch {
    let change = Change::Delete { id: ThreadId::from_bytes([1; 16]), at: Timestamp::MIN };
    (0..changes).fold(WriteBatch::new(), |batch, _| batch.and(change.clone()))
}

type Notes = Arc<Mutex<Vec<String>>>;

/// A store with three hooks, of which the middle one refuses as told.
fn noted(refuses: Option<(&'static str, ErrorKind)>) -> (Hooked<Counting>, Notes) {
    let notes = Notes::default();
    let hook = |name, refuses| Noting { name, notes: Arc::clone(&notes), refuses };
    let store = Hooked::new(Counting::default())
        .with(hook("outer", None))
        .with(hook("middle", refuses))
        .with(hook("inner", None));
    (store, notes)
}

fn taken(notes: &Notes) -> Vec<String> {
    std::mem::take(&mut notes.lock().unwrap())
}

#[test]
fn a_fault_before_a_call_keeps_it_from_being_made() {
    let faults = Arc::new(Faults::default());
    let store = Hooked::new(Counting::default()).with_faults(Arc::clone(&faults));
    faults.push("write", Fault::Before(ErrorKind::Busy));
    let error = now(store.write(batch(1))).unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Busy, Applied::NotApplied));
    assert_eq!(error.operation(), Some("write"));
    assert_eq!((store.inner().calls(), faults.pending()), (0, 0));
    assert!(now(store.write(batch(1))).is_ok());
    assert_eq!(store.inner().calls(), 1);
}

#[test]
fn a_fault_after_a_call_leaves_open_whether_it_happened() {
    let faults = Arc::new(Faults::default());
    let store = Hooked::new(Counting::default()).with_faults(Arc::clone(&faults));
    faults.push("write", Fault::After(ErrorKind::Io));
    let error = now(store.write(batch(1))).unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Io, Applied::Unknown));
    assert_eq!((store.inner().calls(), faults.pending()), (1, 0));
}

#[test]
fn faults_wait_for_their_operation_and_come_in_order() {
    let faults = Arc::new(Faults::default());
    let store = Hooked::new(Counting::default()).with_faults(Arc::clone(&faults));
    faults.push("write", Fault::After(ErrorKind::Io));
    faults.push("write", Fault::Before(ErrorKind::Busy));
    faults.push("list", Fault::Before(ErrorKind::Timeout));
    assert!(now(store.threads(vec![])).is_ok());
    assert_eq!(faults.pending(), 3);
    assert_eq!(now(store.list(ThreadQuery::new())).unwrap_err().kind(), ErrorKind::Timeout);
    assert_eq!(now(store.write(batch(1))).unwrap_err().kind(), ErrorKind::Io);
    assert_eq!(now(store.write(batch(1))).unwrap_err().kind(), ErrorKind::Busy);
    assert_eq!(faults.pending(), 0);
}

#[test]
fn a_spy_remembers_each_call_and_how_it_ended() {
    let spy = Arc::new(Spy::default());
    let faults = Arc::new(Faults::default());
    // Faults are innermost though they are given first: a spy sees them as the store's own.
    let store = Hooked::new(Counting::default())
        .with_faults(Arc::clone(&faults))
        .with(Arc::clone(&spy))
        .with_tracing()
        .with_metrics();
    faults.push("write", Fault::After(ErrorKind::StorageFull));
    let _ = now(store.threads(vec![ThreadId::from_bytes([1; 16]); 3]));
    let _ = now(store.list(ThreadQuery::new()));
    let _ = now(store.list_ids(ThreadQuery::new()));
    let _ = now(store.checkpoints(String::new(), None, 1));
    let _ = now(store.write(batch(2)));
    let _ = now(store.write(batch(0)));
    let read = |operation, items| Call { operation, items, writes: false };
    let write = |items| Call { operation: "write", items, writes: true };
    let expected = [
        (read("threads", 3), None),
        (read("list", 1), None),
        (read("list_ids", 1), None),
        (read("checkpoints", 1), Some(ErrorKind::Unsupported)),
        (write(2), Some(ErrorKind::StorageFull)),
        (write(0), None),
    ];
    assert_eq!(spy.take(), expected);
    assert_eq!(spy.take(), [], "what was taken is forgotten");
}

#[test]
fn hooks_enclose_the_call_in_the_order_given() {
    let (store, notes) = noted(None);
    now(store.write(batch(1))).unwrap();
    assert_eq!(
        taken(&notes),
        [
            "before outer",
            "before middle",
            "before inner",
            "after inner",
            "after middle",
            "after outer",
        ]
    );
}

#[test]
fn a_refusal_skips_the_call_and_all_within_but_is_seen_by_all_around() {
    let (store, notes) = noted(Some(("before", ErrorKind::ReadOnly)));
    let error = now(store.write(batch(1))).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ReadOnly);
    assert_eq!(store.inner().calls(), 0);
    assert_eq!(taken(&notes), ["before outer", "before middle", "after outer, saw read-only"]);
}

#[test]
fn an_error_after_the_call_takes_the_place_of_its_answer() {
    let (store, notes) = noted(Some(("after", ErrorKind::Timeout)));
    let error = now(store.write(batch(1))).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert_eq!(store.inner().calls(), 1);
    let notes = taken(&notes);
    assert_eq!(notes[3..], ["after inner", "after middle", "after outer, saw timeout"]);
}

#[test]
fn every_hook_sees_the_error_of_the_store() {
    let (store, notes) = noted(None);
    let error = now(store.checkpoints(String::new(), None, 1)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    let seen = ["inner", "middle", "outer"].map(|name| format!("after {name}, saw unsupported"));
    assert_eq!(taken(&notes)[3..], seen);
}
