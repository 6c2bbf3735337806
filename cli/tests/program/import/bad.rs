//! What cannot be imported is named, and the rest is imported.

use std::fs;

use super::{
    FIRST, LOGS, NAMESPACES, NEWEST, TOOLS, WORDS, contents, first, import, kept, left_out, show,
    state, write,
};
use crate::support::id;

#[test]
fn what_has_no_place_is_counted_by_name() {
    for setup in kept() {
        let rows = [first(1, "one"), first(2, "two"), first(3, "three")].concat();
        let more = "
            UPDATE threads SET created_at_ms = created_at * 1000, updated_at_ms = updated_at * 1000;
            UPDATE threads SET recency_at_ms = updated_at_ms;
            UPDATE threads SET recency_at_ms = recency_at_ms + 1 WHERE title = 'one';
            UPDATE threads SET agent_role = 'explorer' WHERE title <> 'one';
            UPDATE threads SET memory_mode = 'off' WHERE title = 'two';
            UPDATE threads SET name_state = 'explicit';
            ALTER TABLE threads ADD COLUMN \"odd \"\"one\"\"\" TEXT;
            UPDATE threads SET \"odd \"\"one\"\"\" = 'x';
            CREATE TABLE thread_goals (thread_id TEXT, goal TEXT);
            INSERT INTO thread_goals VALUES ('a', 'b'), ('c', 'd');
            CREATE TABLE empty_table (a);
            CREATE VIEW a_view AS SELECT 1;
            CREATE TABLE backfill_state (id INTEGER, status TEXT);
            INSERT INTO backfill_state VALUES (1, 'complete');";
        write(&state(&setup, "state_5.sqlite"), &[FIRST, WORDS, NEWEST, &rows, more]);
        fs::write(state(&setup, "goals_1.sqlite"), "").unwrap();

        let report = import(&setup, 4, &[]);
        let expected = [
            "2 row: the table thread_goals has no place in a store",
            "2 value: threads.agent_role has no place in a store",
            "1 value: threads.memory_mode has no place in a store",
            "3 value: threads.odd \"one\" has no place in a store",
            "1 value: threads.recency_at_ms has no place in a store",
        ];
        assert_eq!(left_out(&report), expected);
        assert_eq!(report["threads"]["created"], 3);

        let ran = setup.run(&["import-codex"]).expect(4);
        assert!(
            ran.out.contains("state_5.sqlite: 3 threads: 0 new, 0 completed, 3 as they were, ")
        );
        assert_eq!(ran.out.lines().count(), 1, "{}", ran.out);
        for line in [
            "left out: 2 values: threads.agent_role has no place in a store\n",
            "left out: 2 rows: the table thread_goals has no place in a store\n",
            "a store has no place for it: goals_1.sqlite\n",
        ] {
            assert!(ran.err.contains(line), "{line}{}", ran.err);
        }
    }
}

#[test]
fn rows_that_are_no_threads_are_named() {
    for setup in kept() {
        let rows = [
            first(1, "good"),
            first(2, "bad values"),
            first(3, "no path"),
            first(4, "no beginning"),
            first(5, "last"),
        ]
        .concat();
        let more = format!(
            "CREATE TABLE other AS SELECT * FROM threads; DROP TABLE threads; \
             ALTER TABLE other RENAME TO threads; \
             INSERT INTO threads (id, rollout_path) VALUES (NULL, '/a'), ('', '/b'), \
             ('seven', '/c'), ('12', '/d'), (x'ff00', '/e'); \
             UPDATE threads SET updated_at = 9e18, tokens_used = 'many', title = x'ff', \
             cwd = x'2f61ff' WHERE id = '{}'; \
             UPDATE threads SET rollout_path = NULL WHERE id = '{}'; \
             UPDATE threads SET rollout_path = '/h/a.jsonl', created_at = 253402300800000, \
             updated_at = -9223372036854775808 WHERE id = '{}';",
            id(2),
            id(3),
            id(4)
        );
        write(&state(&setup, "state_5.sqlite"), &[FIRST, &rows, &more]);
        let report = import(&setup, 4, &[]);
        assert_eq!(
            left_out(&report),
            [
                "3 thread: the id is no UUID",
                "2 thread: there is no id",
                "1 thread: there is no path of a history file",
                "1 thread: there is no time at which it began",
                "1 value: threads.created_at is no time between the years 0 and 9999",
                "1 value: threads.title is no text",
                "1 value: threads.tokens_used is no number",
                "2 value: threads.updated_at is no time between the years 0 and 9999",
            ]
        );
        let names = &report["left_out"][0]["names"];
        assert_eq!(
            names,
            &serde_json::json!(["\"seven\"", "\"12\"", "2 bytes that are not UTF-8"])
        );
        assert_eq!(report["threads"]["created"], 3);
        assert_eq!(report["threads"]["left_out"], 7);
        let row = show(&setup, 2);
        assert_eq!(row["updated_at"], "2026-03-01T09:30:02.000Z");
        assert_eq!(row["cwd"], "bytes:/a%FF");
        assert_eq!(show(&setup, 5)["title"], "last");
        let ran = setup.run(&["import-codex"]).expect(4);
        assert!(ran.err.contains("no UUID: \"seven\", \"12\", 2 bytes"), "{}", ran.err);
    }
}

#[test]
fn tools_that_break_a_limit_are_named_and_the_others_kept() {
    for setup in kept() {
        let one = id(1);
        let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
        let tools = format!(
            "INSERT INTO thread_dynamic_tools VALUES ('{one}', 0, 'good', '', '{{}}', 0, NULL), \
             ('{one}', 1, 'deep', '', '{deep}', 0, NULL), ('{one}', 2, 'broken', '', '{{', 0, NULL), \
             ('{one}', 3, '', '', '{{}}', 0, NULL), \
             ('{one}', 4, 'large', '', '\"' || printf('%.*c', 5000000, 'x') || '\"', 0, NULL), \
             ('{}', 0, 'stray', '', '{{}}', 0, NULL);",
            id(9)
        );
        write(
            &state(&setup, "state_5.sqlite"),
            &[FIRST, TOOLS, NAMESPACES, &first(1, "one"), &tools],
        );
        let report = import(&setup, 4, &[]);
        let found = left_out(&report);
        assert_eq!(found.len(), 5, "{found:?}");
        for part in ["201 levels", "bytes of JSON", "has no name", "not valid JSON", "not there"] {
            assert!(found.iter().any(|line| line.contains(part)), "{part}: {found:?}");
        }
        assert!(report["left_out"].to_string().contains(&format!("\\\"deep\\\" of {one}")));
        let tools = setup.objects(&["tools", &one]);
        assert_eq!(tools.len(), 1, "{tools:?}");
        assert_eq!(tools[0]["name"], "good");
    }
}

#[test]
fn a_thread_that_the_store_refuses_does_not_hold_up_the_others() {
    for setup in kept() {
        let rows = [first(1, "one"), first(2, "two"), first(3, "three")].concat();
        let large = "UPDATE threads SET sandbox_policy = printf('%.*c', 17000000, 'x') \
                     WHERE title = 'two';";
        write(&state(&setup, "state_5.sqlite"), &[FIRST, &rows, large]);
        let report = import(&setup, 4, &[]);
        let expected = "1 thread: sandbox_policy has 17000000 bytes, the limit is 16777216";
        assert_eq!(left_out(&report), [expected]);
        assert_eq!(setup.tails(&[]), [&id(3)[24..], &id(1)[24..]]);
    }
}

#[test]
fn tables_that_are_not_there_or_not_whole() {
    let [setup, redb] = kept();
    write(&state(&setup, "state_5.sqlite"), &[LOGS]);
    let report = import(&setup, 4, &[]);
    assert_eq!(left_out(&report), ["1 table: threads is not there"]);

    let tables =
        "CREATE TABLE threads (id TEXT, title TEXT); INSERT INTO threads VALUES ('a', 'b');
        CREATE TABLE logs (a TEXT PRIMARY KEY, ts, level) WITHOUT ROWID;
        INSERT INTO logs VALUES ('a', 1, 'INFO');";
    write(&state(&redb, "state_5.sqlite"), &[tables]);
    let report = import(&redb, 4, &[]);
    let expected = [
        "1 row: the table logs has no row numbers",
        "1 row: the table threads has no column rollout_path",
    ];
    assert_eq!(left_out(&report), expected);
}

#[test]
fn files_that_are_no_state_databases() {
    let [setup, _] = kept();
    let file = state(&setup, "state_5.sqlite");
    let named = |part: &str, error: &serde_json::Value| {
        let message = error["message"].as_str().unwrap();
        assert!(message.contains("state_5.sqlite") && message.contains(part), "{error}");
        assert!(error["hint"].as_str().unwrap().contains("--db"), "{error}");
    };
    let error = setup.run(&["import-codex", "--json"]).expect(3).error();
    assert!(error["message"].as_str().unwrap().contains("no state database"), "{error}");
    let missing = file.to_str().unwrap();
    named("no file", &setup.run(&["import-codex", "--db", missing, "--json"]).expect(3).error());
    fs::write(&file, "a letter, not a database\n".repeat(400)).unwrap();
    let before = contents(&setup.home);
    named("no SQLite database", &setup.run(&["import-codex", "--json"]).expect(2).error());
    assert_eq!(contents(&setup.home), before);
    fs::write(&file, "").unwrap();
    named("neither a table", &setup.run(&["import-codex", "--json"]).expect(2).error());
    write(&file, &["CREATE TABLE notes (a);"]);
    named("neither a table", &setup.run(&["import-codex", "--json"]).expect(2).error());
    assert_eq!(contents(&setup.home).len(), 1);
    assert!(!setup.folder.path().join("threads.db").exists(), "no store is made of nothing");
    let folder = setup.home.to_str().unwrap();
    setup.run(&["import-codex", "--db", folder]).expect(1);
    setup.run(&["import-codex", "--db", ""]).expect(2);
}

#[test]
fn a_damaged_page_ends_the_reading_and_keeps_what_came_before() {
    for setup in kept() {
        let rows: Vec<_> = (1..=250).map(|number| first(number, &"x".repeat(400))).collect();
        let file = state(&setup, "state_5.sqlite");
        write(&file, &[FIRST, &rows.concat()]);
        let mut bytes = fs::read(&file).unwrap();
        let last = format!("'{}'", id(240)).replace('\'', "").into_bytes();
        let at = bytes.windows(last.len()).rposition(|window| window == last).unwrap();
        let page = at / 4_096 * 4_096;
        bytes[page..page + 64].fill(0xff);
        fs::write(&file, &bytes).unwrap();
        let report = import(&setup, 4, &[]);
        let created = report["threads"]["created"].as_u64().unwrap();
        assert!((100..250).contains(&created), "{report}");
        let found = left_out(&report);
        let cut = "1 table: threads cannot be read to its end: ";
        assert!(found.iter().any(|line| line.starts_with(cut)), "{found:?}");
        assert_eq!(setup.objects(&["list", "-n", "1000"]).len() as u64, created);
        assert!(fs::read(&file).unwrap() == bytes);
    }
}
