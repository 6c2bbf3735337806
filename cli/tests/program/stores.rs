//! Stores that cannot be used, and where a store is when none is named.

use std::fs;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _, SqliteConnection};

use crate::support::{Ran, Setup, bare, sample_home};

fn connect(setup: &Setup) -> impl Future<Output = SqliteConnection> {
    let path = setup.folder.path().join("threads.db");
    async move { SqliteConnectOptions::new().filename(path).connect().await.unwrap() }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

#[test]
fn a_file_that_is_no_database() {
    let setup = Setup::sqlite(sample_home());
    let path = setup.folder.path().join("threads.db");
    fs::write(&path, "a letter, not a database\n".repeat(400)).unwrap();
    for arguments in [&["list"][..], &["index"], &["check"], &["stats"], &["archive", "d0ba3"]] {
        let error = setup.run(&[arguments, &["--json"]].concat()).expect(6).error();
        assert_eq!(error["kind"], "corrupted", "{error}");
        assert!(error["message"].as_str().unwrap().contains("threads.db"), "{error}");
        assert_eq!(error["retryable"], false);
    }
    assert!(fs::read_to_string(path).unwrap().starts_with("a letter"));
}

#[test]
fn a_store_of_a_newer_program() {
    let setup = Setup::sqlite(sample_home());
    setup.run(&["index"]).expect(0);
    runtime().block_on(async {
        let mut connection = connect(&setup).await;
        for key in ["schema", "min_reader", "min_writer"] {
            sqlx::query("UPDATE meta SET value = '99990101000000' WHERE key = ?")
                .bind(key)
                .execute(&mut connection)
                .await
                .unwrap();
        }
        connection.close().await.unwrap();
    });
    for arguments in [&["list"][..], &["index"], &["check"]] {
        let error = setup.run(&[arguments, &["--json"]].concat()).expect(6).error();
        assert_eq!(error["kind"], "schema_too_new", "{error}");
        assert!(error["hint"].is_string());
    }
}

/// Changes a row behind the back of its checksum.
fn damage(setup: &Setup) {
    runtime().block_on(async {
        let mut connection = connect(setup).await;
        let damage = "UPDATE threads SET body = replace(body, 'yesterday', 'tomorrow')";
        sqlx::query(damage).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    });
}

#[test]
fn a_damaged_row() {
    let setup = Setup::sqlite(sample_home());
    setup.run(&["index"]).expect(0);
    damage(&setup);
    let whole = "019ae573-dede-7a1a-9325-b6385cbd0ba3";
    let ran = setup.run(&["list"]).expect(4);
    assert_eq!(ran.out.lines().count(), 12);
    assert!(ran.err.contains(&format!("thread {whole} was passed over: ")), "{}", ran.err);
    let ran = setup.run(&["list", "--json"]).expect(4);
    assert_eq!(ran.error()["skipped"], whole);

    let error = setup.run(&["show", whole, "--json"]).expect(6).error();
    assert_eq!(error["kind"], "corrupted");
    let ran = setup.run(&["check"]).expect(6);
    assert!(ran.out.contains(&format!("damaged\t{whole}: ")), "{}", ran.out);

    // What `check` advises helps, and so does giving the thread up.
    assert!(ran.err.contains("index --full`"), "{}", ran.err);
    setup.run(&["index", "--full"]).expect(0);
    setup.run(&["check"]).expect(0);
    damage(&setup);
    setup.run(&["delete", "--yes", whole]).expect(0);
    setup.run(&["list"]).expect(0);
}

#[test]
fn a_store_that_others_hold() {
    let setup = Setup::sqlite(sample_home());
    setup.run(&["index"]).expect(0);
    runtime().block_on(async {
        let mut connection = connect(&setup).await;
        sqlx::query("BEGIN IMMEDIATE").execute(&mut connection).await.unwrap();
        // Readers are not in the way of a writer, nor it in theirs.
        assert_eq!(setup.tails(&[]).len(), 13);
        let error = setup.run(&["archive", "d0ba3", "--json"]).expect(5).error();
        assert!(matches!(error["kind"].as_str(), Some("busy" | "locked" | "timeout")), "{error}");
        assert_eq!(error["retryable"], true);
        sqlx::query("ROLLBACK").execute(&mut connection).await.unwrap();
    });
    setup.run(&["archive", "d0ba3"]).expect(0);
}

#[test]
fn urls_that_name_no_store() {
    let folder = tempfile::tempdir().unwrap();
    let lost = folder.path().join("missing");
    let in_lost = format!("sqlite:{}/threads.db", lost.display());
    for (url, code, word) in [
        ("mysql://localhost/db", 2, "mysql"),
        ("threads.db", 2, "sqlite:PATH"),
        ("sqlite:", 2, "sqlite:PATH"),
        ("memory:x", 2, "memory:"),
        (&in_lost, 3, "missing"),
    ] {
        let mut command = bare(&["list", "--json", "--store", url, "--home"]);
        let error = Ran::of(command.arg(sample_home())).expect(code).error();
        assert!(error.to_string().contains(word), "{url}: {error}");
        assert!(error["hint"].is_string());
    }
    assert!(!lost.exists());
}

#[cfg(target_os = "linux")]
#[test]
fn the_store_is_in_the_data_folder_when_none_is_named() {
    use std::os::unix::fs::PermissionsExt as _;

    let folder = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str], data: Option<&str>| {
        let mut command = bare(arguments);
        command.env("HOME", folder.path()).env("CODEX_HOME", sample_home());
        match data {
            Some(data) => command.env("XDG_DATA_HOME", folder.path().join(data)),
            None => command.env_remove("XDG_DATA_HOME"),
        };
        Ran::of(&mut command).expect(0)
    };
    for (data, place) in [(None, ".local/share/threadkeep"), (Some("data"), "data/threadkeep")] {
        run(&["index"], data);
        assert_eq!(run(&["list"], data).out.lines().count(), 13);
        let place = folder.path().join(place);
        assert_eq!(fs::metadata(&place).unwrap().permissions().mode() & 0o777, 0o700);
        assert_eq!(
            fs::metadata(place.join("threads.db")).unwrap().permissions().mode() & 0o777,
            0o600
        );
    }
    // The flags that the environment gives are not repeated in what is recommended.
    let told = run(&["list"], Some("other")).err;
    assert!(told.contains("run `threadkeep index`"), "{told}");
}
