//! `show`, `path`, `tools`, `stats`, `check`, `completions` and `man`.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::Path;

use crate::support::{Ran, Setup, bare, id, message, write_rollout};

#[test]
fn a_thread_is_shown_by_any_part_of_its_id() {
    for setup in Setup::all() {
        let whole = "019d0133-f335-7f05-afc0-a0e82bc318aa";
        for part in [whole, "019d0133", "019D0133-F335", "019d0133f335", "c318aa", "aa", "318AA"] {
            let [thread] = &setup.objects(&["show", part])[..] else {
                panic!("{part} shows one thread");
            };
            assert_eq!(thread["id"], whole, "{part}");
        }
        let shown = setup.run(&["show", whole]).expect(0);
        assert!(shown.out.lines().all(|line| line.split('\t').count() == 2), "{}", shown.out);
        assert!(shown.out.starts_with(&format!("id\t{whole}\n")), "{}", shown.out);
    }
}

/// Of a thread's object.
const MEMBERS: [&str; 22] = [
    "id",
    "rollout_path",
    "created_at",
    "updated_at",
    "source",
    "model_provider",
    "model",
    "cli_version",
    "cwd",
    "title",
    "preview",
    "name",
    "sandbox_policy",
    "approval_mode",
    "tokens_used",
    "has_user_event",
    "archived_at",
    "git_sha",
    "git_branch",
    "git_origin_url",
    "applied_through",
    "revision",
];

#[test]
fn an_object_has_the_promised_members_in_order() {
    for setup in Setup::all() {
        let ran = setup.run(&["show", "e4605", "--json"]).expect(0);
        let thread = &ran.objects()[0];
        assert_eq!(thread.as_object().unwrap().len(), MEMBERS.len());
        let places = MEMBERS.map(|name| ran.out.find(&format!("\"{name}\":")).expect(name));
        assert!(places.is_sorted(), "{}", ran.out);
        let time = thread["updated_at"].as_str().unwrap();
        assert!(time.len() == 24 && time.ends_with('Z'), "{time}");
        assert!(thread["archived_at"].is_null());
    }
}

#[test]
fn a_path_can_be_given_to_other_programs() {
    for setup in Setup::all() {
        let ran = setup.run(&["path", "d0ba3"]).expect(0);
        assert!(fs::metadata(ran.out.trim_end()).unwrap().is_file(), "{}", ran.out);
        let object = &setup.objects(&["path", "d0ba3"])[0];
        assert_eq!(object["path"], ran.out.trim_end());
    }
}

#[test]
fn tools_are_an_array_or_a_line_each() {
    for setup in Setup::all() {
        let lines = setup.objects(&["tools", "318aa"]);
        let array: serde_json::Value =
            serde_json::from_str(&setup.run(&["tools", "318aa"]).expect(0).out).unwrap();
        assert_eq!(array.as_array().unwrap(), &lines);
        assert!(!lines.is_empty() && lines.iter().all(|tool| tool["name"].is_string()));

        assert_eq!(setup.run(&["tools", "d0ba3"]).expect(0).out, "[]\n");
        assert_eq!(setup.run(&["tools", "d0ba3", "--json"]).expect(0).out, "");
    }
}

#[test]
fn stats_count() {
    for setup in Setup::all() {
        let stats = &setup.objects(&["stats"])[0];
        let counts = ["threads", "archived", "threads_with_tools", "tombstones", "log_entries"];
        assert_eq!(counts.map(|name| stats[name].as_u64().unwrap()), [16, 2, 3, 0, 0]);
        assert_eq!(stats["store"], setup.store);
        let lines = setup.run(&["stats"]).expect(0).out;
        assert!(lines.contains("threads\t16\n"), "{lines}");
    }
}

#[test]
fn a_sound_and_complete_store_is_ok() {
    for setup in Setup::all() {
        let ran = setup.run(&["check"]).expect(0);
        assert_eq!(ran.err, "");
        let steps: Vec<_> = ran.out.lines().map(|line| line.split('\t').next().unwrap()).collect();
        assert_eq!(steps, ["list", "read", "store", "files"], "{}", ran.out);
        assert_eq!(setup.objects(&["check"])[0]["verdict"], "ok");
    }
}

#[test]
fn a_check_names_what_the_index_lacks() {
    let setup = Setup::with_own_home();
    let grown = write_rollout(&setup.home, 1, "grows");
    let gone = write_rollout(&setup.home, 2, "goes");
    write_rollout(&setup.home, 3, "stays");
    setup.run(&["index"]).expect(0);
    setup.run(&["check"]).expect(0);

    let mut file = OpenOptions::new().append(true).open(&grown).unwrap();
    writeln!(file, "{}", message("more")).unwrap();
    fs::remove_file(&gone).unwrap();
    let new = write_rollout(&setup.home, 4, "new");

    let ran = setup.run(&["check", "--json"]).expect(4);
    let report = &ran.objects()[0];
    assert_eq!(report["verdict"], "behind");
    let findings = report["steps"][3]["findings"].as_array().unwrap();
    let named = |what: &str, path: &Path| {
        let path = path.to_str().unwrap();
        findings.iter().any(|finding| finding["what"] == what && finding["path"] == path)
    };
    assert!(named("behind", &grown) && named("not indexed", &new), "{findings:#?}");
    assert!(named("missing file", &gone), "{findings:#?}");
    assert_eq!(findings.len(), 3, "{findings:#?}");

    let ran = setup.run(&["check"]).expect(4);
    assert!(ran.out.contains(&format!("missing file\t{}", id(2))), "{}", ran.out);
    assert!(ran.err.contains("threadkeep --store") && ran.err.contains(" index"), "{}", ran.err);
}

#[test]
fn completions_and_manual_pages_need_neither_store_nor_home() {
    let without = |arguments: &[&str]| {
        Ran::of(bare(arguments).env("HOME", "/nowhere").env_remove("XDG_DATA_HOME")).expect(0).out
    };
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        assert!(without(&["completions", shell]).contains("include-empty"), "{shell}");
    }
    assert!(without(&["man"]).contains(".TH threadkeep 1"));
    assert!(without(&["man", "list"]).contains("include\\-empty"));
    Ran::of(&mut bare(&["man", "nothing"])).expect(3);
}

#[test]
fn help_explains_every_command_and_flag() {
    let help = Ran::of(&mut bare(&["--help"])).expect(0).out;
    let commands = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let commands: Vec<_> = commands.map_while(|line| line.split_whitespace().next()).collect();
    assert_eq!(commands.len(), 18, "{help}");
    for command in commands {
        let help = Ran::of(&mut bare(&[command, "--help"])).expect(0).out;
        let mut lines = help.lines().map(str::trim).peekable();
        while let Some(line) = lines.next() {
            let explained = lines.peek().is_some_and(|next| !next.is_empty());
            assert!(
                !line.starts_with('-') || line.starts_with("- ") || explained,
                "{command}: {line}"
            );
        }
    }
    for word in ["Examples:", "Exit codes:", "CODEX_HOME", "THREADKEEP_STORE"] {
        assert!(help.contains(word), "{word}");
    }
    Ran::of(&mut bare(&["--version"])).expect(0);
    Ran::of(&mut bare(&[])).expect(2);
}
