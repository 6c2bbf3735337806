//! `list`.

use serde_json::Value;

use crate::support::{Setup, id, sample_home, write_rollout};

#[test]
fn filters_choose_threads() {
    for setup in Setup::all() {
        let count = |arguments: &[&str]| setup.tails(arguments).len();
        assert_eq!(count(&[]), 13);
        assert_eq!(count(&["--any"]), 15);
        assert_eq!(count(&["--any", "--include-empty"]), 16);
        assert_eq!(count(&["--archived"]), 2);
        assert_eq!(setup.tails(&["--source", "exec"]), ["003190010259"]);
        assert_eq!(setup.tails(&["--provider", "azure"]), ["003190010259"]);
        assert_eq!(count(&["--source", "exec", "--source", "mcp", "--any"]), 2);
        assert_eq!(setup.tails(&["--cwd", "/srv/ci/build/orchard-api"]), ["003190010259"]);
        assert_eq!(setup.tails(&["--cwd", "/srv/ci/build/./orchard-api/"]).len(), 1);
        assert_eq!(setup.tails(&["-g", "RECIPE importer"]), ["3080f9b439fc"]);
        let day = ["--sort", "created", "-S", "2026-04-09", "-U", "2026-04-09"];
        assert_eq!(setup.tails(&day), ["e0866396e022"]);
        assert_eq!(count(&["--sort", "created", "--since", "2999-01-01"]), 0);
        assert_eq!(count(&["--since", "0s"]), 0);
    }
}

#[test]
fn pages_make_up_the_listing() {
    for setup in Setup::all() {
        for sort in ["created", "updated"] {
            for reverse in [&[][..], &["--reverse"]] {
                let flags = [&["--sort", sort, "--any"], reverse].concat();
                let whole = setup.tails(&flags);
                let mut paged = Vec::new();
                let mut after: Option<String> = None;
                loop {
                    let mut arguments = [&["list", "--json", "-n", "4"], &flags[..]].concat();
                    arguments.extend(after.iter().flat_map(|cursor| ["--after", cursor]));
                    let mut objects = setup.objects(&arguments[..]);
                    after = objects.last().unwrap().get("next").map(|next| {
                        assert_eq!(objects.len(), 5);
                        next.as_str().unwrap().to_owned()
                    });
                    objects.retain(|object| object.get("next").is_none());
                    paged.extend(
                        objects
                            .iter()
                            .map(|thread| thread["id"].as_str().unwrap()[24..].to_owned()),
                    );
                    if after.is_none() {
                        break;
                    }
                }
                assert_eq!(paged, whole, "{flags:?}");
            }
        }
    }
}

#[test]
fn the_next_page_of_an_age_names_its_time() {
    let setup = Setup::memory(sample_home());
    let ran = setup.run(&["list", "-n", "1", "--sort", "created", "--since", "9999d"]).expect(0);
    let next = ran.err.lines().find_map(|line| line.strip_prefix("next: ")).unwrap();
    let flags: Vec<_> = next.split(' ').collect();
    assert_eq!(flags[0], "--since");
    let again = [&["list", "-n", "1", "--sort", "created"], &flags[..]].concat();
    let second = setup.run(&again).expect(0);
    assert_ne!(second.out, ran.out);

    let aged = ["list", "--sort", "created", "--since", "9998d", "--after", flags[3], "--json"];
    let error = setup.run(&aged).expect(2).error();
    assert_eq!(error["kind"], "invalid_cursor");
    assert!(error["hint"].as_str().unwrap().contains("not an age"), "{error}");

    let ran = setup.run(&["list", "-n", "1", "--sort", "created", "--since", "9999d", "--json"]);
    let last = ran.objects().pop().unwrap();
    assert!(last["next"].is_string() && last["since"].is_string(), "{last}");
}

#[test]
fn more_than_a_page_of_the_store_is_fetched_in_several() {
    let setup = Setup::with_own_home();
    let folder = setup.home.join("sessions");
    for number in 0..1_203_u32 {
        let id = format!("019d0000-0000-7000-8000-{number:012}");
        let line = crate::support::message("hello");
        let path = folder.join(format!("rollout-2026-01-01T00-00-00-{id}.jsonl"));
        std::fs::write(path, format!("{line}\n")).unwrap();
    }
    setup.run(&["index"]).expect(0);
    assert_eq!(setup.tails(&["-n", "5000"]).len(), 1_203);
    let objects = setup.objects(&["list", "-n", "1100"]);
    assert_eq!(objects.len(), 1_101);
    assert!(objects[1_100]["next"].is_string());
}

#[test]
fn fields_are_parted_by_tabs_and_text_cannot_leave_its_field() {
    for memory in [true, false] {
        let mut setup = Setup::with_own_home();
        write_rollout(&setup.home, 1, "red\u{1b}[31m\ttab\nline\\ \u{9b}2J\u{7f}\u{202e}");
        if memory {
            setup.store = "memory:".into();
        } else {
            setup.run(&["index"]).expect(0);
        }
        let ran = setup.run(&["list", "--color", "always"]).expect(0);
        let fields: Vec<_> = ran.out.trim_end_matches('\n').split('\t').collect();
        assert_eq!(fields.len(), 8, "{}", ran.out);
        assert_eq!(fields[0], id(1));
        assert_eq!(fields[2], "2026-01-01T00:00:01.000Z");
        assert_eq!(fields[3..7], ["", "cli", "openai", "/srv/app"]);
        assert_eq!(fields[7], r"red\u{1b}[31m\ttab\nline\\ \u{9b}2J\u{7f}\u{202e}");

        let printed = setup.run(&["list", "--json"]).expect(0).out;
        assert!(!printed.trim_end().contains(char::is_control), "{printed}");
        let thread: Value = serde_json::from_str(&printed).unwrap();
        assert!(thread["title"].as_str().unwrap().contains("\u{9b}2J\u{7f}"));
    }
}

#[test]
fn files_the_index_has_not_seen_are_told_with_the_command_that_mends_it() {
    let setup = Setup::with_own_home();
    write_rollout(&setup.home, 1, "one");
    let ran = setup.run(&["list"]).expect(0);
    assert_eq!(ran.out, "");
    assert!(ran.err.contains("the index lacks 1 file"), "{}", ran.err);
    let command = ran.err.split('`').nth(1).unwrap();
    assert!(command.starts_with("threadkeep --store sqlite:") && command.ends_with(" index"));

    setup.run(&["index"]).expect(0);
    let ran = setup.run(&["list"]).expect(0);
    assert_eq!((ran.out.lines().count(), ran.err.as_str()), (1, ""));

    let note = setup.run(&["list", "--json", "--home", "/nowhere"]).expect(0);
    assert_eq!((note.out.lines().count(), note.err.as_str()), (1, ""));
}
