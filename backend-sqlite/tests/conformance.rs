//! The conformance suite on SQLite.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use async_trait::async_trait;
use sqlx::{Connection, SqliteConnection};
use threadkeep_conformance::{Declared, Fixture};
use threadkeep_core::{Error, ErrorKind, Result, Store, ThreadId};
use threadkeep_sqlite::SqliteStore;

struct Sqlite;

#[async_trait]
impl Fixture for Sqlite {
    fn declared(&self) -> Declared {
        Declared::everything()
    }

    async fn open(&self, workspace: &Path) -> Result<Arc<dyn Store>> {
        Ok(Arc::new(SqliteStore::open(workspace.join("threads.db")).await?))
    }

    async fn tamper(&self, workspace: &Path, id: ThreadId) -> Result<()> {
        let failed =
            |error: sqlx::Error| Error::new(ErrorKind::Io, "tampering failed").with_source(error);
        let url = workspace.join("threads.db").display().to_string();
        let mut connection = SqliteConnection::connect(&url).await.map_err(failed)?;
        sqlx::query("UPDATE threads SET body = replace(body, '\"title\":\"', '\"title\":\"~') WHERE id = ?1")
            .bind(&id.as_bytes()[..])
            .execute(&mut connection)
            .await
            .map_err(failed)?;
        connection.close().await.map_err(failed)
    }
}

fn main() -> ExitCode {
    threadkeep_conformance::run(Sqlite)
}
