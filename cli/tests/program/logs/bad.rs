//! What is refused, and what is said of it.

use std::fs;

use super::{append, kept, numbered};
use crate::support::{Ran, Setup, bare, sample_home, tree};

#[test]
fn bad_input_is_named_and_a_hint_is_given() {
    let [setup, _] = kept();
    append(&setup, numbered(1..=3));
    for (arguments, word, hint) in [
        (&["-p", "loud"][..], "\"loud\" is no log level", "warn..error"),
        (&["-p", "warn..loud"], "\"loud\"", "warn..error"),
        (&["-S", "soon"], "\"soon\" is no time", "2h"),
        (&["-U", "-2h"], "\"-2h\" is no time", "2h"),
        (&["-n", "many"], "\"many\" is no number of entries", "or all"),
        (&["-n", "-5"], "\"-5\" is no number", "or all"),
        (&["-g", "(a"], "\"(a\" is no regular expression: unclosed group", "backslash"),
        (&["--vacuum-size", "big"], "\"big\" is no size", "64M"),
        (&["--vacuum-size", "-1"], "\"-1\" is no size", "64M"),
        (&["--vacuum-time", "10"], "\"10\" is no age", "10d"),
        (&["-o", "iso"], "--json", "-o"),
        (&["--compact"], "--json", "-o"),
        (&["--disk-usage", "-p", "warn"], "about the whole log", "leave out"),
        (&["--vacuum-time", "1d", "-t", "review-7"], "about the whole log", "leave out"),
        (&["--vacuum-size", "1G", "-f"], "about the whole log", "leave out"),
        // What the command line itself finds.
        (&["-o", "xml"], "xml", "--help"),
        (&["-f", "-r"], "--reverse", "--help"),
        (&["--after", "a", "--cursor-file", "b"], "--cursor-file", "--help"),
        (&["-t"], "--thread", "--help"),
        (&["--disk-usage", "--vacuum-time", "1d"], "--vacuum-time", "--help"),
        (&["--compact", "-o", "raw"], "--compact", "--help"),
    ] {
        let error = setup.run(&[&["logs", "--json"], arguments].concat()).expect(2).error();
        assert!(error["message"].as_str().unwrap().contains(word), "{arguments:?}: {error}");
        assert!(error["hint"].as_str().unwrap().contains(hint), "{arguments:?}: {error}");
        assert_eq!(error["retryable"], false);
    }
    assert_eq!(super::ids(&setup, &[]), [1, 2, 3], "nothing was deleted");
}

#[test]
fn a_cursor_file_that_cannot_be_used_is_told_before_anything_is_printed() {
    let [setup, _] = kept();
    append(&setup, numbered(1..=3));
    let folder = setup.folder.path().to_str().unwrap();
    for (file, code, hint) in
        [("/no/such/seen", 3, "make the folder"), (folder, 1, "read and write")]
    {
        let ran = setup.run(&["logs", "--json", "--cursor-file", file]).expect(code);
        assert_eq!(ran.out, "");
        let error = ran.error();
        assert!(error["hint"].as_str().unwrap().contains(hint), "{error}");
        let part = file.trim_end_matches("/seen");
        assert!(error["message"].as_str().unwrap().contains(part), "{error}");
    }
}

#[test]
fn a_store_that_is_not_there_is_not_made() {
    for setup in [Setup::sqlite(sample_home()), Setup::redb(sample_home())] {
        for arguments in [
            &["logs"][..],
            &["logs", "-f"],
            &["logs", "--disk-usage"],
            &["logs", "--vacuum-size", "1M"],
        ] {
            let error = setup.run(&[arguments, &["--json"]].concat()).expect(3).error();
            assert_eq!(error["kind"], "not_found");
            let message = error["message"].as_str().unwrap();
            assert!(message.contains("there is no store") && message.contains("threads."));
            let hint = error["hint"].as_str().unwrap();
            assert!(hint.contains("--store") && hint.contains("index"), "{error}");
        }
        assert!(tree(setup.folder.path()).is_empty());
    }
    let folder = tempfile::tempdir().unwrap();
    let mut command = bare(&["logs"]);
    command.env("HOME", folder.path()).env_remove("XDG_DATA_HOME");
    let told = Ran::of(&mut command).expect(3).err;
    assert!(told.contains("with `threadkeep index`"), "{told}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_store_in_memory_has_nothing_to_follow() {
    let error = Setup::memory("/no/such").run(&["logs", "-f", "--json"]).expect(2).error();
    assert!(error["hint"].as_str().unwrap().contains("--store"), "{error}");
}
