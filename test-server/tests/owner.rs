//! A server never outlives its owner, and leaves nothing behind.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test ends at what it does not expect"
)]

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use threadkeep_test_server::{Server, Settings, lacking_private, skipped};

/// Set in the process that plays the owner; its value says what the owner does to its server.
const OWNER: &str = "THREADKEEP_TEST_OWNER";

const LIMIT: Duration = Duration::from_secs(2);

#[test]
#[ignore = "what the other tests run in a process of its own"]
fn owner() {
    let Ok(what) = env::var(OWNER) else { return };
    let server = Server::start(Settings::default()).unwrap();
    match what.as_str() {
        "paused" => server.pause().unwrap(),
        "killed" => server.kill().unwrap(),
        "restarted" => {
            server.kill().unwrap();
            server.start_again().unwrap();
        }
        _ => {}
    }
    println!("\nfolder {}", server.folder().unwrap().display());
    thread::sleep(Duration::from_mins(1));
}

/// Starts an owner and waits until its server runs.
fn spawn_owner(what: &str) -> (Child, PathBuf) {
    let mut child = Command::new(env::current_exe().unwrap())
        .args(["--exact", "owner", "--ignored", "--nocapture"])
        .env(OWNER, what)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let folder = lines
        .map(Result::unwrap)
        .find_map(|line| line.strip_prefix("folder ").map(PathBuf::from))
        .expect("the owner names its server's folder");
    (child, folder)
}

/// How many processes work in the server's data folder, also after it was removed.
fn processes(folder: &Path) -> usize {
    let data = folder.join("data");
    fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .filter(|entry| {
            fs::read_link(entry.path().join("cwd")).is_ok_and(|it| it.starts_with(&data))
        })
        .count()
}

#[test]
fn a_server_is_gone_soon_after_its_owner_was_killed() {
    if let Some(reason) = lacking_private() {
        return skipped("a_server_is_gone_soon_after_its_owner_was_killed", &reason);
    }
    for what in ["running", "paused", "killed", "restarted"] {
        let (mut child, folder) = spawn_owner(what);
        assert!(folder.is_dir());
        assert_eq!(processes(&folder) > 0, what != "killed", "{what}");
        let begin = Instant::now();
        child.kill().unwrap();
        child.wait().unwrap();
        while folder.exists() || processes(&folder) > 0 {
            assert!(begin.elapsed() < LIMIT, "{what}: {} is still there", folder.display());
            thread::sleep(Duration::from_millis(20));
        }
        println!("{what}: gone after {:?}", begin.elapsed());
    }
}

#[test]
fn a_dropped_server_is_gone() {
    if let Some(reason) = lacking_private() {
        return skipped("a_dropped_server_is_gone", &reason);
    }
    let server = Server::start(Settings::default()).unwrap();
    let folder = server.folder().unwrap().to_owned();
    assert!(processes(&folder) > 0);
    drop(server);
    assert!(!folder.exists());
    assert_eq!(processes(&folder), 0);
}
