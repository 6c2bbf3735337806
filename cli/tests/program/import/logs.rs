//! Log entries are imported once each.

use std::fs;

use serde_json::{Value, json};
use threadkeep::{Change, Checkpoint, LogFilter, LogQuery, LogRow};

use super::{FIRST, LOGS, OLD_LOGS, first, import, kept, left_out, runtime, state, write};
use crate::support::Setup;

/// So many entries of this moment.
fn entries(count: u32) -> String {
    format!(
        "WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < {count}) \
         INSERT INTO logs (ts, ts_nanos, level, target, feedback_log_body, process_uuid) \
         SELECT unixepoch(), n, 'INFO', 'agent', 'step ' || n, 'pid:' || (n % 10) FROM n;"
    )
}

fn messages(setup: &Setup) -> Vec<String> {
    let text = |entry: &serde_json::Value| entry["message"].as_str().unwrap().to_owned();
    setup.objects(&["logs", "-n", "all"]).iter().map(text).collect()
}

fn expected(count: u32) -> Vec<String> {
    (1..=count).map(|number| format!("step {number}")).collect()
}

/// What the store remembers of imports.
fn marks(setup: &Setup, change: impl FnMut(Checkpoint) -> Option<Change>) -> usize {
    runtime().block_on(async {
        let store = threadkeep::open(&setup.keeping_all()).await.unwrap();
        let found = store.checkpoints("import-codex/".into(), None, 100).await.unwrap();
        let count = found.len();
        for change in found.into_iter().filter_map(change) {
            store.write(change.into()).await.unwrap();
        }
        store.close().await.unwrap();
        count
    })
}

#[test]
fn entries_come_once_and_new_ones_later() {
    for setup in kept() {
        write(&state(&setup, "state_5.sqlite"), &[FIRST, &first(1, "one")]);
        let file = state(&setup, "logs_2.sqlite");
        write(&file, &[LOGS, &entries(4_500)]);
        let report = import(&setup, 0, &[]);
        assert_eq!(report["logs"]["imported"], 4_500);
        assert_eq!(report["log_dbs"][0], file.to_str().unwrap());
        assert_eq!(messages(&setup), expected(4_500));
        let report = import(&setup, 0, &[]);
        assert_eq!(report["logs"]["imported"], 0);
        assert_eq!(report["logs"]["before"], 4_500);
        // Codex drops old ones and writes new ones; the home moves.
        let more = "DELETE FROM logs WHERE id < 4000; \
                    INSERT INTO logs (ts, ts_nanos, level, target, feedback_log_body) \
                    VALUES (unixepoch(), 1, 'INFO', 'agent', 'step 4501');";
        write(&file, &[more]);
        let moved = setup.folder.path().join("moved");
        fs::rename(&setup.home, &moved).unwrap();
        let setup = Setup { home: moved, ..setup };
        assert_eq!(import(&setup, 0, &[])["logs"]["imported"], 1);
        assert_eq!(messages(&setup), expected(4_501));
        assert_eq!(marks(&setup, |_| None), 1);
        // Codex drops entries thread by thread, so that the last one imported may be gone before
        // older ones.
        let file = state(&setup, "logs_2.sqlite");
        write(&file, &["DELETE FROM logs WHERE id = 4501;", &entries(1)]);
        let report = import(&setup, 0, &[]);
        assert_eq!(report["logs"]["imported"], 1, "{report}");
        assert_eq!(marks(&setup, |_| None), 1);
        // Codex begins the file anew.
        fs::remove_file(&file).unwrap();
        write(&file, &[LOGS, &entries(3)]);
        assert_eq!(import(&setup, 0, &[])["logs"]["imported"], 3);
        assert_eq!(import(&setup, 0, &[])["logs"]["imported"], 0);
    }
}

/// Brings what a store remembers to where an import is cut off around its last three entries, the
/// last of which is this.
fn cut_off(setup: &Setup, before: &str, last: &LogRow) {
    let mut value: Value = serde_json::from_str(before).unwrap();
    value["pending"] = json!({ "through": 13, "after": last.id - 3, "entry": last.entry });
    let value = value.to_string();
    marks(setup, |mark| Some(Change::SetCheckpoint { key: mark.key, value: Some(value.clone()) }));
}

fn last_entry(setup: &Setup) -> LogRow {
    runtime().block_on(async {
        let store = threadkeep::open_read_only(&setup.store).await.unwrap();
        let page = store.query(LogQuery::new(LogFilter::new()).limit(1)).await.unwrap();
        store.close().await.unwrap();
        page.items[0].clone()
    })
}

#[test]
fn an_import_that_was_cut_off_goes_on_where_it_was() {
    let three = entries(13).replace("n(n) AS (SELECT 1", "n(n) AS (SELECT 11");
    for setup in kept() {
        write(&state(&setup, "state_5.sqlite"), &[FIRST]);
        let file = state(&setup, "logs_2.sqlite");
        write(&file, &[LOGS, &entries(10)]);
        import(&setup, 0, &[]);
        let mut ten = String::new();
        marks(&setup, |mark| {
            ten = mark.value;
            None
        });
        write(&file, &[&three]);
        assert_eq!(import(&setup, 0, &[])["logs"]["imported"], 3);

        // The entries were appended, and that could not be noted any more.
        let last = last_entry(&setup);
        cut_off(&setup, &ten, &last);
        assert_eq!(import(&setup, 0, &[])["logs"]["imported"], 0);
        assert_eq!(messages(&setup), expected(13));

        // The entries were not appended.
        cut_off(&setup, &ten, &last);
        setup.run(&["logs", "--vacuum-time", "0s"]).expect(0);
        assert_eq!(import(&setup, 0, &[])["logs"]["imported"], 3);
        assert_eq!(messages(&setup), expected(13)[10..]);
    }
}

#[test]
fn logs_that_cannot_be_read_do_not_stop_threads() {
    for setup in kept() {
        write(&state(&setup, "state_5.sqlite"), &[FIRST, &first(1, "one")]);
        fs::write(state(&setup, "logs_2.sqlite"), "no database ".repeat(100)).unwrap();
        let report = import(&setup, 4, &[]);
        assert_eq!(report["threads"]["created"], 1);
        let [reason] = &left_out(&report)[..] else { panic!("{report}") };
        assert!(reason.starts_with("1 file: ") && reason.contains("no SQLite"), "{reason}");
        assert_eq!(setup.tails(&[]).len(), 1);
    }
}

#[test]
fn two_files_and_an_older_one() {
    for setup in kept() {
        let old = "INSERT INTO logs (ts, ts_nanos, level, target, message) VALUES \
                   (unixepoch(), 1, 'INFO', 'agent', 'in the same file'), \
                   (unixepoch(), 2, 'LOUD', 'agent', 'no level'), \
                   (unixepoch(), -2, 'INFO', 'agent', 'no time'), \
                   (1000, 0, 'INFO', 'agent', 'long ago');";
        write(&state(&setup, "state_5.sqlite"), &[FIRST, OLD_LOGS, old]);
        write(&state(&setup, "logs_1.sqlite"), &[LOGS, &entries(5)]);
        write(&state(&setup, "logs_2.sqlite"), &[LOGS, &entries(2)]);
        let ran = setup.run(&["import-codex", "--json"]).expect(4);
        let report = &ran.objects()[0];
        assert_eq!(report["logs"]["imported"], 4, "{report}");
        assert_eq!(report["logs"]["left_out"], 2);
        assert_eq!(report["logs"]["old"], 1);
        let found = left_out(report);
        assert_eq!(found.len(), 2);
        assert_eq!(found[0], "1 log row: \"LOUD\" is no log level");
        assert!(ran.err.contains("logs_1.sqlite"), "{}", ran.err);
        assert!(ran.err.contains("retention=off"), "{}", ran.err);
        let found = messages(&setup);
        assert!(found.ends_with(&["step 1".into(), "step 2".into()]), "{found:?}");
        assert!(found.contains(&"in the same file".into()));
        assert_eq!(import(&setup, 0, &[])["logs"]["imported"], 0);

        let [other, _] = kept();
        let report = import(
            &other,
            0,
            &["--no-logs", "--db", state(&setup, "state_5.sqlite").to_str().unwrap()],
        );
        assert_eq!(report["logs"]["imported"], 0);
    }
}
