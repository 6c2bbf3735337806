//! The program against an independent oracle, field by field, on whole Codex homes.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod oracle;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use oracle::{Expected, expected, expected_tools};
use serde_json::Value;

/// The sample home always, the collection of real files where it lies beside the workspace.
fn homes() -> Vec<PathBuf> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut found = Vec::new();
    for place in ["examples/codex-home", "../shared/rollouts"] {
        match workspace.join(place).canonicalize() {
            Ok(home) => found.push(home),
            Err(error) => println!("skipped: {place}: {error}"),
        }
    }
    found
}

fn sample_home() -> PathBuf {
    let home = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/codex-home");
    home.canonicalize().expect("the sample home is part of the repository")
}

fn threadkeep(store: &str, home: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_threadkeep"))
        .env_remove("THREADKEEP_STORE")
        .env_remove("CODEX_HOME")
        .args(["--store", store, "--home"])
        .arg(home)
        .args(arguments)
        .output()
        .unwrap()
}

/// The objects on stdout, by thread id.
fn listed(store: &str, home: &Path) -> BTreeMap<String, Value> {
    let arguments = ["list", "--any", "--include-empty", "--json", "-n", "100000"];
    let output = threadkeep(store, home, &arguments);
    let errors = String::from_utf8_lossy(&output.stderr);
    let code = output.status.code();
    assert!(matches!(code, Some(0 | 4)), "list ended with {code:?}: {errors}");
    let mut threads = BTreeMap::new();
    for line in String::from_utf8(output.stdout).unwrap().lines() {
        let thread: Value = serde_json::from_str(line).unwrap();
        let id = thread["id"].as_str().unwrap_or_else(|| panic!("not a thread: {line}"));
        let again = threads.insert(id.to_owned(), thread.clone());
        assert!(again.is_none(), "{id} is listed twice");
    }
    threads
}

/// One line for each field that differs; `revision` is the store's own affair.
fn differences(expected: &BTreeMap<String, Value>, actual: &BTreeMap<String, Value>) -> String {
    let mut report = String::new();
    let ids: BTreeSet<_> = expected.keys().chain(actual.keys()).collect();
    for id in ids {
        let (Some(want), Some(got)) = (expected.get(id), actual.get(id)) else {
            let side = if expected.contains_key(id) { "missing" } else { "unexpected" };
            writeln!(report, "{id}: {side}").unwrap();
            continue;
        };
        let (want, got) = (want.as_object().unwrap(), got.as_object().unwrap());
        let fields: BTreeSet<_> = want.keys().chain(got.keys()).collect();
        for field in fields.into_iter().filter(|field| *field != "revision") {
            let (want_value, got_value) = (want.get(field), got.get(field));
            if want_value != got_value {
                let show = |value: Option<&Value>| value.map_or("absent".into(), Value::to_string);
                let (want, got) = (show(want_value), show(got_value));
                let path = &actual[id]["rollout_path"];
                writeln!(report, "{id} {field} ({path})\n  want {want}\n  got  {got}").unwrap();
            }
        }
    }
    report
}

fn assert_same(home: &Path, oracle: &Expected, actual: &BTreeMap<String, Value>) {
    let report = differences(&oracle.threads, actual);
    assert!(report.is_empty(), "{} differs from the oracle:\n{report}", home.display());
}

#[test]
fn memory_lists_what_the_oracle_computes() {
    for home in homes() {
        assert_same(&home, &expected(&home), &listed("memory:", &home));
    }
}

#[test]
fn sqlite_lists_what_the_oracle_computes_and_index_names_what_it_skips() {
    for home in homes() {
        let folder = tempfile::tempdir().unwrap();
        let store = format!("sqlite:{}", folder.path().join("t.db").display());
        let oracle = expected(&home);
        for extra in [&["index", "--json"][..], &["index", "--json", "--full"]] {
            let output = threadkeep(&store, &home, extra);
            let mut said = String::from_utf8_lossy(&output.stdout).into_owned();
            said.push_str(&String::from_utf8_lossy(&output.stderr));
            let code = output.status.code();
            assert!(matches!(code, Some(0 | 4)), "{extra:?} ended with {code:?}: {said}");
            for (path, reason) in &oracle.skipped {
                let name = path.file_name().unwrap().to_string_lossy();
                assert!(said.contains(&*name), "{extra:?} does not name {name} ({reason}): {said}");
            }
            assert_same(&home, &oracle, &listed(&store, &home));
        }
    }
}

/// Name and schema of each tool, however the object round them is laid out.
fn schemas(value: &Value, found: &mut Vec<(String, Value)>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| schemas(item, found)),
        Value::Object(tool) => {
            let schema = ["inputSchema", "input_schema"].iter().find_map(|key| tool.get(*key));
            match (tool.get("name").and_then(Value::as_str), schema) {
                (Some(name), Some(schema)) => found.push((name.to_owned(), schema.clone())),
                _ => tool.values().for_each(|member| schemas(member, found)),
            }
        }
        _ => {}
    }
}

#[test]
fn tools_come_back_in_order_with_their_schemas() {
    for home in homes() {
        for (id, tools) in expected_tools(&home) {
            let output = threadkeep("memory:", &home, &["tools", &id, "--json"]);
            let (mut want, mut got) = (Vec::new(), Vec::new());
            schemas(&tools, &mut want);
            for line in String::from_utf8(output.stdout).unwrap().lines() {
                schemas(&serde_json::from_str(line).unwrap(), &mut got);
            }
            assert_eq!(want, got, "tools of {id} in {}", home.display());
        }
    }
}

/// Pins the oracle itself: these rows were worked out by hand from the sample files.
#[test]
fn the_oracle_reads_the_sample_home_as_a_person_does() {
    let home = sample_home();
    let oracle = expected(&home);
    let of = |tail: &str| {
        let mut rows = oracle.threads.iter().filter(|(id, _)| id.ends_with(tail));
        rows.next().map(|(_, row)| row).expect(tail)
    };
    for (tail, field, value) in [
        (
            "439fc",
            "title",
            "Port the recipe importer to Python 3 and keep the old CSV files readable",
        ),
        ("d0ba3", "title", "Why does the tide table show yesterday's heights after midnight?"),
        (
            "73728",
            "title",
            "Add a dark theme to the seed catalogue that follows the system setting",
        ),
        ("10259", "cwd", "/srv/ci/build/orchard-api"),
        ("10259", "model", "gpt-5.2-codex"),
        ("18f5e", "title", ""),
        ("18f5e", "preview", "[Image]"),
        ("6e022", "cwd", "/home/mira/src/tide-table"),
        ("d9c65", "name", "Resumable export"),
        ("d9c65", "sandbox_policy", r#"{"type":"danger-full-access"}"#),
        ("19541", "name", "Endgames \u{FFFD}"),
        ("e4605", "cli_version", "0.153.4"),
        ("e4605", "model", "gpt-5.6-sol"),
        ("e4605", "title", "Draw the tide curve as SVG so that it prints well"),
    ] {
        assert_eq!(of(tail)[field], value, "{tail} {field}");
    }
    let [lost] = &oracle.duplicates[..] else {
        panic!("one file loses, not {:?}", oracle.duplicates);
    };
    assert!(lost.starts_with(home.join("archived_sessions")), "{lost:?}");
    assert!(oracle.skipped.is_empty(), "{:?}", oracle.skipped);
    assert_eq!((oracle.threads.len(), expected_tools(&home).len()), (16, 3));
}
