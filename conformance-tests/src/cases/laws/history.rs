//! Random rollout files, line by line as agents write them, and as crashes, disks and newer agents
//! leave them.

use std::fmt;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use threadkeep_core::ThreadId;

use super::json::{any_of, anything, member, object, odd_member, text, times, typed, words};

/// A file in lines, each with its end.
#[derive(Clone)]
pub(super) struct File(Vec<Vec<u8>>);

/// Whose history it is, in every file that is generated. Letters, as case must not matter.
const OWN: ThreadId = ThreadId::from_bytes([0xAB; 16]);

impl File {
    /// A file of these lines.
    pub(super) fn of(lines: &[&str]) -> Self {
        Self(lines.iter().map(|line| format!("{line}\n").into_bytes()).collect())
    }

    /// Its text, as a history of this thread.
    pub(super) fn text(&self, id: ThreadId) -> Vec<u8> {
        let mut text = self.0.concat();
        let (own, other) = (OWN.to_string(), id.to_string());
        let plain = |id: &str| id.replace('-', "");
        for (from, to) in [
            (own.clone(), other.clone()),
            (own.to_uppercase(), other.to_uppercase()),
            (plain(&own), plain(&other)),
        ] {
            replace(&mut text, from.as_bytes(), to.as_bytes());
        }
        text
    }
}

/// Puts one text in the place of another of the same length.
fn replace(text: &mut [u8], from: &[u8], to: &[u8]) {
    for at in 0..text.len().saturating_sub(from.len() - 1) {
        if text[at..].starts_with(from) {
            text[at..at + to.len()].copy_from_slice(to);
        }
    }
}

impl fmt::Debug for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, line) in (1..).zip(&self.0) {
            let (text, end) = match line.split_last() {
                Some((b'\n', text)) => (text, ""),
                _ => (line.as_slice(), "   (no line end)"),
            };
            // Long texts say no more than their beginning does.
            let (begin, rest) = text.split_at(text.len().min(1_000));
            let more = if rest.is_empty() { "" } else { "…" };
            writeln!(
                f,
                "  {number:2}. {}{more}{end}",
                begin.utf8_chunks().map(|chunk| shown(&chunk)).collect::<String>()
            )?;
        }
        Ok(())
    }
}

fn shown(chunk: &std::str::Utf8Chunk<'_>) -> String {
    let text = chunk.valid().replace('\0', "␀").replace('\r', "␍");
    format!("{text}{}", chunk.invalid().escape_ascii())
}

pub(super) fn file() -> impl Strategy<Value = File> {
    let end = prop_oneof![20 => Just("\n"), 2 => Just("\r\n")];
    let unended = prop::bool::weighted(0.3);
    (vec((raw_line(), end), 0..10), unended).prop_map(|(lines, unended)| {
        let mut lines: Vec<Vec<u8>> =
            lines.into_iter().map(|(line, end)| [&line, end.as_bytes()].concat()).collect();
        if let Some(last) = lines.last_mut()
            && unended
        {
            last.truncate(last.trim_ascii_end().len());
        }
        lines.retain(|line| !line.is_empty());
        File(lines)
    })
}

fn raw_line() -> impl Strategy<Value = Vec<u8>> {
    let texts = || line().prop_map(String::into_bytes);
    prop_oneof![
        30 => texts(),
        1 => select(vec![&b""[..], b"  ", b"null", b"[]", b"7", b"{}", b"{\"type\":null}", b"\xFF"])
            .prop_map(<[u8]>::to_vec),
        1 => texts().prop_map(|line| [b"\xEF\xBB\xBF", line.as_slice()].concat()),
        1 => texts().prop_map(|line| [b" \t", line.as_slice(), b" "].concat()),
        1 => (texts(), any::<Index>()).prop_map(|(line, at)| cut(&line, at).to_vec()),
        1 => (texts(), any::<Index>(), texts())
            .prop_map(|(line, at, next)| [cut(&line, at), &next].concat()),
        1 => (texts(), any::<Index>(), select(vec![&b"\0"[..], b"\xFF\xFE", b"\xED\xA0\x80", b"\x1F"]))
            .prop_map(|(line, at, dirt)| {
                let begin = cut(&line, at);
                [begin, dirt, &line[begin.len()..]].concat()
            }),
    ]
}

/// A line up to a place before its last braces: a complete line that lacks nothing but braces need
/// not be found out.
fn cut(line: &[u8], at: Index) -> &[u8] {
    let inside = line.len() - line.iter().rev().take_while(|byte| b"}] ".contains(byte)).count();
    &line[..if inside > 1 { 1 + at.index(inside - 1) } else { 0 }]
}

fn line() -> impl Strategy<Value = String> {
    let nothing = || any_of(&["{}", "{\"type\":null}"]);
    let of = |kind: &'static str, payload: BoxedStrategy<String>| enveloped(kind, &payload);
    prop_oneof![
        4 => of("event_msg", user_message()),
        4 => of("response_item", message()),
        4 => of("session_meta", session_meta()),
        3 => of("turn_context", turn_context()),
        3 => of("event_msg", token_count()),
        2 => of("event_msg", typed("thread_name_updated", vec![member("thread_name", words())])),
        2 => of("response_item", typed("reasoning", vec![member("text", words()), anything()])),
        1 => of("event_msg", typed("agent_message", vec![member("message", words())])),
        1 => of("event_msg", typed("not_known_yet", vec![anything()])),
        1 => of("response_item", nothing()),
        1 => of("event_msg", nothing()),
        1 => of("compacted", prop_oneof![nothing(), any_of(&["7", "null", "{\"message\":\"m\"}"])].boxed()),
        1 => of("world_state", any_of(&["{\"full\":true}", "null", "7"])),
        1 => of("not_known_yet", any_of(&["{\"text\":\"\\ud83d\"}", "[1e400]", "null"])),
        // The oldest form, which has no envelope.
        1 => object(vec![member("id", ids()), member("timestamp", times()), member("git", git())]),
        1 => message(),
        1 => typed("reasoning", vec![member("id", words()), member("summary", any_of(&["[]"]))]),
        1 => any_of(&["{\"record_type\":\"state\"}", "{\"record_type\":\"state\",\"id\":\"x\",\"timestamp\":\"y\"}"]),
    ]
}

fn enveloped(kind: &'static str, payload: &BoxedStrategy<String>) -> BoxedStrategy<String> {
    let numbers =
        ["", "", "", r#","ordinal":7"#, r#","ordinal":0"#, r#","ordinal":007"#, r#","ordinal":"#];
    let usual = (times(), select(numbers.to_vec()), payload.clone());
    let usual = usual.prop_map(move |(time, number, payload)| {
        format!(r#"{{"timestamp":{time}{number},"type":"{kind}","payload":{payload}}}"#)
    });
    let members = || {
        vec![
            member("timestamp", times()),
            member("type", text(kind)),
            member("payload", payload.clone()),
            odd_member(),
        ]
    };
    prop_oneof![3 => usual, 1 => object(members())].boxed()
}

fn session_meta() -> BoxedStrategy<String> {
    let source = prop_oneof![
        any_of(&[
            "\"cli\"",
            "\"\"",
            "{\"subagent\": {\"other\" : \"a \\\" b\", \"z\":1.00,\"a\":1e400}}"
        ]),
        any_of(&["{\"x\":\"\\ud83d\",\"y\":[ ]}"]),
        words(),
    ];
    object(vec![
        member("id", ids()),
        member("timestamp", times()),
        member("source", source.boxed()),
        member("model_provider", words()),
        member("model", words()),
        member("cli_version", words()),
        member("cwd", words()),
        member("git", git()),
        member("dynamic_tools", tools()),
    ])
}

fn turn_context() -> BoxedStrategy<String> {
    let policy = || prop_oneof![words(), any_of(&["{ \"mode\" : \"danger full\" }"])].boxed();
    object(vec![
        member("cwd", words()),
        member("sandbox_policy", policy()),
        member("approval_policy", policy()),
        member("model", words()),
    ])
}

fn git() -> BoxedStrategy<String> {
    object(vec![
        member("commit_hash", words()),
        member("branch", words()),
        member("repository_url", words()),
    ])
}

fn tools() -> BoxedStrategy<String> {
    let deep = |levels: usize| {
        let (open, close) = ("[".repeat(levels - 1), "]".repeat(levels - 1));
        format!("{{\"name\":\"deep\",\"x\":{open}{close}}}")
    };
    let mut pool: Vec<String> = [
        r#"{"name":"a"}"#,
        r#"{ "x" : 1.00, "x":-0.0, "name":"bé","inputSchema":{"z":1,"a":1e400} }"#,
        r#"{"name":"\ud83d\u0000","description":null,"y":"\ud83d"}"#,
        r#"{"name":""}"#,
        r#"{"description":"nameless"}"#,
        "7",
    ]
    .map(Into::into)
    .into();
    pool.extend([deep(128), deep(129)]);
    vec(select(pool), 0..3).prop_map(|tools| format!("[{}]", tools.join(", "))).boxed()
}

fn user_message() -> BoxedStrategy<String> {
    let images = || any_of(&["[]", "[\"data:\"]"]);
    let members = vec![
        member("message", words()),
        member("images", images()),
        member("local_images", images()),
    ];
    typed("user_message", members)
}

fn token_count() -> BoxedStrategy<String> {
    let total = any_of(&[
        "5",
        "0",
        "-5",
        "3",
        "9223372036854775807",
        "007",
        "9223372036854775808",
        "1.0",
        "\"5\"",
    ]);
    let usage = object(vec![
        member("input_tokens", any_of(&["1", "{}", "{\"total_tokens\":8}"])),
        member("total_tokens", total),
        odd_member(),
    ]);
    let info = object(vec![member("total_token_usage", usage), anything()]);
    typed("token_count", vec![member("info", info), anything()])
}

fn message() -> BoxedStrategy<String> {
    let kind = any_of(&["\"input_text\"", "\"input_image\"", "\"output_text\""]);
    let part = prop_oneof![
        4 => words().prop_map(|words| format!(r#"{{"type":"input_text","text":{words}}}"#)),
        2 => object(vec![member("type", kind), member("text", words())]),
    ];
    let content = vec(part, 0..4).prop_map(|parts| format!("[{}]", parts.join(",")));
    let role = prop_oneof![4 => text("user"), 1 => any_of(&["\"assistant\"", "\"developer\""])];
    let id = member("id", words());
    typed("message", vec![id, member("role", role.boxed()), member("content", content.boxed())])
}

fn ids() -> BoxedStrategy<String> {
    let own = OWN.to_string();
    let other = ThreadId::from_bytes([0xCD; 16]).to_string();
    let quoted = [&own, &own, &other, &own.to_uppercase(), &own.replace('-', ""), "none", ""]
        .map(|id| format!("\"{id}\""));
    any_of(&quoted)
}
