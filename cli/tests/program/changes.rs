//! `index`, `archive`, `unarchive`, `rename` and `delete`.

use std::fs::OpenOptions;
use std::io::Write as _;

use crate::support::{Setup, id, message, sample_home, tree, write_rollout};

#[test]
fn an_index_run_ends_with_one_line() {
    let setup = Setup::sqlite(sample_home());
    let first = setup.run(&["index"]).expect(0).out;
    assert!(
        first.starts_with(
            "18 files: 17 indexed, 0 unchanged; 16 threads (2 archived), 1 duplicate, 0 skipped, "
        ),
        "{first}"
    );
    assert_eq!(first.lines().count(), 1);
    let second = setup.run(&["index", "--json"]).expect(0).objects();
    assert_eq!(second[0]["files_opened"], 0);
    assert_eq!(second[0]["threads"], 16);
    let full = setup.run(&["index", "--json", "--full"]).expect(0).objects();
    assert_eq!(full[0]["unchanged"], 0);
    assert_eq!(full[0]["duplicates"].as_array().unwrap().len(), 1);
}

#[test]
fn details_say_where_lines_are_malformed() {
    let setup = Setup::sqlite(sample_home());
    let ran = setup.run(&["index", "-v"]).expect(0);
    assert!(ran.err.contains("malformed lines at byte"), "{}", ran.err);
    assert!(ran.err.contains("opened sqlite:"), "{}", ran.err);
    let ran = setup.run(&["index", "--full", "-v", "--json"]).expect(0);
    for line in ran.err.lines() {
        let object: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(object["detail"].is_string(), "{line}");
    }
}

#[test]
fn nothing_is_written_in_the_home() {
    let setup = Setup::sqlite(sample_home());
    let before = tree(&sample_home());
    for arguments in [
        &["index"][..],
        &["list"],
        &["archive", "d0ba3"],
        &["rename", "d0ba3", "name"],
        &["delete", "--yes", "73728"],
        &["index", "--full"],
        &["check"],
    ] {
        setup.run(arguments).expect(0);
        Setup::memory(sample_home()).run(arguments);
    }
    assert_eq!(tree(&sample_home()), before);
}

#[test]
fn archiving_lasts_and_can_be_undone() {
    let setup = Setup::sqlite(sample_home());
    setup.run(&["index"]).expect(0);
    let objects = setup.objects(&["archive", "d0ba3", "18f5e", "d0ba3"]);
    assert_eq!(objects.len(), 2);
    assert_eq!(objects[0]["outcome"], "archived");
    setup.run(&["index", "--full"]).expect(0);
    assert_eq!(setup.tails(&["--archived"]).len(), 4);
    let again = setup.run(&["archive", "d0ba3"]).expect(0).out;
    assert!(again.starts_with("archived before: 019ae573"), "{again}");
    let out = setup.run(&["unarchive", "d0ba3"]).expect(0).out;
    assert!(out.starts_with("unarchived: ") && out.contains("tide table"), "{out}");
    assert_eq!(setup.tails(&["--archived"]).len(), 3);
}

#[test]
fn names_last_and_can_be_taken_away() {
    let setup = Setup::sqlite(sample_home());
    setup.run(&["index"]).expect(0);
    setup.run(&["rename", "d0ba3", "Tides by night"]).expect(0);
    setup.run(&["index", "--full"]).expect(0);
    assert_eq!(setup.tails(&["-g", "tides by"]), ["b6385cbd0ba3"]);
    let [row] = &setup.objects(&["show", "d0ba3"])[..] else { panic!("one thread") };
    assert_eq!(row["name"], "Tides by night");
    setup.run(&["rename", "d0ba3", ""]).expect(0);
    assert!(setup.objects(&["show", "d0ba3"])[0]["name"].is_null());
}

#[test]
fn a_deleted_thread_stays_deleted_until_it_goes_on() {
    let setup = Setup::with_own_home();
    let path = write_rollout(&setup.home, 1, "one");
    write_rollout(&setup.home, 2, "two");
    setup.run(&["index"]).expect(0);

    let dry = setup.run(&["delete", "--dry-run", "01", "02"]).expect(0).out;
    assert_eq!(dry.matches("would delete: ").count(), 2, "{dry}");
    assert_eq!(setup.tails(&[]).len(), 2);

    let refused = setup.run(&["delete", "01", "--json"]).expect(2).error();
    assert!(refused["hint"].as_str().unwrap().contains("--yes"), "{refused}");
    assert_eq!(setup.tails(&[]).len(), 2);

    let gone = setup.run(&["delete", "--yes", "01"]).expect(0).out;
    assert_eq!(gone, format!("deleted: {}  one\n", id(1)));
    setup.run(&["index", "--full"]).expect(0);
    assert_eq!(setup.tails(&[]), [&id(2)[24..]]);
    setup.run(&["delete", "--yes", "--", "01"]).expect(3);

    let mut later = message("it goes on");
    later["timestamp"] = "2999-01-01T00:00:00.000Z".into();
    writeln!(OpenOptions::new().append(true).open(path).unwrap(), "{later}").unwrap();
    setup.run(&["index"]).expect(0);
    assert_eq!(setup.tails(&[]).len(), 2);
}

#[test]
fn one_unknown_id_keeps_a_command_from_doing_anything() {
    let setup = Setup::sqlite(sample_home());
    setup.run(&["index"]).expect(0);
    let error = setup.run(&["archive", "d0ba3", "ffff0000", "--json"]).expect(3).error();
    assert_eq!(error["kind"], "not_found");
    assert_eq!(setup.tails(&["--archived"]).len(), 2);
}

#[test]
fn a_change_in_memory_is_made_and_said_not_to_last() {
    let setup = Setup::memory(sample_home());
    for arguments in [
        &["archive", "d0ba3"][..],
        &["unarchive", "50909"],
        &["rename", "d0ba3", "x"],
        &["delete", "d0ba3", "-y"],
    ] {
        let ran = setup.run(arguments).expect(0);
        assert!(ran.out.contains(": 019"), "{}", ran.out);
        assert!(ran.err.contains("the store is in memory"), "{}", ran.err);
    }
}
