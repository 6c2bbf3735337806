//! The stored format of the SQLite backend: a file of threads and a file of logs.

use crate::Migration;

/// `PRAGMA application_id` of both files: "thkp".
pub const APPLICATION_ID: i32 = 0x7468_6b70;

/// The steps of the file of threads.
pub const THREADS: &[Migration] = &[Migration {
    version: 20_261_122_150_000,
    step: include_str!("../sqlite/threads/20261122150000_threads.sql"),
    min_reader: 20_261_122_150_000,
    min_writer: 20_261_122_150_000,
}];

/// The steps of the file of logs.
pub const LOGS: &[Migration] = &[
    Migration {
        version: 20_261_122_150_000,
        step: include_str!("../sqlite/logs/20261122150000_logs.sql"),
        min_reader: 20_261_122_150_000,
        min_writer: 20_261_122_150_000,
    },
    Migration {
        version: 20_261_128_010_000,
        step: include_str!("../sqlite/logs/20261128010000_call_sites_once.sql"),
        min_reader: 20_261_128_010_000,
        min_writer: 20_261_128_010_000,
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_in_order_and_named_after_their_files() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/sqlite");
        for (steps, kind) in [(THREADS, "threads"), (LOGS, "logs")] {
            assert!(steps.is_sorted_by_key(|step| step.version));
            let mut files: Vec<_> = std::fs::read_dir(format!("{folder}/{kind}"))
                .unwrap()
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .collect();
            files.sort();
            assert_eq!(files.len(), steps.len(), "a file without a step in {kind}");
            for (file, step) in files.iter().zip(steps) {
                assert!(file.starts_with(&step.version.to_string()), "{file}");
            }
        }
    }
}
