//! The stored format of the PostgreSQL backend: a schema `threadkeep`, the same for all namespaces.

use crate::Migration;

/// The steps of the schema. The schema itself is there before the first one.
pub const STORE: &[Migration] = &[Migration {
    version: 20_261_128_060_000,
    step: include_str!("../postgres/20261128060000_store.sql"),
    min_reader: 20_261_128_060_000,
    min_writer: 20_261_128_060_000,
}];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_in_order_and_named_after_their_files() {
        assert!(STORE.is_sorted_by_key(|step| step.version));
        let mut files: Vec<_> = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/postgres"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        files.sort();
        assert_eq!(files.len(), STORE.len(), "a file without a step");
        for (file, step) in files.iter().zip(STORE) {
            assert!(file.starts_with(&step.version.to_string()), "{file}");
        }
    }
}
