//! What the model keeps of its logs.

use chrono::{DateTime, Utc};
use threadkeep_core::{LogEntry, LogRow};

use super::ops::Limits;
use super::store::Model;

impl Model {
    /// Deletes the entries of an earlier time; answers how many.
    pub(crate) fn delete_logs_before(&mut self, time: DateTime<Utc>) -> u64 {
        self.delete_logs(|row| row.entry.time < time)
    }

    /// Deletes what is too old, then what of each thread is too much; answers how many.
    pub(crate) fn prune(&mut self, limits: &Limits) -> u64 {
        let old = limits.before.map_or(0, |time| self.delete_logs_before(time));
        let rest = self.logs.clone();
        // An entry stays where it and all newer ones of its thread are few enough.
        old + self.delete_logs(|row| {
            let newer = rest.iter().filter(|other| other.id >= row.id && same_owner(other, row));
            let (mut rows, mut bytes) = (0, 0);
            for other in newer {
                rows += 1;
                bytes += bytes_of(&other.entry);
            }
            limits.thread_rows.is_some_and(|most| rows > most)
                || limits.thread_bytes.is_some_and(|most| bytes > most)
        })
    }

    /// Deletes some entries; answers how many.
    pub(super) fn delete_logs(&mut self, goes: impl Fn(&LogRow) -> bool) -> u64 {
        let (gone, kept): (Vec<_>, Vec<_>) = self.logs.drain(..).partition(goes);
        self.logs = kept;
        for row in &gone {
            self.deleted_log_id = self.deleted_log_id.max(row.id);
        }
        gone.len() as u64
    }
}

fn same_owner(one: &LogRow, other: &LogRow) -> bool {
    match (&one.entry.thread_id, &other.entry.thread_id) {
        (None, None) => one.entry.process_id == other.entry.process_id,
        (one, other) => one == other,
    }
}

fn bytes_of(entry: &LogEntry) -> u64 {
    let optional = |text: &Option<String>| text.as_ref().map_or(0, |text| text.len() as u64);
    entry.target.len() as u64
        + optional(&entry.message)
        + optional(&entry.thread_id)
        + optional(&entry.process_id)
        + optional(&entry.module_path)
        + optional(&entry.file)
}
