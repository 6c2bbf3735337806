//! Stores that are copied, dumped and loaded.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::Stdio;

use chrono::{TimeZone as _, Utc};
use serde_json::Value;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _};
use threadkeep::{LogEntry, LogLevel, LogStoreExt as _};

use crate::support::{Ran, Setup, bare, id, sample_home, tree, write_rollout};

/// A SQLite store with the sample home in it, and things that a person did.
fn filled() -> Setup {
    let setup = Setup::sqlite(sample_home());
    setup.run(&["index"]).expect(0);
    setup.run(&["rename", "d0ba3", "a name"]).expect(0);
    setup.run(&["archive", "73728"]).expect(0);
    setup
}

/// The URL of a store that is not there yet, beside another.
fn beside(setup: &Setup, scheme: &str, name: &str) -> String {
    format!("{scheme}:{}", setup.folder.path().join(name).display())
}

/// The same setup with another store.
fn at(setup: &Setup, store: &str) -> impl Fn(&[&str]) -> Ran {
    move |arguments| {
        let mut command = bare(&["--store", store, "--home"]);
        Ran::of(command.arg(&setup.home).args(arguments))
    }
}

fn copy(arguments: &[&str]) -> Ran {
    Ran::of(&mut bare(&[&["copy"], arguments].concat()))
}

/// Every thread and its tools, without what counts changes.
fn content(setup: &Setup, store: &str) -> Vec<Value> {
    let run = at(setup, store);
    let mut rows =
        run(&["list", "--any", "--include-empty", "-n", "1000", "--json"]).expect(0).objects();
    for row in &mut rows {
        row.as_object_mut().unwrap().remove("revision");
        let tools = run(&["tools", row["id"].as_str().unwrap(), "--json"]);
        row["tools"] = tools.out.into();
    }
    assert!(rows.len() >= 10);
    rows
}

fn insert_logs(url: &str, count: u32) {
    let entries = (0..count).map(|number| {
        let time = Utc.timestamp_opt(1_000_000_000 + i64::from(number % 7), number).unwrap();
        let level = LogLevel::ALL[number as usize % 5];
        let mut entry = LogEntry::new(time, level, "agent", format!("entry {}\0", number / 2));
        entry.line = Some(number % 3);
        entry
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let store = threadkeep::open(url).await.unwrap();
        store.insert_logs(entries.collect()).await.unwrap();
        store.close().await.unwrap();
    });
}

#[test]
fn a_copy_from_kind_to_kind_and_back_is_the_original() {
    let setup = filled();
    insert_logs(&setup.keeping_all(), 300);
    let expected = content(&setup, &setup.store);
    let before = tree(setup.folder.path());
    let mut from = setup.store.clone();
    for (scheme, name) in [("redb", "b.redb"), ("sqlite", "c.db"), ("redb", "d.redb")] {
        let to = beside(&setup, scheme, name);
        let ran = copy(&[&from, &to, "--logs", "--verify", "--json"]).expect(0);
        let told = &ran.objects()[0];
        assert_eq!(told["threads"]["created"], expected.len(), "{told}");
        assert_eq!(told["logs"]["copied"], 300, "{told}");
        assert_eq!(told["digests"]["from"], told["digests"]["to"], "{told}");
        // Once more, nothing is left to do.
        let told = &copy(&[&from, &to, "--logs", "--json"]).expect(0).objects()[0];
        assert_eq!(told["threads"]["unchanged"], expected.len(), "{told}");
        assert_eq!((&told["threads"]["created"], &told["logs"]["copied"]), (&0.into(), &0.into()));
        from = to;
    }
    assert_eq!(content(&setup, &from), expected);
    // What was copied was only read, and the index goes on as if nothing had happened.
    let mut after = tree(setup.folder.path());
    after.retain(|path, _| before.contains_key(path));
    assert_eq!(after, before);
    let told = &at(&setup, &from)(&["index", "--json"]).objects()[0];
    assert_eq!((&told["files_opened"], &told["indexed"]), (&0.into(), &0.into()), "{told}");
}

#[test]
fn a_dump_goes_through_a_pipe_from_kind_to_kind() {
    let setup = filled();
    insert_logs(&setup.keeping_all(), 50);
    let expected = content(&setup, &setup.store);
    let to = beside(&setup, "redb", "to.redb");
    for time in 1..=2 {
        let mut dump = setup.command(&["dump", "--logs"]);
        let mut dump = dump.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut load = bare(&["--store", &to, "load", "--json"]);
        let ran = Ran::of(load.stdin(dump.stdout.take().unwrap())).expect(0);
        let dumped: Ran = dump.wait_with_output().unwrap().into();
        let said = dumped.expect(0).err;
        assert!(said.starts_with("13 threads; ") || said.contains("50 log entries"), "{said}");
        let told = &ran.objects()[0];
        let (created, copied) = if time == 1 { (expected.len(), 50) } else { (0, 0) };
        assert_eq!(told["threads"]["created"], created, "{told}");
        assert_eq!(
            (&told["logs"]["copied"], told["conflicts"].as_array().unwrap().len()),
            (&copied.into(), 0)
        );
    }
    assert_eq!(content(&setup, &to), expected);
    let verified = copy(&[&setup.store, &to, "--logs", "--logs-as", "again", "--verify", "--json"]);
    let said = verified.expect(1).err;
    assert!(said.contains("logs: 50 ") && said.contains(" in FROM, 100 "), "{said}");
}

#[test]
fn a_dump_is_a_file_plain_or_compressed() {
    let setup = filled();
    let path = |name: &str| setup.folder.path().join(name).display().to_string();
    let (plain, compressed) = (path("a.jsonl"), path("a.jsonl.zst"));
    let told = &setup.run(&["dump", &plain, "--json"]).expect(0).objects()[0];
    assert_eq!(told["digest"]["threads"]["count"], content(&setup, &setup.store).len());
    setup.run(&["dump", &compressed]).expect(0);
    let text = fs::read(&plain).unwrap();
    assert_eq!(zstd::decode_all(fs::File::open(&compressed).unwrap()).unwrap(), text);
    for (file, name) in [(&plain, "b.db"), (&compressed, "c.db")] {
        let to = beside(&setup, "sqlite", name);
        let run = at(&setup, &to);
        run(&["load", file]).expect(0);
        assert_eq!(content(&setup, &to), content(&setup, &setup.store));
        let out = run(&["load", "--check", file]).expect(0).out;
        assert!(out.starts_with("whole: "), "{out}");
    }
    // Nothing goes over a file by chance.
    let error = setup.run(&["dump", &plain, "--json"]).expect(1).error();
    assert_eq!(error["kind"], "already_exists", "{error}");
    assert_eq!(fs::read(&plain).unwrap(), text);
    setup.run(&["dump", &plain, "--force", "--no-checkpoints"]).expect(0);
    assert!(fs::read(&plain).unwrap().len() < text.len());
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(fs::metadata(&plain).unwrap().permissions().mode() & 0o777, 0o600);
        setup.run(&["dump", "/dev/null", "--zstd"]).expect(0);
        assert!(!fs::metadata("/dev/null").unwrap().is_file());
    }
    let left = fs::read_dir(setup.folder.path()).unwrap();
    let left = left.filter(|one| {
        one.as_ref().unwrap().file_name().to_string_lossy().starts_with(".threadkeep-")
    });
    assert_eq!(left.count(), 0);
}

#[test]
fn of_a_damaged_file_nothing_is_loaded() {
    let setup = filled();
    let path = setup.folder.path().join("a.jsonl");
    setup.run(&["dump", path.to_str().unwrap()]).expect(0);
    let text = fs::read_to_string(&path).unwrap();
    let compressed = zstd::encode_all(text.as_bytes(), 3).unwrap();
    let lines: Vec<_> = text.lines().collect();
    let mut spoiled = compressed.clone();
    let middle = spoiled.len() / 2;
    spoiled[middle..middle + 8].fill(0xff);
    for (number, (bytes, code, words)) in [
        (lines[..5].join("\n").into_bytes(), 6, "cut after line 4"),
        (text.replacen("\"row\"", "\"roe\"", 1).into_bytes(), 6, "line 2"),
        (text.replacen("yesterday", "tomorrow!", 1).into_bytes(), 6, "threads"),
        (text.replacen("\"version\":1", "\"version\":2", 1).into_bytes(), 6, "version 2"),
        (compressed[..compressed.len() / 2].to_vec(), 6, "cut"),
        (spoiled, 6, ""),
        (b"a letter\n".to_vec(), 2, "no dump"),
        (Vec::new(), 2, "empty"),
    ]
    .into_iter()
    .enumerate()
    {
        fs::write(&path, &bytes).unwrap();
        let name = format!("{number}.db");
        let to = beside(&setup, "sqlite", &name);
        for check in [true, false] {
            let check = check.then_some("--check");
            let arguments = ["load", path.to_str().unwrap(), "--json"];
            let arguments: Vec<_> = arguments.into_iter().chain(check).collect();
            let error = at(&setup, &to)(&arguments).expect(code).error();
            assert!(error["message"].as_str().unwrap().contains(words), "{words}: {error}");
            assert!(error["hint"].is_string());
        }
        assert!(!setup.folder.path().join(&name).exists(), "{words}");
    }
    // A pipe is loaded while it is read; the whole dump then adds the rest.
    let to = beside(&setup, "sqlite", "piped.db");
    for (bytes, code) in [(lines[..5].join("\n"), 6), (text.clone(), 0)] {
        let mut load = bare(&["--store", &to, "load", "--json"]);
        let load = load.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut load = load.spawn().unwrap();
        load.stdin.take().unwrap().write_all(bytes.as_bytes()).unwrap();
        Ran::from(load.wait_with_output().unwrap()).expect(code);
    }
    assert_eq!(content(&setup, &to), content(&setup, &setup.store));
}

#[test]
fn conflicts_are_named_and_settled_as_told() {
    let setup = filled();
    let to = beside(&setup, "redb", "to.redb");
    copy(&[&setup.store, &to]).expect(0);
    let there = at(&setup, &to);
    there(&["rename", "d0ba3", "another name"]).expect(0);
    there(&["delete", "--yes", "c318aa"]).expect(0);
    let name = || {
        let shown = there(&["show", "d0ba3", "--json"]).expect(0).objects();
        shown[0]["name"].as_str().unwrap().to_owned()
    };

    let ran = copy(&[&setup.store, &to]).expect(4);
    assert!(ran.out.contains("2 in conflict"), "{}", ran.out);
    let named: Vec<_> = ran.err.lines().filter(|line| line.starts_with("conflict: ")).collect();
    assert_eq!(named.len(), 2, "{}", ran.err);
    let renamed = "conflict: thread 019ae573-dede-7a1a-9325-b6385cbd0ba3: revision 2 in the source, \
                   revision 2 in the target";
    assert!(named.contains(&renamed), "{named:?}");
    assert!(named.iter().any(|line| line.contains("deleted in the target")), "{named:?}");
    assert!(ran.err.contains("--on-conflict"), "{}", ran.err);
    let told = &copy(&[&setup.store, &to, "--json"]).expect(4).objects()[0];
    assert_eq!(told["conflicts"].as_array().unwrap().len(), 2, "{told}");

    for (policy, expected, deleted) in
        [("keep", "another name", 3), ("newer", "another name", 3), ("replace", "a name", 0)]
    {
        copy(&[&setup.store, &to, "--on-conflict", policy]).expect(0);
        assert_eq!(name(), expected, "{policy}");
        assert_eq!(there(&["show", "c318aa"]).code, Some(deleted), "{policy}");
    }
    copy(&[&setup.store, &to, "--verify"]).expect(0);
    let error = copy(&[&setup.store, &to, "--on-conflict", "guess", "--json"]).expect(2).error();
    assert!(error["message"].as_str().unwrap().contains("guess"), "{error}");
}

#[test]
fn a_copy_adds_what_is_new_to_what_others_brought() {
    let mut setups = [Setup::with_own_home(), Setup::with_own_home()];
    for (number, setup) in (0_u8..).zip(&mut setups) {
        for thread in 0..20 {
            write_rollout(&setup.home, 20 * number + thread, &format!("thread {thread}"));
        }
        setup.run(&["index"]).expect(0);
        insert_logs(&setup.keeping_all(), 40);
    }
    let to = beside(&setups[0], "redb", "all.redb");
    for _ in 0..2 {
        for setup in &setups {
            copy(&[&setup.store, &to, "--logs"]).expect(0);
        }
    }
    insert_logs(&setups[1].keeping_all(), 3);
    let told = &copy(&[&setups[1].store, &to, "--logs", "--json"]).expect(0).objects()[0];
    assert_eq!(told["logs"]["copied"], 3, "{told}");
    let stats = &at(&setups[0], &to)(&["stats", "--json"]).expect(0).objects()[0];
    assert_eq!((&stats["threads"], &stats["log_entries"]), (&40.into(), &83.into()), "{stats}");
    let found = at(&setups[0], &to)(&["list", "--ids", "-n", "100"]).out;
    assert!((0..40).all(|number| found.contains(&id(number))), "{found}");
    let error = copy(&[&setups[1].store, &to, "--verify", "--json"]).expect(1).error();
    assert!(error["message"].as_str().unwrap().contains("threads: 20 "), "{error}");
}

/// Changes a row behind the back of its checksum.
fn damage(setup: &Setup) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let path = setup.folder.path().join("threads.db");
        let mut connection = SqliteConnectOptions::new().filename(path).connect().await.unwrap();
        let damage = "UPDATE threads SET body = replace(body, 'yesterday', 'tomorrow')";
        let done = sqlx::query(damage).execute(&mut connection).await.unwrap();
        assert!(done.rows_affected() > 0);
        connection.close().await.unwrap();
    });
}

#[test]
fn damaged_threads_are_named_and_mended_by_another_store() {
    let setup = filled();
    let sound = beside(&setup, "redb", "sound.redb");
    copy(&[&setup.store, &sound]).expect(0);
    damage(&setup);
    let whole = "019ae573-dede-7a1a-9325-b6385cbd0ba3";
    let to = beside(&setup, "sqlite", "to.db");
    let ran = copy(&[&setup.store, &to]).expect(4);
    assert!(ran.out.contains("15 created, 1 skipped"), "{}", ran.out);
    assert!(ran.err.contains(&format!("skipped: thread {whole}: ")), "{}", ran.err);
    assert!(ran.out.contains("18 checkpoints: 18 left out"), "{}", ran.out);
    // So that the next index finds what is missing.
    at(&setup, &to)(&["index"]);
    at(&setup, &to)(&["show", whole]).expect(0);
    let error = copy(&[&setup.store, &to, "--verify", "--json"]).expect(6).error();
    assert!(error["message"].as_str().unwrap().contains(whole), "{error}");
    let dumped = setup.run(&["dump"]).expect(4);
    assert!(dumped.err.contains(&format!("skipped: thread {whole}: ")), "{}", dumped.err);

    let ran = copy(&[&sound, &setup.store]).expect(4);
    assert!(
        ran.err.contains(&format!("conflict: thread {whole}: revision 1 in the source, damaged"))
    );
    copy(&[&sound, &setup.store, "--on-conflict", "replace", "--verify"]).expect(0);
    setup.run(&["check"]).expect(0);
}

#[test]
fn stores_that_cannot_be_copied() {
    let setup = filled();
    let missing = beside(&setup, "sqlite", "missing.db");
    let to = beside(&setup, "redb", "to.redb");
    let error = copy(&[&missing, &to, "--json"]).expect(3).error();
    assert!(error["message"].as_str().unwrap().contains("missing.db"), "{error}");
    for path in ["missing.db", "to.redb"] {
        assert!(!setup.folder.path().join(path).exists(), "{path}");
    }
    let again = format!("{}?retention=off", setup.store);
    let error = copy(&[&setup.store, &again, "--json"]).expect(2).error();
    assert!(error["message"].as_str().unwrap().contains("named twice"), "{error}");
    let error = copy(&["mysql:x", &to, "--json"]).expect(2).error();
    assert!(error["message"].as_str().unwrap().contains("mysql"), "{error}");
    copy(&[&setup.store]).expect(2);
    let error = setup.run(&["load", "/nowhere/a.jsonl", "--json"]).expect(3).error();
    assert!(error["message"].as_str().unwrap().contains("/nowhere/a.jsonl"), "{error}");
    let folder = setup.folder.path().display().to_string();
    setup.run(&["dump", &folder]).expect(2);
    setup.run(&["dump", "/nowhere/a.jsonl"]).expect(3);
    assert!(!Path::new("/nowhere").exists());
}

#[test]
fn a_home_is_copied_and_dumped_without_a_store() {
    let setup = Setup::memory(sample_home());
    let to = beside(&setup, "sqlite", "to.db");
    let mut command = bare(&["copy", "memory:", &to, "--verify", "--home"]);
    Ran::of(command.arg(&setup.home)).expect(0);
    let dump = setup.run(&["dump"]).expect(0).out;
    assert_eq!(dump.lines().next().unwrap().matches("threadkeep_dump").count(), 1);
    assert_eq!(dump.matches("\n{\"thread\":").count(), content(&setup, &to).len());
}
