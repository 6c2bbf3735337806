//! `logs`.

mod bad;
mod cursors;
mod follow;
mod forms;
mod keep;

use chrono::{DateTime, Utc};
use threadkeep::{LogEntry, LogLevel, LogStoreExt as _};

use crate::support::{Setup, sample_home};

const THREAD: &str = "019d0133-f335-7f05-afc0-a0e82bc318aa";

fn at(text: &str) -> DateTime<Utc> {
    DateTime::parse_from_rfc3339(text).unwrap().to_utc()
}

/// Appends entries to a store, as another process than the program does, and has it keep them all:
/// they are of any age.
fn append(setup: &Setup, entries: Vec<LogEntry>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let store = threadkeep::open(&setup.keeping_all()).await.unwrap();
        store.insert_logs(entries).await.unwrap();
        store.close().await.unwrap();
    });
}

/// So many entries of one second each, with their numbers as messages.
fn numbered(numbers: std::ops::RangeInclusive<u32>) -> Vec<LogEntry> {
    let entry = |number| {
        let time = at("2026-03-01T09:00:00Z") + chrono::TimeDelta::seconds(i64::from(number));
        LogEntry::new(time, LogLevel::Info, "agent::loop", format!("step {number}"))
    };
    numbers.map(entry).collect()
}

/// An entry of this moment.
fn recent(message: &str) -> LogEntry {
    LogEntry::new(std::time::SystemTime::now().into(), LogLevel::Info, "agent", message)
}

/// The stores that are kept, each without entries.
fn kept() -> [Setup; 2] {
    let kept = [Setup::sqlite(sample_home()), Setup::redb(sample_home())];
    for setup in &kept {
        setup.run(&["index"]).expect(0);
    }
    kept
}

/// Four entries, the second of a thread, the third of an unknown one, the others of none.
fn four() -> Vec<LogEntry> {
    let entry =
        |time, level, target: &str, message: &str| LogEntry::new(at(time), level, target, message);
    let mut entries = vec![
        entry("2026-03-01T09:00:00.000000001Z", LogLevel::Info, "agent::start", "ready"),
        entry(
            "2026-03-01T10:00:00.123456789Z",
            LogLevel::Warn,
            "agent::net",
            "slow\n\x1b[2Janswer",
        ),
        entry("2026-03-02T09:00:00Z", LogLevel::Debug, "agent::net", "retry 100%"),
        entry("2026-03-03T09:00:00Z", LogLevel::Error, "store", "disk full"),
    ];
    entries[1].thread_id = Some(THREAD.into());
    entries[1].process_id = Some("12".into());
    entries[1].module_path = Some("agent::net::http".into());
    entries[1].file = Some("src/net/http.rs".into());
    entries[1].line = Some(77);
    entries[2].thread_id = Some("review-7".into());
    entries[2].process_id = Some("1".into());
    entries[2].file = Some("src/net/mod.rs".into());
    entries[3].message = None;
    entries
}

fn with_four() -> [Setup; 2] {
    let setups = kept();
    for setup in &setups {
        append(setup, four());
    }
    setups
}

/// The numbers of the entries that are printed.
#[track_caller]
fn ids(setup: &Setup, arguments: &[&str]) -> Vec<u64> {
    let objects = setup.objects(&[&["logs"], arguments].concat());
    objects.iter().filter_map(|entry| entry["id"].as_u64()).collect()
}

#[test]
fn entries_are_chosen_in_the_words_of_journalctl() {
    for setup in with_four() {
        for (arguments, expected) in [
            (&[][..], &[1, 2, 3, 4][..]),
            (&["-r"], &[4, 3, 2, 1]),
            (&["-n", "2"], &[3, 4]),
            (&["-n", "2", "-r"], &[4, 3]),
            (&["-n", "0"], &[]),
            (&["-n", "all"], &[1, 2, 3, 4]),
            (&["-n", "all", "-r"], &[4, 3, 2, 1]),
            (&["-n", "5000"], &[1, 2, 3, 4]),
            (&["-p", "warn"], &[2, 4]),
            (&["--priority", "ERR"], &[4]),
            (&["-p", "debug..info"], &[1, 3]),
            (&["-p", "warn..info"], &[1, 2]),
            (&["-S", "2026-03-02"], &[3, 4]),
            (&["-U", "2026-03-02"], &[1, 2, 3]),
            (&["--since", "2026-03-01 09:30", "--until", "2026-03-01T10:30:00Z"], &[2]),
            (&["-S", "1772359200"], &[2, 3, 4]),
            (&["-S", "1772359200124"], &[3, 4]),
            (&["-U", "1772355600"], &[]),
            (&["-U", "1772355601"], &[1]),
            (&["-S", "now"], &[]),
            (&["--target", "NET"], &[2, 3]),
            (&["--target", "start", "--target", "store"], &[1, 4]),
            (&["--module", "HTTP"], &[2]),
            (&["--file", "net/"], &[2, 3]),
            (&["--file", "http.rs", "--file", "mod.rs"], &[2, 3]),
            (&["-t", "c318aa"], &[2]),
            (&["-t", &THREAD.to_uppercase()], &[2]),
            (&["--thread", "review-7", "-t", THREAD], &[2, 3]),
            (&["-t", "none"], &[]),
            (&["--no-thread"], &[1, 4]),
            (&["--no-thread", "-t", "review-7"], &[1, 3, 4]),
            (&["--process", "1"], &[3]),
            (&["--process", "12"], &[2]),
            (&["--exclude", "NET"], &[1, 4]),
            (&["--exclude", "http", "--exclude", "store"], &[1, 3]),
            (&["-g", "SLOW"], &[]),
            (&["-g", "slow"], &[2]),
            (&["-g", "R.*[0-9]+%"], &[]),
            (&["-g", "r.*[0-9]+%"], &[3]),
            (&["-g", "^answer|^.\\[2Janswer$"], &[2]),
            (&["-g", "slow", "-g", "100%"], &[2, 3]),
            (&["-g", "."], &[1, 2, 3]),
            (&["-g", ".", "-n", "1"], &[3]),
            (&["-g", ".", "-n", "2", "-r", "--exclude", "start"], &[3, 2]),
            (&["-p", "info", "--no-thread", "--target", "agent", "-S", "2026-03-01"], &[1]),
        ] {
            assert_eq!(ids(&setup, arguments), expected, "{arguments:?} of {}", setup.store);
        }
    }
}

#[test]
fn the_names_of_earlier_tools_work_and_are_not_shown() {
    let [setup, _] = with_four();
    let path = setup.store.strip_prefix("sqlite:").unwrap();
    let home = setup.home.to_str().unwrap();
    for (arguments, same) in [
        (&["--level", "warn"][..], &["-p", "warn"][..]),
        (&["--from", "2026-03-02"], &["-S", "2026-03-02"]),
        (&["--to", "2026-03-02"], &["-U", "2026-03-02"]),
        (&["--thread-id", "review-7"], &["-t", "review-7"]),
        (&["--threadless"], &["--no-thread"]),
        (&["--backfill", "2"], &["-n", "2"]),
        (&["--codex-home", home], &["--home", home]),
    ] {
        let (one, other) = (ids(&setup, arguments), ids(&setup, same));
        assert!(!one.is_empty() && one.len() <= 4, "{arguments:?}");
        assert_eq!(one, other, "{arguments:?}");
    }
    let nowhere = Setup { store: "sqlite:/no/such".into(), ..Setup::memory("/no/such") };
    assert_eq!(ids(&nowhere, &["--db", path]), [1, 2, 3, 4]);
    let odd = setup.folder.path().join("a?b.db");
    std::fs::copy(path, &odd).unwrap();
    std::fs::copy(path.replace(".db", "-logs.db"), setup.folder.path().join("a?b-logs.db"))
        .unwrap();
    assert_eq!(ids(&nowhere, &["--db", odd.to_str().unwrap()]), [1, 2, 3, 4]);
    let compact = setup.run(&["logs", "--compact"]).expect(0).out;
    assert_eq!(compact, setup.run(&["logs", "-o", "short"]).expect(0).out);

    let help = setup.run(&["logs", "--help"]).expect(0).out;
    for shown in ["--priority", "--since", "--cursor-file", "--vacuum-time", "Examples:"] {
        assert!(help.contains(shown), "{shown}");
    }
    let hidden = ["--level", "--from", "--to ", "--thread-id", "--threadless", "--backfill"];
    for name in hidden.into_iter().chain(["--compact", "--db", "--codex-home"]) {
        assert!(!help.contains(name), "{name}");
    }
}

#[test]
fn many_entries_are_read_page_by_page() {
    for setup in kept() {
        append(&setup, numbered(1..=2_300));
        let all = || (1..=2_300).collect::<Vec<u64>>();
        assert_eq!(ids(&setup, &["-n", "all"]), all());
        assert_eq!(ids(&setup, &["-n", "1500"]), all()[800..]);
        let mut backwards = all();
        backwards.reverse();
        assert_eq!(ids(&setup, &["-n", "all", "-r"]), backwards);
        assert_eq!(ids(&setup, &["-n", "1500", "-r"]), backwards[..1_500]);
        assert_eq!(ids(&setup, &[]), all()[2_200..]);
        let seven: Vec<_> = all().into_iter().filter(|id| id.to_string().contains('7')).collect();
        assert_eq!(ids(&setup, &["-g", "7", "-n", "all"]), seven);
        assert_eq!(ids(&setup, &["-g", "7", "-n", "500"]), seven[seven.len() - 500..]);
        assert_eq!(ids(&setup, &["-g", "step [12]$", "-n", "5"]), [1, 2]);
    }
}

#[test]
fn logs_of_a_store_without_any() {
    for setup in Setup::all() {
        for arguments in [
            &["logs"][..],
            &["logs", "-r", "-n", "20000", "--level", "WARN", "-S", "7d", "-U", "2030-01-01"],
            &["logs", "-t", "318aa", "-t", "other", "--target", "a", "-g", "b", "-o", "full"],
        ] {
            let ran = setup.run(arguments).expect(0);
            assert_eq!((ran.out.as_str(), ran.err.as_str()), ("", "note: no log entry fits\n"));
        }
        let ran = setup.run(&["logs", "--show-cursor"]).expect(0);
        assert_eq!(ran.out, format!("-- cursor: {}\n", threadkeep::LogCursor::default()));
        assert_eq!(setup.objects(&["logs", "--disk-usage"])[0]["log_entries"], 0);
    }
}
