//! The peer: one table that has every text in every row, as agents have it, written by one multi-row
//! insert a batch from a pool of connections.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{AssertSqlSafe, SqlitePool};
use threadkeep_core::LogEntry;

const SCHEMA: &str = "
    CREATE TABLE logs (
        id INTEGER PRIMARY KEY AUTOINCREMENT, seconds INTEGER NOT NULL, nanos INTEGER NOT NULL,
        level TEXT NOT NULL, target TEXT NOT NULL, message TEXT, thread_id TEXT, process_id TEXT,
        module_path TEXT, file TEXT, line INTEGER);
    CREATE INDEX logs_time ON logs (seconds, nanos);
    CREATE INDEX logs_thread ON logs (thread_id, id);";

pub(crate) struct Plain(SqlitePool);

impl Plain {
    /// The table in a new file; a commit is as durable as this says.
    pub(crate) async fn open(folder: &Path, synchronous: SqliteSynchronous) -> Result<Self> {
        let options = SqliteConnectOptions::new()
            .filename(folder.join("threads-logs.db"))
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(synchronous)
            .busy_timeout(Duration::from_secs(30));
        let pool = SqlitePoolOptions::new().max_connections(5).connect_with(options).await?;
        sqlx::raw_sql(SCHEMA).execute(&pool).await?;
        Ok(Self(pool))
    }

    /// Inserts these; where only so many are to be kept, deletes the others in the same transaction.
    pub(crate) async fn insert(&self, entries: &[LogEntry], keep: Option<i64>) -> Result<()> {
        let values = vec!["(?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"; entries.len()].join(", ");
        let sql = format!(
            "INSERT INTO logs (seconds, nanos, level, target, message, thread_id, process_id,
                 module_path, file, line) VALUES {values}"
        );
        let mut insert = sqlx::query(AssertSqlSafe(sql));
        for entry in entries {
            insert = insert
                .bind(entry.time.timestamp())
                .bind(entry.time.timestamp_subsec_nanos())
                .bind(entry.level.as_str())
                .bind(&entry.target)
                .bind(&entry.message)
                .bind(&entry.thread_id)
                .bind(&entry.process_id)
                .bind(&entry.module_path)
                .bind(&entry.file)
                .bind(entry.line);
        }
        let Some(keep) = keep else {
            insert.execute(&self.0).await?;
            return Ok(());
        };
        let mut transaction = self.0.begin_with("BEGIN IMMEDIATE").await?;
        insert.execute(&mut *transaction).await?;
        sqlx::query("DELETE FROM logs WHERE id <= (SELECT max(id) FROM logs) - ?1")
            .bind(keep)
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(())
    }

    pub(crate) async fn close(self) {
        self.0.close().await;
    }
}
