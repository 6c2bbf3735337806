//! The database is read while others have it open, and nothing of it or beside it changes.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::process::Command;

use sqlx::Connection as _;

use super::{FIRST, LOGS, connect, contents, execute, first, import, kept, runtime, state, write};
use crate::support::{Setup, id};

#[test]
fn while_codex_runs_what_it_wrote_last_is_seen() {
    for setup in kept() {
        let file = state(&setup, "state_5.sqlite");
        runtime().block_on(async {
            let mut codex = connect(&file).await;
            execute(&mut codex, &[FIRST, LOGS, &first(1, "in the write-ahead file")].concat())
                .await;
            let shown = ["state_5.sqlite", "state_5.sqlite-shm", "state_5.sqlite-wal"];
            let shown: BTreeSet<_> = shown.into_iter().map(OsString::from).collect();
            let names = || {
                let entries = fs::read_dir(&setup.home).unwrap();
                entries.map(|entry| entry.unwrap().file_name()).collect::<BTreeSet<_>>()
            };
            assert_eq!(names(), shown);
            let (before, wal) = (read(&file), read(&state(&setup, "state_5.sqlite-wal")));

            // Also in the middle of a transaction of its own.
            execute(&mut codex, &format!("BEGIN IMMEDIATE; {}", first(2, "not committed"))).await;
            assert_eq!(import(&setup, 0, &[])["threads"]["created"], 1);
            execute(&mut codex, "COMMIT").await;
            assert_eq!(import(&setup, 0, &[])["threads"]["created"], 1);

            assert_eq!(names(), shown);
            assert!(read(&file) == before);
            assert!(read(&state(&setup, "state_5.sqlite-wal")).starts_with(&wal));
            codex.close().await.unwrap();
        });
        assert_eq!(setup.tails(&[]).len(), 2);
    }
}

/// The bytes of a file that this process has open as a database: closing it here would give up the
/// locks of that.
fn read(path: &Path) -> Vec<u8> {
    Command::new("cat").arg(path).output().unwrap().stdout
}

/// A copy of a home as a killed Codex leaves it, without these side files.
fn left_by_a_killed_one(setup: &Setup, without: &[&str]) {
    let live = setup.folder.path().join("live");
    fs::create_dir(&live).unwrap();
    let file = live.join("state_5.sqlite");
    write(&file, &[FIRST, &first(1, "in the file")]);
    runtime().block_on(async {
        let mut codex = connect(&file).await;
        execute(&mut codex, &first(2, "beside it")).await;
        for path in contents(&live).into_keys() {
            let name = path.file_name().unwrap().to_str().unwrap();
            if !without.iter().any(|suffix| name.ends_with(suffix)) {
                fs::copy(&path, state(setup, name)).unwrap();
            }
        }
        codex.close().await.unwrap();
    });
}

#[test]
fn what_a_killed_writer_left_is_read_without_a_trace() {
    for setup in kept() {
        left_by_a_killed_one(&setup, &["-shm"]);
        let before = contents(&setup.home);
        assert_eq!(before.len(), 2);
        assert_eq!(import(&setup, 0, &[])["threads"]["created"], 2);
        assert_eq!(contents(&setup.home), before);
        assert_eq!(setup.tails(&[]), [&id(2)[24..], &id(1)[24..]]);
    }
    for setup in kept() {
        left_by_a_killed_one(&setup, &[]);
        let before = contents(&setup.home);
        assert_eq!(before.len(), 3);
        assert_eq!(import(&setup, 0, &[])["threads"]["created"], 2);
        let after = contents(&setup.home);
        // The index of the write-ahead file is shared memory, not content.
        for (path, bytes) in before.iter().filter(|(path, _)| !path.ends_with("state_5.sqlite-shm"))
        {
            assert_eq!(&after[path], bytes, "{}", path.display());
        }
        assert_eq!(after.len(), 3);
    }
}

#[cfg(unix)]
#[test]
fn a_folder_that_may_not_be_written_to_is_read() {
    use std::os::unix::fs::PermissionsExt as _;

    for setup in kept() {
        let file = state(&setup, "state_5.sqlite");
        write(&file, &[FIRST, &first(1, "one")]);
        fs::set_permissions(&file, fs::Permissions::from_mode(0o444)).unwrap();
        fs::set_permissions(&setup.home, fs::Permissions::from_mode(0o555)).unwrap();
        let report = import(&setup, 0, &[]);
        fs::set_permissions(&setup.home, fs::Permissions::from_mode(0o755)).unwrap();
        assert_eq!(report["threads"]["created"], 1);
    }
}

#[test]
fn a_cut_off_journal_is_left_to_its_writer() {
    let [setup, _] = kept();
    let file = state(&setup, "state_5.sqlite");
    runtime().block_on(async {
        let mut writer = connect(&file).await;
        let sql = format!("{FIRST} {} PRAGMA journal_mode = DELETE;", first(1, "one"));
        execute(&mut writer, &sql).await;
        execute(&mut writer, "PRAGMA cache_size = 1; PRAGMA cache_spill = 1; BEGIN;").await;
        for number in 2..200 {
            execute(&mut writer, &first(number, &"x".repeat(2_000))).await;
        }
        let cut_off = setup.folder.path().join("cut-off");
        fs::create_dir(&cut_off).unwrap();
        for path in contents(&setup.home).into_keys() {
            fs::copy(&path, cut_off.join(path.file_name().unwrap())).unwrap();
        }
        let before = contents(&cut_off);
        assert_eq!(before.len(), 2);
        let database = cut_off.join("state_5.sqlite");
        let arguments = ["import-codex", "--json", "--db", database.to_str().unwrap()];
        let error = setup.run(&arguments).expect(5).error();
        assert!(error["message"].as_str().unwrap().contains("cut off"), "{error}");
        assert!(error["hint"].as_str().unwrap().contains("Codex"), "{error}");
        assert_eq!(contents(&cut_off), before);
        execute(&mut writer, "ROLLBACK").await;
        writer.close().await.unwrap();
    });
}
