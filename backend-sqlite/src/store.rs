//! Storing what a transaction changed.
//!
//! Many rows go into one statement, so that a transaction is few of them: each is a way to SQLite's
//! thread and back.

use sqlx::{QueryBuilder, Sqlite, SqliteConnection, query};
use threadkeep_core::{
    Changed, ChangedThread, Checkpoint, Slot, ThreadId, ThreadMetadata, ToolsChange, path, tools,
};
use xxhash_rust::xxh3::xxh3_64;

use crate::reader::hex_array;
use crate::row::signed;

/// Rows in one statement. The texts differ by their number of rows, and so few of them all stay
/// prepared.
const ROWS: usize = 16;

/// Stores what changed.
pub(crate) async fn changed(
    connection: &mut SqliteConnection,
    changed: Changed,
) -> Result<(), sqlx::Error> {
    let mut rows = Rows::default();
    for thread in &changed.threads {
        rows.add(thread)?;
    }
    rows.store(connection).await?;
    for thread in changed.threads {
        beside_row(connection, thread).await?;
    }
    checkpoints(connection, changed.checkpoints).await
}

/// Rows to be stored, by the statement that stores them.
///
/// SQLite renews every index that has a column of the statement: a row whose listing columns stay
/// is rewritten without any, one that was only used without most.
#[derive(Default)]
struct Rows<'a> {
    put: Vec<Row<'a>>,
    update_body: Vec<Row<'a>>,
    update_time: Vec<Row<'a>>,
    delete: Vec<ThreadId>,
}

/// A row, and the text that it is read back from.
struct Row<'a> {
    row: &'a ThreadMetadata,
    body: String,
}

impl<'a> Rows<'a> {
    fn add(&mut self, thread: &'a ChangedThread) -> Result<(), sqlx::Error> {
        let before = &thread.before.thread;
        let row = match &thread.after.thread {
            Slot::Present(row) => row,
            Slot::Absent if matches!(before, Slot::Absent) => return Ok(()),
            Slot::Absent | Slot::Damaged { .. } => {
                self.delete.push(thread.id);
                return Ok(());
            }
        };
        let rows = match before {
            Slot::Present(before) if !same_listing(before, row) => &mut self.put,
            Slot::Present(before) if before.updated_at == row.updated_at => &mut self.update_body,
            Slot::Present(_) => &mut self.update_time,
            Slot::Absent | Slot::Damaged { .. } => &mut self.put,
        };
        let body = serde_json::to_string(row).map_err(|error| sqlx::Error::Encode(error.into()))?;
        rows.push(Row { row, body });
        Ok(())
    }

    async fn store(self, connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
        for rows in self.put.chunks(ROWS) {
            put(rows).build().execute(&mut *connection).await?;
        }
        for rows in self.update_body.chunks(ROWS) {
            update(rows, false).build().execute(&mut *connection).await?;
        }
        for rows in self.update_time.chunks(ROWS) {
            update(rows, true).build().execute(&mut *connection).await?;
        }
        if !self.delete.is_empty() {
            query("DELETE FROM threads WHERE id IN (SELECT unhex(value) FROM json_each(?1))")
                .bind(hex_array(&self.delete))
                .execute(&mut *connection)
                .await?;
        }
        Ok(())
    }
}

fn put(rows: &[Row<'_>]) -> QueryBuilder<Sqlite> {
    let mut sql = QueryBuilder::new(
        "INSERT INTO threads (id, revision, body, checksum, updated_at, created_at, archived,
             visible, source, model_provider, cwd) ",
    );
    sql.push_values(rows, |mut values, Row { row, body }| {
        values
            .push_bind(row.id.as_bytes().to_vec())
            .push_bind(row.revision.cast_signed())
            .push_bind(body.clone())
            .push_bind(signed(row.checksum()))
            .push_bind(row.updated_at.as_millis())
            .push_bind(row.created_at.as_millis())
            .push_bind(row.is_archived())
            .push_bind(row.has_user_event)
            .push_bind(row.source.clone())
            .push_bind(row.model_provider.clone())
            .push_bind(path::to_text(&row.cwd).into_owned());
    });
    sql.push(
        " ON CONFLICT (id) DO UPDATE SET created_at = excluded.created_at,
             updated_at = excluded.updated_at, archived = excluded.archived,
             visible = excluded.visible, source = excluded.source,
             model_provider = excluded.model_provider, cwd = excluded.cwd,
             revision = excluded.revision, body = excluded.body, checksum = excluded.checksum",
    );
    sql
}

/// Rewrites rows that stay where they are listed, or, with their time, move only by it.
fn update(rows: &[Row<'_>], with_time: bool) -> QueryBuilder<Sqlite> {
    let mut sql = QueryBuilder::new("WITH new (id, revision, body, checksum");
    sql.push(if with_time { ", updated_at) AS (" } else { ") AS (" });
    sql.push_values(rows, |mut values, Row { row, body }| {
        values
            .push_bind(row.id.as_bytes().to_vec())
            .push_bind(row.revision.cast_signed())
            .push_bind(body.clone())
            .push_bind(signed(row.checksum()));
        if with_time {
            values.push_bind(row.updated_at.as_millis());
        }
    });
    sql.push(
        ") UPDATE threads SET revision = new.revision, body = new.body, checksum = new.checksum",
    );
    sql.push(if with_time { ", updated_at = new.updated_at" } else { "" });
    sql.push(" FROM new WHERE threads.id = new.id");
    sql
}

/// What is stored of a thread beside its row: its tombstone and its tools.
async fn beside_row(
    connection: &mut SqliteConnection,
    ChangedThread { id, before, after }: ChangedThread,
) -> Result<(), sqlx::Error> {
    let key = &id.as_bytes()[..];
    match after.tombstone {
        _ if after.tombstone == before.tombstone => {}
        Some(tombstone) => {
            query(
                "INSERT INTO tombstones (thread_id, deleted_at, revision, logs_pending)
                 VALUES (?1, ?2, ?3, 1)
                 ON CONFLICT (thread_id) DO UPDATE SET deleted_at = excluded.deleted_at,
                     revision = excluded.revision, logs_pending = 1",
            )
            .bind(key)
            .bind(tombstone.deleted_at.as_millis())
            .bind(tombstone.revision.cast_signed())
            .execute(&mut *connection)
            .await?;
        }
        None => {
            query("DELETE FROM tombstones WHERE thread_id = ?1")
                .bind(key)
                .execute(&mut *connection)
                .await?;
        }
    }
    match after.tools_change {
        Some(ToolsChange::Store(list)) => {
            let text = tools::encode(&list);
            let checksum = signed(xxh3_64(text.as_bytes()));
            query(
                "INSERT INTO dynamic_tools (thread_id, tools, checksum) VALUES (?1, ?2, ?3)
                 ON CONFLICT (thread_id) DO UPDATE
                 SET tools = excluded.tools, checksum = excluded.checksum",
            )
            .bind(key)
            .bind(text)
            .bind(checksum)
            .execute(&mut *connection)
            .await?;
        }
        Some(ToolsChange::Remove) => {
            query("DELETE FROM dynamic_tools WHERE thread_id = ?1")
                .bind(key)
                .execute(&mut *connection)
                .await?;
        }
        None => {}
    }
    Ok(())
}

async fn checkpoints(
    connection: &mut SqliteConnection,
    changed: Vec<(String, Option<Checkpoint>)>,
) -> Result<(), sqlx::Error> {
    let mut stored = Vec::new();
    for (key, checkpoint) in changed {
        match checkpoint {
            Some(checkpoint) => stored.push((key, checkpoint)),
            None => {
                query("DELETE FROM checkpoints WHERE key = ?1")
                    .bind(key)
                    .execute(&mut *connection)
                    .await?;
            }
        }
    }
    for rows in stored.chunks(ROWS) {
        let mut sql =
            QueryBuilder::<Sqlite>::new("INSERT INTO checkpoints (key, value, revision) ");
        sql.push_values(rows, |mut values, (key, checkpoint)| {
            values
                .push_bind(key.clone())
                .push_bind(checkpoint.value.clone())
                .push_bind(checkpoint.revision.cast_signed());
        });
        sql.push(
            " ON CONFLICT (key) DO UPDATE
             SET value = excluded.value, revision = excluded.revision",
        );
        sql.build().execute(&mut *connection).await?;
    }
    Ok(())
}

/// Whether two rows stand at the same place in every listing but those by time of update.
fn same_listing(one: &ThreadMetadata, other: &ThreadMetadata) -> bool {
    one.created_at == other.created_at
        && one.is_archived() == other.is_archived()
        && one.has_user_event == other.has_user_event
        && one.source == other.source
        && one.model_provider == other.model_provider
        && one.cwd.as_os_str() == other.cwd.as_os_str()
}
