//! `logs`.

use chrono::{DateTime, Utc};
use threadkeep::{LogEntry, LogLevel, LogStoreExt as _};

use crate::support::{Setup, sample_home};

const THREAD: &str = "019d0133-f335-7f05-afc0-a0e82bc318aa";

fn at(text: &str) -> DateTime<Utc> {
    DateTime::parse_from_rfc3339(text).unwrap().to_utc()
}

/// A store with four entries, the second of a thread, the third of an unknown one.
fn with_entries() -> Setup {
    let setup = Setup::sqlite(sample_home());
    setup.run(&["index"]).expect(0);
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
    entries[2].thread_id = Some("review-7".into());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let store = threadkeep::open(&setup.store).await.unwrap();
        store.insert_logs(entries).await.unwrap();
        store.close().await.unwrap();
    });
    setup
}

#[test]
fn entries_are_chosen_in_the_words_of_journalctl() {
    let setup = with_entries();
    let ids = |arguments: &[&str]| -> Vec<u64> {
        let objects = setup.objects(&[&["logs"], arguments].concat());
        objects.iter().map(|entry| entry["id"].as_u64().unwrap()).collect()
    };
    for (arguments, expected) in [
        (&[][..], &[1, 2, 3, 4][..]),
        (&["-r"], &[4, 3, 2, 1]),
        (&["-n", "2"], &[3, 4]),
        (&["-n", "2", "-r"], &[4, 3]),
        (&["--level", "warn"], &[2, 4]),
        (&["-S", "2026-03-02"], &[3, 4]),
        (&["-U", "2026-03-02"], &[1, 2, 3]),
        (&["--since", "2026-03-01 09:30", "--until", "2026-03-01T10:30:00Z"], &[2]),
        (&["-g", "SLOW", "-g", "100%"], &[2, 3]),
        (&["--target", "NET"], &[2, 3]),
        (&["--thread", "c318aa"], &[2]),
        (&["--thread", "review-7", "--thread", THREAD], &[2, 3]),
        (&["--thread", "none"], &[]),
    ] {
        assert_eq!(ids(arguments), expected, "{arguments:?}");
    }
}

#[test]
fn an_entry_is_one_line() {
    let setup = with_entries();
    let out = setup.run(&["logs"]).expect(0).out;
    let line = out.lines().nth(1).unwrap();
    let expected = [
        "2",
        "2026-03-01T10:00:00.123456789Z",
        "WARN",
        "agent::net",
        THREAD,
        "",
        r"slow\n\u{1b}[2Janswer",
    ];
    assert_eq!(line.split('\t').collect::<Vec<_>>(), expected);

    let object = &setup.objects(&["logs"])[1];
    assert_eq!(object["time"], "2026-03-01T10:00:00.123Z");
    assert_eq!(object["nanos"], 123_456_789);
    assert_eq!(object["thread_id"], THREAD);
}

#[test]
fn logs_of_a_store_without_any() {
    for setup in Setup::all() {
        for arguments in [
            &["logs"][..],
            &["logs", "-r", "-n", "20000", "--level", "WARN", "-S", "7d", "-U", "2030-01-01"],
            &["logs", "--thread", "318aa", "--thread", "other", "--target", "a", "-g", "b"],
        ] {
            assert_eq!(setup.run(arguments).expect(0).out, "");
        }
        let ran = setup.run(&["logs", "--level", "loud", "--json"]).expect(2);
        assert!(ran.error()["message"].as_str().unwrap().contains("loud"));
    }
}
