//! The comfort on top of the traits does what its names say, on any store.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod small_store;

use std::path::PathBuf;

use chrono::{DateTime, Utc};
use futures_util::TryStreamExt as _;
use small_store::{SmallStore, now};
use threadkeep_core::rollout::parse_line;
use threadkeep_core::{
    Archived, Direction, DynamicToolSpec, DynamicToolStoreExt as _, Effect, ErrorKind, LogEntry,
    LogFilter, LogIds, LogLevel, LogQuery, LogStoreExt as _, SortKey, ThreadId, ThreadMetadata,
    ThreadQuery, ThreadSeed, ThreadStoreExt as _, Timestamp,
};

const ACTIVE: &str = "/sessions/a.jsonl";
const ARCHIVED: &str = "/archived_sessions/a.jsonl";

fn id(byte: u8) -> ThreadId {
    ThreadId::from_bytes([byte; 16])
}

fn seed(byte: u8) -> ThreadSeed {
    ThreadSeed::new(id(byte), ACTIVE, Timestamp::from_millis(i64::from(byte)))
}

/// A store with so many threads, each with its number as id and as time.
fn store_with(threads: u8) -> SmallStore {
    let store = SmallStore::default();
    for byte in 1..=threads {
        let outcome = now(store.upsert_thread(seed(byte).into_metadata())).unwrap();
        assert_eq!((outcome.effect, outcome.revision), (Effect::Created, 1));
    }
    store
}

fn thread(store: &SmallStore, byte: u8) -> ThreadMetadata {
    now(store.get_thread(id(byte))).unwrap().expect("the thread was stored")
}

fn tools(name: &str) -> Vec<DynamicToolSpec> {
    vec![DynamicToolSpec::function(name, "", "{}").unwrap()]
}

#[test]
fn a_thread_is_found_by_its_id() {
    let store = store_with(2);
    assert_eq!(thread(&store, 2).created_at, Timestamp::from_millis(2));
    assert_eq!(now(store.get_thread(id(3))).unwrap(), None);
}

#[test]
fn a_page_of_threads_and_a_page_of_their_ids_are_one_page() {
    let store = store_with(3);
    let query = ThreadQuery::everything().sort(SortKey::CreatedAt).limit(2);
    let rows = now(store.list_threads(query.clone())).unwrap();
    let ids = now(store.list_thread_ids(query)).unwrap();
    assert_eq!(ids.items, [id(3), id(2)]);
    assert_eq!(rows.items.iter().map(|row| row.id).collect::<Vec<_>>(), ids.items);
    assert!(ids.next.is_some() && ids.next == rows.next);
}

#[test]
fn a_stream_goes_through_every_page() {
    let store = store_with(7);
    for limit in [1, 2, 7, 8] {
        let query = ThreadQuery::everything().direction(Direction::Ascending).limit(limit);
        let rows: Vec<_> = now(store.thread_stream(query).try_collect()).unwrap();
        assert_eq!(
            rows.iter().map(|row| row.id).collect::<Vec<_>>(),
            (1..=7).map(id).collect::<Vec<_>>()
        );
    }
    let refused = now(store.thread_stream(ThreadQuery::new().limit(0)).try_collect::<Vec<_>>());
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::InvalidInput);
}

#[test]
fn a_rollout_path_is_found_only_in_the_state_asked_for() {
    let store = store_with(1);
    let path = |archived| now(store.find_rollout_path_by_id(id(1), archived)).unwrap();
    let at = |path: &str| Some(PathBuf::from(path));
    assert_eq!(path(Archived::Any), at(ACTIVE));
    assert_eq!((path(Archived::Active), path(Archived::Archived)), (at(ACTIVE), None));
    now(store.mark_archived(id(1), ARCHIVED.into(), Timestamp::from_millis(5))).unwrap();
    assert_eq!((path(Archived::Active), path(Archived::Archived)), (None, at(ARCHIVED)));
    assert_eq!(path(Archived::Any), at(ARCHIVED));
    assert_eq!(now(store.find_rollout_path_by_id(id(2), Archived::Any)).unwrap(), None);
}

#[test]
fn archiving_and_naming_tell_whether_the_thread_is_there() {
    let store = store_with(1);
    let time = Timestamp::from_millis(5);
    assert!(now(store.mark_archived(id(1), ARCHIVED.into(), time)).unwrap());
    assert_eq!(thread(&store, 1).archived_at, Some(time));
    assert!(now(store.mark_unarchived(id(1), ACTIVE.into())).unwrap());
    assert_eq!(thread(&store, 1).archived_at, None);
    assert_eq!(thread(&store, 1).rollout_path, PathBuf::from(ACTIVE));
    let before = Timestamp::now();
    assert!(now(store.rename(id(1), Some("release".into()))).unwrap());
    let named = thread(&store, 1);
    assert_eq!(named.name.as_deref(), Some("release"));
    assert!(named.named_at >= Some(before));
    assert!(!now(store.mark_archived(id(2), ARCHIVED.into(), time)).unwrap());
    assert!(!now(store.mark_unarchived(id(2), ACTIVE.into())).unwrap());
    assert!(!now(store.rename(id(2), None)).unwrap());
}

#[test]
fn deleting_answers_which_threads_were_there() {
    let store = store_with(3);
    let went = now(store.delete_threads(vec![id(3), id(9), id(1), id(3)])).unwrap();
    assert_eq!(went, [id(3), id(1)]);
    assert_eq!(now(store.get_thread(id(3))).unwrap(), None);
    assert_eq!(thread(&store, 2).id, id(2));
    assert_eq!(now(store.delete_threads(vec![])).unwrap(), []);
}

#[test]
fn lines_make_a_thread_and_no_lines_make_none() {
    let store = SmallStore::default();
    assert_eq!(now(store.apply_rollout_items(seed(1), &[])).unwrap(), None);
    assert_eq!(now(store.get_thread(id(1))).unwrap(), None);
    let line = br#"{"timestamp":"2026-03-01T09:30:00.000Z","type":"event_msg","payload":{"type":"user_message","message":"fix it"}}"#;
    let lines = [parse_line(line).unwrap().unwrap()];
    let outcome = now(store.apply_rollout_items(seed(1), &lines)).unwrap().unwrap();
    assert_eq!((outcome.effect, outcome.revision), (Effect::Created, 1));
    assert_eq!(thread(&store, 1).title, "fix it");
    let outcome = now(store.apply_rollout_items(seed(1), &lines)).unwrap().unwrap();
    assert_eq!((outcome.effect, outcome.revision), (Effect::Unchanged, 1));
}

#[test]
fn tools_are_persisted_once_and_replaced_on_demand() {
    let store = store_with(1);
    let stored = || now(store.get_dynamic_tools(id(1))).unwrap();
    for nothing in [None, Some(vec![])] {
        now(store.persist_dynamic_tools(id(1), nothing)).unwrap();
    }
    now(store.replace_dynamic_tools(id(1), vec![])).unwrap();
    assert_eq!(stored(), None);
    now(store.persist_dynamic_tools(id(1), Some(tools("first")))).unwrap();
    now(store.persist_dynamic_tools(id(1), Some(tools("second")))).unwrap();
    assert_eq!(stored(), Some(tools("first")));
    now(store.replace_dynamic_tools(id(1), tools("third"))).unwrap();
    assert_eq!(stored(), Some(tools("third")));
    let unknown = now(store.replace_dynamic_tools(id(2), tools("t"))).unwrap_err();
    assert_eq!(unknown.kind(), ErrorKind::NotFound);
    let unknown = now(store.persist_dynamic_tools(id(2), Some(tools("t")))).unwrap_err();
    assert_eq!(unknown.kind(), ErrorKind::NotFound);
}

fn entry(second: i64) -> LogEntry {
    let time: DateTime<Utc> = DateTime::from_timestamp(second, 0).unwrap();
    LogEntry::new(time, LogLevel::Info, "t", format!("m{second}"))
}

#[test]
fn log_entries_get_numbers_and_are_found_again() {
    let store = SmallStore::default();
    assert_eq!(now(store.insert_logs(vec![])).unwrap(), None);
    let numbers = [1, 2, 3].map(|second| now(store.insert_log(entry(second))).unwrap());
    assert_eq!(numbers, [1, 2, 3]);
    let two = now(store.insert_logs(vec![entry(4), entry(5)])).unwrap();
    assert_eq!(two, Some(LogIds { first: 4, last: 5 }));
    let page = now(store.query_logs(LogQuery::new(LogFilter::new()).limit(2))).unwrap();
    assert_eq!(page.items.iter().map(|row| row.id).collect::<Vec<_>>(), [5, 4]);
    assert_eq!(page.items[0].entry, entry(5));
    assert!(page.more);
}

#[test]
fn deleting_old_entries_answers_how_many_went() {
    let store = SmallStore::default();
    now(store.insert_logs((1..=5).map(entry).collect())).unwrap();
    assert_eq!(now(store.delete_logs_before(entry(4).time)).unwrap(), 3);
    assert_eq!(now(store.delete_logs_before(entry(4).time)).unwrap(), 0);
    let left = now(store.query_logs(LogQuery::new(LogFilter::new()))).unwrap().items;
    assert_eq!(left.iter().map(|row| row.id).collect::<Vec<_>>(), [5, 4]);
    assert_eq!(now(store.insert_log(entry(6))).unwrap(), 6);
}
