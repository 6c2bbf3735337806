//! What the records of sessions, turns and tokens do to a row.

use threadkeep_core::{DynamicToolSpec, DynamicToolStore, ThreadStoreExt};

use super::history::{event, line, meta, nothing_but_the_time, said, tell, told};
use super::say::{id, row};
use crate::cases::{Tier, group};
use crate::lab::{Lab, Verdict};

group! { Tier::Examples;
    R_20: the_threads_own_record_sets_what_it_has,
    R_21: a_source_is_a_text_an_object_or_unknown,
    R_22: the_first_version_stays,
    R_23: git_fields_come_together,
    R_24: the_record_of_another_thread_says_nothing,
    R_26: a_tool_that_cannot_be_stored_is_passed_over,
    R_30: a_turn_sets_policy_approval_and_model,
    R_31: a_turn_sets_the_folder_only_where_none_is_known,
    R_32: the_last_total_counts,
    R_33: without_a_total_the_tokens_stay,
}

async fn the_threads_own_record_sets_what_it_has(lab: &Lab) -> Verdict {
    let first = meta(1, 1, r#""source":"exec","model_provider":"p","model":"m","cwd":"/a""#);
    let empty = meta(2, 1, r#""source":"mcp","model_provider":"","model":"","cwd":"""#);
    let later = meta(3, 1, r#""source":"mcp","model_provider":"q","model":"n","cwd":"/b""#);
    for (lines, source, provider, model, cwd) in [
        (vec![&first], "exec", "p", "m", "/a"),
        (vec![&first, &empty], "mcp", "p", "m", "/a"),
        (vec![&first, &empty, &later], "mcp", "q", "n", "/b"),
    ] {
        let row = told(lab, &lines).await?;
        assert_eq!((row.source.as_str(), row.model_provider.as_str()), (source, provider));
        assert_eq!((row.model.as_deref(), row.cwd.to_str()), (Some(model), Some(cwd)));
    }
    // An id is the same in capitals.
    let capitals = first.replace(&id(1).to_string(), &id(1).to_string().to_uppercase());
    assert_eq!(told(lab, &[capitals]).await?.source, "exec");
    Ok(())
}

async fn a_source_is_a_text_an_object_or_unknown(lab: &Lab) -> Verdict {
    let before = meta(1, 1, r#""source":"exec""#);
    for (members, expected) in [
        (r#""source":"vscode""#, "vscode"),
        ("", "unknown"),
        (r#""source":null"#, "unknown"),
        (r#""source":"""#, "unknown"),
        (
            r#""source":{ "z" : 1.00, "subagent" : {"other" : "a b"}, "a":[ 2 ]}"#,
            r#"{"z":1.00,"subagent":{"other":"a b"},"a":[2]}"#,
        ),
    ] {
        let row = told(lab, &[&before, &meta(2, 1, members)]).await?;
        assert_eq!(row.source, expected, "{members}");
    }
    Ok(())
}

async fn the_first_version_stays(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    let version = |second, version: &str| meta(second, 1, &format!(r#""cli_version":"{version}""#));
    tell(&store, &[meta(1, 1, ""), version(1, ""), version(1, "1.0"), version(1, "2.0")]).await?;
    tell(&store, &[version(2, "3.0")]).await?;
    assert_eq!(row(&store, 1).await?.cli_version.as_deref(), Some("1.0"));
    Ok(())
}

async fn git_fields_come_together(lab: &Lab) -> Verdict {
    let all = meta(1, 1, r#""git":{"commit_hash":"c","branch":"b","repository_url":"u"}"#);
    let git = async |lines: &[&String]| -> Verdict<[Option<String>; 3]> {
        let row = told(lab, lines).await?;
        Ok([row.git_sha, row.git_branch, row.git_origin_url])
    };
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(git(&[&all]).await?, [some("c"), some("b"), some("u")]);
    let none = meta(2, 1, "");
    assert_eq!(git(&[&all, &none]).await?, [some("c"), some("b"), some("u")]);
    let branch = meta(2, 1, r#""git":{"branch":"d"}"#);
    assert_eq!(git(&[&all, &branch]).await?, [None, some("d"), None]);
    let empty = meta(2, 1, r#""git":{}"#);
    assert_eq!(git(&[&all, &empty]).await?, [None, None, None]);
    Ok(())
}

async fn the_record_of_another_thread_says_nothing(lab: &Lab) -> Verdict {
    let members = r#""source":"mcp","model_provider":"q","model":"n","cli_version":"9","cwd":"/b",
        "git":{"branch":"d"},"dynamic_tools":[{"name":"t"}]"#
        .replace('\n', "");
    let nobody = members.replace(r#""source":"mcp""#, r#""source":"exec""#);
    nothing_but_the_time(lab, &["other", "none"], |second, whose| match whose {
        "other" => meta(second, 2, &members),
        _ => line(second, "session_meta", &format!("{{{nobody}}}")),
    })
    .await?;
    let store = lab.open().await?;
    tell(&store, &[meta(50, 2, &members)]).await?;
    assert_eq!(store.dynamic_tools(id(1)).await?, None);
    assert_eq!(store.dynamic_tools(id(2)).await?, None);
    Ok(())
}

async fn a_tool_that_cannot_be_stored_is_passed_over(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    let deep = format!(r#"{{"name":"deep","x":{}{}}}"#, "[".repeat(128), "]".repeat(128));
    let tools = format!(
        r#""source":"exec","dynamic_tools":[5,{{}},{{"name":""}},{deep},{{"name":"good"}},["name"]]"#
    );
    tell(&store, &[meta(1, 1, &tools), said(2, r#""hello""#)]).await?;
    let found = store.dynamic_tools(id(1)).await?.unwrap_or_default();
    let found: Vec<_> = found.iter().map(DynamicToolSpec::json).collect();
    assert_eq!(found, [r#"{"name":"good"}"#]);
    let row = row(&store, 1).await?;
    assert_eq!((row.source.as_str(), row.title.as_str()), ("exec", "hello"));
    Ok(())
}

fn turn(second: u32, members: &str) -> String {
    line(second, "turn_context", &format!("{{{members}}}"))
}

async fn a_turn_sets_policy_approval_and_model(lab: &Lab) -> Verdict {
    let first = meta(1, 1, r#""model":"first""#);
    let all = turn(2, r#""sandbox_policy":"full","approval_policy":"never","model":"m""#);
    let policy = r#"{ "mode" : "workspace-write", "network_access" : false }"#;
    let objects = turn(3, &format!(r#""sandbox_policy":{policy},"approval_policy":{{"a":[ ]}}"#));
    let none = turn(4, r#""sandbox_policy":"","summary":"auto""#);
    let compact = r#"{"mode":"workspace-write","network_access":false}"#;
    for (lines, sandbox, approval, model) in [
        (vec![&first], "read-only", "on-request", "first"),
        (vec![&first, &all], "full", "never", "m"),
        (vec![&first, &all, &objects], compact, r#"{"a":[]}"#, "m"),
        (vec![&first, &all, &objects, &none], compact, r#"{"a":[]}"#, "m"),
    ] {
        let row = told(lab, &lines).await?;
        assert_eq!((row.sandbox_policy.as_str(), row.approval_mode.as_str()), (sandbox, approval));
        assert_eq!(row.model.as_deref(), Some(model));
    }
    Ok(())
}

async fn a_turn_sets_the_folder_only_where_none_is_known(lab: &Lab) -> Verdict {
    let turn_in = |second, cwd: &str| turn(second, &format!(r#""cwd":"{cwd}""#));
    let row = told(lab, &[turn_in(1, ""), turn_in(2, "/a"), turn_in(3, "/b")]).await?;
    assert_eq!(row.cwd.to_str(), Some("/a"));
    let own = meta(1, 1, r#""cwd":"/own""#);
    assert_eq!(told(lab, &[own, turn_in(2, "/b")]).await?.cwd.to_str(), Some("/own"));
    let store = lab.open().await?;
    store.upsert_thread(super::say::thread(1)).await?;
    tell(&store, &[turn_in(2, "/b")]).await?;
    assert_eq!(row_cwd(&store).await?.as_deref(), Some("/home/mira/project"));
    Ok(())
}

async fn row_cwd(store: &dyn threadkeep_core::Store) -> Verdict<Option<String>> {
    Ok(row(store, 1).await?.cwd.to_str().map(Into::into))
}

fn tokens(second: u32, total: i64) -> String {
    let usage = format!(r#"{{"input_tokens":900,"total_tokens":{total},"cached":1}}"#);
    let last = r#"{"input_tokens":1,"total_tokens":1}"#;
    let info = format!(r#"{{"total_token_usage":{usage},"last_token_usage":{last}}}"#);
    event(second, &format!(r#""type":"token_count","info":{info},"rate_limits":null"#))
}

async fn the_last_total_counts(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    for (second, total, expected) in
        [(1, 42, 42), (2, 7, 7), (3, -5, 0), (4, i64::MAX, i64::MAX), (5, 0, 0)]
    {
        tell(&store, &[tokens(second, total)]).await?;
        assert_eq!(row(&store, 1).await?.tokens_used, expected, "{total}");
    }
    let row = told(lab, &[tokens(1, 42), tokens(2, 43), tokens(3, 5)]).await?;
    assert_eq!(row.tokens_used, 5);
    Ok(())
}

async fn without_a_total_the_tokens_stay(lab: &Lab) -> Verdict {
    for members in [
        r#""type":"token_count""#,
        r#""type":"token_count","info":null"#,
        r#""type":"token_count","info":null,"rate_limits":{"total_tokens":9}"#,
        r#""type":"token_count","info":{}"#,
        r#""type":"token_count","info":{"total_token_usage":{}}"#,
        r#""type":"token_count","info":{"last_token_usage":{"total_tokens":9}}"#,
    ] {
        let row = told(lab, &[tokens(1, 42), event(2, members)]).await?;
        assert_eq!(row.tokens_used, 42, "{members}");
    }
    Ok(())
}
