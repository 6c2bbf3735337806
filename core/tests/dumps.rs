//! The text of a dump: pinned as it is written, and read strictly.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod small_store;

use std::path::PathBuf;

use chrono::DateTime;
use small_store::{SmallStore, now};
use threadkeep_core::moving::{
    Digest, Dump, DumpItem, DumpOptions, DumpReader, Load, LoadOptions, OnConflict, Parts,
};
use threadkeep_core::{
    Checkpoint, DynamicToolSpec, ErrorKind, LogEntry, LogLevel, LogStore as _, Result, Store as _,
    ThreadId, ThreadMetadata, ThreadSeed, ThreadStoreExt as _, Timestamp,
};

/// What version 1 looks like. It must be understood for ever.
const VERSION_1: &str = include_str!("dumps/version_1.jsonl");

const FIRST: ThreadId = ThreadId::from_bytes([1; 16]);
const SECOND: ThreadId = ThreadId::from_bytes([2; 16]);

fn rows() -> [ThreadMetadata; 2] {
    let at = Timestamp::from_millis;
    let mut first = ThreadSeed::new(FIRST, "/a/é\n.jsonl", at(-1)).into_metadata();
    first.updated_at = at(1_790_000_000_123);
    first.source = r#"{"subagent":"x"}"#.into();
    first.model = Some("gpt".into());
    first.cli_version = Some("1.0".into());
    first.cwd = "/work".into();
    first.title = "a \"title\"\0\u{1F980}".into();
    first.preview = Some(String::new());
    first.name = Some("name".into());
    first.named_at = Some(at(5));
    first.tokens_used = i64::MAX;
    first.has_user_event = true;
    first.archived_at = Some(at(6));
    first.git_sha = Some("abc".into());
    first.applied_file = "a.jsonl".into();
    first.applied_through = u64::MAX;
    let mut second = ThreadSeed::new(SECOND, odd_path(), at(0)).into_metadata();
    (first.revision, second.revision) = (1, 1);
    [first, second]
}

#[cfg(unix)]
fn odd_path() -> PathBuf {
    use std::os::unix::ffi::OsStringExt as _;
    std::ffi::OsString::from_vec(b"/odd/\xff%".to_vec()).into()
}

#[cfg(not(unix))]
fn odd_path() -> PathBuf {
    "/odd/\u{FFFD}%".into()
}

fn tool() -> DynamicToolSpec {
    DynamicToolSpec::from_json("{ \"name\":\"t\",\n \"x\":1.00 }").unwrap()
}

fn entry() -> LogEntry {
    let time = DateTime::from_timestamp_nanos(-1);
    let mut entry = LogEntry::new(time, LogLevel::Warn, "target", "message\n");
    entry.thread_id = Some("thread".into());
    entry.process_id = Some("1".into());
    entry.line = Some(7);
    entry
}

/// The store that the pinned dump is of. Its one checkpoint tells how it was asked for.
fn store() -> SmallStore {
    let store = SmallStore::default();
    for row in rows() {
        now(store.upsert_thread(row)).unwrap();
    }
    // Rows were put, and the first has another change: its tools.
    now(store.persist_dynamic_tools(FIRST, Some(vec![tool()]))).unwrap();
    now(store.append(vec![entry(), LogEntry { message: None, ..entry() }])).unwrap();
    store
}

fn read(text: &[u8], chunk: usize) -> Result<(Vec<DumpItem>, Digest)> {
    let mut reader = DumpReader::new();
    let mut items = Vec::new();
    for bytes in text.chunks(chunk) {
        reader.push(bytes);
        while let Some(item) = reader.next()? {
            items.push(item);
        }
    }
    Ok((items, reader.finish()?))
}

#[test]
fn the_text_is_pinned() {
    let store = store();
    let options = DumpOptions::new("a store").parts(Parts::new().logs(true)).created_by("a test");
    let mut dump = Dump::new(&store, options);
    let mut text = String::new();
    while let Some(lines) = now(dump.next()).unwrap() {
        text.push_str(&String::from_utf8(lines).unwrap());
    }
    assert_eq!(text, VERSION_1);
}

#[test]
fn what_was_written_is_read_however_it_is_cut() {
    let [mut first, second] = rows();
    first.revision = 2;
    let log = |id, entry| DumpItem::Log(Box::new(threadkeep_core::LogRow { id, entry }));
    let expected = vec![
        DumpItem::Thread { row: Box::new(first), tools: Some(vec![tool()]) },
        DumpItem::Thread { row: Box::new(second), tools: None },
        DumpItem::Checkpoint(Checkpoint {
            key: "asked".into(),
            value: " None 32".into(),
            revision: 1,
        }),
        log(1, entry()),
        log(2, LogEntry { message: None, ..entry() }),
    ];
    for chunk in [1, 2, 7, 100, VERSION_1.len()] {
        let (items, digest) = read(VERSION_1.as_bytes(), chunk).unwrap();
        assert_eq!(items, expected);
        assert_eq!((digest.threads.count, digest.logs.unwrap().count), (2, 2));
    }
}

#[test]
fn a_cut_text_says_how_far_it_goes() {
    let lines: Vec<_> = VERSION_1.lines().collect();
    for length in 0..VERSION_1.len() {
        let text = &VERSION_1.as_bytes()[..length];
        let error = read(text, 64).expect_err("a part must not pass for the whole");
        let whole = text.split(|byte| *byte == b'\n').count() - 1;
        if whole == 0 {
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
        } else {
            assert_eq!(error.kind(), ErrorKind::Corrupted, "{error}");
            assert!(error.to_string().contains(&format!("after line {whole}:")), "{error}");
        }
        assert!(error.hint_text().is_some());
    }
    assert_eq!(lines.len(), 7);
}

/// The text with one line changed, and the number of that line.
fn changed(line: usize, from: &str, to: &str) -> String {
    let mut lines: Vec<_> = VERSION_1.lines().map(str::to_owned).collect();
    let text = &mut lines[line - 1];
    assert_eq!(text.matches(from).count(), 1, "{from} in {text}");
    *text = text.replace(from, to);
    lines.join("\n") + "\n"
}

#[test]
fn a_change_is_noticed_at_its_line_or_at_the_end() {
    for (line, from, to, noticed, words) in [
        (2, "title\\\"", "titel\\\"", 7, "by its threads"),
        (2, "1.00", "1.0", 7, "by its tools"),
        (3, "%FF%25", "%FE%25", 7, "by its threads"),
        (4, "None", "none", 7, "by its checkpoints"),
        (5, "message\\n", "message", 7, "by its logs"),
        (6, "\"line\":7", "\"line\":8", 7, "by its logs"),
        (7, "{\"threads\":{\"count\":2", "{\"threads\":{\"count\":3", 7, "by its threads"),
        (2, "\"thread\"", "\"tread\"", 2, "unknown variant"),
        (2, "\"row\"", "\"rows\"", 2, "unknown field"),
        (2, "\"tokens_used\"", "\"tokens\"", 2, "missing field"),
        (2, "\\\"name\\\"", "\\\"nane\\\"", 2, "a tool has no name"),
        (2, "/a/é\\n.jsonl", "", 2, "rollout_path is empty"),
        (3, ":1}}}", ":1}}", 3, "at column"),
        (4, "asked", "claim:a", 4, "never dumped"),
        (4, ",\"revision\":1", "", 4, "missing field"),
        (5, "WARN", "LOUD", 5, "unknown variant"),
        (6, "\"id\":2", "\"id\":1", 6, "not above"),
        (7, "end", "fin", 7, "unknown variant"),
    ] {
        let text = changed(line, from, to);
        let error = read(text.as_bytes(), 1_000).expect_err(to);
        assert_eq!(error.kind(), ErrorKind::Corrupted, "{error}");
        let text = error.to_string();
        assert!(text.contains(&format!("line {noticed} of the dump")), "{text}");
        assert!(text.contains(words), "{words}: {text}");
        assert!(!text.contains("line 1 column"), "{text}");
    }
}

#[test]
fn lines_out_of_place_are_refused() {
    let line = |number: usize| VERSION_1.lines().nth(number - 1).unwrap();
    let text = |numbers: &[usize]| {
        let lines: Vec<_> = numbers.iter().map(|number| line(*number)).collect();
        lines.join("\n") + "\n"
    };
    for (numbers, words) in [
        (&[1, 2, 4, 3, 5, 6, 7][..], "comes too late"),
        (&[1, 2, 3, 5, 4, 6, 7], "comes too late"),
        (&[1, 2, 3, 4, 4, 5, 6, 7], "does not come after"),
        (&[1, 2, 3, 4, 5, 6, 7, 7], "after its end"),
        (&[1, 2, 3, 4, 5, 6, 7, 1], "line 8"),
        (&[1, 2, 3, 4, 5, 7], "by its logs"),
        (&[1, 1, 2, 3, 4, 5, 6, 7], "line 2"),
    ] {
        let error = read(text(numbers).as_bytes(), 1_000).expect_err(words);
        assert_eq!(error.kind(), ErrorKind::Corrupted);
        assert!(error.to_string().contains(words), "{words}: {error}");
    }
    let more = format!("{VERSION_1}x");
    assert!(read(more.as_bytes(), 1_000).unwrap_err().to_string().contains("after its end"));
    let without = VERSION_1.replace("\"logs\":true", "\"logs\":false");
    let error = read(without.as_bytes(), 1_000).unwrap_err();
    assert!(error.to_string().contains("the first line tells none"), "{error}");
}

#[test]
fn other_texts_and_newer_versions_are_refused_by_their_first_line() {
    for (text, kind) in [
        ("", ErrorKind::InvalidInput),
        ("\n", ErrorKind::InvalidInput),
        ("{}\n", ErrorKind::InvalidInput),
        ("no json\n", ErrorKind::InvalidInput),
        ("\u{28}\u{b5}/\u{fd}\n", ErrorKind::InvalidInput),
        (
            "{\"timestamp\":\"2026-01-01T00:00:00Z\",\"type\":\"session_meta\"}\n",
            ErrorKind::InvalidInput,
        ),
        ("{\"threadkeep_dump\":{\"version\":0}}\n", ErrorKind::Corrupted),
        ("{\"threadkeep_dump\":{\"version\":1}}\n", ErrorKind::Corrupted),
        ("{\"threadkeep_dump\":{\"version\":2,\"new\":[]}}\n", ErrorKind::SchemaTooNew),
    ] {
        let error = read(text.as_bytes(), 10).unwrap_err();
        assert_eq!(error.kind(), kind, "{text}: {error}");
        assert!(error.hint_text().is_some());
    }
}

#[test]
fn nothing_more_is_stored_after_an_error() {
    let text = changed(4, "asked", "claim:a");
    let target = SmallStore::default();
    let mut load = Load::new(&target, LoadOptions::new().on_conflict(OnConflict::Replace));
    let error = now(load.feed(text.as_bytes())).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupted);
    assert_eq!(load.report().threads.total(), 0);
    assert_eq!(now(target.stats()).unwrap().threads, 0);
}
