//! Databases as versions of Codex have left them.

use serde_json::{Value, json};

use super::{
    FIRST, GIT, LOGS, NAMESPACES, NEWEST, OLD_LOGS, TOOLS, WORDS, contents, first, import, kept,
    left_out, show, state, write,
};
use crate::support::id;

#[test]
fn the_first_shape_with_seconds_and_logs_in_the_same_file() {
    for setup in kept() {
        let file = state(&setup, "state.db");
        let rows = [
            first(1, "Fix the tide table"),
            first(2, "Old work"),
            "UPDATE threads SET archived = 1, archived_at = 1772361000 WHERE title = 'Old work';"
                .into(),
            "INSERT INTO logs (ts, ts_nanos, level, target, message, thread_id) \
             VALUES (unixepoch(), 5, 'INFO', 'agent', 'ready', NULL);"
                .into(),
        ];
        write(&file, &[FIRST, OLD_LOGS, &rows.concat()]);
        let before = contents(&setup.home);

        let report = import(&setup, 0, &[]);
        assert_eq!(report["db"], file.to_str().unwrap());
        assert_eq!(report["threads"]["created"], 2);
        assert_eq!(report["logs"]["imported"], 1);
        assert_eq!(left_out(&report), Vec::<String>::new());

        let row = show(&setup, 1);
        let path = format!("/home/ann/.codex/sessions/rollout-2026-03-01T09-30-00-{}.jsonl", id(1));
        let expected = json!({
            "id": id(1), "rollout_path": path,
            "created_at": "2026-03-01T09:30:01.000Z", "updated_at": "2026-03-01T10:13:21.000Z",
            "source": "cli", "model_provider": "openai", "model": null, "cli_version": null,
            "cwd": "/srv/app", "title": "Fix the tide table", "preview": null, "name": null,
            "sandbox_policy": "read-only", "approval_mode": "never", "tokens_used": 70,
            "has_user_event": true, "archived_at": null, "git_sha": null, "git_branch": null,
            "git_origin_url": null, "applied_through": 0, "revision": 1,
        });
        assert_eq!(row, expected);
        assert_eq!(show(&setup, 2)["archived_at"], "2026-03-01T10:30:00.000Z");
        assert_eq!(setup.tails(&[]), [&id(1)[24..]]);
        assert_eq!(setup.tails(&["--archived"]), [&id(2)[24..]]);
        let [entry] = &setup.objects(&["logs"])[..] else { panic!("one entry") };
        assert_eq!(entry["message"], "ready");
        assert_eq!(setup.run(&["tools", &id(1)]).expect(0).out, "[]\n");
        setup.run(&["check"]).expect(0);
        assert_eq!(contents(&setup.home), before);
    }
}

#[test]
fn a_middle_shape_with_tools_and_titles_that_are_names() {
    for setup in kept() {
        let long = "long ".repeat(30_000);
        let rows = [
            first(1, "Tides"),
            first(2, "Fix the build"),
            first(3, ""),
            first(4, &long),
            format!(
                "UPDATE threads SET first_user_message = 'Please fix the tide table', \
                 cli_version = '0.119.0', git_branch = 'main', git_sha = '49f1c7e', \
                 git_origin_url = '', source = '{{\"subagent\":\"review\"}}' WHERE title = 'Tides'; \
                 UPDATE threads SET first_user_message = 'Fix the build' || char(10) || 'now' \
                 WHERE title = 'Fix the build'; \
                 UPDATE threads SET first_user_message = title WHERE id = '{}'; \
                 INSERT INTO thread_dynamic_tools VALUES \
                 ('{}', 1, 'b', 'Second.', '{{\"b\":1.00,\"a\":[1e400]}}'), \
                 ('{}', 0, 'a', 'First \"quoted\".', '{{}}');",
                id(4),
                id(1),
                id(1)
            ),
        ];
        write(&state(&setup, "state_4.sqlite"), &[FIRST, GIT, WORDS, TOOLS, &rows.concat()]);

        let report = import(&setup, 0, &[]);
        assert_eq!(report["tools"], json!({ "threads": 1, "tools": 2 }));
        let row = show(&setup, 1);
        assert_eq!(row["name"], "Tides");
        assert_eq!(row["title"], "Please fix the tide table");
        assert_eq!(row["preview"], "Please fix the tide table");
        assert_eq!(row["source"], r#"{"subagent":"review"}"#);
        assert_eq!(row["cli_version"], "0.119.0");
        assert_eq!(row["git_branch"], "main");
        assert!(row["git_origin_url"].is_null());
        let row = show(&setup, 2);
        assert!(row["name"].is_null(), "{row}");
        assert_eq!(row["title"], "Fix the build");
        assert_eq!(row["preview"], "Fix the build\nnow");
        assert_eq!(show(&setup, 3)["has_user_event"], false);
        let row = show(&setup, 4);
        assert_eq!(row["title"].as_str().unwrap().len(), 512);
        assert_eq!(row["preview"].as_str().unwrap().len(), 4_096);
        assert!(row["name"].is_null());
        assert_eq!(setup.tails(&[]).len(), 3, "nobody wrote in the third");

        let tools = setup.run(&["tools", &id(1), "--json"]).expect(0).out;
        let expected = "{\"name\":\"a\",\"description\":\"First \\\"quoted\\\".\",\"inputSchema\":{}}\n\
                        {\"name\":\"b\",\"description\":\"Second.\",\"inputSchema\":{\"b\":1.00,\"a\":[1e400]}}\n";
        assert_eq!(tools, expected);
    }
}

#[test]
fn the_newest_shape_with_milliseconds_names_and_logs_apart() {
    for setup in kept() {
        let rows = [
            first(1, "Fix the tide table"),
            first(2, "Written by an older version"),
            first(3, "Named so"),
            format!(
                "UPDATE threads SET created_at_ms = created_at * 1000 + 123, \
                 updated_at_ms = updated_at * 1000 + 456, model = 'gpt-5', preview = 'Fix it'; \
                 UPDATE threads SET name = 'Tides', has_user_event = 0 WHERE id = '{}'; \
                 UPDATE threads SET updated_at = updated_at + 60 WHERE id = '{}'; \
                 UPDATE threads SET name = title, first_user_message = 'First words' WHERE id = '{}'; \
                 UPDATE threads SET recency_at_ms = updated_at_ms; \
                 INSERT INTO thread_dynamic_tools VALUES ('{}', 0, 'face', 'Shows.', '{{}}', 1, 'clock');",
                id(1),
                id(2),
                id(3),
                id(1)
            ),
        ];
        let sql = [FIRST, GIT, WORDS, NEWEST, TOOLS, NAMESPACES, &rows.concat()];
        write(&state(&setup, "state_5.sqlite"), &sql);
        let entry = format!(
            "INSERT INTO logs (ts, ts_nanos, level, target, feedback_log_body, module_path, file, \
             line, thread_id, process_uuid) VALUES (unixepoch(), 123456789, 'warn', 'agent::net', \
             'slow', 'agent::net::http', 'src/http.rs', 77, '{}', 'pid:12');",
            id(1)
        );
        write(&state(&setup, "logs_2.sqlite"), &[LOGS, &entry]);
        let before = contents(&setup.home);

        let report = import(&setup, 0, &[]);
        assert_eq!(left_out(&report), Vec::<String>::new());
        let row = show(&setup, 1);
        assert_eq!(row["created_at"], "2026-03-01T09:30:01.123Z");
        assert_eq!(row["updated_at"], "2026-03-01T10:13:21.456Z");
        assert_eq!(row["name"], "Tides");
        assert_eq!(row["title"], "Fix the tide table");
        assert_eq!(row["preview"], "Fix it");
        assert_eq!(row["model"], "gpt-5");
        assert_eq!(row["has_user_event"], true, "the preview is of a person's message");
        let row = show(&setup, 2);
        assert_eq!(row["updated_at"], "2026-03-01T10:14:22.000Z", "the seconds are the later ones");
        let row = show(&setup, 3);
        assert_eq!((&row["name"], &row["title"]), (&"Named so".into(), &"First words".into()));
        let tools = setup.objects(&["tools", &id(1)]);
        let expected: Value = json!([{
            "namespace": "clock", "name": "face", "description": "Shows.", "inputSchema": {},
            "deferLoading": true,
        }]);
        assert_eq!(Value::from(tools), expected);
        let [entry] = &setup.objects(&["logs", "--thread", &id(1)])[..] else {
            panic!("one entry")
        };
        assert_eq!(entry["nanos"], 123_456_789);
        assert_eq!(entry["level"], "WARN");
        assert_eq!(entry["process_id"], "pid:12");
        assert_eq!(entry["line"], 77);
        assert_eq!(contents(&setup.home), before);
    }
}

#[test]
fn times_of_one_column_may_be_in_seconds_and_in_milliseconds() {
    for setup in kept() {
        let rows = [first(1, "seconds"), first(2, "milliseconds")].concat();
        let change = "UPDATE threads SET created_at = 1772357400250, updated_at = 1772357400250, \
                      archived = 1, archived_at = 1772357400999 WHERE title = 'milliseconds';";
        write(&state(&setup, "state_5.sqlite"), &[FIRST, &rows, change]);
        import(&setup, 0, &[]);
        assert_eq!(show(&setup, 1)["created_at"], "2026-03-01T09:30:01.000Z");
        let row = show(&setup, 2);
        assert_eq!(row["created_at"], "2026-03-01T09:30:00.250Z");
        assert_eq!(row["archived_at"], "2026-03-01T09:30:00.999Z");
    }
}

#[test]
fn what_a_table_does_not_have_is_made_up_for() {
    // (columns, values, members of the row that come of it)
    let path = format!("/h/sessions/rollout-2026-03-01T09-30-00-{}.jsonl", id(1));
    let archived = path.replace("/sessions/", "/archived_sessions/");
    for (columns, values, expected) in [
        (
            "id, rollout_path",
            format!("'{}', '{path}'", id(1)),
            json!({
                "created_at": "2026-03-01T09:30:00.000Z", "updated_at": "2026-03-01T09:30:00.000Z",
                "source": "unknown", "model_provider": "openai", "sandbox_policy": "read-only",
                "approval_mode": "on-request", "archived_at": null, "has_user_event": false,
            }),
        ),
        (
            "id, rollout_path",
            format!("'{}', '{archived}'", id(1)),
            json!({ "archived_at": "2026-03-01T09:30:00.000Z" }),
        ),
        (
            "id, rollout_path, archived_at, updated_at",
            format!("'{}', '{archived}', NULL, 7", id(1)),
            json!({ "archived_at": null, "updated_at": "2026-03-01T09:30:00.000Z" }),
        ),
        ("id, rollout_path, archived_at", format!("'{}', '/h/a.jsonl', 7", id(1)), json!({})),
        (
            "ID, ROLLOUT_PATH, Archived, updated_at",
            format!("'{}', '/h/a.jsonl', 1, 7", id(1).to_uppercase()),
            json!({
                "created_at": "1970-01-01T00:00:07.000Z", "archived_at": "1970-01-01T00:00:07.000Z",
            }),
        ),
        (
            "id, rollout_path, tokens_used, source, model_provider, created_at",
            format!("'{}', '/h/a.jsonl', -7, '', NULL, 7", id(1)),
            json!({ "tokens_used": 0, "source": "unknown", "model_provider": "openai" }),
        ),
    ] {
        let [setup, _] = kept();
        let table =
            format!("CREATE TABLE threads ({columns}); INSERT INTO threads VALUES ({values});");
        write(&state(&setup, "state_5.sqlite"), &[&table]);
        if expected == json!({}) {
            let report = import(&setup, 4, &[]);
            assert_eq!(left_out(&report), ["1 thread: there is no time at which it began"]);
            continue;
        }
        import(&setup, 0, &[]);
        let row = show(&setup, 1);
        for (name, value) in expected.as_object().unwrap() {
            assert_eq!(&row[name], value, "{name} of ({columns}) ({values})");
        }
    }
}
