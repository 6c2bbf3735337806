//! Copies while others write, and what a copy tells on its way.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod small_store;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use small_store::{SmallStore, now};
use threadkeep_core::hooks::{Call, Hook, Hooked};
use threadkeep_core::moving::{
    CopyOptions, Found, Load, LoadOptions, OnConflict, Parts, Stage, copy, digest,
};
use threadkeep_core::{
    DynamicToolSpec, ErrorKind, Result, ThreadId, ThreadMetadata, ThreadSeed, ThreadStore as _,
    ThreadStoreExt as _, Timestamp,
};

fn id(number: u8) -> ThreadId {
    ThreadId::from_bytes([number; 16])
}

fn thread(number: u8, title: &str) -> ThreadMetadata {
    let at = Timestamp::from_millis(i64::from(number));
    let mut row = ThreadSeed::new(id(number), "/a.jsonl", at).into_metadata();
    row.title = title.into();
    row
}

fn with_threads(title: &str) -> Arc<SmallStore> {
    let store = SmallStore::default();
    for number in 1..=3 {
        now(store.upsert_thread(thread(number, title))).unwrap();
    }
    Arc::new(store)
}

fn title(store: &SmallStore, number: u8) -> String {
    now(store.get_thread(id(number))).unwrap().unwrap().title
}

/// Writes into the store behind the back of whoever is about to.
struct Rival {
    store: Arc<SmallStore>,
    times: AtomicUsize,
    row: ThreadMetadata,
}

impl Hook for Rival {
    fn before(&self, call: &Call) -> Result<()> {
        let left = |left: usize| left.checked_sub(1);
        if call.operation == "write"
            && let Ok(left) = self.times.fetch_update(Ordering::Relaxed, Ordering::Relaxed, left)
        {
            let mut row = self.row.clone();
            row.tokens_used = i64::try_from(left - 1).unwrap();
            now(self.store.upsert_thread(row))?;
        }
        Ok(())
    }
}

fn against(row: ThreadMetadata, times: usize) -> (Arc<SmallStore>, Hooked<Arc<SmallStore>>) {
    let store = Arc::new(SmallStore::default());
    let rival = Rival { store: Arc::clone(&store), times: times.into(), row };
    (Arc::clone(&store), Hooked::new(store).with(rival))
}

fn options(policy: OnConflict) -> CopyOptions {
    CopyOptions::new().checkpoints(false).on_conflict(policy)
}

#[test]
fn a_thread_that_appears_meanwhile_is_decided_upon_anew() {
    let from = with_threads("from");
    for (policy, expected) in [
        (OnConflict::Refuse, "rival"),
        (OnConflict::Keep, "rival"),
        (OnConflict::Newer, "rival"),
        (OnConflict::Replace, "from"),
    ] {
        let (to, hooked) = against(thread(2, "rival"), 1);
        let report = now(copy(&from, &hooked, &options(policy))).unwrap();
        assert_eq!(title(&to, 2), expected, "{policy}");
        assert_eq!(report.threads.created, 2, "{policy}: {report:?}");
        assert_eq!((report.threads.total(), title(&to, 3)), (3, "from".into()));
        let found = report.conflicts.iter().map(|conflict| conflict.found.clone());
        let refused = policy == OnConflict::Refuse;
        let conflict = refused.then_some(Found::Present { revision: 1 });
        assert_eq!(found.collect::<Vec<_>>(), conflict.into_iter().collect::<Vec<_>>());
    }
}

#[test]
fn the_same_thread_that_appears_meanwhile_is_no_conflict() {
    let from = with_threads("from");
    let (to, hooked) = against(thread(2, "from"), 1);
    let report = now(copy(&from, &hooked, &options(OnConflict::Refuse))).unwrap();
    assert_eq!((report.threads.created, report.threads.unchanged), (2, 1));
    assert_eq!(now(to.get_thread(id(2))).unwrap().unwrap().revision, 1);
}

#[test]
fn what_changes_at_every_moment_does_not_keep_a_copy_for_ever() {
    let from = with_threads("from");
    let (to, hooked) = against(thread(2, "rival"), 1_000);
    let error = now(copy(&from, &hooked, &options(OnConflict::Replace))).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert!(error.to_string().contains(&id(2).to_string()), "{error}");
    assert_eq!(title(&to, 2), "rival");
}

#[test]
fn a_store_is_not_copied_into_itself() {
    let store = SmallStore::default();
    let error = now(copy(&store, &store, &options(OnConflict::Replace))).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
}

#[test]
fn a_copy_tells_how_far_it_is() {
    let from = with_threads("from");
    let told = Arc::new(Mutex::new(Vec::new()));
    let telling = Arc::clone(&told);
    let options = options(OnConflict::Refuse).progress(Arc::new(move |progress| {
        telling.lock().unwrap().push((progress.stage, progress.done, progress.total));
    }));
    now(copy(&from, &SmallStore::default(), &options)).unwrap();
    assert_eq!(*told.lock().unwrap(), [(Stage::Threads, 3, 3)]);
}

/// A dump of these lines, with the right trailer.
fn dump_of(store: &SmallStore, times: u64, lines: &str) -> String {
    let mut digest = now(digest(store, Parts::new().checkpoints(false))).unwrap();
    for part in [&mut digest.threads, &mut digest.tools] {
        part.count *= times;
        part.hash = part.hash.wrapping_mul(u128::from(times));
    }
    let header = r#"{"threadkeep_dump":{"version":1,"created_by":"","source":"","checkpoints":false,"logs":false}}"#;
    format!("{header}\n{lines}{{\"end\":{}}}\n", serde_json::to_string(&digest).unwrap())
}

#[test]
fn a_thread_that_is_in_a_dump_twice_is_compared_with_itself() {
    let store = SmallStore::default();
    now(store.upsert_thread(thread(1, "title"))).unwrap();
    let tool = DynamicToolSpec::from_json(r#"{"name":"t"}"#).unwrap();
    now(store.persist_dynamic_tools(id(1), Some(vec![tool]))).unwrap();
    let row = serde_json::to_string(&thread(1, "title")).unwrap();
    let line =
        format!("{{\"thread\":{{\"row\":{row},\"tools\":[\"{{\\\"name\\\":\\\"t\\\"}}\"]}}}}\n");
    let to = SmallStore::default();
    let mut load = Load::new(&to, LoadOptions::new());
    now(load.feed(dump_of(&store, 3, &line.repeat(3)).as_bytes())).unwrap();
    let report = now(load.finish()).unwrap();
    assert_eq!((report.threads.created, report.threads.unchanged), (1, 2), "{report:?}");
    assert_eq!(now(to.threads(vec![id(1)])).unwrap()[0].as_ref().unwrap().revision, 1);
}
