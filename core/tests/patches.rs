//! What one field's patch does, and what a patch does that a row has seen already.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fmt::Debug;
use std::path::PathBuf;

use threadkeep_core::patch::Emptiness;
use threadkeep_core::{
    Change, DynamicToolSpec, Effect, Expect, FieldPatch, Mark, Record, Slot, ThreadId,
    ThreadMetadata, ThreadPatch, ThreadSeed, Timestamp, ToolsChange,
};

const ID: ThreadId = ThreadId::from_bytes([7; 16]);

/// A value that counts as not yet seen gives way; any other stays.
fn check<T: Emptiness + Clone + Debug + PartialEq>(empty: &[T], first: &T, second: &T) {
    let patched = |start: &T, patch: &FieldPatch<T>| {
        let mut field = start.clone();
        patch.apply_to(&mut field);
        field
    };
    let set = FieldPatch::Set(second.clone());
    let fill = FieldPatch::SetIfEmpty(second.clone());
    for unseen in empty {
        assert_eq!(patched(unseen, &fill), *second);
        assert_eq!(patched(unseen, &set), *second);
        assert_eq!(patched(unseen, &FieldPatch::Keep), *unseen);
        // The same holds where the empty value comes from a patch before.
        for first in [FieldPatch::Set(unseen.clone()), FieldPatch::SetIfEmpty(unseen.clone())] {
            let both = first.then(fill.clone());
            assert_eq!(patched(unseen, &both), *second, "{both:?}");
        }
    }
    assert_eq!(patched(first, &fill), *first);
    assert_eq!(patched(first, &set), *second);
    assert_eq!(patched(first, &FieldPatch::Keep), *first);
    assert_eq!(FieldPatch::Set(first.clone()).then(fill), FieldPatch::Set(first.clone()));
}

#[test]
fn only_a_value_not_yet_seen_gives_way_to_a_first_one() {
    check(&[String::new()], &"a".to_owned(), &"b".to_owned());
    check(&[PathBuf::new()], &PathBuf::from("/a"), &PathBuf::from("/b"));
    check(&[0, -1, i64::MIN], &1, &2);
    check(&[None, Some(String::new())], &Some("a".to_owned()), &Some("b".to_owned()));
}

fn seed() -> ThreadSeed {
    ThreadSeed::new(ID, "/sessions/a.jsonl", Timestamp::from_millis(1))
}

fn tools(name: &str) -> Vec<DynamicToolSpec> {
    vec![DynamicToolSpec::function(name, "", "{}").unwrap()]
}

fn patch(edit: impl FnOnce(&mut ThreadPatch)) -> ThreadPatch {
    let mut patch = ThreadPatch::default();
    edit(&mut patch);
    patch
}

fn patched(patches: &[ThreadPatch]) -> ThreadMetadata {
    let mut row = seed().into_metadata();
    for patch in patches {
        patch.apply_to(&mut row);
    }
    row
}

#[test]
fn a_person_who_once_wrote_has_written() {
    let wrote = patch(|patch| patch.has_user_event = true);
    let silent = ThreadPatch::default;
    for (patches, expected) in [
        (vec![silent()], false),
        (vec![wrote.clone()], true),
        (vec![wrote.clone(), silent()], true),
        (vec![silent(), wrote], true),
    ] {
        assert_eq!(patched(&patches).has_user_event, expected, "{patches:?}");
        let one = patches.into_iter().fold(silent(), ThreadPatch::then);
        assert_eq!(patched(&[one]).has_user_event, expected);
    }
}

#[test]
fn the_first_tools_that_are_any_are_the_threads_tools() {
    let with = |tools: Option<Vec<_>>| patch(|patch| patch.tools = tools);
    for (first, second, expected) in [
        (None, None, None),
        (Some(vec![]), None, Some(vec![])),
        (None, Some(tools("b")), Some(tools("b"))),
        (Some(vec![]), Some(tools("b")), Some(tools("b"))),
        (Some(tools("a")), Some(tools("b")), Some(tools("a"))),
        (Some(tools("a")), Some(vec![]), Some(tools("a"))),
    ] {
        assert_eq!(with(first).then(with(second)).tools, expected);
    }
}

fn marked(through: u64, name: &str) -> Box<ThreadPatch> {
    Box::new(patch(|patch| {
        patch.mark = Some(Mark { file: "a.jsonl".into(), through });
        patch.title = FieldPatch::Set(name.into());
        patch.tools = Some(tools(name));
    }))
}

#[test]
fn a_patch_of_what_a_row_has_seen_stores_no_tools_either() {
    let thread = Slot::Present(Box::new(patched(&[patch(|patch| {
        patch.mark = Some(Mark { file: "a.jsonl".into(), through: 10 });
    })])));
    let stored = Record { thread, ..Record::default() };
    for seen in [9, 10] {
        let mut record = stored.clone();
        let change = Change::Patch(ID, marked(seen, "late"));
        let outcome = record.reduce(change, Expect::Any).unwrap();
        assert_eq!(outcome.effect, Effect::Unchanged, "{seen}");
        assert_eq!(record, stored, "{seen}");
    }
    let mut record = stored;
    let outcome = record.reduce(Change::Patch(ID, marked(11, "new")), Expect::Any).unwrap();
    assert_eq!(outcome.effect, Effect::Updated);
    assert_eq!(record.tools_change, Some(ToolsChange::Store(tools("new"))));
}

#[test]
fn a_patch_of_a_thread_that_is_not_there_stores_no_tools() {
    let mut record = Record::default();
    let outcome = record.reduce(Change::Patch(ID, marked(1, "lost")), Expect::Any).unwrap();
    assert_eq!((outcome.effect, outcome.revision), (Effect::Absent, 0));
    assert_eq!(record, Record::default());
}
