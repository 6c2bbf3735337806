//! Ctrl-C.
#![cfg(unix)]

use std::fs::{self, File};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::{Setup, id, write_rollout};

#[test]
fn an_interrupted_run_ends_with_130_and_the_next_one_finishes_it() {
    let setup = Setup::with_own_home();
    write_rollout(&setup.home, 1, "one");
    // A hole of this size takes no room, and reading it takes longer than this test.
    let path = setup.home.join(format!("sessions/rollout-2026-01-01T00-00-02-{}.jsonl", id(2)));
    File::create(&path).unwrap().set_len(1 << 40).unwrap();

    let mut command = setup.command(&["index", "--json"]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    thread::sleep(Duration::from_millis(700));
    let sent = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
    let since = Instant::now();
    let output = child.wait_with_output().unwrap();
    assert!(since.elapsed() < Duration::from_secs(8), "{:?}", since.elapsed());
    assert_eq!(output.status.code(), Some(130));
    let error: serde_json::Value = serde_json::from_slice(&output.stderr).unwrap();
    assert_eq!(error["kind"], "interrupted");

    fs::remove_file(path).unwrap();
    setup.run(&["index"]).expect(0);
    assert_eq!(setup.tails(&[]).len(), 1);
}
