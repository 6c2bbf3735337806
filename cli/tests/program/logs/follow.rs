//! `logs -f`.
#![cfg(unix)]

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use threadkeep::LogCursor;

use super::{append, kept, numbered, recent};
use crate::support::Setup;

/// The program while it follows a store.
struct Follower {
    child: Child,
    lines: Receiver<String>,
}

impl Follower {
    fn start(setup: &Setup, arguments: &[&str]) -> Self {
        let mut command = setup.command(&[&["logs", "-f"], arguments].concat());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            out.lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
        });
        Self { child, lines }
    }

    /// The next so many lines.
    #[track_caller]
    fn next(&self, count: usize) -> Vec<String> {
        let next = || self.lines.recv_timeout(Duration::from_secs(20)).expect("a line");
        (0..count).map(|_| next()).collect()
    }

    /// Ends it as a person does, and answers the exit code, the lines that were left, and stderr.
    fn interrupt(self) -> (Option<i32>, Vec<String>, String) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-INT", &id]).status().unwrap().success());
        let output = self.child.wait_with_output().unwrap();
        let rest = self.lines.iter().collect();
        (output.status.code(), rest, String::from_utf8(output.stderr).unwrap())
    }
}

fn steps(numbers: std::ops::RangeInclusive<u32>) -> Vec<String> {
    numbers.map(|number| format!("step {number}")).collect()
}

#[test]
fn each_entry_of_another_process_comes_once() {
    for setup in kept() {
        append(&setup, numbered(1..=30));
        let follower = Follower::start(&setup, &["-o", "raw"]);
        assert_eq!(follower.next(10), steps(21..=30));
        append(&setup, numbered(31..=31));
        assert_eq!(follower.next(1), steps(31..=31));
        append(&setup, numbered(32..=2_500));
        append(&setup, numbered(2_501..=2_600));
        assert_eq!(follower.next(2_569), steps(32..=2_600));
        assert_eq!(follower.interrupt(), (Some(130), vec![], String::new()), "{}", setup.store);
    }
}

#[test]
fn conditions_hold_for_what_comes_too() {
    let [setup, _] = kept();
    append(&setup, numbered(1..=3));
    let after = LogCursor::new(5).to_string();
    let follower =
        Follower::start(&setup, &["-n", "all", "-g", "[02468]$", "-o", "json", "--show-cursor"]);
    assert!(follower.next(1)[0].contains("\"step 2\""));
    append(&setup, numbered(4..=5));
    let line = &follower.next(1)[0];
    assert!(line.contains("\"id\":4,") && line.contains("\"step 4\""), "{line}");
    // The end of the last batch is known once it was handed over; the next one is enough for that.
    append(&setup, numbered(6..=6));
    follower.next(1);
    let (code, rest, err) = follower.interrupt();
    let last = format!("{{\"cursor\":\"{}\"}}", LogCursor::new(6));
    assert_eq!((code, rest, err.as_str()), (Some(130), vec![last], ""));

    let follower = Follower::start(&setup, &["--after", &after, "-o", "raw"]);
    assert_eq!(follower.next(1), steps(6..=6));
    let (_, rest, _) = follower.interrupt();
    assert!(rest.is_empty(), "{rest:?}");
    let follower = Follower::start(&setup, &["-n", "0", "-o", "raw", "--exclude", "none"]);
    // It may not follow yet: whether the entry comes before or after it does, it is not shown twice.
    std::thread::sleep(Duration::from_millis(600));
    append(&setup, numbered(7..=7));
    assert_eq!(follower.next(1), steps(7..=7));
    assert_eq!(follower.interrupt().1, Vec::<String>::new());
}

#[test]
fn entries_that_went_before_they_came_are_told() {
    for setup in kept() {
        append(&setup, numbered(1..=10));
        append(&setup, vec![recent("now")]);
        let deleted = &setup.objects(&["logs", "--vacuum-time", "1h"])[0]["deleted_entries"];
        assert_eq!(deleted, 10);
        let after = LogCursor::new(4).to_string();
        let follower = Follower::start(&setup, &["--after", &after, "-o", "raw"]);
        assert_eq!(follower.next(1), ["now"]);
        let gap = "-- 5..10: entries were deleted before they could be shown\n";
        assert_eq!(follower.interrupt(), (Some(130), vec![], gap.to_owned()), "{}", setup.store);
    }
}

#[test]
fn a_cursor_file_is_kept_while_it_follows() {
    for setup in kept() {
        append(&setup, numbered(1..=40));
        let file = setup.folder.path().join("seen");
        let arguments = ["-o", "raw", "--cursor-file", file.to_str().unwrap()];
        let wait_for = |id| {
            let (since, wanted) = (Instant::now(), format!("{}\n", LogCursor::new(id)));
            while std::fs::read_to_string(&file).ok().as_ref() != Some(&wanted) {
                assert!(since.elapsed() < Duration::from_secs(20), "{file:?} is not at {id}");
                std::thread::sleep(Duration::from_millis(5));
            }
        };
        let mut follower = Follower::start(&setup, &arguments);
        assert_eq!(follower.next(10), steps(31..=40));
        append(&setup, numbered(41..=42));
        assert_eq!(follower.next(2), steps(41..=42));
        wait_for(42);
        // Killed: what was shown is known all the same.
        follower.child.kill().unwrap();
        follower.child.wait().unwrap();
        append(&setup, numbered(43..=60));
        let follower = Follower::start(&setup, &arguments);
        assert_eq!(follower.next(18), steps(43..=60));
        wait_for(60);
        assert_eq!(follower.interrupt(), (Some(130), vec![], String::new()));
        assert_eq!(setup.run(&[&["logs"][..], &arguments].concat()).expect(0).out, "");
    }
}

#[test]
fn a_reader_that_goes_ends_it_also_while_nothing_comes() {
    let [setup, _] = kept();
    append(&setup, numbered(1..=1));
    let mut command = setup.command(&["logs", "-f", "-o", "raw"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "step 1\n");
    let since = Instant::now();
    let output = child.wait_with_output().unwrap();
    assert!(since.elapsed() < Duration::from_secs(10), "{:?}", since.elapsed());
    assert_eq!((output.status.code(), output.stderr.len()), (Some(0), 0));
}
