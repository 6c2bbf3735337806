//! Named batches: what they were answered, so that a repeated one is answered alike.

use std::collections::HashMap;

use sqlx::{Row, SqliteConnection};
use threadkeep_core::{BatchId, Effect, Outcome, WriteBatch};

/// Named batches that are remembered.
const REMEMBERED: i64 = 10_000;

/// The outcomes of those named batches that were applied before.
pub(crate) async fn remembered(
    connection: &mut SqliteConnection,
    jobs: &[WriteBatch],
) -> Result<HashMap<BatchId, Vec<Outcome>>, sqlx::Error> {
    let mut found = HashMap::new();
    for name in jobs.iter().filter_map(WriteBatch::id) {
        let row = sqlx::query("SELECT outcomes FROM batches WHERE id = ?1")
            .bind(&name.as_bytes()[..])
            .fetch_optional(&mut *connection)
            .await?;
        if let Some(row) = row {
            let bytes: &[u8] = row.try_get(0)?;
            found.insert(name, decode_outcomes(bytes)?);
        }
    }
    Ok(found)
}

/// Remembers what a named batch was answered, and forgets the oldest.
pub(crate) async fn remember(
    connection: &mut SqliteConnection,
    name: BatchId,
    outcomes: &[Outcome],
) -> Result<(), sqlx::Error> {
    let mut bytes = Vec::with_capacity(outcomes.len() * 9);
    for outcome in outcomes {
        bytes.push(outcome.effect.code());
        bytes.extend(outcome.revision.to_be_bytes());
    }
    sqlx::query("INSERT INTO batches (id, outcomes) VALUES (?1, ?2)")
        .bind(&name.as_bytes()[..])
        .bind(bytes)
        .execute(&mut *connection)
        .await?;
    sqlx::query("DELETE FROM batches WHERE seq <= (SELECT max(seq) FROM batches) - ?1")
        .bind(REMEMBERED)
        .execute(connection)
        .await
        .map(drop)
}

fn decode_outcomes(bytes: &[u8]) -> Result<Vec<Outcome>, sqlx::Error> {
    let (outcomes, rest) = bytes.as_chunks::<9>();
    if !rest.is_empty() {
        return Err(sqlx::Error::Decode("outcomes of a batch are cut short".into()));
    }
    outcomes
        .iter()
        .map(|&[code, revision @ ..]| {
            let effect =
                Effect::from_code(code).map_err(|error| sqlx::Error::Decode(error.into()))?;
            Ok(Outcome { effect, revision: u64::from_be_bytes(revision) })
        })
        .collect()
}
