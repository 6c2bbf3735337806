//! A program without the usual harness gets one server for itself and for what it starts.

#![allow(clippy::unwrap_used, reason = "a test ends at what it does not expect")]

use std::env;
use std::process::{Command, ExitCode};

use libtest_mimic::{Arguments, Failed, Trial};
use threadkeep_test_server::{GIVEN, Server, Settings, lacking, shared, skipped, with_server};

/// Set in the program that this one starts; its value is the server that it must find.
const EXPECTED: &str = "THREADKEEP_TEST_EXPECTED";

fn main() -> ExitCode {
    with_server(|| {
        if let Ok(expected) = env::var(EXPECTED) {
            let found = Server::find(Settings::default()).unwrap();
            assert_eq!((found.url(), found.is_private()), (expected, false));
            return ExitCode::from(42);
        }
        let arguments = Arguments::from_args();
        let tests = vec![Trial::test("a_program_has_the_server_it_was_started_with", given)];
        libtest_mimic::run(&arguments, tests).exit_code()
    })
}

fn given() -> Result<(), Failed> {
    if let Some(reason) = lacking() {
        skipped("a_program_has_the_server_it_was_started_with", &reason);
        return Ok(());
    }
    let url = env::var(GIVEN)?;
    assert_eq!(shared()?.url(), url);
    assert_eq!(shared()?.psql("select 1")?, "1");
    // A server that was given is not to be killed.
    assert!(shared()?.kill().unwrap_err().missing().is_some());
    let status = Command::new(env::current_exe()?).env(EXPECTED, &url).status()?;
    assert_eq!(status.code(), Some(42));

    // Without a server of its own, the exit code passes through the program between.
    let status = Command::new(env::current_exe()?)
        .arg("--nonsense")
        .env_remove(GIVEN)
        .stderr(std::process::Stdio::null())
        .status()?;
    assert_eq!(status.code(), Some(2));
    Ok(())
}
