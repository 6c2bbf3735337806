//! Going on where an earlier run ended.

use std::fs;

use threadkeep::{LogCursor, LogStoreExt as _};

use super::{append, at, ids, kept, numbered};
use crate::support::{Ran, Setup};

const NONE: [u64; 0] = [];

/// The position that a run printed as its last line.
fn cursor(ran: &Ran) -> String {
    let last = ran.out.lines().last().unwrap();
    last.strip_prefix("-- cursor: ").unwrap_or_else(|| panic!("{}", ran.out)).to_owned()
}

#[test]
fn a_cursor_goes_on_without_repeats_and_without_holes() {
    for setup in kept() {
        append(&setup, numbered(1..=25));
        let first = setup.run(&["logs", "-n", "3", "-o", "raw", "--show-cursor"]).expect(0);
        assert_eq!(first.out.lines().count(), 4, "{}", first.out);
        let after = cursor(&first);
        assert_eq!(after, LogCursor::new(25).to_string());
        let ran = setup.run(&["logs", "--after", &after, "--show-cursor"]).expect(0);
        assert_eq!(ran.out, format!("-- cursor: {after}\n"));

        append(&setup, numbered(26..=27));
        assert_eq!(ids(&setup, &["--after", &after]), [26, 27]);
        assert_eq!(ids(&setup, &["--after", &after, "-r"]), [27, 26]);
        assert_eq!(ids(&setup, &["--after", &after, "-n", "1"]), [26]);
        assert_eq!(ids(&setup, &["--after", &after, "-n", "0"]), NONE);
        // More than the usual number of lines: after a cursor none may be missing.
        append(&setup, numbered(28..=260));
        assert_eq!(ids(&setup, &["--after", &after]).len(), 235);

        // Page by page, under a condition, with the position in an object of its own.
        let (mut after, mut seen) = (LogCursor::default().to_string(), Vec::new());
        loop {
            let objects =
                setup.objects(&["logs", "--after", &after, "--show-cursor", "-n", "9", "-g", "7"]);
            let (last, entries) = objects.split_last().unwrap();
            seen.extend(entries.iter().map(|entry| entry["id"].as_u64().unwrap()));
            after = last["cursor"].as_str().unwrap().to_owned();
            if entries.len() < 9 {
                break;
            }
        }
        let expected: Vec<_> = (1..=260).filter(|id: &u64| id.to_string().contains('7')).collect();
        assert_eq!(seen, expected);
        // What did not fit was looked at all the same, and is not looked at again.
        assert_eq!(after, LogCursor::new(260).to_string());
    }
}

#[test]
fn a_cursor_file_shows_each_entry_once() {
    for setup in kept() {
        let file = setup.folder.path().join("seen");
        let new = |setup: &Setup| ids(setup, &["--cursor-file", file.to_str().unwrap()]);
        assert_eq!(new(&setup), NONE);
        append(&setup, numbered(1..=3));
        assert_eq!(new(&setup), [1, 2, 3]);
        assert_eq!(new(&setup), NONE);
        append(&setup, numbered(4..=200));
        assert_eq!(new(&setup), (4..=200).collect::<Vec<_>>());
        let written = fs::read_to_string(&file).unwrap();
        assert_eq!(written, format!("{}\n", LogCursor::new(200)));
        // The file beside which the new one is made is gone.
        let left = fs::read_dir(setup.folder.path()).unwrap();
        let left = left.filter(|entry| {
            entry.as_ref().unwrap().file_name().to_string_lossy().starts_with("seen")
        });
        assert_eq!(left.count(), 1);
    }
}

#[test]
fn without_a_reader_the_file_keeps_its_position() {
    let [setup, _] = kept();
    append(&setup, numbered(1..=3_000));
    let file = setup.folder.path().join("seen");
    let mut command =
        setup.command(&["logs", "-n", "all", "--cursor-file", file.to_str().unwrap()]);
    let mut child = command.stdout(std::process::Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(!file.exists(), "nobody read the entries");
}

#[test]
fn entries_that_went_meanwhile_are_told() {
    for setup in kept() {
        append(&setup, numbered(1..=10));
        let after = LogCursor::new(4).to_string();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let store = threadkeep::open(&setup.keeping_all()).await.unwrap();
            store.delete_logs_before(at("2026-03-01T09:00:07Z")).await.unwrap();
            store.close().await.unwrap();
        });
        let ran = setup.run(&["logs", "--after", &after, "-o", "raw"]).expect(0);
        assert_eq!(ran.out, "step 7\nstep 8\nstep 9\nstep 10\n");
        assert_eq!(ran.err, "-- 5..6: entries were deleted before they could be shown\n");
        let ran = setup.run(&["logs", "--after", &LogCursor::new(6).to_string()]).expect(0);
        assert_eq!((ran.out.lines().count(), ran.err.as_str()), (4, ""));
    }
}

#[test]
fn cursors_that_are_none() {
    for setup in kept() {
        append(&setup, numbered(1..=5));
        let file = setup.folder.path().join("seen");
        fs::write(&file, "l1-3-").unwrap();
        let beyond = LogCursor::new(6).to_string();
        for (arguments, word, hint) in [
            (&["--after", "nonsense"][..], "nonsense", "start without one"),
            (&["--after", "l1-3-00000000"], "l1-3-00000000", "start without one"),
            (&["--after", &beyond], &beyond, "the store that gave it"),
            (&["-f", "--after", &beyond], &beyond, "the store that gave it"),
            (&["--cursor-file", file.to_str().unwrap()], "seen", "delete it"),
        ] {
            let error = setup.run(&[&["logs", "--json"], arguments].concat()).expect(2).error();
            assert_eq!(error["kind"], "invalid_cursor", "{error}");
            assert!(error["message"].as_str().unwrap().contains(word), "{error}");
            assert!(error["hint"].as_str().unwrap().contains(hint), "{error}");
        }
        assert_eq!(fs::read_to_string(&file).unwrap(), "l1-3-", "it stays as it was");
        fs::write(&file, &beyond).unwrap();
        let error = setup
            .run(&["logs", "--json", "--cursor-file", file.to_str().unwrap()])
            .expect(2)
            .error();
        assert!(error["hint"].as_str().unwrap().contains("seen to begin anew"), "{error}");
    }
}
