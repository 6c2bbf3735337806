//! Storing what a transaction changed.
//!
//! Rows and checkpoints are handed over as one JSON array for each kind of statement, so that a
//! transaction is a constant number of statements however many threads it touches. SQLite ends a
//! text at U+0000 when it takes it out of JSON, so those few rows are stored one by one.

use serde_json::{Value, json};
use sqlx::{SqliteConnection, query};
use threadkeep_core::{
    Changed, ChangedThread, Checkpoint, Slot, ThreadId, ThreadMetadata, ToolsChange, path, tools,
};
use xxhash_rust::xxh3::xxh3_64;

use crate::row::signed;

/// Stores what changed.
pub(crate) async fn changed(
    connection: &mut SqliteConnection,
    changed: Changed,
) -> Result<(), sqlx::Error> {
    let mut rows = Rows::default();
    for thread in changed.threads {
        rows.add(&thread)?;
        beside_row(connection, thread).await?;
    }
    rows.store(connection).await?;
    checkpoints(connection, changed.checkpoints).await
}

const INSERT: &str = "INSERT INTO threads (id, created_at, updated_at, archived, visible, source,
         model_provider, cwd, revision, body, checksum)
     SELECT unhex(value ->> 0), value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5,
         value ->> 6, value ->> 7, value ->> 8, value ->> 9, value ->> 10
     FROM json_each(?1) WHERE true
     ON CONFLICT (id) DO UPDATE SET created_at = excluded.created_at,
         updated_at = excluded.updated_at, archived = excluded.archived,
         visible = excluded.visible, source = excluded.source,
         model_provider = excluded.model_provider, cwd = excluded.cwd,
         revision = excluded.revision, body = excluded.body, checksum = excluded.checksum";

const INSERT_ONE: &str = "INSERT INTO threads (id, created_at, updated_at, archived, visible,
         source, model_provider, cwd, revision, body, checksum)
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
     ON CONFLICT (id) DO UPDATE SET created_at = excluded.created_at,
         updated_at = excluded.updated_at, archived = excluded.archived,
         visible = excluded.visible, source = excluded.source,
         model_provider = excluded.model_provider, cwd = excluded.cwd,
         revision = excluded.revision, body = excluded.body, checksum = excluded.checksum";

/// SQLite renews every index that has a column of the statement: a row whose listing columns stay
/// is rewritten without any, one that was only used without most.
const UPDATE_BODY: &str = "UPDATE threads
     SET revision = new.revision, body = new.body, checksum = new.checksum
     FROM (SELECT unhex(value ->> 0) AS id, value ->> 1 AS revision, value ->> 2 AS body,
               value ->> 3 AS checksum FROM json_each(?1)) AS new
     WHERE threads.id = new.id";
const UPDATE_TIME: &str = "UPDATE threads
     SET revision = new.revision, body = new.body, checksum = new.checksum,
         updated_at = new.updated_at
     FROM (SELECT unhex(value ->> 0) AS id, value ->> 1 AS revision, value ->> 2 AS body,
               value ->> 3 AS checksum, value ->> 4 AS updated_at FROM json_each(?1)) AS new
     WHERE threads.id = new.id";

/// Rows to be stored, by the statement that stores them.
#[derive(Default)]
struct Rows {
    insert: Vec<Value>,
    insert_one: Vec<ThreadMetadata>,
    update_body: Vec<Value>,
    update_time: Vec<Value>,
    delete: Vec<Value>,
}

impl Rows {
    fn add(
        &mut self,
        ChangedThread { id, before, after }: &ChangedThread,
    ) -> Result<(), sqlx::Error> {
        match (&before.thread, &after.thread) {
            (Slot::Present(before), Slot::Present(row)) if same_listing(before, row) => {
                let mut values = vec![
                    json!(hex(*id)),
                    json!(row.revision.cast_signed()),
                    json!(body(row)?),
                    json!(signed(row.checksum())),
                ];
                if before.updated_at == row.updated_at {
                    self.update_body.push(values.into());
                } else {
                    values.push(json!(row.updated_at.as_millis()));
                    self.update_time.push(values.into());
                }
            }
            (_, Slot::Present(row)) if has_nul(row) => self.insert_one.push((**row).clone()),
            (_, Slot::Present(row)) => self.insert.push(json!([
                hex(*id),
                row.created_at.as_millis(),
                row.updated_at.as_millis(),
                u8::from(row.is_archived()),
                u8::from(row.has_user_event),
                row.source,
                row.model_provider,
                path::to_text(&row.cwd),
                row.revision.cast_signed(),
                body(row)?,
                signed(row.checksum()),
            ])),
            (Slot::Absent, Slot::Absent) => {}
            (_, Slot::Absent | Slot::Damaged { .. }) => self.delete.push(json!(hex(*id))),
        }
        Ok(())
    }

    async fn store(self, connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
        const DELETE: &str =
            "DELETE FROM threads WHERE id IN (SELECT unhex(value) FROM json_each(?1))";
        for (sql, rows) in [
            (INSERT, self.insert),
            (UPDATE_BODY, self.update_body),
            (UPDATE_TIME, self.update_time),
            (DELETE, self.delete),
        ] {
            if !rows.is_empty() {
                query(sql).bind(Value::from(rows).to_string()).execute(&mut *connection).await?;
            }
        }
        for row in self.insert_one {
            query(INSERT_ONE)
                .bind(&row.id.as_bytes()[..])
                .bind(row.created_at.as_millis())
                .bind(row.updated_at.as_millis())
                .bind(row.is_archived())
                .bind(row.has_user_event)
                .bind(&row.source)
                .bind(&row.model_provider)
                .bind(path::to_text(&row.cwd).into_owned())
                .bind(row.revision.cast_signed())
                .bind(body(&row)?)
                .bind(signed(row.checksum()))
                .execute(&mut *connection)
                .await?;
        }
        Ok(())
    }
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
    const STORE: &str = "INSERT INTO checkpoints (key, value, revision)
         SELECT value ->> 0, value ->> 1, value ->> 2 FROM json_each(?1) WHERE true
         ON CONFLICT (key) DO UPDATE
         SET value = excluded.value, revision = excluded.revision";
    const STORE_ONE: &str = "INSERT INTO checkpoints (key, value, revision) VALUES (?1, ?2, ?3)
         ON CONFLICT (key) DO UPDATE
         SET value = excluded.value, revision = excluded.revision";

    let mut rows = Vec::new();
    for (key, checkpoint) in changed {
        match checkpoint {
            Some(Checkpoint { value, revision, .. })
                if key.contains('\0') || value.contains('\0') =>
            {
                query(STORE_ONE)
                    .bind(key)
                    .bind(value)
                    .bind(revision.cast_signed())
                    .execute(&mut *connection)
                    .await?;
            }
            Some(Checkpoint { value, revision, .. }) => {
                rows.push(json!([key, value, revision.cast_signed()]));
            }
            None => {
                query("DELETE FROM checkpoints WHERE key = ?1")
                    .bind(key)
                    .execute(&mut *connection)
                    .await?;
            }
        }
    }
    if !rows.is_empty() {
        query(STORE).bind(Value::from(rows).to_string()).execute(&mut *connection).await?;
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

/// The body needs no look: U+0000 stands in it as an escape.
fn has_nul(row: &ThreadMetadata) -> bool {
    row.source.contains('\0')
        || row.model_provider.contains('\0')
        || path::to_text(&row.cwd).contains('\0')
}

fn hex(id: ThreadId) -> String {
    id.as_bytes().iter().flat_map(|byte| [byte >> 4, byte & 15]).map(nibble).collect()
}

fn nibble(value: u8) -> char {
    char::from_digit(value.into(), 16).unwrap_or('0')
}

fn body(row: &ThreadMetadata) -> Result<String, sqlx::Error> {
    serde_json::to_string(row).map_err(|error| sqlx::Error::Encode(error.into()))
}
