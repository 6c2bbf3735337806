//! A test that cannot run says so by name, and fails in CI.

#![allow(clippy::unwrap_used, reason = "a test ends at what it does not expect")]

use std::env;
use std::process::Command;

use threadkeep_test_server::skipped;

#[test]
#[ignore = "what the other test runs in a process of its own"]
fn lacks_something() {
    skipped("lacks_something", "a moon");
}

#[test]
fn a_skip_is_named_and_fails_in_ci() {
    let run = |ci: Option<&str>| {
        let mut command = Command::new(env::current_exe().unwrap());
        command.args(["--exact", "lacks_something", "--ignored", "--nocapture"]).env_remove("CI");
        let output = command.envs(ci.map(|value| ("CI", value))).output().unwrap();
        (output.status.success(), String::from_utf8(output.stderr).unwrap())
    };
    let (passed, words) = run(None);
    assert!(passed);
    assert!(words.contains("skipped lacks_something: a moon"), "{words}");
    let (passed, words) = run(Some("true"));
    assert!(!passed);
    assert!(words.contains("lacks_something cannot run in CI: a moon"), "{words}");
}
