//! Names and numbers that others keep: in files, in reports, on disk.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use threadkeep_core::{
    BatchId, Capabilities, Capability, Change, CheckReport, Effect, ErrorKind, Expect, LogLevel,
    Skipped, Stats, ThreadId, Timestamp, WriteBatch,
};

const ID: ThreadId = ThreadId::from_bytes([7; 16]);

fn delete() -> Change {
    Change::Delete { id: ID, at: Timestamp::MIN }
}

#[test]
fn what_a_change_did_keeps_its_number_on_disk() {
    let numbers = [
        (Effect::Created, 1),
        (Effect::Updated, 2),
        (Effect::Unchanged, 3),
        (Effect::Deleted, 4),
        (Effect::Absent, 5),
        (Effect::Tombstoned, 6),
    ];
    for (effect, number) in numbers {
        assert_eq!(effect.code(), number, "{effect:?}");
        assert_eq!(Effect::from_code(number).unwrap(), effect, "{number}");
    }
    for other in [0, 7, 255] {
        assert_eq!(Effect::from_code(other).unwrap_err().kind(), ErrorKind::Corrupted, "{other}");
    }
}

#[test]
fn a_level_keeps_its_number_on_disk_and_the_graver_has_the_greater() {
    let levels = [
        (LogLevel::Trace, 1, "TRACE"),
        (LogLevel::Debug, 2, "DEBUG"),
        (LogLevel::Info, 3, "INFO"),
        (LogLevel::Warn, 4, "WARN"),
        (LogLevel::Error, 5, "ERROR"),
    ];
    for (level, number, name) in levels {
        assert_eq!(level.code(), number, "{level:?}");
        assert_eq!(LogLevel::from_code(i64::from(number)).unwrap(), level);
        assert_eq!((level.as_str(), level.to_string().as_str()), (name, name));
        assert_eq!(name.to_ascii_lowercase().parse::<LogLevel>().unwrap(), level);
        // JSON has the same name, so that logs can be searched by it everywhere.
        assert_eq!(serde_json::to_string(&level).unwrap(), format!("\"{name}\""));
    }
    for other in [0, 6, -1, 257, i64::MIN] {
        assert_eq!(LogLevel::from_code(other).unwrap_err().kind(), ErrorKind::Corrupted, "{other}");
    }
    assert_eq!("loud".parse::<LogLevel>().unwrap_err().kind(), ErrorKind::InvalidInput);
}

#[test]
fn a_level_fits_into_a_column() {
    assert_eq!(format!("[{:>5}]", LogLevel::Info), "[ INFO]");
    assert_eq!(format!("[{:<6}]", LogLevel::Error), "[ERROR ]");
}

#[test]
fn a_capability_is_had_only_where_it_was_given() {
    for (given, name) in
        Capability::ALL.into_iter().zip(["persistent", "durable", "multi-process", "backup"])
    {
        assert_eq!(given.as_str(), name);
        let one = Capabilities::none().with(given);
        for asked in Capability::ALL {
            assert_eq!(one.has(asked), asked == given, "{given:?}: {asked:?}");
            assert!(!Capabilities::none().has(asked), "{asked:?}");
        }
    }
    let all = Capability::ALL.into_iter().fold(Capabilities::none(), Capabilities::with);
    assert!(Capability::ALL.into_iter().all(|asked| all.has(asked)));
}

#[test]
fn a_batch_tells_what_was_put_into_it() {
    let mut batch = WriteBatch::new();
    assert_eq!((batch.len(), batch.is_empty(), batch.id()), (0, true, None));
    batch.push(delete());
    batch.push_if(Expect::Revision(3), delete());
    assert_eq!((batch.len(), batch.is_empty()), (2, false));
    assert_eq!(batch.changes(), [(delete(), Expect::Any), (delete(), Expect::Revision(3))]);
    let name = BatchId::new();
    let named = batch.clone().with_id(name);
    assert_eq!(named.id(), Some(name));
    assert_eq!(named.changes(), batch.changes(), "a name takes nothing away");
}

#[test]
fn a_store_is_sound_only_with_nothing_damaged_and_nothing_else_wrong() {
    let report = |damaged: bool, problem: bool| {
        let mut report = CheckReport::default();
        let skipped = Skipped { id: ID, reason: "checksum".into() };
        report.damaged.extend(damaged.then_some(skipped));
        report.problems.extend(problem.then(|| "a key without a row".into()));
        report
    };
    assert!(report(false, false).is_sound());
    assert!(!report(true, false).is_sound());
    assert!(!report(false, true).is_sound());
    assert!(!report(true, true).is_sound());
}

#[test]
fn free_bytes_are_what_the_files_hold_beyond_what_lives_in_them() {
    let free = |thread_bytes, log_bytes, live_bytes| {
        let mut stats = Stats::default();
        (stats.thread_bytes, stats.log_bytes, stats.live_bytes) =
            (thread_bytes, log_bytes, live_bytes);
        stats.free_bytes()
    };
    assert_eq!(free(70, 50, 90), 30);
    assert_eq!(free(70, 0, 70), 0);
    assert_eq!(free(0, 9, 2), 7);
    // The files are measured one after the other, so one may have shrunk meanwhile.
    assert_eq!(free(10, 10, 25), 0);
}
