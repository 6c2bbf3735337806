//! The peer: one transaction a call, by prepared statements, on the store's own table.

use anyhow::Result;
use sqlx::{PgConnection, PgPool, Row as _};
use threadkeep_core::{ThreadId, ThreadMetadata, Timestamp};

/// Reads a thread, changes it and stores it, in a transaction of its own: four round trips.
pub(crate) async fn change(pool: &PgPool, id: ThreadId, count: u64) -> Result<()> {
    let mut transaction = pool.begin().await?;
    change_within(&mut transaction, id, count).await?;
    transaction.commit().await?;
    Ok(())
}

/// The same for many threads in one transaction.
pub(crate) async fn change_all(pool: &PgPool, ids: &[ThreadId], count: u64) -> Result<()> {
    let mut transaction = pool.begin().await?;
    for id in ids {
        change_within(&mut transaction, *id, count).await?;
    }
    transaction.commit().await?;
    Ok(())
}

async fn change_within(connection: &mut PgConnection, id: ThreadId, count: u64) -> Result<()> {
    let id = id.to_string();
    let stored = sqlx::query(
        "SELECT body FROM threadkeep.threads
         WHERE namespace = 'default' AND id = $1::uuid FOR UPDATE",
    )
    .bind(&id)
    .fetch_one(&mut *connection)
    .await?;
    let mut row: ThreadMetadata = serde_json::from_str(stored.try_get(0)?)?;
    row.tokens_used = count as i64 + 1;
    row.updated_at = time(count);
    row.revision += 1;
    sqlx::query(
        "UPDATE threadkeep.threads SET revision = $2, updated_at = $3, checksum = $4, body = $5
         WHERE namespace = 'default' AND id = $1::uuid",
    )
    .bind(&id)
    .bind(row.revision.cast_signed())
    .bind(row.updated_at.as_millis())
    .bind(row.checksum().cast_signed())
    .bind(serde_json::to_string(&row)?)
    .execute(connection)
    .await?;
    Ok(())
}

/// When a thread is changed for the nth time.
pub(crate) fn time(count: u64) -> Timestamp {
    Timestamp::from_millis(1_800_000_000_000 + count as i64)
}
