//! What each change makes of what is stored, where it is not plain from its name.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use threadkeep_core::{
    Change, DynamicToolSpec, Effect, ErrorKind, Expect, FieldPatch, Mark, NamePatch, Outcome,
    Record, Result, Slot, ThreadId, ThreadMetadata, ThreadPatch, ThreadSeed, Timestamp, Tombstone,
    ToolsChange,
};

const ID: ThreadId = ThreadId::from_bytes([7; 16]);
const ACTIVE: &str = "/home/sessions/a.jsonl";
const ARCHIVED: &str = "/home/archived_sessions/a.jsonl";

fn time(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn seed(path: &str) -> Box<ThreadSeed> {
    Box::new(ThreadSeed::new(ID, path, time(1)))
}

/// A patch whose newest item has this time.
fn news(at: i64) -> Box<ThreadPatch> {
    let mut patch = ThreadPatch::default();
    patch.newest_item_at = Some(time(at));
    Box::new(patch)
}

fn with(edit: impl FnOnce(&mut ThreadPatch)) -> Box<ThreadPatch> {
    let mut patch = Box::<ThreadPatch>::default();
    edit(&mut patch);
    patch
}

fn tools(name: &str) -> Vec<DynamicToolSpec> {
    vec![DynamicToolSpec::function(name, "does", "{}").unwrap()]
}

fn set_tools(name: &str, replace: bool) -> Change {
    Change::SetTools { id: ID, tools: tools(name), replace }
}

fn delete(at: i64) -> Change {
    Change::Delete { id: ID, at: time(at) }
}

fn rename(name: &str, at: i64) -> Change {
    Change::Rename { id: ID, name: Some(name.into()), at: time(at) }
}

fn apply(patch: Box<ThreadPatch>) -> Change {
    Change::Apply(seed(ACTIVE), patch)
}

fn present() -> Record {
    let mut record = Record::default();
    assert_eq!(effect(&mut record, apply(news(1))), (Effect::Created, 1));
    record
}

fn damaged() -> Record {
    let thread = Slot::Damaged { reason: "checksum".into(), revision: 4 };
    Record { thread, ..Record::default() }
}

fn row(record: &Record) -> &ThreadMetadata {
    let Slot::Present(row) = &record.thread else { panic!("no row: {record:?}") };
    row
}

fn effect(record: &mut Record, change: Change) -> (Effect, u64) {
    let Outcome { effect, revision } = record.reduce(change, Expect::Any).unwrap();
    (effect, revision)
}

fn kind<T: std::fmt::Debug>(result: Result<T>) -> ErrorKind {
    result.unwrap_err().kind()
}

#[test]
fn a_deleted_thread_leaves_its_tombstone_and_nothing_else() {
    let mut record = present();
    effect(&mut record, set_tools("t", false));
    assert_eq!(effect(&mut record, delete(5)), (Effect::Deleted, 3));
    let expected = Record {
        thread: Slot::Absent,
        tombstone: Some(Tombstone { deleted_at: time(5), revision: 3 }),
        has_tools: false,
        tools_change: Some(ToolsChange::Remove),
        drop_logs: true,
    };
    assert_eq!(record, expected);
    assert_eq!(effect(&mut record, delete(9)), (Effect::Absent, 3));
    assert_eq!(record, expected);
}

#[test]
fn a_late_patch_does_not_bring_a_deleted_thread_back() {
    let mut record = present();
    effect(&mut record, delete(5));
    let buried = record.clone();
    for patch in [news(4), news(5), Box::default()] {
        assert_eq!(effect(&mut record, apply(patch.clone())), (Effect::Tombstoned, 2));
        let rebuild = Change::Rebuild(seed(ACTIVE), patch.clone());
        assert_eq!(effect(&mut record, rebuild), (Effect::Tombstoned, 2));
        assert_eq!(effect(&mut record, Change::Patch(ID, patch)), (Effect::Absent, 2));
    }
    assert_eq!(effect(&mut record, rename("n", 9)), (Effect::Absent, 2));
    assert_eq!(record, buried);
}

#[test]
fn what_is_newer_than_its_deletion_brings_a_thread_back() {
    let row = Box::new(seed(ACTIVE).into_metadata());
    for change in [apply(news(6)), Change::Rebuild(seed(ACTIVE), news(6)), Change::Put(row)] {
        let mut record = present();
        effect(&mut record, delete(5));
        assert_eq!(effect(&mut record, change), (Effect::Created, 3));
        assert_eq!(record.tombstone, None);
        // What the deletion does to tools and logs still has to be done.
        assert_eq!(record.tools_change, Some(ToolsChange::Remove));
        assert!(record.drop_logs);
    }
}

#[test]
fn a_rebuild_keeps_what_a_person_did() {
    let mut record = present();
    effect(&mut record, rename("mine", 10));
    effect(&mut record, Change::Archive { id: ID, path: None, at: time(20) });
    effect(&mut record, Change::Patch(ID, with(|patch| patch.updated_at = Some(time(30)))));
    effect(&mut record, Change::Patch(ID, with(|patch| patch.title = FieldPatch::Set("t".into()))));
    let history = with(|patch| {
        patch.name = Some(NamePatch { name: Some("older".into()), at: Some(time(9)) });
        patch.updated_at = Some(time(2));
    });
    effect(&mut record, Change::Rebuild(seed(ACTIVE), history));
    let row = row(&record);
    assert_eq!(row.name.as_deref(), Some("mine"));
    assert_eq!((row.named_at, row.archived_at), (Some(time(10)), Some(time(20))));
    assert_eq!(row.updated_at, time(30));
    assert_eq!(row.title, "", "what the history does not say is gone");
}

#[test]
fn a_rebuild_takes_a_later_name_from_the_history() {
    let mut record = present();
    effect(&mut record, rename("mine", 10));
    let name = NamePatch { name: None, at: Some(time(11)) };
    effect(&mut record, Change::Rebuild(seed(ACTIVE), with(|patch| patch.name = Some(name))));
    assert_eq!((row(&record).name.as_deref(), row(&record).named_at), (None, Some(time(11))));
}

#[test]
fn a_rebuild_archives_only_a_file_that_moved_between_folders() {
    let archive = Change::Archive { id: ID, path: None, at: time(20) };
    for (path, expected) in [(ACTIVE, Some(time(20))), (ARCHIVED, Some(time(40)))] {
        let mut record = present();
        effect(&mut record, archive.clone());
        let seed = Box::new(seed(path).archived_at((path == ARCHIVED).then_some(time(40))));
        effect(&mut record, Change::Rebuild(seed, news(1)));
        assert_eq!(row(&record).archived_at, expected, "{path}");
    }
}

#[test]
fn a_move_archives_only_from_folder_to_folder() {
    let other = "/home/sessions/b.jsonl";
    let rows = [
        (ACTIVE, None, ARCHIVED, Some(9)),
        (ACTIVE, Some(5), ARCHIVED, Some(9)),
        (ACTIVE, Some(5), other, Some(5)),
        (ACTIVE, None, other, None),
        (ARCHIVED, Some(5), ACTIVE, None),
        (ARCHIVED, Some(5), "/other/archived_sessions/a.jsonl", Some(5)),
        (ARCHIVED, None, ARCHIVED, None),
    ];
    for (from, before, to, after) in rows {
        let mut record = Record::default();
        let seed = seed(from).archived_at(before.map(time));
        effect(&mut record, Change::Put(Box::new(seed.into_metadata())));
        let change = Change::Move { id: ID, path: to.into(), archived_at: time(9) };
        effect(&mut record, change);
        assert_eq!(row(&record).archived_at, after.map(time), "{from} to {to}");
        assert_eq!(row(&record).rollout_path.as_os_str(), to);
    }
}

#[test]
fn archiving_without_a_path_leaves_the_file_where_it_is() {
    let mut record = present();
    effect(&mut record, Change::Archive { id: ID, path: None, at: time(5) });
    assert_eq!(row(&record).rollout_path.as_os_str(), ACTIVE);
    effect(&mut record, Change::Archive { id: ID, path: Some(ARCHIVED.into()), at: time(6) });
    assert_eq!(row(&record).rollout_path.as_os_str(), ARCHIVED);
    assert_eq!(row(&record).archived_at, Some(time(6)));
    effect(&mut record, Change::Unarchive { id: ID, path: None });
    assert_eq!(row(&record).rollout_path.as_os_str(), ARCHIVED);
    assert_eq!(row(&record).archived_at, None);
}

#[test]
fn the_later_of_two_names_wins_whichever_comes_first() {
    let mut record = present();
    assert_eq!(effect(&mut record, rename("late", 10)), (Effect::Updated, 2));
    assert_eq!(effect(&mut record, rename("early", 9)), (Effect::Unchanged, 2));
    assert_eq!(row(&record).name.as_deref(), Some("late"));
    assert_eq!(effect(&mut record, rename("same time", 10)), (Effect::Updated, 3));
    let untimed = NamePatch { name: Some("untimed".into()), at: None };
    let patch = with(|patch| patch.name = Some(untimed));
    assert_eq!(effect(&mut record, Change::Patch(ID, patch)), (Effect::Unchanged, 3));
}

#[test]
fn a_later_file_of_a_thread_becomes_its_path() {
    let mut record = present();
    let marked =
        |file: &str, through| with(|patch| patch.mark = Some(Mark { file: file.into(), through }));
    let apply = |path, patch| Change::Apply(seed(path), patch);
    effect(&mut record, apply("/b/1.jsonl", marked("1.jsonl", 9)));
    effect(&mut record, apply("/c/1.jsonl", marked("1.jsonl", 10)));
    assert_eq!(row(&record).rollout_path.as_os_str(), "/b/1.jsonl", "the same file never moves it");
    effect(&mut record, apply("/b/2.jsonl", marked("2.jsonl", 1)));
    assert_eq!(row(&record).rollout_path.as_os_str(), "/b/2.jsonl");
    let late = apply("/b/1.jsonl", marked("1.jsonl", 99));
    assert_eq!(effect(&mut record, late).0, Effect::Unchanged);
}

#[test]
fn an_empty_provider_becomes_that_of_the_seed() {
    let nameless = with(|patch| patch.model_provider = FieldPatch::Set(String::new()));
    for change in [apply(nameless.clone()), Change::Rebuild(seed(ACTIVE), nameless)] {
        let mut record = Record::default();
        effect(&mut record, change);
        assert_eq!(row(&record).model_provider, "openai");
    }
}

#[test]
fn a_row_put_in_keeps_counting_and_is_brought_into_form() {
    let mut record = present();
    let mut given = row(&record).clone();
    (given.revision, given.tokens_used, given.title) = (99, -5, "é".repeat(300));
    let put = Change::Put(Box::new(given));
    assert_eq!(effect(&mut record, put.clone()), (Effect::Updated, 2));
    assert_eq!((row(&record).tokens_used, row(&record).title.len()), (0, 512));
    assert_eq!(effect(&mut record, put), (Effect::Unchanged, 2));
    let mut respelled = row(&record).clone();
    respelled.cwd = "/a".into();
    effect(&mut record, Change::Put(Box::new(respelled.clone())));
    respelled.cwd = "/a/".into();
    assert_eq!(effect(&mut record, Change::Put(Box::new(respelled))), (Effect::Updated, 4));
}

#[test]
fn expectations_are_met_or_refused() {
    let check = |mut record: Record, expect| record.reduce(rename("n", 9), expect).map(drop);
    assert!(check(Record::default(), Expect::Absent).is_ok());
    assert_eq!(kind(check(Record::default(), Expect::Revision(0))), ErrorKind::Conflict);
    assert!(check(present(), Expect::Revision(1)).is_ok());
    assert_eq!(kind(check(present(), Expect::Revision(2))), ErrorKind::Conflict);
    assert_eq!(kind(check(present(), Expect::Absent)), ErrorKind::AlreadyExists);
    let mut gone = present();
    effect(&mut gone, delete(5));
    assert!(check(gone.clone(), Expect::Absent).is_ok());
    assert_eq!(kind(check(gone, Expect::Revision(2))), ErrorKind::Conflict);
    assert_eq!(kind(check(damaged(), Expect::Absent)), ErrorKind::AlreadyExists);
    assert_eq!(kind(check(damaged(), Expect::Revision(3))), ErrorKind::Conflict);
}

#[test]
fn a_damaged_row_can_only_be_replaced_or_deleted() {
    let refused = [
        apply(news(9)),
        Change::Patch(ID, news(9)),
        rename("n", 9),
        set_tools("t", true),
        Change::Archive { id: ID, path: None, at: time(9) },
        Change::Unarchive { id: ID, path: None },
        Change::Move { id: ID, path: ARCHIVED.into(), archived_at: time(9) },
    ];
    for change in refused {
        let mut record = damaged();
        assert_eq!(kind(record.reduce(change, Expect::Any)), ErrorKind::Corrupted);
        assert_eq!(record, damaged());
    }
    let put = Change::Put(Box::new(seed(ACTIVE).into_metadata()));
    for change in [put, Change::Rebuild(seed(ACTIVE), news(1))] {
        assert_eq!(effect(&mut damaged(), change), (Effect::Updated, 5));
    }
    assert_eq!(effect(&mut damaged(), delete(5)), (Effect::Deleted, 5));
    let revision = damaged().reduce(delete(5), Expect::Revision(4)).unwrap().revision;
    assert_eq!(revision, 5);
}

#[test]
fn a_change_without_its_thread_changes_nothing() {
    let changes = [
        Change::Patch(ID, news(9)),
        rename("n", 9),
        delete(9),
        Change::Archive { id: ID, path: None, at: time(9) },
        Change::Move { id: ID, path: ARCHIVED.into(), archived_at: time(9) },
    ];
    for change in changes {
        let mut record = Record::default();
        assert_eq!(effect(&mut record, change), (Effect::Absent, 0));
        assert_eq!(record, Record::default());
    }
}

#[test]
fn tools_are_stored_once_and_replaced_only_on_demand() {
    let stored = |name: &str| Some(ToolsChange::Store(tools(name)));
    let mut record = present();
    let none = Change::SetTools { id: ID, tools: vec![], replace: true };
    assert_eq!(effect(&mut record, none.clone()), (Effect::Unchanged, 1));
    assert_eq!(effect(&mut record, set_tools("first", false)), (Effect::Updated, 2));
    assert_eq!(effect(&mut record, set_tools("second", false)), (Effect::Unchanged, 2));
    assert_eq!(effect(&mut record, none), (Effect::Unchanged, 2));
    let late = with(|patch| patch.tools = Some(tools("late")));
    assert_eq!(effect(&mut record, apply(late)), (Effect::Unchanged, 2));
    assert_eq!(record.tools_change, stored("first"));
    assert_eq!(effect(&mut record, set_tools("third", true)), (Effect::Updated, 3));
    assert_eq!(record.tools_change, stored("third"));
    let absent = Record::default().reduce(set_tools("t", false), Expect::Any);
    assert_eq!(kind(absent), ErrorKind::NotFound);
}

#[test]
fn tools_of_a_history_count_as_one_change_with_the_row() {
    let mut record = Record::default();
    let patch = with(|patch| patch.tools = Some(tools("t")));
    assert_eq!(effect(&mut record, apply(patch.clone())), (Effect::Created, 1));
    assert_eq!(record.tools_change, Some(ToolsChange::Store(tools("t"))));
    assert_eq!(effect(&mut present(), Change::Patch(ID, patch)), (Effect::Updated, 2));
}
