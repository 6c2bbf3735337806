//! Lines that say nothing, lines of the oldest files, and lines that are none.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use threadkeep_core::patch::FieldPatch::Set;
use threadkeep_core::rollout::{Fold, MalformedLine, RolloutItem, fold, parse_line};
use threadkeep_core::{ThreadId, Timestamp};

const ID: &str = "019d2308-c368-7ca0-8331-65a7d470352c";
const AT: &str = "2026-03-01T09:30:00.000Z";

fn line(kind: &str, payload: &str) -> String {
    format!(r#"{{"timestamp":"{AT}","type":"{kind}","payload":{payload}}}"#)
}

/// Reads a line, with its end and without.
#[track_caller]
fn item(line: &str) -> RolloutItem {
    let read = parse_line(line.as_bytes()).unwrap().unwrap();
    let ended = parse_line(format!("{line}\n").as_bytes()).unwrap().unwrap();
    assert_eq!(read, ended, "{line}");
    read.item
}

fn id() -> ThreadId {
    ID.parse().unwrap()
}

#[test]
fn what_is_known_to_say_nothing_is_other() {
    let rows = [
        line("compacted", r#"{"message":"m"}"#),
        line("compacted", "{}"),
        line("world_state", r#"{"a":1}"#),
        line("event_msg", r#"{"type":"agent_message","message":"m"}"#),
        line("event_msg", r#"{"type":"task_started"}"#),
        line("response_item", r#"{"type":"reasoning","summary":[]}"#),
        line("response_item", r#"{"type":"function_call","name":"f","arguments":"{}"}"#),
    ];
    for row in rows {
        assert_eq!(item(&row), RolloutItem::Other, "{row}");
    }
}

#[test]
fn what_is_not_known_is_unknown_and_no_error() {
    let rows = [
        line("from_the_future", r#"{"a":1}"#),
        line("from_the_future", "null"),
        line("from_the_future", "[1]"),
        line("event_msg", r#"{"type":"from_the_future","message":5}"#),
        line("event_msg", r#"{"message":5}"#),
        line("response_item", r#"{"type":"from_the_future"}"#),
        line("response_item", "{}"),
        r#"{"type":"from_the_future"}"#.into(),
        "{}".into(),
    ];
    for row in rows {
        assert_eq!(item(&row), RolloutItem::Unknown, "{row}");
    }
}

#[test]
fn newer_members_of_the_envelope_are_passed_over() {
    let payload = r#"{"type":"user_message","message":"hi"}"#;
    for envelope in [
        format!(r#"{{"timestamp":"{AT}","ordinal":7,"type":"event_msg","payload":{payload}}}"#),
        format!(r#"{{"new":{{}},"timestamp":"{AT}","type":"event_msg","payload":{payload}}}"#),
        format!(r#"{{"timestamp":"{AT}","type":"event_msg","payload":{payload},"new":1}}"#),
        format!(r#"{{"payload":{payload},"type":"event_msg","timestamp":"{AT}"}}"#),
    ] {
        assert!(matches!(item(&envelope), RolloutItem::UserMessage(_)), "{envelope}");
    }
}

#[test]
fn a_bare_header_is_a_session() {
    let header = format!(
        r#"{{"id":"{ID}","timestamp":"{AT}","instructions":"do","git":{{"branch":"main"}}}}"#
    );
    let lines = [parse_line(header.as_bytes()).unwrap().unwrap()];
    let patch = fold(id(), &lines);
    assert_eq!(patch.source, Set("unknown".into()));
    assert_eq!(patch.git_branch, Set(Some("main".into())));
    assert_eq!(patch.newest_item_at, Some(AT.parse().unwrap()));
}

#[test]
fn only_an_id_and_a_time_together_make_a_bare_header() {
    for half in [format!(r#"{{"id":"{ID}"}}"#), format!(r#"{{"timestamp":"{AT}"}}"#)] {
        assert_eq!(item(&half), RolloutItem::Unknown, "{half}");
    }
}

#[test]
fn a_type_or_role_is_known_however_it_is_spelled() {
    let rows = [
        line("response_item", r#"{"type":"message","role":"us\u0065r","content":[]}"#),
        line("response_item", r#"{"type":"mess\u0061ge","role":"user","content":[]}"#),
        line("event_msg", r#"{"type":"user\u005fmessage","message":""}"#),
        line(r"event\u005fmsg", r#"{"type":"user_message","message":""}"#),
        line("response_item", r#"{"type":"message","id":"\u0065","role":"user","content":[]}"#),
        line("response_item", r#"{"type":"message","id":"m\"","role":"user","content":[]}"#),
    ];
    for row in rows {
        assert!(matches!(item(&row), RolloutItem::UserMessage(_)), "{row}");
    }
}

#[test]
fn bare_items_are_items_and_state_marks_do_nothing() {
    let user = r#"{"type":"message","role":"user","content":[{"type":"input_text","text":"hi"}]}"#;
    let RolloutItem::UserMessage(message) = item(user) else { panic!("no message: {user}") };
    assert_eq!(message.text, "hi");
    for nothing in [
        r#"{"record_type":"state"}"#,
        r#"{"type":"reasoning","id":"r","summary":[]}"#,
        r#"{"type":"function_call","name":"f","arguments":"{}","call_id":"c"}"#,
        r#"{"type":"message","role":"assistant","content":[]}"#,
    ] {
        assert_eq!(item(nothing), RolloutItem::Other, "{nothing}");
        assert_eq!(parse_line(nothing.as_bytes()).unwrap().unwrap().timestamp, None);
    }
}

#[test]
fn a_thread_begins_when_its_own_session_says() {
    let session = |id: &str, at: &str| {
        line("session_meta", &format!(r#"{{"id":"{id}","timestamp":"{at}"}}"#))
    };
    let started = |lines: &[String]| {
        let mut fold = Fold::new(id());
        for line in lines {
            fold.push(&parse_line(line.as_bytes()).unwrap().unwrap());
        }
        (fold.session_at(), fold.first_line_at(), fold.started_at())
    };
    let time = |text: &str| Some(text.parse::<Timestamp>().unwrap());
    let (own, second) = ("2026-01-01T00:00:00.000Z", "2026-01-02T00:00:00.000Z");
    let lines = [session("other", AT), session(ID, own), session(ID, second)];
    assert_eq!(started(&lines), (time(own), time(AT), time(own)));
    // The first record decides, even where it names no time.
    let lines = [session(ID, ""), session(ID, second)];
    assert_eq!(started(&lines), (None, time(AT), time(AT)));
    assert_eq!(started(&[]), (None, None, None));
}

#[test]
fn blank_lines_are_no_lines() {
    for blank in ["", "\n", " \t\r\n", "\u{feff}", "\u{feff}\r\n"] {
        assert!(parse_line(blank.as_bytes()).unwrap().is_none(), "{blank:?}");
    }
}

#[track_caller]
fn assert_malformed(line: &str) {
    for line in [line.to_owned(), format!("{line}\n")] {
        let read = parse_line(line.as_bytes());
        assert!(matches!(read, Err(MalformedLine::NotJson(_))), "{line}: {read:?}");
    }
}

#[test]
fn what_is_not_utf8_is_malformed() {
    for bytes in
        [&b"\xff"[..], b"{\"type\":\"\xc3\"}", b"\xff\xfe{\0}\0", b"{\"a\":\"\xed\xa0\x80\"}\n"]
    {
        assert!(matches!(parse_line(bytes), Err(MalformedLine::NotUtf8)), "{bytes:?}");
    }
}

#[test]
fn what_is_no_json_object_is_malformed() {
    for text in
        ["x", "null", "5", "\"a\"", "[]", "{", "{}}", "{} {}", "{'a':1}", "{\"a\":1,}", "\0"]
    {
        assert_malformed(text);
    }
    // An array is no object, also where its members stand in the order of an envelope's.
    let payload = r#"{"type":"user_message","message":"hi"}"#;
    assert_malformed(&format!(r#"["{AT}","event_msg",{payload},null,null]"#));
}

#[test]
fn a_payload_that_is_no_object_is_malformed() {
    for kind in ["session_meta", "turn_context", "response_item", "event_msg", "compacted"] {
        for payload in ["null", "5", "\"a\"", "[]", r#"["user_message","hi"]"#] {
            assert_malformed(&line(kind, payload));
        }
        assert_malformed(&format!(r#"{{"timestamp":"{AT}","type":"{kind}"}}"#));
    }
}

#[test]
fn a_member_of_the_wrong_type_makes_its_line_malformed() {
    let session = |member: &str| line("session_meta", &format!(r#"{{"id":"{ID}",{member}}}"#));
    let turn = |member: &str| line("turn_context", &format!("{{{member}}}"));
    let event =
        |kind: &str, member: &str| line("event_msg", &format!(r#"{{"type":"{kind}",{member}}}"#));
    let user = |content: &str| {
        line("response_item", &format!(r#"{{"type":"message","role":"user","content":{content}}}"#))
    };
    let rows = [
        line("session_meta", r#"{"id":5}"#),
        session(r#""source":5"#),
        session(r#""source":["a"]"#),
        session(r#""cwd":{}"#),
        session(r#""model":true"#),
        session(r#""git":"main""#),
        session(r#""git":["c","b","u"]"#),
        session(r#""git":{"branch":5}"#),
        session(r#""dynamic_tools":{}"#),
        turn(r#""cwd":5"#),
        turn(r#""sandbox_policy":5"#),
        turn(r#""approval_policy":[]"#),
        event("token_count", r#""info":5"#),
        event("token_count", r#""info":{"total_token_usage":{"total_tokens":"many"}}"#),
        event("token_count", r#""info":{"total_token_usage":{"total_tokens":1.5}}"#),
        event("user_message", r#""message":5"#),
        event("user_message", r#""images":"x""#),
        event("thread_name_updated", r#""thread_name":5"#),
        line("event_msg", r#"{"type":5}"#),
        user("5"),
        user("[5]"),
        user(r#"["input_text","hi"]"#),
        user(r#"[{"type":"input_text","text":5}]"#),
        line("response_item", r#"{"type":"message","role":5,"content":[]}"#),
        r#"{"timestamp":5,"type":"event_msg","payload":{"type":"task_started"}}"#.into(),
        format!(r#"{{"timestamp":"{AT}","type":5,"payload":{{}}}}"#),
        format!(r#"{{"id":5,"timestamp":"{AT}"}}"#),
    ];
    for row in rows {
        assert_malformed(&row);
    }
}
