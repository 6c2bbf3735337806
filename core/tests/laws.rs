//! Laws of patches and batches: how a history is cut into pieces must never show in the row.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fmt::Debug;
use std::path::PathBuf;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use threadkeep_core::rollout::{
    Git, RolloutItem, RolloutLine, SessionMeta, TurnContext, UserMessage, fold,
};
use threadkeep_core::{
    Change, DynamicToolSpec, Effect, FieldPatch, Mark, NamePatch, Outcome, Record, Records, Slot,
    ThreadId, ThreadMetadata, ThreadPatch, ThreadSeed, Timestamp, ToolsChange, WriteBatch,
};

const ID: ThreadId = ThreadId::from_bytes([7; 16]);

/// Few values, so that they collide, and beside them one that has to be cut.
fn a_text() -> impl Strategy<Value = String> + Clone {
    select(vec![String::new(), "a".into(), "b".into(), "é".repeat(2_100)])
}

/// What a line can give: the reader turns empty members into absent ones.
fn a_word() -> impl Strategy<Value = String> + Clone {
    select(vec!["a".to_owned(), "b".into(), "c".into()])
}

fn a_time() -> impl Strategy<Value = Timestamp> + Clone {
    (0..5_i64).prop_map(Timestamp::from_millis)
}

fn a_field<T: Clone + Debug>(
    value: impl Strategy<Value = T> + Clone,
) -> impl Strategy<Value = FieldPatch<T>> {
    prop_oneof![
        Just(FieldPatch::Keep),
        value.clone().prop_map(FieldPatch::Set),
        value.prop_map(FieldPatch::SetIfEmpty),
    ]
}

fn some_tools() -> impl Strategy<Value = Vec<DynamicToolSpec>> + Clone {
    let tool = select(vec!["x", "y"])
        .prop_map(|name| DynamicToolSpec::function(name, "does", "{}").unwrap());
    vec(tool, 0..3)
}

fn a_mark() -> impl Strategy<Value = Mark> {
    (select(vec!["", "1.jsonl", "2.jsonl"]), 0..4_u64)
        .prop_map(|(file, through)| Mark { file: file.into(), through })
}

fn an_unmarked_patch() -> impl Strategy<Value = ThreadPatch> {
    let text = || a_field(a_text());
    let optional = || a_field(option::of(a_text()));
    let name = (option::of(a_text()), option::of(a_time()));
    let name = name.prop_map(|(name, at)| NamePatch { name, at });
    let identity = (text(), text(), optional(), optional(), a_field(a_text().prop_map(Into::into)));
    let words = (text(), optional(), option::of(name), any::<bool>());
    let run = (text(), text(), a_field(select(vec![-2_i64, -1, 0, 1, 2])));
    let git = (optional(), optional(), optional());
    let rest = (option::of(some_tools()), option::of(a_time()), option::of(a_time()));
    (identity, words, run, git, rest).prop_map(|(identity, words, run, git, rest)| {
        let mut patch = ThreadPatch::default();
        (patch.source, patch.model_provider, patch.model, patch.cli_version, patch.cwd) = identity;
        (patch.title, patch.preview, patch.name, patch.has_user_event) = words;
        (patch.sandbox_policy, patch.approval_mode, patch.tokens_used) = run;
        (patch.git_sha, patch.git_branch, patch.git_origin_url) = git;
        (patch.tools, patch.updated_at, patch.newest_item_at) = rest;
        patch
    })
}

fn a_patch() -> impl Strategy<Value = ThreadPatch> {
    (an_unmarked_patch(), option::of(a_mark())).prop_map(|(mut patch, mark)| {
        patch.mark = mark;
        patch
    })
}

fn a_session() -> impl Strategy<Value = SessionMeta> {
    let git = (option::of(a_text()), option::of(a_text()), option::of(a_text()));
    let git = git.prop_map(|(sha, branch, origin_url)| Git { sha, branch, origin_url });
    let texts = (option::of(a_word()), option::of(a_word()), option::of(a_word()));
    let places = (option::of(a_word()), option::of(a_word()));
    let own = prop_oneof![3 => Just(Some(ID.to_string())), 1 => Just(Some("other".into())), 1 => Just(None)];
    (own, option::of(a_time()), texts, places, option::of(git), some_tools()).prop_map(
        |(id, timestamp, (source, model_provider, model), (cli_version, cwd), git, tools)| {
            SessionMeta {
                id,
                timestamp,
                source,
                model_provider,
                model,
                cli_version,
                cwd: cwd.map(PathBuf::from),
                git,
                dynamic_tools: tools,
            }
        },
    )
}

fn a_turn() -> impl Strategy<Value = TurnContext> {
    let word = || option::of(a_word());
    (word(), word(), word(), word()).prop_map(|(cwd, sandbox_policy, approval_mode, model)| {
        TurnContext { cwd: cwd.map(PathBuf::from), sandbox_policy, approval_mode, model }
    })
}

fn a_line() -> impl Strategy<Value = RolloutLine> {
    let message = (a_text(), any::<bool>());
    let item = prop_oneof![
        a_session().prop_map(|meta| RolloutItem::SessionMeta(Box::new(meta))),
        a_turn().prop_map(|turn| RolloutItem::TurnContext(Box::new(turn))),
        (-2..3_i64).prop_map(RolloutItem::TokenCount),
        message.prop_map(|(text, has_images)| {
            RolloutItem::UserMessage(UserMessage { text, has_images })
        }),
        option::of(a_word()).prop_map(RolloutItem::ThreadName),
        Just(RolloutItem::Other),
        Just(RolloutItem::Unknown),
    ];
    (option::of(a_time()), item).prop_map(|(timestamp, item)| RolloutLine { timestamp, item })
}

/// A history in batches: the lines of each, and whether a new file begins with it.
fn a_history() -> impl Strategy<Value = Vec<(Vec<RolloutLine>, bool)>> {
    vec((vec(a_line(), 0..5), prop::bool::weighted(0.3)), 1..6)
}

fn seed(file: &str) -> ThreadSeed {
    ThreadSeed::new(ID, format!("/sessions/{file}"), Timestamp::from_millis(1))
}

fn apply(lines: &[RolloutLine], mark: Mark) -> Change {
    let mut patch = fold(ID, lines);
    let seed = seed(&mark.file);
    patch.mark = Some(mark);
    Change::Apply(Box::new(seed), Box::new(patch))
}

/// The changes of a history, one for each of its batches, with marks that grow; and the one
/// change that says it all.
fn batches(history: &[(Vec<RolloutLine>, bool)]) -> (Vec<Change>, Change) {
    let mut mark = Mark { file: "0.jsonl".into(), through: 0 };
    let mut changes = Vec::new();
    for (at, (lines, new_file)) in history.iter().enumerate() {
        if *new_file {
            mark = Mark { file: format!("{}.jsonl", at + 1), through: 0 };
        }
        mark.through += 10;
        changes.push(apply(lines, mark.clone()));
    }
    let all: Vec<_> = history.iter().flat_map(|(lines, _)| lines.clone()).collect();
    (changes, apply(&all, mark))
}

fn commit(records: &mut Records, change: &Change) -> Outcome {
    records.apply(change.clone().into()).unwrap()[0]
}

fn record(records: Records) -> Record {
    records.into_changed().threads.pop().map(|thread| thread.after).unwrap_or_default()
}

/// The row without its revision, which counts the batches, and the tools.
fn content(record: Record) -> (ThreadMetadata, Option<ToolsChange>) {
    let Slot::Present(mut row) = record.thread else { panic!("no row: {record:?}") };
    row.revision = 0;
    (*row, record.tools_change)
}

fn patched(row: &ThreadMetadata, patch: &ThreadPatch) -> ThreadMetadata {
    let mut row = row.clone();
    assert!(patch.apply_to(&mut row));
    row
}

proptest! {
    #[test]
    fn folding_a_whole_equals_folding_its_halves(lines in vec(a_line(), 0..12), cut in any::<Index>()) {
        let (first, second) = lines.split_at(cut.index(lines.len() + 1));
        prop_assert_eq!(fold(ID, &lines), fold(ID, first).then(fold(ID, second)));
    }

    #[test]
    fn then_is_associative(a in a_patch(), b in a_patch(), c in a_patch()) {
        let left = a.clone().then(b.clone()).then(c.clone());
        prop_assert_eq!(left, a.then(b.then(c)));
    }

    #[test]
    fn the_empty_patch_is_the_identity(patch in a_patch()) {
        prop_assert_eq!(&ThreadPatch::default().then(patch.clone()), &patch);
        prop_assert_eq!(&patch.clone().then(ThreadPatch::default()), &patch);
    }

    #[test]
    fn a_composed_patch_does_what_its_parts_do(
        start in an_unmarked_patch(),
        a in an_unmarked_patch(),
        b in an_unmarked_patch(),
    ) {
        let row = patched(&seed("f").into_metadata(), &start);
        prop_assert_eq!(patched(&row, &a.clone().then(b.clone())), patched(&patched(&row, &a), &b));
    }

    #[test]
    fn a_marked_patch_applies_once(start in a_patch(), patch in a_patch(), mark in a_mark()) {
        let mut row = seed("f").into_metadata();
        start.apply_to(&mut row);
        let mut patch = patch;
        patch.mark = Some(mark);
        patch.apply_to(&mut row);
        let once = row.clone();
        prop_assert!(!patch.apply_to(&mut row));
        prop_assert_eq!(row, once);
    }

    #[test]
    fn batches_of_a_history_give_the_row_of_the_whole(history in a_history()) {
        let (changes, whole) = batches(&history);
        let mut parts = Records::new();
        for change in &changes {
            commit(&mut parts, change);
        }
        let mut one = Records::new();
        commit(&mut one, &whole);
        prop_assert_eq!(content(record(parts)), content(record(one)));
    }

    #[test]
    fn changes_in_one_batch_do_what_they_do_one_by_one(history in a_history()) {
        let (changes, _) = batches(&history);
        let mut single = Records::new();
        let outcomes: Vec<_> = changes.iter().map(|change| commit(&mut single, change)).collect();
        let mut together = Records::new();
        let batch = changes.into_iter().fold(WriteBatch::new(), WriteBatch::and);
        prop_assert_eq!(together.apply(batch).unwrap(), outcomes);
        prop_assert_eq!(record(together), record(single));
    }

    #[test]
    fn a_batch_applied_twice_counts_once(history in a_history()) {
        let (changes, _) = batches(&history);
        let (mut once, mut twice) = (Records::new(), Records::new());
        for change in &changes {
            let outcome = commit(&mut once, change);
            prop_assert_eq!(commit(&mut twice, change), outcome);
            let again = Outcome { effect: Effect::Unchanged, ..outcome };
            prop_assert_eq!(commit(&mut twice, change), again);
        }
        prop_assert_eq!(record(once), record(twice));
    }

    #[test]
    fn the_replay_of_a_prefix_changes_nothing(history in a_history(), upto in any::<Index>()) {
        let (changes, _) = batches(&history);
        let (mut once, mut replayed) = (Records::new(), Records::new());
        for change in &changes {
            commit(&mut once, change);
            commit(&mut replayed, change);
        }
        for change in &changes[..upto.index(changes.len() + 1)] {
            prop_assert_eq!(commit(&mut replayed, change).effect, Effect::Unchanged);
        }
        prop_assert_eq!(record(once), record(replayed));
    }

    #[test]
    fn a_rebuild_gives_the_row_of_the_batches_and_once_is_enough(history in a_history()) {
        let (changes, whole) = batches(&history);
        let Change::Apply(seed, patch) = whole else { unreachable!() };
        let rebuild = Change::Rebuild(seed, patch);
        let (mut indexed, mut rebuilt) = (Records::new(), Records::new());
        for change in &changes {
            commit(&mut indexed, change);
        }
        prop_assert_eq!(commit(&mut rebuilt, &rebuild).effect, Effect::Created);
        prop_assert_eq!(commit(&mut rebuilt, &rebuild).effect, Effect::Unchanged);
        prop_assert_eq!(content(record(indexed)), content(record(rebuilt)));
    }

    #[test]
    fn a_rebuild_of_what_is_there_changes_nothing(history in a_history()) {
        let (changes, whole) = batches(&history);
        let Change::Apply(seed, patch) = whole else { unreachable!() };
        let mut records = Records::new();
        for change in &changes {
            commit(&mut records, change);
        }
        let outcome = commit(&mut records, &Change::Rebuild(seed, patch));
        prop_assert_eq!(outcome.effect, Effect::Unchanged);
    }
}
