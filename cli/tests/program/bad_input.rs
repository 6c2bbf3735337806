//! What goes wrong in a home and on the command line.

use std::fs;

use crate::support::{Ran, Setup, bare, id, sample_home, write_rollout};

#[test]
fn bad_files_are_skipped_and_named_and_the_rest_is_indexed() {
    let setup = Setup::with_own_home();
    write_rollout(&setup.home, 1, "good");
    let folder = setup.home.join("sessions/2026/01/01");
    let no_rollout = folder.join("rollout-notes.jsonl");
    fs::write(&no_rollout, "Dear diary,\n").unwrap();
    let empty = folder.join(format!("rollout-2026-01-01T00-00-02-{}.jsonl", id(2)));
    fs::write(&empty, "").unwrap();
    let no_uuid = folder.join("rollout-x.jsonl");
    fs::write(&no_uuid, "{\"type\":\"session_meta\",\"payload\":{\"id\":\"seven\"}}\n").unwrap();

    for setup in [Setup::memory(&setup.home), setup] {
        let ran = setup.run(&["index"]).expect(4);
        assert!(ran.out.contains("1 thread (0 archived)"), "{}", ran.out);
        for path in [&no_rollout, &empty, &no_uuid] {
            let named = format!("skipped: {}: ", path.display());
            assert!(ran.err.contains(&named), "{named}\n{}", ran.err);
        }
        assert_eq!(ran.err.lines().count(), 3, "{}", ran.err);
        let ran = setup.run(&["index", "--json"]).expect(4);
        assert_eq!(ran.objects()[0]["skipped"].as_array().unwrap().len(), 3);
        assert_eq!(ran.err, "");
        assert_eq!(setup.tails(&[]), [&id(1)[24..]]);
    }
}

#[cfg(unix)]
#[test]
fn links_that_lead_round_and_folders_without_permission() {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    let setup = Setup::with_own_home();
    write_rollout(&setup.home, 1, "good");
    let folder = setup.home.join("sessions/2026");
    symlink(&folder, folder.join("round")).unwrap();
    symlink(folder.join("b"), folder.join("a")).unwrap();
    symlink(folder.join("a"), folder.join("b")).unwrap();
    let ran = setup.run(&["index"]).expect(4);
    assert!(ran.out.contains("1 thread"), "{}", ran.out);
    assert!(ran.err.contains("skipped: ") && ran.err.contains("2026/round"), "{}", ran.err);

    let closed = setup.home.join("sessions/closed");
    fs::create_dir(&closed).unwrap();
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o000)).unwrap();
    if fs::read_dir(&closed).is_ok() {
        println!("skipped: permissions do not bind this user");
        return;
    }
    let ran = setup.run(&["index"]).expect(4);
    assert!(ran.err.contains(&format!("skipped: {}: ", closed.display())), "{}", ran.err);
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o700)).unwrap();
}

#[cfg(unix)]
#[test]
fn paths_that_are_not_unicode_work() {
    use std::os::unix::ffi::OsStringExt as _;

    let mut setup = Setup::with_own_home();
    let odd = setup.folder.path().join(std::ffi::OsString::from_vec(b"home-\xff\x1b".to_vec()));
    fs::create_dir(&odd).unwrap();
    setup.home = odd.canonicalize().unwrap();
    write_rollout(&setup.home, 1, "good");
    setup.run(&["index"]).expect(0);
    let thread = &setup.objects(&["list"])[0];
    let text = thread["rollout_path"].as_str().unwrap();
    assert!(text.starts_with("bytes:/") && text.contains("home-%FF%1B/sessions"), "{text}");
    assert_eq!(setup.run(&["check"]).expect(0).err, "");
    // What `path` prints to a pipe is the path itself.
    let printed = setup.command(&["path", "01"]).output().unwrap().stdout;
    let path = std::path::PathBuf::from(std::ffi::OsString::from_vec(
        printed.strip_suffix(b"\n").unwrap().to_vec(),
    ));
    assert!(path.is_file(), "{path:?}");

    let mut store = bare(&["list", "--store"]);
    store.arg(std::ffi::OsString::from_vec(b"sqlite:/\xff".to_vec()));
    Ran::of(&mut store).expect(2);
}

#[test]
fn a_home_that_is_not_there() {
    let setup = Setup::with_own_home();
    for arguments in [&["index"][..], &["list"]] {
        let error =
            setup.run(&[arguments, &["--home", "/no/such", "--json"]].concat()).expect(3).error();
        assert_eq!(error["kind"], "not_found");
        assert_eq!(error["message"], "not found: there is no folder /no/such");
        assert!(error["hint"].as_str().unwrap().contains("--home"), "{error}");
    }
    let file = setup.folder.path().join("file");
    fs::write(&file, "").unwrap();
    setup.run(&["index", "--home", file.to_str().unwrap()]).expect(2);
    Setup::memory("/no/such").run(&["show", "019d"]).expect(3);

    let ran = setup.run(&["index"]).expect(0);
    assert!(ran.err.contains("there are no rollout files"), "{}", ran.err);
}

#[test]
fn ids_that_fit_none_or_several() {
    for setup in Setup::all() {
        let error = setup.run(&["show", "019d71", "--json"]).expect(3).error();
        assert_eq!(error["kind"], "ambiguous");
        assert_eq!(error["candidates"].as_array().unwrap().len(), 3, "{error}");
        assert_eq!(error["retryable"], false);
        let told = setup.run(&["show", "019d71"]).expect(3).err;
        assert!(told.contains("019d714c-f076-71e5-8f95-e0866396e022 Review"), "{told}");
        assert!(told.contains("  hint: "), "{told}");

        let error = setup.run(&["path", "019", "--json"]).expect(3).error();
        assert!(error["hint"].as_str().unwrap().contains("at least 4"), "{error}");
        for none in ["ffffffff", "nonsense", "", "00000000-0000-0000-0000-000000000000"] {
            let error = setup.run(&["tools", none, "--json"]).expect(3).error();
            assert_eq!(error["kind"], "not_found", "{none}");
        }
    }
}

#[test]
fn wrong_usage() {
    let setup = Setup::memory(sample_home());
    for (arguments, word) in [
        (&["list", "-n", "0"][..], "1 or more"),
        (&["list", "-n", "many"], "whole number"),
        (&["list", "--no-such-flag"], "--no-such-flag"),
        (&["list", "--archived", "--any"], "--any"),
        (&["list", "--since", "soon"], "is no time"),
        (&["list", "--after", "nonsense"], "is no cursor"),
        (&["lits"], "lits"),
        (&["archive"], "ID"),
        (&["logs", "-n", "-1"], "no number of entries"),
        (&["list", "--color", "sometimes"], "sometimes"),
    ] {
        let told = setup.run(arguments).expect(2).err;
        assert!(told.contains(word), "{arguments:?}: {told}");
        let error = setup.run(&[arguments, &["--json"]].concat()).expect(2).error();
        assert!(error["message"].as_str().unwrap().contains(word), "{error}");
        assert!(error["kind"].is_string() && error["hint"].is_string(), "{error}");
        assert_eq!(error["retryable"], false);
    }
}

#[test]
fn a_cursor_of_another_query() {
    for setup in Setup::all() {
        let page = setup.objects(&["list", "-n", "1"]);
        let cursor = page[1]["next"].as_str().unwrap();
        setup.run(&["list", "-n", "2", "--after", cursor]).expect(0);
        for other in [&["--any"][..], &["--sort", "created"], &["-g", "a"], &["--reverse"]] {
            let arguments = [&["list", "--json", "--after", cursor], other].concat();
            assert_eq!(setup.run(&arguments).expect(2).error()["kind"], "invalid_cursor");
        }
        let cut = &cursor[..cursor.len() - 1];
        let error = setup.run(&["list", "--json", "--after", cut]).expect(2).error();
        assert_eq!(error["kind"], "invalid_cursor");
    }
}
