//! Small pools that everything random is drawn from, so that collisions are likely; what stands
//! first in a pool is what a failing sequence is made smaller to.

use std::path::PathBuf;

use chrono::{DateTime, TimeDelta, Utc};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use threadkeep_core::{DynamicToolSpec, ThreadId, Timestamp};

/// The threads there are. Their order tells whether bytes are compared as unsigned numbers.
pub(crate) const IDS: [ThreadId; 4] = [
    ThreadId::from_bytes([0x01; 16]),
    ThreadId::from_bytes([0x7f; 16]),
    ThreadId::from_bytes([0x80; 16]),
    ThreadId::from_bytes([0xfe; 16]),
];

pub(crate) fn id() -> impl Strategy<Value = ThreadId> {
    prop_oneof![Just(IDS[0]), select(IDS.to_vec())]
}

pub(crate) fn time() -> impl Strategy<Value = Timestamp> {
    prop_oneof![
        3 => select(vec![1_000, 0, 1_001]),
        1 => select(vec![1, 2_000, -1, i64::MIN, i64::MAX])
    ]
    .prop_map(Timestamp::from_millis)
}

pub(crate) fn log_time() -> impl Strategy<Value = DateTime<Utc>> {
    select(vec![0, 1, -1, 999_999_999, 1_000_000_000])
        .prop_map(|nanos| DateTime::UNIX_EPOCH + TimeDelta::nanoseconds(nanos))
}

pub(crate) fn strings(pool: &[&str]) -> impl Strategy<Value = String> + use<> {
    select(pool.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>())
}

pub(crate) fn source() -> impl Strategy<Value = String> {
    strings(&["cli", "exec", "", "{\"subagent\":\"review\"}"])
}

pub(crate) fn provider() -> impl Strategy<Value = String> {
    strings(&["openai", "", "OpenAI", "p\0"])
}

pub(crate) fn file() -> impl Strategy<Value = String> {
    strings(&["a.jsonl", "b.jsonl"])
}

pub(crate) fn key() -> impl Strategy<Value = String> {
    strings(&["", "a", "a/", "a/1", "b", "a\u{10FFFF}", "a%", "\0"])
}

pub(crate) fn text() -> impl Strategy<Value = String> {
    let short = strings(&[
        "a",
        "",
        "A",
        "ab",
        "100%",
        "a_b",
        "é",
        "É",
        "\0",
        "a\0b",
        "\u{1F980}\u{202E}א",
        "e\u{301}'\"\\",
    ]);
    let long = strings(&[&("x".repeat(511) + "é"), &"\u{1F980}".repeat(1_025)]);
    prop_oneof![30 => short, 1 => long]
}

/// At times as long as a text may be, or longer.
pub(crate) fn huge_text() -> impl Strategy<Value = String> {
    const LIMIT: usize = 16 * 1024 * 1024;
    prop_oneof![
        100 => text(),
        1 => Just(LIMIT - 2).prop_map(|len| "x".repeat(len) + "é"),
        1 => Just(LIMIT + 1).prop_map(|len| "x".repeat(len)),
    ]
}

pub(crate) fn search_text() -> impl Strategy<Value = String> {
    strings(&["a", "", "B", "%", "_", "É", "é", "\0", "\\", "x"])
}

pub(crate) fn log_text() -> impl Strategy<Value = String> {
    strings(&["a", "", "AB", "a%", "a_b", "é", "\0", "\u{1F980}\\"])
}

pub(crate) fn log_thread() -> impl Strategy<Value = String> {
    let known: Vec<String> = IDS.iter().map(ThreadId::to_string).collect();
    prop_oneof![4 => select(known), 1 => strings(&["", "a", "no uuid"])]
}

pub(crate) fn rollout_path() -> impl Strategy<Value = PathBuf> {
    let usual = paths(&[
        "/sessions/a",
        "/archived_sessions/a",
        "/sessions/./a",
        "bytes:/a",
        "archived_sessions",
    ]);
    // Refused, and the whole batch with it.
    prop_oneof![40 => usual, 1 => Just(PathBuf::new())]
}

pub(crate) fn cwd() -> impl Strategy<Value = PathBuf> {
    paths(&["/a", "", "/a/", "/A", "bytes:%41"])
}

pub(crate) fn paths(pool: &[&str]) -> impl Strategy<Value = PathBuf> + use<> {
    let mut pool: Vec<PathBuf> = pool.iter().map(PathBuf::from).collect();
    #[cfg(unix)]
    {
        use std::os::unix::ffi::OsStringExt as _;
        pool.push(std::ffi::OsString::from_vec(b"/not utf8/\xff".to_vec()).into());
    }
    select(pool)
}

pub(crate) fn tokens() -> impl Strategy<Value = i64> {
    select(vec![1, 0, 2, -1, i64::MAX, i64::MIN])
}

pub(crate) fn tools() -> impl Strategy<Value = Vec<DynamicToolSpec>> {
    let pool: Vec<_> = [
        r#"{"name":"a"}"#,
        r#"{"name":"a","b":1.00}"#,
        r#"{"name":"a","description":"\ud800 and \udc00\ud800"}"#,
        r#"{ "name" : "é\u0000", "inputSchema":{"z":1,"a":[]} }"#,
    ]
    .into_iter()
    .filter_map(|text| DynamicToolSpec::from_json(text).ok())
    .collect();
    vec(select(pool), 0..3)
}
