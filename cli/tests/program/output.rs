//! Pipes and terminals.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use crate::support::{Setup, bare, sample_home};

#[test]
fn a_closed_pipe_ends_quietly() {
    for setup in Setup::all() {
        for arguments in [
            &["list"][..],
            &["list", "--json"],
            &["show", "d0ba3"],
            &["tools", "318aa"],
            &["stats"],
            &["check"],
            &["path", "d0ba3"],
            &["man"],
        ] {
            let mut command = setup.command(arguments);
            let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
            drop(child.stdout.take());
            let output = child.wait_with_output().unwrap();
            assert_eq!(output.status.code(), Some(0), "{arguments:?}");
            assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{arguments:?}");
        }
    }
}

#[test]
fn a_reader_may_stop_after_the_first_line() {
    let setup = Setup::memory(sample_home());
    let mut command = setup.command(&["list", "--json", "--any"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.starts_with("{\"id\":"), "{line}");
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stderr.len()), (Some(0), 0));
}

#[test]
fn colours_are_for_terminals_or_on_request() {
    let setup = Setup::memory(sample_home());
    for (arguments, coloured) in [
        (&["show", "nothing"][..], false),
        (&["show", "nothing", "--color", "always"], true),
        (&["show", "nothing", "--color", "never"], false),
    ] {
        let told = setup.run(arguments).expect(3).err;
        assert_eq!(told.contains('\x1b'), coloured, "{arguments:?}: {told}");
    }
}

/// What people see: `script` lends the program a terminal.
#[cfg(target_os = "linux")]
#[test]
fn a_terminal_gets_a_table() {
    let setup = Setup::memory(sample_home());
    let program = env!("CARGO_BIN_EXE_threadkeep");
    let line = format!(
        "stty cols 100 rows 40; '{program}' --store memory: --home '{}' list --any",
        setup.home.display()
    );
    let mut script = std::process::Command::new("script");
    script.args(["-qec", &line, "/dev/null"]).env_remove("NO_COLOR").env("TERM", "xterm");
    let output = match script.stdin(Stdio::null()).output() {
        Ok(output) => output,
        Err(error) => return println!("skipped: no program `script`: {error}"),
    };
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("\x1b["), "{text}");
    let plain = anstream::adapter::strip_str(&text).to_string();
    let lines: Vec<_> = plain.lines().map(str::trim_end).collect();
    assert!(lines[0].starts_with("ID ") && lines[0].contains("FOLDER"), "{plain}");
    assert_eq!(lines.len(), 16, "{plain}");
    assert!(lines.iter().all(|line| line.chars().count() <= 100), "{plain}");
}

#[test]
fn errors_are_one_object_with_json() {
    let output =
        bare(&["--store", "memory:", "--home", "/no/such", "list", "--json"]).output().unwrap();
    assert!(output.stdout.is_empty());
    let error: serde_json::Value = serde_json::from_slice(&output.stderr).unwrap();
    for member in ["kind", "message", "hint", "retryable"] {
        assert!(!error[member].is_null(), "{member}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn output_that_cannot_be_written_is_a_failure() {
    let setup = Setup::memory(sample_home());
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = setup.command(&["list", "--json"]).stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let error: serde_json::Value = serde_json::from_slice(&output.stderr).unwrap();
    assert_eq!(error["kind"], "io");
}
