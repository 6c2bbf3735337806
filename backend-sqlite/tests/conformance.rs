//! The conformance suite on SQLite.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use async_trait::async_trait;
use sqlx::{Connection, SqliteConnection};
use threadkeep_conformance::{Declared, Fixture, Spoiled};
use threadkeep_core::{Error, ErrorKind, Result, Retention, Store, ThreadId};
use threadkeep_sqlite::{SqliteOptions, SqliteStore};

struct Sqlite;

#[async_trait]
impl Fixture for Sqlite {
    fn name(&self) -> &'static str {
        "sqlite"
    }

    fn declared(&self) -> Declared {
        Declared::everything().without_faults("its disk cannot be made to fail yet")
    }

    async fn open(&self, workspace: &Path) -> Result<Arc<dyn Store>> {
        self.open_keeping(workspace, Retention::default()).await
    }

    async fn open_read_only(&self, workspace: &Path) -> Result<Arc<dyn Store>> {
        Ok(Arc::new(SqliteStore::open_read_only(workspace.join("threads.db")).await?))
    }

    async fn open_keeping(&self, workspace: &Path, retention: Retention) -> Result<Arc<dyn Store>> {
        let options = SqliteOptions::default().retention(retention);
        Ok(Arc::new(SqliteStore::open_with(workspace.join("threads.db"), options).await?))
    }

    async fn spoil_logs(&self, workspace: &Path, how: Spoiled) -> Result<Box<dyn Send>> {
        let file = |suffix: &str| workspace.join(format!("threads-logs.db{suffix}"));
        match how {
            Spoiled::Locked => {
                let mut connection = connect(workspace, "threads-logs.db").await?;
                sqlx::query("BEGIN IMMEDIATE").execute(&mut connection).await.map_err(failed)?;
                return Ok(Box::new(connection));
            }
            Spoiled::Damaged => {
                let noise: Vec<u8> = (0..20_000_u32).map(|n| (n * 7 % 251) as u8).collect();
                std::fs::write(file(""), noise).map_err(io)?;
            }
            Spoiled::Deleted => {
                for suffix in ["", "-wal", "-shm"] {
                    match std::fs::remove_file(file(suffix)) {
                        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                        removed => removed.map_err(io)?,
                    }
                }
            }
        }
        Ok(Box::new(()))
    }

    async fn tamper(&self, workspace: &Path, id: ThreadId) -> Result<()> {
        let mut connection = connect(workspace, "threads.db").await?;
        sqlx::query("UPDATE threads SET body = replace(body, '\"title\":\"', '\"title\":\"~') WHERE id = ?1")
            .bind(&id.as_bytes()[..])
            .execute(&mut connection)
            .await
            .map_err(failed)?;
        connection.close().await.map_err(failed)
    }

    /// There is one format so far. Before it a file is without tables, as a process leaves it that
    /// is killed while it creates a store: its lasting settings are there, its first step is not.
    async fn lay_down_previous_format(&self, workspace: &Path) -> Result<()> {
        for file in ["threads.db", "threads-logs.db"] {
            let mut connection = connect(workspace, file).await?;
            sqlx::raw_sql("PRAGMA auto_vacuum = incremental; PRAGMA journal_mode = wal; VACUUM")
                .execute(&mut connection)
                .await
                .map_err(failed)?;
            connection.close().await.map_err(failed)?;
        }
        Ok(())
    }

    async fn hold(&self, workspace: &Path) -> Result<Box<dyn Send>> {
        let mut connection = connect(workspace, "threads.db").await?;
        sqlx::query("BEGIN IMMEDIATE").execute(&mut connection).await.map_err(failed)?;
        Ok(Box::new(connection))
    }
}

/// A connection that knows nothing of the store.
async fn connect(workspace: &Path, file: &str) -> Result<SqliteConnection> {
    let url = format!("{}?mode=rwc", workspace.join(file).display());
    SqliteConnection::connect(&url).await.map_err(failed)
}

fn failed(error: sqlx::Error) -> Error {
    Error::new(ErrorKind::Io, "the fixture failed").with_source(error)
}

fn io(error: std::io::Error) -> Error {
    Error::new(ErrorKind::Io, "the fixture failed").with_source(error)
}

fn main() -> ExitCode {
    threadkeep_conformance::run(Sqlite)
}
