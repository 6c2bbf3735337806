//! Loading what batches touch, in a constant number of statements.

use sqlx::{Row, SqliteConnection};
use threadkeep_core::{Record, Records, Slot, Subject, Timestamp, Tombstone, WriteBatch};

use crate::reader::{checkpoint, hex_array};
use crate::row;

/// Everything stored of the subjects of these batches.
pub(crate) async fn load(
    connection: &mut SqliteConnection,
    jobs: &[WriteBatch],
) -> Result<Records, sqlx::Error> {
    let mut ids = Vec::new();
    let mut keys = Vec::new();
    for subject in jobs.iter().flat_map(WriteBatch::subjects) {
        match subject {
            Subject::Thread(id) => ids.push(id),
            Subject::Checkpoint(key) => keys.push(key),
        }
    }
    ids.sort_unstable();
    ids.dedup();
    keys.sort_unstable();
    keys.dedup();
    let mut records = Records::new();
    if !ids.is_empty() {
        let rows = sqlx::query(
            "SELECT wanted.id, t.body, t.checksum, t.revision, d.thread_id IS NOT NULL,
                    x.deleted_at, x.revision, t.id IS NOT NULL
             FROM (SELECT unhex(value) AS id FROM json_each(?1)) AS wanted
             LEFT JOIN threads AS t ON t.id = wanted.id
             LEFT JOIN dynamic_tools AS d ON d.thread_id = wanted.id
             LEFT JOIN tombstones AS x ON x.thread_id = wanted.id",
        )
        .bind(hex_array(&ids))
        .fetch_all(&mut *connection)
        .await?;
        for row in &rows {
            let id = row::id(row, 0)?;
            let deleted: Option<i64> = row.try_get(5)?;
            let buried: Option<i64> = row.try_get(6)?;
            let tombstone = deleted.zip(buried).map(|(deleted_at, revision)| Tombstone {
                deleted_at: Timestamp::from_millis(deleted_at),
                revision: revision.cast_unsigned(),
            });
            let thread = if row.try_get(7)? { row::slot(row, id, [1, 2, 3]) } else { Slot::Absent };
            let has_tools = row.try_get(4)?;
            records.insert_thread(id, Record { thread, tombstone, has_tools, ..Record::default() });
        }
    }
    // SQLite ends a text at U+0000 when it takes it out of JSON.
    let (odd, plain): (Vec<_>, Vec<_>) = keys.into_iter().partition(|key| key.contains('\0'));
    if !plain.is_empty() {
        let rows = sqlx::query(
            "SELECT key, value, revision FROM checkpoints
             WHERE key IN (SELECT value FROM json_each(?1))",
        )
        .bind(serde_json::Value::from(plain).to_string())
        .fetch_all(&mut *connection)
        .await?;
        for row in &rows {
            records.insert_checkpoint(checkpoint(row)?);
        }
    }
    for key in odd {
        let row = sqlx::query("SELECT key, value, revision FROM checkpoints WHERE key = ?1")
            .bind(key)
            .fetch_optional(&mut *connection)
            .await?;
        if let Some(row) = row {
            records.insert_checkpoint(checkpoint(&row)?);
        }
    }
    Ok(records)
}
