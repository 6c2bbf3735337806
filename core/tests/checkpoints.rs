//! What a batch makes of checkpoints, and how its refusals are told.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use threadkeep_core::{
    Change, Checkpoint, Effect, ErrorKind, Expect, Outcome, Records, Result, Subject, ThreadId,
    Timestamp, WriteBatch, limits,
};

const ID: ThreadId = ThreadId::from_bytes([7; 16]);

fn set(key: &str, value: Option<&str>) -> Change {
    Change::SetCheckpoint { key: key.into(), value: value.map(Into::into) }
}

fn one(records: &mut Records, expect: Expect, change: Change) -> Result<(Effect, u64)> {
    let outcomes = records.apply(WriteBatch::new().and_if(expect, change))?;
    let Outcome { effect, revision } = outcomes[0];
    Ok((effect, revision))
}

fn stored(value: &str, revision: u64) -> Records {
    let mut records = Records::new();
    records.insert_checkpoint(Checkpoint { key: "k".into(), value: value.into(), revision });
    records
}

#[test]
fn a_checkpoint_counts_its_changes_while_it_exists() {
    let mut records = Records::new();
    let steps = [
        (None, Effect::Absent, 0),
        (Some("a"), Effect::Created, 1),
        (Some("a"), Effect::Unchanged, 1),
        (Some("b"), Effect::Updated, 2),
        (Some(""), Effect::Updated, 3),
        (None, Effect::Deleted, 4),
        (Some("a"), Effect::Created, 1),
    ];
    for (value, effect, revision) in steps {
        let outcome = one(&mut records, Expect::Any, set("k", value)).unwrap();
        assert_eq!(outcome, (effect, revision), "{value:?}");
    }
    let expected = Checkpoint { key: "k".into(), value: "a".into(), revision: 1 };
    assert_eq!(records.into_changed().checkpoints, [("k".to_owned(), Some(expected))]);
}

#[test]
fn expectations_of_a_checkpoint_are_met_or_refused() {
    let kind = |mut records: Records, expect| {
        one(&mut records, expect, set("k", Some("b"))).map_err(|error| error.kind())
    };
    assert_eq!(kind(stored("a", 3), Expect::Revision(3)), Ok((Effect::Updated, 4)));
    assert_eq!(kind(stored("a", 3), Expect::Revision(2)), Err(ErrorKind::Conflict));
    assert_eq!(kind(stored("a", 3), Expect::Absent), Err(ErrorKind::AlreadyExists));
    assert_eq!(kind(Records::new(), Expect::Revision(0)), Err(ErrorKind::Conflict));
    assert_eq!(kind(Records::new(), Expect::Absent), Ok((Effect::Created, 1)));
}

#[test]
fn what_is_as_it_was_is_not_stored_again() {
    let mut records = stored("a", 3);
    let there_and_back = WriteBatch::new().and(set("k", Some("a"))).and(set("l", None));
    records.apply(there_and_back).unwrap();
    assert!(records.into_changed().checkpoints.iter().all(|(key, _)| key != "k"));
}

#[test]
fn a_removed_checkpoint_is_told_to_the_store() {
    let mut records = stored("a", 3);
    one(&mut records, Expect::Any, set("k", None)).unwrap();
    assert_eq!(records.into_changed().checkpoints, [("k".to_owned(), None)]);
}

#[test]
fn a_refusal_names_its_thread_and_undoes_the_changes_before_it() {
    let mut records = Records::new();
    let rename = Change::Rename { id: ID, name: None, at: Timestamp::MIN };
    let batch = WriteBatch::new().and(set("k", Some("a"))).and_if(Expect::Revision(4), rename);
    let error = records.apply(batch).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert!(error.message().contains(&ID.to_string()), "{error}");
    let changed = records.into_changed();
    assert!(changed.threads.is_empty() && changed.checkpoints.is_empty());
}

#[test]
fn limits_are_checked_before_anything_happens() {
    let mut records = Records::new();
    let long_key = "k".repeat(limits::PREVIEW_BYTES + 1);
    let rows = [
        WriteBatch::new().and(set("k", Some("a"))).and(set(&long_key, Some("a"))),
        set("k", Some(&"x".repeat(limits::TEXT_BYTES + 1))).into(),
        Change::Archive { id: ID, path: Some("".into()), at: Timestamp::MIN }.into(),
        Change::Move { id: ID, path: "".into(), archived_at: Timestamp::MIN }.into(),
        (0..=limits::BATCH_CHANGES).fold(WriteBatch::new(), |batch, _| batch.and(set("k", None))),
    ];
    for batch in rows {
        assert_eq!(records.apply(batch).unwrap_err().kind(), ErrorKind::InvalidInput);
    }
    assert!(records.into_changed().checkpoints.is_empty());
}

#[test]
fn a_batch_lists_what_it_works_on_once_in_order() {
    let delete = Change::Delete { id: ID, at: Timestamp::MIN };
    let batch = WriteBatch::new()
        .and(set("l", None))
        .and(delete.clone())
        .and(set("k", None))
        .and(delete)
        .and(set("l", None));
    let checkpoint = |key: &str| Subject::Checkpoint(key.into());
    assert_eq!(batch.subjects(), [checkpoint("l"), Subject::Thread(ID), checkpoint("k")]);
}
