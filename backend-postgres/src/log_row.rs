//! The row of a log entry.

use chrono::DateTime;
use sqlx::postgres::PgRow;
use threadkeep_core::{LogEntry, LogLevel, LogOwner, LogRow};
use xxhash_rust::xxh3::Xxh3;

use crate::connection::{number, optional_number, optional_text, text};
use crate::errors::Failed;

/// What [`decode`] reads.
pub(crate) const COLUMNS: &str = "id, seconds, nanos, level, line, target, module_path, file, \
                                  thread_id, process_id, message";

/// The entry in a row of [`COLUMNS`].
pub(crate) fn decode(row: &PgRow) -> Result<LogRow, Failed> {
    let damaged = Failed::decode;
    let nanos = u32::try_from(number(row, 2)?).map_err(|_| damaged("no nanoseconds"))?;
    let time = DateTime::from_timestamp(number(row, 1)?, nanos).ok_or(damaged("no time"))?;
    let level = LogLevel::from_code(number(row, 3)?).map_err(|_| damaged("no log level"))?;
    let line = optional_number(row, 4)?.map(u32::try_from).transpose();
    let entry = LogEntry {
        time,
        level,
        target: text(row, 5)?,
        message: optional_text(row, 10)?,
        thread_id: optional_text(row, 8)?,
        process_id: optional_text(row, 9)?,
        module_path: optional_text(row, 6)?,
        file: optional_text(row, 7)?,
        line: line.map_err(|_| damaged("no line"))?,
    };
    Ok(LogRow { id: number(row, 0)?.cast_unsigned(), entry })
}

/// A number for whose an entry is. That two get the same one is so unlikely that they may share
/// what each may have; whoever asks for entries of one compares the texts too.
pub(crate) fn owner_key(owner: LogOwner<'_>) -> i64 {
    let (kind, text) = match owner {
        LogOwner::Thread(thread) => (b't', thread),
        LogOwner::Process(Some(process)) => (b'p', process),
        LogOwner::Process(None) => (b'-', ""),
    };
    let mut hash = Xxh3::new();
    hash.update(&[kind]);
    hash.update(text.as_bytes());
    hash.digest().cast_signed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owners_have_numbers_of_their_own() {
        let keys = [
            LogOwner::Thread("a"),
            LogOwner::Thread(""),
            LogOwner::Process(Some("a")),
            LogOwner::Process(Some("")),
            LogOwner::Process(None),
        ]
        .map(owner_key);
        let distinct: std::collections::BTreeSet<_> = keys.into_iter().collect();
        assert_eq!(distinct.len(), keys.len());
        // They are stored.
        assert_eq!(keys[0], owner_key(LogOwner::Thread("a")));
    }
}
