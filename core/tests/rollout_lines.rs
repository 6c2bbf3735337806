//! What each kind of line says of a thread.
//!
//! Every row is read as agents lay lines out, with and without a line end, and in a layout that
//! only the general reader knows: all must say the same.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use threadkeep_core::patch::FieldPatch::{Keep, Set, SetIfEmpty};
use threadkeep_core::rollout::{RolloutItem, RolloutLine, fold, parse_line};
use threadkeep_core::{NamePatch, ThreadId, ThreadPatch, Timestamp};

const ID: &str = "019d2308-c368-7ca0-8331-65a7d470352c";
const AT: &str = "2026-03-01T09:30:00.000Z";

fn line(kind: &str, payload: &str) -> String {
    format!(r#"{{"timestamp":"{AT}","type":"{kind}","payload":{payload}}}"#)
}

fn session(members: &str) -> String {
    line("session_meta", &format!(r#"{{"id":"{ID}"{members}}}"#))
}

fn turn(members: &str) -> String {
    line("turn_context", &format!("{{{members}}}"))
}

fn event(kind: &str, members: &str) -> String {
    line("event_msg", &format!(r#"{{"type":"{kind}"{members}}}"#))
}

fn written(message: &str) -> String {
    event("user_message", &format!(r#","message":{}"#, serde_json::Value::from(message)))
}

/// A user's message as an item, of parts that are given as JSON.
fn item_of(parts: &[&str]) -> String {
    let parts = parts.join(",");
    line("response_item", &format!(r#"{{"type":"message","role":"user","content":[{parts}]}}"#))
}

fn words(text: &str) -> String {
    format!(r#"{{"type":"input_text","text":{}}}"#, serde_json::Value::from(text))
}

fn read(line: &str) -> RolloutLine {
    let read = parse_line(line.as_bytes()).unwrap_or_else(|error| panic!("{error}: {line}"));
    let read = read.unwrap();
    let spaced = line.replacen('{', "{ ", 1);
    for other in [format!("{line}\n"), format!("{line}\r\n"), format!("{spaced}\n"), spaced] {
        assert_eq!(parse_line(other.as_bytes()).unwrap().as_ref(), Some(&read), "{other}");
    }
    read
}

fn patch(lines: &[String]) -> ThreadPatch {
    let lines: Vec<_> = lines.iter().map(|line| read(line)).collect();
    fold(ID.parse::<ThreadId>().unwrap(), &lines)
}

fn at() -> Timestamp {
    AT.parse().unwrap()
}

/// The lines say what `says` puts into a patch, and when they were written; nothing else.
#[track_caller]
fn expect(lines: &[String], says: impl Fn(&mut ThreadPatch)) {
    let mut expected = ThreadPatch::default();
    (expected.updated_at, expected.newest_item_at) = (Some(at()), Some(at()));
    says(&mut expected);
    assert_eq!(patch(lines), expected, "{lines:#?}");
}

#[track_caller]
fn expect_words(line: &str, text: &str) {
    expect(&[line.to_owned()], |patch| {
        patch.has_user_event = true;
        patch.title = SetIfEmpty(text.into());
        patch.preview = SetIfEmpty(Some(text.into()));
    });
}

#[track_caller]
fn expect_item(line: &str, item: &RolloutItem) {
    assert_eq!(read(line).item, *item, "{line}");
}

#[test]
fn a_session_of_the_thread_sets_what_it_names() {
    let members =
        r#","source":"cli","model_provider":"p","model":"m","cli_version":"1","cwd":"/a""#;
    expect(&[session(members)], |patch| {
        patch.source = Set("cli".into());
        patch.model_provider = Set("p".into());
        patch.model = Set(Some("m".into()));
        patch.cli_version = SetIfEmpty(Some("1".into()));
        patch.cwd = Set("/a".into());
    });
}

#[test]
fn the_version_first_seen_stays_and_the_model_last_seen_wins() {
    let lines = [1, 2].map(|n| session(&format!(r#","model":"m{n}","cli_version":"{n}""#)));
    let patch = patch(&lines);
    assert_eq!(patch.cli_version, SetIfEmpty(Some("1".into())));
    assert_eq!(patch.model, Set(Some("m2".into())));
}

#[test]
fn members_of_a_session_that_are_absent_null_or_empty_say_nothing() {
    let null = r#","source":null,"model_provider":null,"model":null,"cli_version":null,"cwd":null,"git":null,"dynamic_tools":null,"timestamp":null"#;
    let empty = r#","source":"","model_provider":"","model":"","cli_version":"","cwd":"","dynamic_tools":[],"timestamp":"""#;
    for members in ["", null, empty] {
        expect(&[session(members)], |patch| patch.source = Set("unknown".into()));
    }
}

#[test]
fn a_session_of_another_thread_says_nothing() {
    let members = r#""source":"cli","cwd":"/a","git":{},"dynamic_tools":[{"name":"t"}]"#;
    for id in [r#""id":"019d2308-0000-7ca0-8331-65a7d470352c","#, r#""id":null,"#, ""] {
        expect(&[line("session_meta", &format!("{{{id}{members}}}"))], |_| {});
    }
}

#[test]
fn the_id_of_a_session_is_known_in_capitals() {
    let session = session("").replace(ID, &ID.to_ascii_uppercase());
    expect(&[session], |patch| patch.source = Set("unknown".into()));
}

#[test]
fn the_source_of_a_sub_agent_is_its_compact_json() {
    let source = r#"{ "b" : { "depth": 1.0 }, "a" : [ "x y", "\ud83d" ] }"#;
    expect(&[session(&format!(r#","source":{source}"#))], |patch| {
        patch.source = Set(r#"{"b":{"depth":1.0},"a":["x y","\ud83d"]}"#.into());
    });
}

#[test]
fn a_repository_sets_its_three_fields_together() {
    let some = |text: &str| Set(Some(text.to_owned()));
    let all = r#","git":{"commit_hash":"c","branch":"b","repository_url":"u"}"#;
    let rows = [
        ("", [Keep, Keep, Keep]),
        (r#","git":null"#, [Keep, Keep, Keep]),
        (r#","git":{}"#, [Set(None), Set(None), Set(None)]),
        (r#","git":{"branch":"b","commit_hash":null}"#, [Set(None), some("b"), Set(None)]),
        (all, [some("c"), some("b"), some("u")]),
    ];
    for (members, [sha, branch, url]) in rows {
        expect(&[session(members)], |patch| {
            patch.source = Set("unknown".into());
            patch.git_sha = sha.clone();
            patch.git_branch = branch.clone();
            patch.git_origin_url = url.clone();
        });
    }
}

#[test]
fn the_first_tools_of_the_threads_own_session_are_its_tools() {
    let tools = |name: &str| format!(r#","dynamic_tools":[{{"name":"{name}", "x":1.0}}]"#);
    let other = session(&tools("foreign")).replace(ID, "other");
    let lines = [other, session(""), session(&tools("first")), session(&tools("second"))];
    let patch = patch(&lines);
    let texts: Vec<_> = patch.tools.iter().flatten().map(|tool| tool.json().to_owned()).collect();
    assert_eq!(texts, [r#"{"name":"first", "x":1.0}"#]);
}

#[test]
fn a_tool_that_could_not_be_stored_is_left_out() {
    let deep = format!(r#"{{"name":"deep","x":{}{}}}"#, "[".repeat(128), "]".repeat(128));
    let line = session(&format!(r#","dynamic_tools":[{{"name":"t"}},{{"name":""}},{deep}]"#));
    let tools = patch(&[line]).tools.unwrap();
    assert_eq!(tools.iter().map(|tool| tool.name()).collect::<Vec<_>>(), ["t"]);
}

#[test]
fn a_turn_sets_how_it_runs_and_the_folder_only_if_none_is_known() {
    let members =
        r#""cwd":"/a","sandbox_policy":"read-only","approval_policy":"never","model":"m""#;
    expect(&[turn(members)], |patch| {
        patch.cwd = SetIfEmpty("/a".into());
        patch.sandbox_policy = Set("read-only".into());
        patch.approval_mode = Set("never".into());
        patch.model = Set(Some("m".into()));
    });
    let null = r#""cwd":null,"sandbox_policy":null,"approval_policy":null,"model":null"#;
    let empty = r#""cwd":"","sandbox_policy":"","approval_policy":"","model":"""#;
    for members in ["", null, empty] {
        expect(&[turn(members)], |_| {});
    }
    let lines = [session(r#","cwd":"/own""#), turn(r#""cwd":"/turn""#)];
    assert_eq!(patch(&lines).cwd, Set("/own".into()));
}

#[test]
fn a_policy_that_is_an_object_is_kept_as_its_compact_json() {
    let policy = r#""sandbox_policy":{"type": "w", "roots": []},"approval_policy":{ "a" : 1 }"#;
    expect(&[turn(policy)], |patch| {
        patch.sandbox_policy = Set(r#"{"type":"w","roots":[]}"#.into());
        patch.approval_mode = Set(r#"{"a":1}"#.into());
    });
}

#[test]
fn a_token_count_sets_the_total_never_below_zero() {
    let info = |total: i64| {
        let usage = format!(r#"{{"input_tokens":3,"total_tokens":{total}}}"#);
        event("token_count", &format!(r#","info":{{"total_token_usage":{usage}}}"#))
    };
    for (total, used) in [(12, 12), (0, 0), (-5, 0), (i64::MAX, i64::MAX)] {
        expect(&[info(total)], |patch| patch.tokens_used = Set(used));
    }
    expect(&[info(12), info(3)], |patch| patch.tokens_used = Set(3));
    for nothing in ["", r#","info":null"#, r#","info":null,"rate_limits":{"a":null}"#] {
        expect_item(&event("token_count", nothing), &RolloutItem::Other);
    }
    for nothing in [r#","info":{}"#, r#","info":{"total_token_usage":{"total_tokens":null}}"#] {
        expect(&[event("token_count", nothing)], |_| {});
    }
}

#[test]
fn the_words_of_a_person_follow_an_editors_context() {
    let marked = "# Context\n- a.rs\n## My request for Codex:\n  fix it \n";
    for line in [written(marked), item_of(&[&words(marked)])] {
        expect_words(&line, "fix it");
    }
    for line in [written(" fix\nit\t"), item_of(&[&words("\n fix"), &words("it ")])] {
        expect_words(&line, "fix\nit");
    }
}

#[test]
fn a_message_without_words_is_one_all_the_same() {
    let image = r#"{"type":"input_image","image_url":"data:"}"#;
    let empty = [
        written(" \n "),
        written("# Context\n## My request for Codex:\n"),
        event("user_message", ""),
        event("user_message", r#","message":null,"images":null,"local_images":[]"#),
        item_of(&[]),
        item_of(&[&words("")]),
        line("response_item", r#"{"type":"message","role":"user"}"#),
    ];
    for line in empty {
        expect(&[line], |patch| patch.has_user_event = true);
    }
    let pictures = [
        event("user_message", r#","message":"","images":["data:"]"#),
        event("user_message", r#","message":" ","local_images":["/a.png"]"#),
        item_of(&[image]),
        item_of(&[&words("<image>"), image, &words("</image>")]),
        item_of(&[&words("<image name=[Image #1]>"), image, &words("</image>")]),
    ];
    for line in pictures {
        expect(&[line], |patch| {
            patch.has_user_event = true;
            patch.preview = SetIfEmpty(Some("[Image]".into()));
        });
    }
    let both = item_of(&[&words("<image>"), image, &words("</image>"), &words("what is this")]);
    expect_words(&both, "what is this");
}

#[test]
fn the_first_words_give_the_title_whatever_follows() {
    expect(&[written(""), written("first"), written("second")], |patch| {
        patch.has_user_event = true;
        patch.title = SetIfEmpty("first".into());
        patch.preview = SetIfEmpty(Some("first".into()));
    });
}

#[test]
fn context_the_agent_put_in_is_no_message() {
    let starts = [
        "<environment_context>",
        "<user_instructions>",
        "<permissions",
        "<collaboration_mode>",
        "<INSTRUCTIONS>",
        "<turn_aborted>",
        "<subagent_notification>",
        "<recommended_plugins>",
        "<user_shell_command>",
        "<skill",
        "# AGENTS.md instructions",
    ];
    for start in starts {
        let text = format!(" \n{start} and more\n## My request for Codex:\nx");
        expect_item(&item_of(&[&words(&text)]), &RolloutItem::Other);
        expect_item(&item_of(&[&words(start), &words("more")]), &RolloutItem::Other);
        expect_words(&item_of(&[&words(&format!("see {start}"))]), &format!("see {start}"));
        // What an editor hands over as the person's own message is never taken for context.
        expect_words(&written(start), start);
    }
}

#[test]
fn parts_that_are_no_input_are_not_words() {
    let odd = [r#"{"type":"output_text","text":"no"}"#, "{}", r#"{"type":"input_text"}"#];
    expect_words(&item_of(&[odd[0], odd[1], odd[2], &words("yes")]), "yes");
}

#[test]
fn only_a_users_item_is_a_message() {
    for role in [r#","role":"assistant""#, r#","role":"developer""#, r#","role":null"#, ""] {
        let payload = format!(r#"{{"type":"message"{role},"content":"anything"}}"#);
        expect_item(&line("response_item", &payload), &RolloutItem::Other);
    }
    let late = r#"{"content":[{"text":"hi","type":"input_text"}],"role":"user","type":"message"}"#;
    expect_words(&line("response_item", late), "hi");
}

#[test]
fn a_name_is_given_or_taken_away() {
    let named = |name: &str| event("thread_name_updated", &format!(r#","thread_name":{name}"#));
    let empty = event("thread_name_updated", "");
    let rows = [
        (named(r#""n""#), Some("n".to_owned())),
        (named(r#""""#), None),
        (named("null"), None),
        (empty, None),
    ];
    for (line, name) in rows {
        expect(&[line], |patch| {
            patch.name = Some(NamePatch { name: name.clone(), at: Some(at()) });
        });
    }
    let earlier = named(r#""earlier""#).replace("2026", "2025");
    let name = patch(&[named(r#""later""#), earlier]).name.unwrap();
    assert_eq!(name, NamePatch { name: Some("later".into()), at: Some(at()) });
}

#[test]
fn a_title_is_cut_between_characters() {
    // 511 bytes and then a character of two: it does not fit in whole.
    let long = format!("{}é and more", "x".repeat(511));
    let patch = patch(&[written(&long)]);
    assert_eq!(patch.title, SetIfEmpty("x".repeat(511)));
    assert_eq!(patch.preview, SetIfEmpty(Some(long)));
}

#[test]
fn a_preview_is_cut_between_characters() {
    let long = format!("x{}", "é".repeat(3_000));
    let patch = patch(&[item_of(&[&words(&long)])]);
    assert_eq!(patch.preview, SetIfEmpty(Some(format!("x{}", "é".repeat(2_047)))));
    assert_eq!(patch.title, SetIfEmpty(format!("x{}", "é".repeat(255))));
}

#[test]
fn half_a_character_is_replaced() {
    for line in [
        event("user_message", r#","message":"a\ud83d b""#),
        item_of(&[r#"{"type":"input_text","text":"a\ud83d b"}"#]),
    ] {
        expect_words(&line, "a\u{fffd} b");
    }
    expect_words(&event("user_message", r#","message":"\ud83d\ude00""#), "😀");
}

#[test]
fn the_time_of_the_newest_line_counts() {
    let late = written("late");
    let early = written("early").replace("2026", "2025");
    assert_eq!(patch(&[late, early]).newest_item_at, Some(at()));
    let untimed = written("x").replace(AT, "yesterday");
    assert_eq!(patch(&[untimed]).newest_item_at, None);
}
