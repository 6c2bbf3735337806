//! Every store gives the same bytes.

use std::path::{Path, PathBuf};

use chrono::{TimeZone as _, Utc};
use serde_json::{Map, Value};
use threadkeep::{LogEntry, LogLevel, LogStoreExt as _};

use crate::support::{Setup, sample_home};

/// The homes to compare on: the sample, and real ones where they are.
fn homes() -> Vec<PathBuf> {
    let real = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/rollouts");
    if !real.is_dir() {
        eprintln!("only the sample home is compared: there are no real rollouts");
    }
    [Some(sample_home()), real.canonicalize().ok()].into_iter().flatten().collect()
}

/// Stores that are kept, indexed: SQLite, redb in each way to share it, and PostgreSQL.
fn kept(home: &Path) -> Vec<Setup> {
    let mut setups = vec![Setup::sqlite(home), Setup::redb(home)];
    for sharing in ["single", "exclusive"] {
        let redb = Setup::redb(home);
        let store = format!("{}?sharing={sharing}", redb.store);
        setups.push(Setup { store, ..redb });
    }
    setups.extend(Setup::postgres(home, "comparing PostgreSQL with other stores"));
    for setup in &setups {
        setup.run(&["index"]);
    }
    setups
}

/// What each prints has to be what the first prints, byte for byte.
#[track_caller]
fn print_the_same(setups: &[Setup], arguments: &[&str]) {
    let arguments = [arguments, &["--json"]].concat();
    let printed: Vec<_> = setups.iter().map(|setup| setup.run(&arguments).out).collect();
    for (setup, out) in setups.iter().zip(&printed) {
        assert_eq!(*out, printed[0], "{arguments:?} of {} and {}", setup.store, setups[0].store);
    }
}

/// The same for what tells times of its own, which are left out.
#[track_caller]
fn mean_the_same(setups: &[Setup], arguments: &[&str], without: &[&str]) {
    let objects = |setup: &Setup| -> Vec<Map<String, Value>> {
        let objects = setup.run(&[arguments, &["--json"]].concat()).objects().into_iter();
        let objects = objects.map(|object| object.as_object().unwrap().clone());
        objects
            .map(|mut object| {
                object.retain(|name, _| !without.contains(&name.as_str()));
                object
            })
            .collect()
    };
    let first = objects(&setups[0]);
    assert!(!first.is_empty());
    for setup in setups {
        assert_eq!(objects(setup), first, "{arguments:?} of {}", setup.store);
    }
}

#[test]
fn reading_prints_the_same_bytes_from_every_store() {
    for home in homes() {
        let mut setups = kept(&home);
        setups.push(Setup::memory(&home));
        let whole = &["list", "--any", "-n", "1000", "--json"];
        let ids: Vec<_> = setups[0].run(whole).objects();
        let ids: Vec<_> = ids.iter().map(|row| row["id"].as_str().unwrap()).collect();
        assert!(ids.len() >= 10);
        for arguments in [
            &["list"][..],
            &["list", "--any", "-n", "1000"],
            &["list", "--archived"],
            &["list", "--sort", "created", "--reverse"],
            &["list", "--provider", "openai", "--source", "cli", "--source", "vscode"],
            &["list", "--since", "2026-01-01", "-n", "3"],
        ] {
            print_the_same(&setups, arguments);
        }
        for id in ids.iter().take(12) {
            print_the_same(&setups, &["show", id]);
            print_the_same(&setups, &["tools", id]);
        }
        print_the_same(&setups, &["logs"]);
        let names = ["store", "thread_bytes", "log_bytes", "live_bytes", "free_bytes"];
        mean_the_same(&setups, &["stats"], &[&names[..], &["capabilities"]].concat());
        let verdicts: Vec<_> =
            setups.iter().map(|setup| setup.run(&["check", "--json"]).objects()).collect();
        for verdict in &verdicts {
            assert_eq!(verdict[0]["verdict"], verdicts[0][0]["verdict"]);
        }
    }
}

#[test]
fn changes_are_made_and_told_alike() {
    let setups = kept(&sample_home());
    let [first, second, third] = ["d0ba3", "73728", "c318aa"];
    for arguments in [
        &["archive", first, second][..],
        &["archive", first],
        &["rename", second, "ein Name"],
        &["unarchive", second],
        &["delete", "--yes", third],
        &["rename", second, ""],
        &["show", third],
        &["index"],
    ] {
        let told: Vec<_> = setups
            .iter()
            .map(|setup| {
                let ran = setup.run(&[arguments, &["--json"]].concat());
                (ran.code, ran.out.replace(char::is_numeric, "0"))
            })
            .collect();
        assert!(told.iter().all(|one| arguments[0] == "index" || *one == told[0]), "{told:#?}");
    }
    mean_the_same(&setups, &["list", "--any", "-n", "1000"], &["archived_at", "named_at"]);
    mean_the_same(&setups, &["list", "--archived"], &["archived_at", "named_at"]);
}

#[test]
fn log_entries_are_printed_alike() {
    let setups = kept(&sample_home());
    let entries: Vec<_> = (0..500_u32)
        .map(|number| {
            let time = Utc.timestamp_opt(1_790_000_000 + i64::from(number % 7), number).unwrap();
            let level = LogLevel::ALL[number as usize % 5];
            let target = format!("agent::part_{}", number % 11);
            let mut entry = LogEntry::new(time, level, target, format!("entry {number}\u{0}é"));
            entry.thread_id = (number % 3 > 0).then(|| format!("thread-{}", number % 4));
            entry.process_id = (number % 2 > 0).then(|| format!("{}", number % 5));
            entry.module_path = Some(format!("agent::part_{}", number % 13));
            entry.line = Some(number);
            entry
        })
        .collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for setup in &setups {
        runtime.block_on(async {
            let store = threadkeep::open(&setup.keeping_all()).await.unwrap();
            for entries in entries.chunks(77) {
                store.insert_logs(entries.to_vec()).await.unwrap();
            }
            store.close().await.unwrap();
        });
    }
    for arguments in [
        &["logs", "-n", "1000"][..],
        &["logs", "-r", "-n", "20"],
        &["logs", "-p", "warn"],
        &["logs", "-p", "debug..info", "-n", "all", "--show-cursor"],
        &["logs", "-t", "thread-2"],
        &["logs", "--no-thread", "-t", "thread-1", "--process", "3"],
        &["logs", "-g", "ENTRY 4"],
        &["logs", "-g", "^entry 4\\d*7.é", "-n", "30", "-r"],
        &["logs", "--target", "part_10"],
        &["logs", "--module", "part_1", "--exclude", "PART_10", "--exclude", "part_3"],
    ] {
        print_the_same(&setups, arguments);
    }
}
