//! How much room the log takes, and taking less.

use chrono::TimeDelta;

use super::{append, ids, kept, numbered, recent};

#[test]
fn disk_usage_is_that_of_the_log_alone() {
    for setup in kept() {
        append(&setup, numbered(1..=1_234));
        let usage = &setup.objects(&["logs", "--disk-usage"])[0];
        assert_eq!(usage["log_entries"], 1_234);
        assert!(usage["log_bytes"].as_u64().unwrap() > 20_000, "{usage}");
        let stats = &setup.objects(&["stats"])[0];
        assert_eq!(usage["log_entries"], stats["log_entries"]);
        let out = setup.run(&["logs", "--disk-usage"]).expect(0).out;
        assert!(out.ends_with("log entries\t1,234\n") && out.starts_with("log files\t"), "{out}");
    }
}

#[test]
fn entries_go_by_age() {
    for setup in kept() {
        let entry = |hours| {
            let mut entry = recent(&format!("{hours} hours ago"));
            entry.time -= TimeDelta::hours(hours);
            entry
        };
        append(&setup, [720, 480, 300, 2].map(entry).to_vec());
        let went = &setup.objects(&["logs", "--vacuum-time", "18d"])[0];
        assert_eq!(went["deleted_entries"], 2, "{went}");
        assert_eq!(went["log_entries"], 2);
        // One is older than stores keep entries where nobody says otherwise; here somebody did.
        assert_eq!(ids(&setup, &[]), [3, 4]);
        let out = setup.run(&["logs", "--vacuum-time", "3h"]).expect(0).out;
        assert!(out.starts_with("deleted entries\t1\nfreed\t"), "{out}");
        assert!(out.ends_with("log entries\t1\n"), "{out}");
        assert_eq!(ids(&setup, &[]), [4]);
    }
}

#[test]
fn entries_go_by_size_the_oldest_first() {
    for setup in kept() {
        let mut noise = 1_u64;
        let mut entry = |number: u32| {
            // Of a kind that packing makes at most half as large.
            let digits = (0..130).map(|_| {
                noise = noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                format!("{noise:016x}")
            });
            recent(&format!("{number} {}", digits.collect::<String>()))
        };
        // Several writings, as segments are closed by them.
        for part in 0..4 {
            append(&setup, (part * 300..(part + 1) * 300).map(&mut entry).collect());
        }
        let before = setup.objects(&["logs", "--disk-usage"])[0]["log_bytes"].as_u64().unwrap();
        assert!(before > 2_000_000, "{before}");
        let went = &setup.objects(&["logs", "--vacuum-size", "1M"])[0];
        let left = went["log_entries"].as_u64().unwrap();
        assert_eq!(went["deleted_entries"].as_u64().unwrap() + left, 1_200, "{went}");
        assert!(went["log_bytes"].as_u64().unwrap() <= 1 << 20, "{went}");
        assert!(went["freed_bytes"].as_u64().unwrap() > 500_000, "{went}");
        assert_eq!(ids(&setup, &["-n", "all"]).last(), Some(&1_200));
        // Once more changes nothing.
        let again = &setup.objects(&["logs", "--vacuum-size", "1M", "--vacuum-time", "4w"])[0];
        assert_eq!((&again["deleted_entries"], &again["log_entries"]), (&0.into(), &left.into()));
    }
}
