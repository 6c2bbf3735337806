//! A store that does what one process gets away with.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _, SqliteConnection};
use threadkeep_conformance::{Declared, Fixture, async_trait};
use threadkeep_core::{
    Capability, Change, Error, ErrorKind, Expect, Outcome, Record, Result, Slot, Store, ThreadId,
    ThreadMetadata, WriteBatch,
};

use crate::kill::sqlite;
use crate::sabotage::{Inner, Sabotage, Sabotaged};

/// It creates without a lock, reads before it takes the write lock, reads a row at a time, and has a
/// lock file of its own: a write waits for it without end, and it outlives its process.
pub(crate) struct Naive;

/// After so long opening takes a lock file for a forgotten one.
const FORGOTTEN: Duration = Duration::from_secs(2);
/// How long it rests after each row it reads. The rows of a reader take several writes together.
const ROW: Duration = Duration::from_millis(15);
/// How long a write holds its lock file: long enough to be killed in.
const HELD: Duration = Duration::from_millis(20);

#[async_trait]
impl Fixture for Naive {
    fn name(&self) -> &'static str {
        "naive"
    }

    fn declared(&self) -> Declared {
        let reason = "it is only to be opened";
        Declared::everything()
            .without_tamper(reason)
            .without_faults(reason)
            .without(Capability::ReadOnly, reason)
            .without_retention(reason)
            .without_spoiling(reason)
    }

    async fn open(&self, workspace: &Path) -> Result<Arc<dyn Store>> {
        let begun = Instant::now();
        let lock = workspace.join("held");
        while lock.exists() && begun.elapsed() < FORGOTTEN {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        // Where it is not there, nothing has to go.
        let _ = std::fs::remove_file(&lock);
        create(workspace).await.map_err(busy)?;
        let file = workspace.join("threads.db");
        Ok(Arc::new(Sabotaged::new(sqlite(workspace).await?, Deferred { file, lock })))
    }

    async fn lay_down_previous_format(&self, workspace: &Path) -> Result<()> {
        connect(&workspace.join("created.db")).await.map_err(busy).map(drop)
    }

    async fn hold(&self, workspace: &Path) -> Result<Box<dyn Send>> {
        let file = workspace.join("held");
        std::fs::write(&file, "").map_err(no_lock)?;
        let mut connection = connect(&workspace.join("threads.db")).await.map_err(busy)?;
        sqlx::query("BEGIN IMMEDIATE").execute(&mut connection).await.map_err(busy)?;
        Ok(Box::new(Held { file, _connection: connection }))
    }
}

struct Held {
    file: PathBuf,
    _connection: SqliteConnection,
}

impl Drop for Held {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.file);
    }
}

/// Looks whether there is a table, and makes it where there is none.
async fn create(workspace: &Path) -> sqlx::Result<()> {
    let mut connection = connect(&workspace.join("created.db")).await?;
    let tables: i64 =
        sqlx::query_scalar("SELECT count(*) FROM sqlite_schema").fetch_one(&mut connection).await?;
    if tables == 0 {
        sqlx::query("CREATE TABLE created (step INTEGER)").execute(&mut connection).await?;
    }
    connection.close().await
}

struct Deferred {
    file: PathBuf,
    lock: PathBuf,
}

#[async_trait]
impl Sabotage for Deferred {
    async fn threads(
        &self,
        inner: &Inner,
        ids: Vec<ThreadId>,
    ) -> Result<Vec<Option<ThreadMetadata>>> {
        let mut rows = Vec::new();
        for id in ids {
            rows.extend(inner.threads(vec![id]).await?);
            // Long enough for others to write in, on any machine.
            tokio::time::sleep(ROW).await;
        }
        Ok(rows)
    }

    async fn write(&self, inner: &Inner, batch: WriteBatch) -> Result<Vec<Outcome>> {
        while self.lock.exists() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        if let [(change @ Change::Patch(id, _), expect)] = batch.changes() {
            return self.patch(*id, change.clone(), *expect).await;
        }
        std::fs::write(&self.lock, "").map_err(no_lock)?;
        let answer = inner.write(batch).await;
        tokio::time::sleep(HELD).await;
        let _ = std::fs::remove_file(&self.lock);
        answer
    }
}

impl Deferred {
    /// Reads and writes in a transaction that takes the write lock only when it writes.
    async fn patch(&self, id: ThreadId, change: Change, expect: Expect) -> Result<Vec<Outcome>> {
        let mut record = Record::default();
        let mut connection = connect(&self.file).await.map_err(busy)?;
        let mut transaction = connection.begin().await.map_err(busy)?;
        let body: String = sqlx::query_scalar("SELECT body FROM threads WHERE id = ?1")
            .bind(&id.as_bytes()[..])
            .fetch_one(&mut *transaction)
            .await
            .map_err(busy)?;
        let row = serde_json::from_str(&body)
            .map_err(|error| Error::new(ErrorKind::Corrupted, "no row").with_source(error))?;
        record.thread = Slot::Present(row);
        let outcome = record.reduce(change, expect)?;
        let Slot::Present(row) = record.thread else { return Ok(vec![outcome]) };
        let body = serde_json::to_string(&row)
            .map_err(|error| Error::new(ErrorKind::Internal, "no text").with_source(error))?;
        sqlx::query("UPDATE threads SET body = ?2, revision = ?3, checksum = ?4 WHERE id = ?1")
            .bind(&id.as_bytes()[..])
            .bind(body)
            .bind(row.revision.cast_signed())
            .bind(row.checksum().cast_signed())
            .execute(&mut *transaction)
            .await
            .map_err(busy)?;
        transaction.commit().await.map_err(busy)?;
        connection.close().await.map_err(busy)?;
        Ok(vec![outcome])
    }
}

async fn connect(file: &Path) -> sqlx::Result<SqliteConnection> {
    SqliteConnectOptions::new().filename(file).create_if_missing(true).connect().await
}

fn no_lock(error: std::io::Error) -> Error {
    Error::new(ErrorKind::Io, "no lock file").with_source(error)
}

/// Whatever it is, somebody else is using the file.
fn busy(error: sqlx::Error) -> Error {
    Error::new(ErrorKind::Busy, "somebody else is using the file").with_source(error)
}
