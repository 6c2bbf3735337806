//! Several programs on one redb store at the same time.

use std::process::Stdio;

use crate::support::{Setup, id, sample_home, write_rollout};

/// A home with so many threads, and a redb store for them.
fn with_threads(count: u8) -> Setup {
    let redb = Setup::redb("");
    let home = redb.folder.path().join("home");
    for number in 0..count {
        write_rollout(&home, number, &format!("thread {number}"));
    }
    Setup { home, ..redb }
}

#[test]
fn two_programs_index_into_one_store_while_others_list() {
    let setup = with_threads(60);
    for _ in 0..3 {
        let mut indexers: Vec<_> = (0..2)
            .map(|_| {
                let mut command = setup.command(&["index", "--full", "--json"]);
                command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
            })
            .collect();
        let mut listed = 0;
        while indexers.iter_mut().any(|indexer| indexer.try_wait().unwrap().is_none()) {
            setup.run(&["list", "-n", "10"]).expect(0);
            setup.run(&["logs"]).expect(0);
            listed += 1;
        }
        assert!(listed > 0);
        for indexer in indexers {
            let output = indexer.wait_with_output().unwrap();
            let errors = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(output.status.code(), Some(0), "{errors}");
        }
        let mut ids: Vec<_> = setup
            .objects(&["list", "--any", "-n", "1000"])
            .iter()
            .map(|row| row["id"].as_str().unwrap().to_owned())
            .collect();
        ids.sort();
        assert_eq!(ids, (0..60).map(id).collect::<Vec<_>>(), "each thread once");
        setup.run(&["check"]).expect(0);
    }
}

#[test]
fn a_store_that_another_program_has_for_itself_says_who() {
    let setup = Setup::redb(sample_home());
    setup.run(&["index"]).expect(0);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let open = |sharing: &str| {
        let url = format!("{}?sharing={sharing}", setup.store);
        runtime.block_on(threadkeep::open(&url)).unwrap()
    };
    let with = |sharing: &str, arguments: &[&str]| {
        let store = format!("{}?sharing={sharing}", setup.store);
        let mut command = crate::support::bare(&["--store", &store, "--home"]);
        crate::support::Ran::of(command.arg(&setup.home).args(arguments))
    };
    for sharing in ["exclusive", "single"] {
        let held = open(sharing);
        let error = with("auto", &["list", "--json"]).expect(5).error();
        assert_eq!(error["kind"], "locked", "{error}");
        let message = error["message"].as_str().unwrap();
        let process = format!("process {} (program-", std::process::id());
        assert!(message.contains(&process), "{message}");
        assert!(message.contains(&format!(" as {sharing} since 20")), "{message}");
        assert!(error["hint"].is_string());
        runtime.block_on(held.close()).unwrap();
        with("auto", &["list"]).expect(0);
    }
    // One writes, the others read.
    let held = open("single");
    with("single", &["list"]).expect(0);
    let error = with("single", &["rename", "d0ba3", "name", "--json"]).expect(1).error();
    assert_eq!(error["kind"], "read_only", "{error}");
    runtime.block_on(held.close()).unwrap();
    with("single", &["rename", "d0ba3", "name"]).expect(0);
}

#[test]
fn options_that_a_redb_store_does_not_know_are_refused() {
    let setup = Setup::redb(sample_home());
    for option in ["sharing=all", "network=yes", "x"] {
        let store = format!("{}?{option}", setup.store);
        let ran = crate::support::bare(&["--store", &store, "list", "--json"]).output().unwrap();
        let error: serde_json::Value = serde_json::from_slice(&ran.stderr).unwrap();
        assert_eq!(error["kind"], "invalid_input", "{error}");
        assert!(error["hint"].as_str().unwrap().contains("sharing=") || option != "x", "{error}");
    }
}
