//! How test programs come by a server, or are skipped by name.

use std::env;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitCode};
use std::sync::OnceLock;

use crate::GIVEN;
use crate::account::Account;
use crate::error::{During, Error, Result};
use crate::programs::Programs;
use crate::server::Server;
use crate::settings::Settings;

/// Why there can be no server here at all, neither a given nor a private one.
pub fn lacking() -> Option<String> {
    if env::var_os(GIVEN).is_some_and(|url| !url.is_empty()) { None } else { lacking_private() }
}

/// Why there can be no private server here, for tests that kill and stop it.
pub fn lacking_private() -> Option<String> {
    let found = Programs::find().and_then(|_| Account::choose());
    found.err().map(|error| error.missing().map_or_else(|| error.to_string(), str::to_owned))
}

/// Says that a test is skipped and why.
///
/// # Panics
/// Where the environment has `CI=true`, since there nothing may be lacking.
pub fn skipped(test: &str, reason: &str) {
    assert!(env::var("CI").as_deref() != Ok("true"), "{test} cannot run in CI: {reason}");
    eprintln!("skipped {test}: {reason}");
}

/// The value, or `None` after [`skipped`] where the machine lacks something.
///
/// # Panics
/// On every other error, and in CI on this one too.
pub fn or_skip<T>(test: &str, result: Result<T>) -> Option<T> {
    match result {
        Ok(value) => Some(value),
        Err(Error::Missing(reason)) => {
            skipped(test, &reason);
            None
        }
        Err(error) => panic!("{test}: {error}"),
    }
}

/// The same for what no installing can mend, such as the right to mount: skipped by name in CI too.
///
/// # Panics
/// On every other error.
pub fn or_forbidden<T>(test: &str, result: Result<T>) -> Option<T> {
    match result {
        Ok(value) => Some(value),
        Err(Error::Missing(reason)) => {
            eprintln!("skipped {test}: this machine does not allow it: {reason}");
            None
        }
        Err(error) => panic!("{test}: {error}"),
    }
}

/// This process's own server with default settings, started when first asked for; the given one
/// where there is one. It ends when the process does.
pub fn shared() -> Result<&'static Server> {
    static SHARED: OnceLock<Result<Server>> = OnceLock::new();
    SHARED.get_or_init(|| Server::find(Settings::default())).as_ref().map_err(Clone::clone)
}

/// Runs `main` of a program without the usual test harness, with a server for it and for every
/// process that it starts.
///
/// Where no server is given, this starts one, and this same program again with the same arguments
/// and the server's URL in `THREADKEEP_TEST_POSTGRES`. Without PostgreSQL, and when the program is
/// only asked what tests it has (`--list`), `main` runs at once; it then asks [`lacking`].
pub fn with_server(main: impl FnOnce() -> ExitCode) -> ExitCode {
    let given = env::var_os(GIVEN).is_some_and(|url| !url.is_empty());
    if given || env::args().any(|argument| argument == "--list") {
        return main();
    }
    let ended = match Server::start(Settings::default()) {
        Ok(server) => again(&server),
        Err(Error::Missing(_)) => return main(),
        Err(error) => Err(error),
    };
    ended.unwrap_or_else(|error| {
        eprintln!("{error}");
        ExitCode::FAILURE
    })
}

fn again(server: &Server) -> Result<ExitCode> {
    let program = env::current_exe().during("finding this program")?;
    let status = Command::new(program)
        .args(env::args_os().skip(1))
        .env(GIVEN, server.url())
        .status()
        .during("running this program again")?;
    // What a shell reports for a program that a signal ended.
    let code = status.code().or_else(|| Some(128 + status.signal()?));
    Ok(code.and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, ExitCode::from))
}
