//! A row and its parts: what its checksum covers, what may be stored, and its JSON.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::HashSet;

use threadkeep_core::{
    Archived, Change, DynamicToolSpec, ErrorKind, FieldPatch, Mark, NamePatch, Records, Result,
    Subject, ThreadId, ThreadMetadata, ThreadPatch, ThreadSeed, Timestamp, WriteBatch, limits,
    path,
};

const ID: ThreadId = ThreadId::from_bytes([7; 16]);
const TEXT_LIMIT: usize = 16 * 1024 * 1024;

fn row() -> ThreadMetadata {
    ThreadSeed::new(ID, "/sessions/a.jsonl", Timestamp::from_millis(1)).into_metadata()
}

type Edit = fn(&mut ThreadMetadata);
type PatchEdit = fn(&mut ThreadPatch);

/// One edit of every field but the id.
const EDITS: &[(&str, Edit)] = &[
    ("rollout_path", |row| row.rollout_path = "/sessions/b.jsonl".into()),
    ("created_at", |row| row.created_at = Timestamp::from_millis(2)),
    ("updated_at", |row| row.updated_at = Timestamp::from_millis(2)),
    ("source", |row| row.source = "x".into()),
    ("model_provider", |row| row.model_provider = "x".into()),
    ("model", |row| row.model = Some("x".into())),
    ("an empty model", |row| row.model = Some(String::new())),
    ("cli_version", |row| row.cli_version = Some("x".into())),
    ("cwd", |row| row.cwd = "/x".into()),
    ("the spelling of cwd", |row| row.cwd = "/x/".into()),
    ("title", |row| row.title = "x".into()),
    ("preview", |row| row.preview = Some("x".into())),
    ("name", |row| row.name = Some("x".into())),
    ("named_at", |row| row.named_at = Some(Timestamp::from_millis(1))),
    ("sandbox_policy", |row| row.sandbox_policy = "x".into()),
    ("approval_mode", |row| row.approval_mode = "x".into()),
    ("tokens_used", |row| row.tokens_used = 1),
    ("has_user_event", |row| row.has_user_event = true),
    ("archived_at", |row| row.archived_at = Some(Timestamp::from_millis(1))),
    ("git_sha", |row| row.git_sha = Some("x".into())),
    ("git_branch", |row| row.git_branch = Some("x".into())),
    ("git_origin_url", |row| row.git_origin_url = Some("x".into())),
    ("applied_file", |row| row.applied_file = "x".into()),
    ("applied_through", |row| row.applied_through = 1),
    ("revision", |row| row.revision = 1),
];

#[test]
fn a_checksum_notices_the_change_of_any_field() {
    let mut sums = HashSet::from([row().checksum()]);
    let other = ThreadMetadata { id: ThreadId::from_bytes([8; 16]), ..row() };
    assert!(sums.insert(other.checksum()), "id");
    for (field, edit) in EDITS {
        let mut changed = row();
        edit(&mut changed);
        assert_eq!(changed.checksum(), changed.clone().checksum(), "{field}");
        assert!(sums.insert(changed.checksum()), "{field}");
    }
}

#[test]
fn a_checksum_notices_text_that_moved_into_the_next_field() {
    let split = |title: &str, policy: &str| {
        let mut row = row();
        (row.git_sha, row.git_branch) = (Some(title.into()), Some(policy.into()));
        row.checksum()
    };
    assert_ne!(split("ab", "c"), split("a", "bc"));
}

#[test]
fn a_row_comes_back_from_its_json_with_paths_of_any_bytes() {
    for (field, edit) in EDITS {
        let mut changed = row();
        edit(&mut changed);
        changed.rollout_path = path::from_text("bytes:/sessions/%FF.jsonl");
        let json = serde_json::to_string(&changed).unwrap();
        assert_eq!(serde_json::from_str::<ThreadMetadata>(&json).unwrap(), changed, "{field}");
        assert!(json.contains("/sessions/"), "{json}");
    }
}

#[test]
fn a_path_is_written_so_that_people_can_read_it() {
    for plain in ["/home/ann/é", "", "relative path", "/100%", "/a/bytes:b"] {
        assert_eq!(path::to_text(plain.as_ref()), plain);
    }
    let escaped = path::to_text("bytes:/a b%é".as_ref()).into_owned();
    assert_eq!(escaped, "bytes:bytes:/a b%25%C3%A9");
    assert_eq!(path::from_text(&escaped), std::path::Path::new("bytes:/a b%é"));
}

#[test]
fn a_row_is_archived_from_the_moment_it_has_a_time_for_it() {
    let mut row = row();
    assert!(!row.is_archived());
    assert!(Archived::Active.admits(row.is_archived()));
    row.archived_at = Some(Timestamp::MIN);
    assert!(row.is_archived());
    assert!(Archived::Archived.admits(row.is_archived()));
}

/// What a store says to this change.
fn answer(change: Change) -> Result<()> {
    Records::new().apply(change.into()).map(drop)
}

#[track_caller]
fn assert_refused(change: Change, field: &str) {
    let error = answer(change).expect_err(field);
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{field}");
    assert!(error.message().contains(field), "{field}: {error}");
    assert!(error.hint_text().is_some(), "{field}: {error}");
}

fn long() -> String {
    "x".repeat(TEXT_LIMIT + 1)
}

#[test]
fn a_text_of_a_row_as_long_as_the_limit_is_stored_and_a_longer_one_refused() {
    let put = |edit: &dyn Fn(&mut ThreadMetadata)| {
        let mut row = row();
        edit(&mut row);
        Change::Put(Box::new(row))
    };
    assert!(answer(put(&|row| row.source = "x".repeat(TEXT_LIMIT))).is_ok());
    assert_refused(put(&|row| row.source = long()), "source");
    assert_refused(put(&|row| row.applied_file = long()), "applied_file");
    assert_refused(put(&|row| row.git_branch = Some(long())), "git_branch");
    assert_refused(put(&|row| row.rollout_path = "".into()), "rollout_path");
    assert_refused(put(&|row| row.rollout_path = long().into()), "rollout_path");
    // These two are cut instead, however long they are.
    assert!(answer(put(&|row| row.title = "x".repeat(TEXT_LIMIT))).is_ok());
    assert!(answer(put(&|row| row.preview = Some("x".repeat(TEXT_LIMIT)))).is_ok());
}

#[test]
fn a_patch_with_a_text_above_the_limit_is_refused_by_the_name_of_its_field() {
    let seed = Box::new(ThreadSeed::new(ID, "/sessions/a.jsonl", Timestamp::MIN));
    let edits: [(&str, PatchEdit); 6] = [
        ("source", |patch| patch.source = FieldPatch::Set(long())),
        ("cwd", |patch| patch.cwd = FieldPatch::SetIfEmpty(long().into())),
        ("git_sha", |patch| patch.git_sha = FieldPatch::Set(Some(long()))),
        ("name", |patch| patch.name = Some(NamePatch { name: Some(long()), at: None })),
        ("applied_file", |patch| patch.mark = Some(Mark { file: long(), through: 1 })),
        ("title", |patch| patch.title = FieldPatch::SetIfEmpty(long())),
    ];
    for (field, edit) in edits {
        let mut patch = Box::<ThreadPatch>::default();
        edit(&mut patch);
        assert_refused(Change::Patch(ID, patch.clone()), field);
        assert_refused(Change::Apply(seed.clone(), patch.clone()), field);
        assert_refused(Change::Rebuild(seed.clone(), patch), field);
    }
    let mut patch = Box::<ThreadPatch>::default();
    patch.source = FieldPatch::Set("x".repeat(TEXT_LIMIT));
    assert!(answer(Change::Patch(ID, patch)).is_ok());
}

fn tool() -> DynamicToolSpec {
    DynamicToolSpec::function("t", "", "{}").unwrap()
}

#[test]
fn a_thread_has_at_most_ten_thousand_tools() {
    let set = |count| {
        let tools = vec![tool(); count];
        answer(Change::SetTools { id: ID, tools, replace: true }).unwrap_err().kind()
    };
    assert_eq!(set(10_000), ErrorKind::NotFound, "only the thread is missing");
    assert_eq!(set(10_001), ErrorKind::InvalidInput);
    let mut patch = Box::<ThreadPatch>::default();
    patch.tools = Some(vec![tool(); 10_001]);
    assert_refused(Change::Patch(ID, patch), "a thread");
}

#[test]
fn a_tool_that_was_never_checked_is_checked_before_it_is_stored() {
    let nameless: DynamicToolSpec = serde_json::from_str("{}").unwrap();
    let set = Change::SetTools { id: ID, tools: vec![tool(), nameless], replace: true };
    assert_eq!(answer(set).unwrap_err().kind(), ErrorKind::InvalidInput);
}

#[test]
fn a_tool_has_at_most_four_mebibytes() {
    let of = |bytes: usize| {
        let frame = r#"{"name":"t","x":""}"#.len();
        DynamicToolSpec::from_json(format!(r#"{{"name":"t","x":"{}"}}"#, "x".repeat(bytes - frame)))
    };
    assert_eq!(of(4 * 1024 * 1024).unwrap().json().len(), limits::TOOL_BYTES);
    assert_eq!(of(4 * 1024 * 1024 + 1).unwrap_err().kind(), ErrorKind::InvalidInput);
}

#[test]
fn brackets_within_the_strings_of_a_tool_are_no_levels() {
    let many = "[".repeat(200);
    for text in [format!(r#"a\"{many}"#), format!(r#"a\\\"{many}"#), format!("{many}\\\\")] {
        let json = format!(r#"{{"description":"{text}","name":"t","x":[[1]]}}"#);
        assert_eq!(DynamicToolSpec::from_json(json.clone()).unwrap().json(), json);
    }
    // After a string that ends in an escaped backslash, brackets count again.
    let deep = format!(r#"{{"name":"t\\","x":{}{}}}"#, "[".repeat(128), "]".repeat(128));
    assert!(DynamicToolSpec::from_json(deep).is_err());
}

#[test]
fn a_tool_is_loaded_at_once_unless_it_says_otherwise() {
    let defers = |members: &str| {
        DynamicToolSpec::from_json(format!(r#"{{"name":"t"{members}}}"#)).unwrap().defer_loading()
    };
    assert!(!defers(""));
    assert!(!defers(r#","deferLoading":false"#));
    assert!(!defers(r#","deferLoading":null"#));
    assert!(defers(r#","deferLoading":true"#));
    assert!(defers(r#","defer_loading":true"#));
}

#[test]
fn tools_are_equal_only_as_texts() {
    let tool = |json: &str| DynamicToolSpec::from_json(json).unwrap();
    assert_eq!(tool(r#"{"name":"t"}"#), tool(r#"{"name":"t"}"#));
    assert_ne!(tool(r#"{"name":"t"}"#), tool(r#"{"name":"u"}"#));
    assert_ne!(tool(r#"{"name":"t","x":1.0}"#), tool(r#"{"name":"t","x":1}"#));
}

#[test]
fn a_text_searched_for_or_named_keeps_the_limit_too() {
    let rename = |name: String| Change::Rename { id: ID, name: Some(name), at: Timestamp::MIN };
    assert_refused(rename(long()), "name");
    assert!(answer(rename("x".repeat(TEXT_LIMIT))).is_ok());
    let moved =
        |path: String| Change::Move { id: ID, path: path.into(), archived_at: Timestamp::MIN };
    assert_refused(moved(String::new()), "rollout_path");
    assert_refused(Change::Unarchive { id: ID, path: Some("".into()) }, "rollout_path");
    assert!(answer(Change::Unarchive { id: ID, path: None }).is_ok());
}

#[test]
fn records_know_which_subjects_were_loaded() {
    let key = |key: &str| Subject::Checkpoint(key.into());
    let mut records = Records::new();
    assert!(!records.contains(&Subject::Thread(ID)) && !records.contains(&key("k")));
    records.apply(WriteBatch::from(Change::Delete { id: ID, at: Timestamp::MIN })).unwrap();
    assert!(records.contains(&Subject::Thread(ID)), "what was found absent counts as loaded");
    assert!(!records.contains(&Subject::Thread(ThreadId::from_bytes([8; 16]))));
    assert!(!records.contains(&key("k")));
}
