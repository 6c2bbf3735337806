//! What is a line of a rollout, and what is none.

use threadkeep_core::ThreadStoreExt;
use threadkeep_core::rollout::{Fold, RolloutItem, parse_line};

use super::history::{
    bare_seed, event, is_malformed, item, line, lines, message, meta, nothing_but_the_time, said,
    told,
};
use super::say::{at, id, row};
use crate::cases::{Tier, group};
use crate::lab::{Lab, Verdict};

group! { Tier::Examples;
    R_05: members_come_in_any_order_and_others_may_stand_among_them,
    R_06: a_bare_first_line_is_a_session_meta,
    R_07: bare_lines_are_response_items,
    R_08: null_is_absent,
    R_09: what_is_not_known_changes_nothing,
    R_10: what_stands_around_a_line_does_not_matter,
    R_11: a_malformed_line_costs_itself_alone,
    R_11: a_line_cut_anywhere_is_malformed,
    R_12: a_wrong_type_is_malformed_where_it_matters,
    R_13: without_a_line_end_only_a_whole_line_counts,
    R_14: half_a_surrogate_pair_becomes_a_replacement,
}

async fn members_come_in_any_order_and_others_may_stand_among_them(lab: &Lab) -> Verdict {
    for text in [
        r#"{"timestamp":"1970-01-01T00:00:02.000Z","type":"event_msg","payload":{"type":"user_message","message":"hello"}}"#,
        r#"{"timestamp":"1970-01-01T00:00:02.000Z","ordinal":7,"type":"event_msg","payload":{"type":"user_message","message":"hello"}}"#,
        r#"{"payload":{"message":"hello","kind":"plain","type":"user_message"},"type":"event_msg","timestamp":"1970-01-01T00:00:02Z"}"#,
        r#"{"new":[{}],"timestamp":"1970-01-01T01:00:02+01:00","payload":{"type":"user_message","new":{"type":"x"},"message":"hello"},"type":"event_msg","newer":1}"#,
        "{ \"type\" : \"event_msg\" ,\t\"timestamp\" : \"1970-01-01T00:00:02Z\", \"payload\" : { \"type\" : \"user_message\", \"message\" : \"h\\u0065llo\" } }",
    ] {
        let row = told(lab, &[text]).await?;
        assert_eq!((row.title.as_str(), row.updated_at), ("hello", at(2_000)), "{text}");
    }
    Ok(())
}

async fn a_bare_first_line_is_a_session_meta(lab: &Lab) -> Verdict {
    let id = id(1);
    let first = format!(
        r#"{{"id":"{id}","timestamp":"1970-01-01T00:00:05.500Z","instructions":null,"git":{{"commit_hash":"c","branch":"b","repository_url":"u"}}}}"#
    );
    let row = told(lab, &[&first]).await?;
    assert_eq!((row.git_sha.as_deref(), row.git_branch.as_deref()), (Some("c"), Some("b")));
    assert_eq!(row.git_origin_url.as_deref(), Some("u"));
    assert_eq!((row.source.as_str(), row.updated_at), ("unknown", at(5_500)));
    let mut fold = Fold::new(id);
    for line in lines(&[first])? {
        fold.push(&line);
    }
    assert_eq!(fold.session_at(), Some(at(5_500)));
    Ok(())
}

async fn bare_lines_are_response_items(lab: &Lab) -> Verdict {
    let state = r#"{"record_type":"state"}"#;
    let call = r#"{"type":"function_call","name":"shell","arguments":"{}","call_id":"c"}"#;
    let words = r#"{"type":"message","id":null,"role":"user","content":[{"type":"input_text","text":"hello"}]}"#;
    for silent in [state, call] {
        assert_eq!(item(silent)?, RolloutItem::Other, "{silent}");
    }
    let row = told(lab, &[state, call, words, state]).await?;
    let mut expected = bare_seed().into_metadata();
    expected.title = "hello".into();
    expected.preview = Some("hello".into());
    expected.has_user_event = true;
    expected.revision = row.revision;
    assert_eq!(row, expected);
    Ok(())
}

async fn null_is_absent(lab: &Lab) -> Verdict {
    let full = [
        meta(
            1,
            1,
            r#""source":"exec","model_provider":"p","model":"m","cli_version":"1","cwd":"/a","git":{"branch":"b"}"#,
        ),
        line(2, "turn_context", r#"{"sandbox_policy":"s","approval_policy":"a","model":"m"}"#),
        said(3, r#""hello""#),
        event(3, r#""type":"token_count","info":{"total_token_usage":{"total_tokens":5}}"#),
    ];
    let nulls = [
        meta(
            4,
            1,
            r#""timestamp":null,"source":"exec","model_provider":null,"model":null,"cli_version":null,"cwd":null,"git":null,"dynamic_tools":null"#,
        ),
        line(
            4,
            "turn_context",
            r#"{"cwd":null,"sandbox_policy":null,"approval_policy":null,"model":null}"#,
        ),
        event(4, r#""type":"user_message","message":null,"images":null,"local_images":null"#),
        event(4, r#""type":"token_count","info":{"total_token_usage":null}"#),
        event(4, r#""type":"token_count","info":{"total_token_usage":{"total_tokens":null}}"#),
        line(4, "response_item", r#"{"type":"message","role":"user","content":null}"#),
        line(4, "response_item", r#"{"type":"message","role":null,"content":null}"#),
    ];
    let before = told(lab, &full).await?;
    let after = told(lab, &[&full[..], &nulls[..]].concat()).await?;
    let mut expected = before;
    expected.updated_at = at(4_000);
    expected.revision = after.revision;
    assert_eq!(after, expected);
    Ok(())
}

async fn what_is_not_known_changes_nothing(lab: &Lab) -> Verdict {
    let unknown: [(&str, &str); 6] = [
        ("brand_new", r#"{"message":"hello","thread_name":"n"}"#),
        ("brand_new", "[1,\"a\",null]"),
        ("brand_new", "null"),
        ("event_msg", r#"{"type":"brand_new","message":"hello"}"#),
        ("event_msg", r#"{"message":"hello"}"#),
        ("response_item", r#"{"type":"brand_new","role":"user","content":"hello"}"#),
    ];
    for (kind, payload) in unknown {
        assert_eq!(item(&line(1, kind, payload))?, RolloutItem::Unknown, "{kind} {payload}");
    }
    assert_eq!(item("{}")?, RolloutItem::Unknown);
    assert_eq!(item(&line(1, "world_state", r#"{"a":1}"#))?, RolloutItem::Other);
    let texts: Vec<_> = unknown.iter().map(|(kind, payload)| format!("{kind} {payload}")).collect();
    nothing_but_the_time(lab, &texts, |second, text| {
        let (kind, payload) = text.split_once(' ').unwrap_or_default();
        line(second, kind, payload)
    })
    .await
}

async fn what_stands_around_a_line_does_not_matter(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    for blank in ["", "\n", "\r\n", " \t\r\n", "\u{feff}", "\u{feff}\n"] {
        assert!(matches!(parse_line(blank.as_bytes()), Ok(None)), "{blank:?}");
    }
    let plain = said(2, r#""hello""#);
    let expected = lines(&[&plain])?;
    for (before, after) in [("", "\r\n"), ("  ", " \n"), ("\u{feff}", "\n"), ("\u{feff} ", "\r\n")]
    {
        let found = parse_line(format!("{before}{plain}{after}").as_bytes()).ok().flatten();
        assert_eq!(found.as_ref(), expected.first(), "{before:?} {after:?}");
        store.apply_rollout_items(bare_seed(), found.as_slice()).await?;
        assert_eq!(row(&store, 1).await?.title, "hello");
    }
    Ok(())
}

async fn a_malformed_line_costs_itself_alone(lab: &Lab) -> Verdict {
    let (first, second) = (said(1, r#""first""#), said(2, r#""second""#));
    let reasoning = line(3, "response_item", r#"{"type":"reasoning","summary":[]}"#);
    let bad: [&[u8]; 9] = [
        b"\xff\xfe",
        b"not json",
        &[0; 64],
        b"[1,2]",
        b"5",
        b"{\"timestamp\":\"1970-01-01T00:00:01.000Z\",\"type\":\"event_msg\",\"payload\":{\"type\":\"user_message\",\"message\":\"\xff\"}}",
        &[first.as_bytes(), second.as_bytes()].concat(),
        &[reasoning.as_bytes(), second.as_bytes()].concat(),
        &[reasoning.as_bytes(), b"\0"].concat(),
    ];
    let store = lab.open().await?;
    for bad in bad {
        let shown = String::from_utf8_lossy(bad);
        assert!(is_malformed(bad), "{shown}");
        let file = [bad, second.as_bytes(), bad, first.as_bytes(), b""].join(&b'\n');
        let read: Vec<_> = file
            .split_inclusive(|&byte| byte == b'\n')
            .filter_map(|line| parse_line(line).ok().flatten())
            .collect();
        assert_eq!(read.len(), 2, "{shown}");
        store.apply_rollout_items(bare_seed(), &read).await?;
        assert_eq!(row(&store, 1).await?.title, "second", "{shown}");
        store.delete_threads(vec![id(1)]).await?;
        store.upsert_thread(bare_seed().into_metadata()).await?;
    }
    Ok(())
}

async fn a_line_cut_anywhere_is_malformed(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    for text in [
        said(1, r#""grüße \"you\" }""#),
        meta(1, 1, r#""source":{"subagent":"review"},"cwd":"/a""#),
        message(1, "user", r#"{"type":"input_text","text":"hello"}"#),
        event(1, r#""type":"token_count","info":{"total_token_usage":{"total_tokens":5}}"#),
    ] {
        for end in 1..text.len() {
            assert!(is_malformed(&text.as_bytes()[..end]), "{text} cut at {end}");
        }
        let whole = lines(&[text])?;
        let outcome = store.apply_rollout_items(bare_seed(), &whole).await?;
        assert!(outcome.is_some());
    }
    assert_eq!(row(&store, 1).await?.title, "grüße \"you\" }");
    Ok(())
}

async fn a_wrong_type_is_malformed_where_it_matters(lab: &Lab) -> Verdict {
    for text in [
        said(1, "5"),
        event(1, r#""type":"user_message","message":"a","images":"b""#),
        event(1, r#""type":"token_count","info":5"#),
        event(1, r#""type":"token_count","info":{"total_token_usage":{"total_tokens":"5"}}"#),
        event(1, r#""type":"thread_name_updated","thread_name":{}"#),
        line(1, "session_meta", r#"{"id":5}"#),
        meta(1, 1, r#""source":5"#),
        meta(1, 1, r#""git":"main""#),
        meta(1, 1, r#""cwd":["/a"]"#),
        meta(1, 1, r#""dynamic_tools":{}"#),
        line(1, "turn_context", r#"{"model":5}"#),
        line(1, "turn_context", r#"{"sandbox_policy":[]}"#),
        message(1, "user", r#""hello""#),
        line(1, "event_msg", "5"),
        line(1, "session_meta", "[]"),
        line(1, "compacted", "5"),
    ] {
        assert!(is_malformed(text.as_bytes()), "{text}");
    }
    let harmless = [
        event(1, r#""type":"user_message","message":"hello","kind":5"#),
        event(2, r#""type":"agent_message","message":5"#),
        line(2, "response_item", r#"{"type":"message","role":"assistant","content":5}"#),
        meta(2, 1, r#""instructions":5,"source":"exec""#),
    ];
    let row = told(lab, &harmless).await?;
    assert_eq!((row.title.as_str(), row.source.as_str()), ("hello", "exec"));
    Ok(())
}

async fn without_a_line_end_only_a_whole_line_counts(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    let last = said(1, r#""hello""#);
    let growing = line(2, "response_item", r#"{"type":"reasoning","parts":[{"text":"a"}]}"#);
    for text in [&last, &growing] {
        for end in 1..text.len() {
            assert!(parse_line(&text.as_bytes()[..end]).is_err(), "{text} up to {end}");
        }
        let read = parse_line(text.as_bytes()).ok().flatten();
        assert!(read.is_some(), "{text}");
        store.apply_rollout_items(bare_seed(), read.as_slice()).await?;
    }
    let row = row(&store, 1).await?;
    assert_eq!((row.title.as_str(), row.updated_at), ("hello", at(2_000)));
    Ok(())
}

async fn half_a_surrogate_pair_becomes_a_replacement(lab: &Lab) -> Verdict {
    let first = said(1, r#""a\ud83d b\ud83d\ude00 \udc00\u00e9""#);
    let name = event(2, r#""type":"thread_name_updated","thread_name":"\ud83d""#);
    let folder = meta(3, 1, r#""cwd":"/a\udfff""#);
    let row = told(lab, &[first, name, folder]).await?;
    assert_eq!(row.title, "a\u{fffd} b\u{1f600} \u{fffd}\u{e9}");
    assert_eq!(row.name.as_deref(), Some("\u{fffd}"));
    assert_eq!(row.cwd.to_str(), Some("/a\u{fffd}"));
    Ok(())
}
