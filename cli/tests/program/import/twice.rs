//! The store's own state comes first, and an import that is repeated changes nothing.

use serde_json::json;

use super::{FIRST, NEWEST, TOOLS, WORDS, first, import, kept, show, state, write};
use crate::support::{id, write_rollout};

#[test]
fn importing_twice_changes_nothing() {
    for setup in kept() {
        let rows = [first(1, "one"), first(2, "two"), first(3, "three")].concat();
        let more = format!(
            "UPDATE threads SET name = 'named', archived = 1 WHERE title = 'one'; \
             INSERT INTO thread_dynamic_tools VALUES ('{}', 0, 'a', '', '{{}}');",
            id(2)
        );
        write(&state(&setup, "state_5.sqlite"), &[FIRST, WORDS, NEWEST, TOOLS, &rows, &more]);
        import(&setup, 0, &[]);
        let all = || setup.objects(&["list", "--any", "--include-empty"]);
        let before = all();
        for _ in 0..2 {
            let report = import(&setup, 0, &[]);
            assert_eq!(report["threads"]["unchanged"], 3, "{report}");
            assert_eq!(report["threads"]["filled"], 0);
            assert_eq!(all(), before);
        }
    }
}

#[test]
fn what_people_did_in_the_store_stays() {
    for setup in kept() {
        let rows: Vec<_> = (1..=5).map(|number| first(number, "from Codex")).collect();
        let more = format!(
            "UPDATE threads SET name = 'old name'; \
             UPDATE threads SET archived = 1 WHERE id IN ('{}', '{}');",
            id(3),
            id(4)
        );
        let file = state(&setup, "state_5.sqlite");
        write(&file, &[FIRST, WORDS, NEWEST, &rows.concat(), &more]);
        import(&setup, 0, &[]);
        setup.run(&["rename", &id(1), "new name"]).expect(0);
        setup.run(&["rename", &id(2), ""]).expect(0);
        setup.run(&["unarchive", &id(3)]).expect(0);
        setup.run(&["delete", "--yes", &id(5)]).expect(0);
        let before: Vec<_> = (1..=4).map(|number| show(&setup, number)).collect();
        let change = format!("UPDATE threads SET name = 'other name' WHERE id = '{}';", id(4));
        write(&file, &[&change]);

        let report = import(&setup, 0, &[]);
        assert_eq!(
            report["threads"],
            json!({
                "seen": 5, "created": 0, "filled": 0, "unchanged": 4, "deleted": 1, "left_out": 0,
                "active_here": 1,
            })
        );
        let after: Vec<_> = (1..=4).map(|number| show(&setup, number)).collect();
        assert_eq!(after, before);
        assert_eq!(after[0]["name"], "new name");
        assert!(after[1]["name"].is_null());
        assert!(after[2]["archived_at"].is_null());
        setup.run(&["show", &id(5)]).expect(3);
        let ran = setup.run(&["import-codex"]).expect(0);
        assert!(ran.err.contains("1 thread archived in Codex"), "{}", ran.err);
        assert!(ran.out.contains("1 deleted before"), "{}", ran.out);

        // It went on in Codex after it was deleted here.
        let later = format!("UPDATE threads SET updated_at = 32472144000 WHERE id = '{}';", id(5));
        write(&file, &[&later]);
        assert_eq!(import(&setup, 0, &[])["threads"]["created"], 1);
        assert_eq!(show(&setup, 5)["name"], "old name");
    }
}

#[test]
fn a_history_that_was_read_is_only_completed() {
    for setup in kept() {
        let path = write_rollout(&setup.home, 1, "what was written");
        setup.run(&["index"]).expect(0);
        let indexed = show(&setup, 1);
        let row = first(1, "another title");
        let more = "UPDATE threads SET tokens_used = 90, model = 'gpt-5', git_branch = 'main', \
                    name = 'by hand', cwd = '/other', archived = 1, \
                    updated_at = 32472144000;";
        let columns = [FIRST, super::GIT, WORDS, NEWEST, &row, more];
        write(&state(&setup, "state_5.sqlite"), &columns);
        let report = import(&setup, 0, &[]);
        assert_eq!(report["threads"]["filled"], 1);

        let mut expected = indexed.clone();
        for (name, value) in [
            ("tokens_used", json!(90)),
            ("model", json!("gpt-5")),
            ("git_branch", json!("main")),
            ("name", json!("by hand")),
            ("revision", json!(2)),
        ] {
            expected[name] = value;
        }
        assert_eq!(show(&setup, 1), expected, "no time moves, no path, no title");
        assert_eq!(import(&setup, 0, &[])["threads"]["unchanged"], 1);
        assert_eq!(setup.objects(&["index"])[0]["files_opened"], 0);
        assert_eq!(show(&setup, 1), expected);
        assert!(path.exists());
    }
}

#[test]
fn indexing_afterwards_goes_on_from_what_was_imported() {
    for setup in kept() {
        let rows = first(1, "Please fix it");
        let more = "UPDATE threads SET name = 'by hand', preview = 'Please fix it', archived = 1;";
        write(&state(&setup, "state_5.sqlite"), &[FIRST, WORDS, NEWEST, &rows, more]);
        import(&setup, 0, &[]);
        write_rollout(&setup.home, 1, "what was written");
        setup.run(&["index"]).expect(0);
        let row = show(&setup, 1);
        assert_eq!(row["name"], "by hand");
        assert!(row["archived_at"].is_string(), "{row}");
        assert!(row["rollout_path"].as_str().unwrap().starts_with(setup.home.to_str().unwrap()));
        assert!(row["applied_through"].as_u64().unwrap() > 0);
        assert_eq!(import(&setup, 0, &[])["threads"]["unchanged"], 1);
    }
}
