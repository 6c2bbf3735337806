//! However a line is damaged, reading it never panics, and a cut line never says anything.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use threadkeep_core::rollout::{RolloutItem, RolloutLine, parse_line};

/// Good lines of every kind, in the layouts agents write and in others.
const LINES: &[&str] = &[
    r#"{"timestamp":"2026-03-01T09:30:00.000Z","type":"session_meta","payload":{"id":"019d2308-c368-7ca0-8331-65a7d470352c","timestamp":"2026-03-01T09:30:00.000Z","cwd":"/é","source":{"subagent":{"depth":1}},"git":{"branch":"main"},"dynamic_tools":[{"name":"t","inputSchema":{"type":"object"}}]}}"#,
    r#"{"timestamp":"2026-03-01T09:30:00.000Z","type":"turn_context","payload":{"cwd":"/a","approval_policy":"never","sandbox_policy":{"type":"workspace-write","roots":[]},"model":"m"}}"#,
    r#"{"timestamp":"2026-03-01T09:30:00.000Z","type":"event_msg","payload":{"type":"token_count","info":{"total_token_usage":{"input_tokens":7,"total_tokens":12},"last_token_usage":{}},"rate_limits":{"plan":null}}}"#,
    r#"{"timestamp":"2026-03-01T09:30:00.000Z","type":"event_msg","payload":{"type":"token_count","info":null,"rate_limits":{"plan":"p"}}}"#,
    r#"{"timestamp":"2026-03-01T09:30:00.000Z","type":"event_msg","payload":{"type":"user_message","message":"a \"b\" \ud83d\ude00 }} é","images":["x"]}}"#,
    r#"{"timestamp":"2026-03-01T09:30:00.000Z","type":"event_msg","payload":{"type":"thread_name_updated","thread_id":"t","thread_name":"n"}}"#,
    r#"{"timestamp":"2026-03-01T09:30:00.000Z","type":"event_msg","payload":{"type":"agent_message","message":"a \\\" }} \\"}}"#,
    r#"{"timestamp":"2026-03-01T09:30:00.000Z","ordinal":7,"type":"response_item","payload":{"type":"message","role":"user","content":[{"type":"input_text","text":"hi"},{"type":"input_image","image_url":"data:"}]}}"#,
    r#"{"timestamp":"2026-03-01T09:30:00.000Z","type":"response_item","payload":{"type":"message","id":null,"role":"assistant","content":[{"type":"output_text","text":"{\"a\":[1]}"}]}}"#,
    r#"{"timestamp":"2026-03-01T09:30:00.000Z","type":"response_item","payload":{"type":"function_call","name":"f","arguments":"{\"a\":{\"b\":\"c\"}}","call_id":"c"}}"#,
    r#"{"timestamp":"2026-03-01T09:30:00.000Z","type":"compacted","payload":{"message":"m","replacement_history":[{"type":"message"}]}}"#,
    r#"{"timestamp":"2026-03-01T09:30:00.000Z","type":"from_the_future","payload":[1,{"a":"b"}]}"#,
    r#"{ "type": "event_msg", "payload": {"message": "hi", "type": "user_message"}, "timestamp": "2026-03-01T09:30:00+01:00" }"#,
    r#"{"id":"019d2308-c368-7ca0-8331-65a7d470352c","timestamp":"2026-03-01T09:30:00.000Z","instructions":null,"git":{"branch":"main"}}"#,
    r#"{"type":"message","role":"user","content":[{"type":"input_text","text":"hi"}]}"#,
    r#"{"type":"reasoning","id":"r","summary":[{"type":"summary_text","text":"}"}]}"#,
    r#"{"record_type":"state"}"#,
];

fn ended(line: &[u8]) -> Vec<u8> {
    [line, b"\n"].concat()
}

fn item(line: &[u8]) -> Option<RolloutItem> {
    parse_line(line).ok().flatten().map(|line| line.item)
}

#[test]
fn good_lines_are_read_alike_with_and_without_their_end() {
    for line in LINES {
        let read: RolloutLine = parse_line(line.as_bytes()).unwrap().unwrap();
        for other in [format!("{line}\n"), format!("{line}\r\n"), format!("\u{feff}{line}\n")] {
            assert_eq!(parse_line(other.as_bytes()).unwrap().as_ref(), Some(&read), "{other:?}");
        }
    }
}

#[test]
fn a_line_cut_at_any_byte_is_never_read() {
    for line in LINES {
        for end in 0..line.len() {
            let cut = &line.as_bytes()[..end];
            assert_eq!(item(cut), None, "{}", String::from_utf8_lossy(cut));
        }
    }
}

#[test]
fn a_line_cut_at_any_byte_and_ended_says_nothing() {
    for line in LINES {
        for end in 0..line.len() {
            let cut = ended(&line.as_bytes()[..end]);
            let item = item(&cut);
            assert!(
                matches!(item, None | Some(RolloutItem::Other)),
                "{item:?}: {}",
                String::from_utf8_lossy(&cut)
            );
        }
    }
}

#[test]
fn two_lines_glued_together_are_never_read() {
    for first in LINES {
        for second in LINES {
            for glued in [format!("{first}{second}"), format!("{first}{second}\n")] {
                assert_eq!(item(glued.as_bytes()), None, "{glued}");
            }
        }
    }
}

#[test]
fn a_complete_line_that_says_nothing_is_only_looked_over() {
    let line = |kind: &str, payload: &str| {
        format!(r#"{{"timestamp":"2026-03-01T09:30:00.000Z","type":"{kind}","payload":{payload}}}"#)
    };
    let called = r#"{"type":"function_call","name":f,"arguments":"{}"}"#;
    let answered = r#"{"type":"message","role":"assistant","content":[[{"text":"hi"}]}"#;
    let rows = [
        line("response_item", called),
        line("response_item", answered),
        line("event_msg", r#"{"type":"agent_message","message":oh,"id":"m"}"#),
        called.to_owned(),
    ];
    for row in rows {
        assert_eq!(item(&ended(row.as_bytes())), Some(RolloutItem::Other), "{row}");
        assert_eq!(item(row.as_bytes()), None, "without its end it may not be complete: {row}");
    }
    // What matters is read by the whole grammar, complete or not.
    for row in [
        line("event_msg", r#"{"type":"user_message","message":"hi","images":[x]}"#),
        line("response_item", r#"{"type":"message","role":"user","content":[],"id":x}"#),
        line("turn_context", r#"{"cwd":"/a","model":m}"#),
        line("from_the_future", r#"{"type":"reasoning","summary":x}"#),
    ] {
        assert_eq!(item(&ended(row.as_bytes())), None, "{row}");
    }
}

#[test]
fn a_line_cut_behind_an_escaped_quote_is_never_taken_for_whole() {
    for quotes in [r#"\""#, r#"\\\""#, r#"a\""#, r#"ab\""#] {
        let line = format!(
            r#"{{"timestamp":"2026-03-01T09:30:00.000Z","type":"event_msg","payload":{{"type":"agent_message","message":"{quotes}}}}}"#
        );
        assert_eq!(item(&ended(line.as_bytes())), None, "{line}");
        let whole = line.replace("}}", "\"}}");
        assert_eq!(item(&ended(whole.as_bytes())), Some(RolloutItem::Other), "{whole}");
    }
}

#[test]
fn a_control_character_in_a_string_is_damage_and_between_members_it_is_space() {
    let line = |message: &str| {
        format!(
            r#"{{"timestamp":"2026-03-01T09:30:00.000Z","type":"event_msg","payload":{{"type":"user_message","message":"{message}"}}}}"#
        )
    };
    for control in ["\t", "\0", "\u{1f}", "\u{1}"] {
        for text in [line(&format!("a{control}b")), line(&format!("a {control} b"))] {
            for text in [text.clone(), text.replacen('{', "{ ", 1)] {
                assert_eq!(item(text.as_bytes()), None, "{text:?}");
                assert_eq!(item(&ended(text.as_bytes())), None, "{text:?}");
            }
        }
    }
    let spaced = line("a b").replace(",\"payload", "\t,\"payload");
    assert!(matches!(item(spaced.as_bytes()), Some(RolloutItem::UserMessage(_))), "{spaced:?}");
}

/// A payload of a known type with members that no one looks at.
fn a_payload() -> impl Strategy<Value = String> {
    let text = ".{0,12}".prop_map(|text| serde_json::Value::from(text).to_string());
    let leaf = prop_oneof![
        text,
        select(vec!["null", "1", "-2.5", "1e9", "true", "{}", "[]"]).prop_map(str::to_owned),
    ];
    let value = leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..3).prop_map(|values| format!("[{}]", values.join(","))),
            vec(inner, 0..3).prop_map(|values| {
                let member = |(at, value): (usize, &String)| format!("\"m{at}\":{value}");
                let members: Vec<_> = values.iter().enumerate().map(member).collect();
                format!("{{{}}}", members.join(","))
            }),
        ]
    });
    let kinds = vec!["message", "reasoning", "function_call", "agent_message", "task_started", "?"];
    let role = select(vec!["", r#","role":"assistant""#, r#","id":"i","role":"developer""#]);
    (select(kinds), role, vec(value, 0..4)).prop_map(|(kind, role, values)| {
        let member = |(at, value): (usize, &String)| format!(",\"v{at}\":{value}");
        let members: String = values.iter().enumerate().map(member).collect();
        format!("{{\"type\":\"{kind}\"{role}{members}}}")
    })
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in vec(any::<u8>(), 0..200)) {
        let _ = parse_line(&bytes);
        let _ = parse_line(&ended(&bytes));
    }

    #[test]
    fn bytes_like_those_of_lines_never_panic(
        parts in vec(select(vec![
            "{", "}", "[", "]", "\"", "\\", ",", ":", "null", "7", "é", "\u{feff}", "\n",
            "{\"timestamp\":\"", "\",\"type\":\"", ",\"ordinal\":", ",\"payload\":",
            "{\"type\":\"token_count\",\"info\":", "{\"total_token_usage\":{", "\"total_tokens\":",
            "{\"type\":\"message\"", ",\"id\":", ",\"role\":\"user\"", "event_msg", "response_item",
        ]), 0..20),
    ) {
        let text = parts.concat();
        let _ = parse_line(text.as_bytes());
        let _ = parse_line(&ended(text.as_bytes()));
    }

    #[test]
    fn flipped_bytes_never_panic(
        line in select(LINES),
        flips in vec((any::<Index>(), any::<u8>()), 1..4),
    ) {
        let mut bytes = line.as_bytes().to_vec();
        for (at, byte) in flips {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let _ = parse_line(&bytes);
        let _ = parse_line(&ended(&bytes));
    }

    #[test]
    fn the_quick_reading_of_complete_lines_says_what_the_whole_grammar_says(
        kind in select(vec!["response_item", "event_msg", "compacted", "new"]),
        payload in a_payload(),
    ) {
        let at = "2026-03-01T09:30:00.000Z";
        let line = format!(r#"{{"timestamp":"{at}","type":"{kind}","payload":{payload}}}"#);
        for line in [line, payload] {
            let whole = parse_line(line.as_bytes()).unwrap();
            prop_assert_eq!(parse_line(&ended(line.as_bytes())).unwrap(), whole, "{}", line);
        }
    }
}
