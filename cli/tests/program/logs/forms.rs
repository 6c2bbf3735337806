//! How entries look.

use super::{THREAD, append, four, kept, with_four};
use crate::support::Setup;

#[test]
fn every_form_in_a_pipe() {
    let setups = with_four();
    let thread = THREAD;
    let full = format!(
        "2026-03-01T10:00:00.123456789Z WARN  agent::net\n  message  slow\n           \
         \\u{{1b}}[2Janswer\n  thread   {thread}\n  process  12\n  module   agent::net::http\n  \
         file     src/net/http.rs:77\n  id       2\n"
    );
    for (arguments, expected) in [
        (
            &[][..],
            format!(
                "2\t2026-03-01T10:00:00.123456789Z\tWARN\tagent::net\t{thread}\t12\t\
                 slow\\n\\u{{1b}}[2Janswer\n"
            ),
        ),
        (
            &["-o", "short"],
            format!(
                "2026-03-01T10:00:00.123Z WARN  agent::net: slow\\n\\u{{1b}}[2Janswer [{thread}]\n"
            ),
        ),
        (
            &["-o", "iso"],
            format!(
                "2026-03-01T10:00:00.123456789Z WARN  agent::net: slow\\n\\u{{1b}}[2Janswer \
                 [{thread}]\n"
            ),
        ),
        (&["-o", "full"], full),
        (&["-o", "raw"], "slow\n\u{1b}[2Janswer\n".to_owned()),
    ] {
        for setup in &setups {
            let ran = setup.run(&[&["logs", "-p", "warn..warn"], arguments].concat()).expect(0);
            assert_eq!((ran.out, ran.err), (expected.clone(), String::new()), "{arguments:?}");
        }
    }
}

#[test]
fn what_an_entry_has_not_is_left_out() {
    let [setup, _] = with_four();
    let full = setup.run(&["logs", "-o", "full"]).expect(0).out;
    let last = "2026-03-03T09:00:00.000000000Z ERROR store\n  id       4\n";
    assert!(full.ends_with(last), "{full}");
    assert!(full.contains("\n  file     src/net/mod.rs\n"), "{full}");
    let raw = setup.run(&["logs", "-o", "raw"]).expect(0).out;
    assert_eq!(raw, "ready\nslow\n\u{1b}[2Janswer\nretry 100%\n\n");
    let short = setup.run(&["logs", "-o", "short"]).expect(0).out;
    assert!(short.starts_with("2026-03-01T09:00:00.000Z INFO  agent::start: ready\n"), "{short}");
}

#[test]
fn objects_are_the_same_by_either_flag_and_from_every_store() {
    let [sqlite, redb] = with_four();
    let objects = sqlite.run(&["logs", "--json"]).expect(0);
    for setup in [&sqlite, &redb] {
        for arguments in [&["logs", "-o", "json"][..], &["logs", "--json", "-o", "json"]] {
            assert_eq!(setup.run(arguments).expect(0).out, objects.out);
        }
    }
    let second = &objects.objects()[1];
    assert_eq!(second["time"], "2026-03-01T10:00:00.123Z");
    assert_eq!(second["nanos"], 123_456_789);
    assert_eq!(second["level"], "WARN");
    assert_eq!(second["thread_id"], THREAD);
    assert_eq!(second["process_id"], "12");
    assert_eq!(second["file"], "src/net/http.rs");
    assert_eq!(second["line"], 77);
    assert!(objects.objects()[3]["message"].is_null());
    // Errors are objects with --json alone.
    let ran = sqlite.run(&["logs", "-o", "json", "-p", "loud"]).expect(2);
    assert!(ran.err.starts_with("threadkeep: "), "{}", ran.err);
}

#[test]
fn levels_have_colours_on_request() {
    let [setup, _] = with_four();
    let coloured = setup.run(&["logs", "-o", "short", "--color", "always"]).expect(0).out;
    for (line, colour) in coloured.lines().zip(["32", "33", "2", "31"]) {
        assert!(line.contains(&format!(" \x1b[{colour}m")), "{line:?}");
    }
    let plain = setup.run(&["logs", "-o", "short"]).expect(0).out;
    assert_eq!(anstream::adapter::strip_str(&coloured).to_string(), plain);
}

/// What people see: `script` lends the program a terminal.
#[cfg(target_os = "linux")]
#[test]
fn on_a_terminal() {
    let [setup, _] = kept();
    append(&setup, four());
    let seen = |setup: &Setup, arguments: &str| {
        let program = env!("CARGO_BIN_EXE_threadkeep");
        let line = format!("'{program}' --store '{}' logs {arguments}", setup.store);
        let mut script = std::process::Command::new("script");
        script.args(["-qec", &line, "/dev/null"]).env_remove("NO_COLOR").env("TERM", "xterm");
        let output = script.stdin(std::process::Stdio::null()).output().ok()?;
        Some(String::from_utf8(output.stdout).unwrap().replace("\r\n", "\n"))
    };
    let Some(short) = seen(&setup, "") else {
        return println!("skipped: no program `script`");
    };
    assert!(short.contains("\x1b[33mWARN \x1b[39m"), "{short:?}");
    let piped = setup.run(&["logs", "-o", "short"]).expect(0).out;
    assert_eq!(anstream::adapter::strip_str(&short).to_string(), piped);
    // A terminal would act on it.
    let raw = seen(&setup, "-o raw").unwrap();
    assert_eq!(raw, "ready\nslow\n\\u{1b}[2Janswer\nretry 100%\n\n");
}
