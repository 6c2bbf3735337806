//! A thread's row: metadata to columns and back.

use sqlx::postgres::PgRow;
use threadkeep_core::{Skipped, Slot, ThreadId, ThreadMetadata, path};
use xxhash_rust::xxh3::xxh3_64;

use crate::connection::{flag, number, optional_text, text, uuid};
use crate::errors::Failed;

/// The number an index has in the place of a text, which may be longer than an index takes.
pub(crate) fn key(text: &str) -> i64 {
    xxh3_64(text.as_bytes()).cast_signed()
}

/// The id in a column.
pub(crate) fn id(row: &PgRow, column: usize) -> Result<ThreadId, Failed> {
    uuid(row, column).map(ThreadId::from_bytes)
}

/// The metadata whose body and checksum are in two columns, verified.
pub(crate) fn decode(
    row: &PgRow,
    id: ThreadId,
    body: usize,
    checksum: usize,
) -> Result<ThreadMetadata, Skipped> {
    let skipped = |error: Failed| Skipped { id, reason: error.to_string() };
    let text = text(row, body).map_err(skipped)?;
    let stored = number(row, checksum).map_err(skipped)?;
    verified(id, &text, stored)
}

/// The metadata in a body, if it is what was written.
fn verified(id: ThreadId, body: &str, checksum: i64) -> Result<ThreadMetadata, Skipped> {
    let skipped = |reason: String| Skipped { id, reason };
    let metadata: ThreadMetadata =
        serde_json::from_str(body).map_err(|error| skipped(format!("not readable: {error}")))?;
    if metadata.id != id || metadata.checksum().cast_signed() != checksum {
        return Err(skipped("its checksum does not match".into()));
    }
    Ok(metadata)
}

/// The same for a write, which can replace a damaged row.
pub(crate) fn slot(row: &PgRow, id: ThreadId, columns: [usize; 3]) -> Slot {
    let [body, checksum, revision] = columns;
    match decode(row, id, body, checksum) {
        Ok(metadata) => Slot::Present(Box::new(metadata)),
        Err(Skipped { reason, .. }) => {
            let revision = number(row, revision).unwrap_or(0);
            Slot::Damaged { reason, revision: u64::try_from(revision).unwrap_or(0) }
        }
    }
}

/// Whether the columns from `first` on, which listings use, say the same as the metadata.
pub(crate) fn columns_agree(
    row: &PgRow,
    metadata: &ThreadMetadata,
    first: usize,
) -> Result<bool, Failed> {
    let cwd = path::to_text(&metadata.cwd);
    let texts = [metadata.source.as_str(), metadata.model_provider.as_str(), &cwd];
    let numbers = [metadata.created_at.as_millis(), metadata.updated_at.as_millis()];
    let flags = [metadata.is_archived(), metadata.has_user_event];
    let keys = texts.map(key);
    for (nth, value) in numbers.iter().chain(&keys).enumerate() {
        if number(row, first + nth)? != *value {
            return Ok(false);
        }
    }
    for (nth, value) in flags.iter().enumerate() {
        if flag(row, first + 5 + nth)? != *value {
            return Ok(false);
        }
    }
    for (nth, value) in texts.iter().enumerate() {
        if optional_text(row, first + 7 + nth)?.as_deref() != Some(*value) {
            return Ok(false);
        }
    }
    Ok(true)
}
