//! A thread's row: metadata to columns and back.

use sqlx::Row;
use sqlx::sqlite::SqliteRow;
use threadkeep_core::{Skipped, Slot, ThreadId, ThreadMetadata, path};

/// The bytes of a checksum as SQLite's signed number.
pub(crate) fn signed(checksum: u64) -> i64 {
    checksum.cast_signed()
}

/// The id in a column.
pub(crate) fn id(row: &SqliteRow, column: usize) -> Result<ThreadId, sqlx::Error> {
    let bytes: &[u8] = row.try_get(column)?;
    let bytes = <[u8; 16]>::try_from(bytes).map_err(|error| sqlx::Error::ColumnDecode {
        index: column.to_string(),
        source: error.into(),
    })?;
    Ok(ThreadId::from_bytes(bytes))
}

/// The metadata whose body and checksum are in two columns, verified.
pub(crate) fn decode(
    row: &SqliteRow,
    id: ThreadId,
    body: usize,
    checksum: usize,
) -> Result<ThreadMetadata, Skipped> {
    let skipped = |reason: String| Skipped { id, reason };
    let text: &str = row.try_get(body).map_err(|error| skipped(error.to_string()))?;
    let stored: i64 = row.try_get(checksum).map_err(|error| skipped(error.to_string()))?;
    verified(id, text, stored)
}

/// The metadata in a body, if it is what was written.
pub(crate) fn verified(id: ThreadId, body: &str, checksum: i64) -> Result<ThreadMetadata, Skipped> {
    let skipped = |reason: String| Skipped { id, reason };
    let metadata: ThreadMetadata =
        serde_json::from_str(body).map_err(|error| skipped(format!("not readable: {error}")))?;
    if metadata.id != id || signed(metadata.checksum()) != checksum {
        return Err(skipped("its checksum does not match".into()));
    }
    Ok(metadata)
}

/// The same for a write, which can replace a damaged row.
pub(crate) fn slot(row: &SqliteRow, id: ThreadId, columns: [usize; 3]) -> Slot {
    let [body, checksum, revision] = columns;
    match decode(row, id, body, checksum) {
        Ok(metadata) => Slot::Present(Box::new(metadata)),
        Err(Skipped { reason, .. }) => {
            let revision = row.try_get::<i64, _>(revision).unwrap_or(0);
            Slot::Damaged { reason, revision: u64::try_from(revision).unwrap_or(0) }
        }
    }
}

/// Whether the columns from `first` on, which listings use, say the same as the metadata.
pub(crate) fn columns_agree(
    row: &SqliteRow,
    metadata: &ThreadMetadata,
    first: usize,
) -> Result<bool, sqlx::Error> {
    Ok(row.try_get::<i64, _>(first)? == metadata.created_at.as_millis()
        && row.try_get::<i64, _>(first + 1)? == metadata.updated_at.as_millis()
        && row.try_get::<bool, _>(first + 2)? == metadata.is_archived()
        && row.try_get::<bool, _>(first + 3)? == metadata.has_user_event
        && row.try_get::<&str, _>(first + 4)? == metadata.source
        && row.try_get::<&str, _>(first + 5)? == metadata.model_provider
        && row.try_get::<&str, _>(first + 6)? == path::to_text(&metadata.cwd))
}
