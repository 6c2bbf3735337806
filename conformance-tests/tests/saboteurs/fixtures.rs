//! How the suite gets at a sabotaged store.

use std::path::Path;
use std::sync::Arc;

use sqlx::{Connection, SqliteConnection};
use threadkeep_conformance::{Declared, Fixture, async_trait};
use threadkeep_core::{Capability, Error, ErrorKind, Result, Store, ThreadId};
use threadkeep_memory::MemoryStore;
use threadkeep_sqlite::SqliteStore;

use crate::sabotage::{Sabotage, Sabotaged};

/// Makes the saboteur of one handle, given the folder the store is in.
type Make<A> = fn(&Path) -> A;

struct OnMemory<A> {
    name: &'static str,
    make: Make<A>,
}

struct OnSqlite<A> {
    name: &'static str,
    make: Make<A>,
}

/// The saboteur on a store in memory.
pub(crate) fn memory<A: Sabotage>(name: &'static str, make: Make<A>) -> Arc<dyn Fixture> {
    Arc::new(OnMemory { name, make })
}

/// The saboteur on SQLite, which is slower: for what needs files or several handles.
pub(crate) fn sqlite<A: Sabotage>(name: &'static str, make: Make<A>) -> Arc<dyn Fixture> {
    Arc::new(OnSqlite { name, make })
}

#[async_trait]
impl<A: Sabotage> Fixture for OnMemory<A> {
    fn name(&self) -> &str {
        self.name
    }

    fn declared(&self) -> Declared {
        Declared::everything()
            .without(Capability::Persistent, "it is gone with its last handle")
            .without(Capability::Durable, "it has no files")
            .without(Capability::MultiProcess, "other processes cannot reach it")
            .without(Capability::Backup, "it has no files")
            .without(Capability::ReadOnly, "there is nothing to open")
            .without_tamper("it has no files")
            .without_previous_format("it has no files")
            .without_hold("other processes cannot reach it")
            .without_faults("it has no files")
            .without_spoiling("it has no files")
    }

    async fn open(&self, workspace: &Path) -> Result<Arc<dyn Store>> {
        let inner = Arc::new(MemoryStore::new());
        Ok(Arc::new(Sabotaged::new(inner, (self.make)(workspace))))
    }
}

#[async_trait]
impl<A: Sabotage> Fixture for OnSqlite<A> {
    fn name(&self) -> &str {
        self.name
    }

    fn declared(&self) -> Declared {
        Declared::everything()
            .without_previous_format("its format has none before it")
            .without_faults("its disk cannot be made to fail")
            .without(Capability::ReadOnly, "not built yet")
            .without_retention("not built yet")
            .without_spoiling("not built yet")
    }

    async fn open(&self, workspace: &Path) -> Result<Arc<dyn Store>> {
        let inner = Arc::new(SqliteStore::open(workspace.join("threads.db")).await?);
        Ok(Arc::new(Sabotaged::new(inner, (self.make)(workspace))))
    }

    async fn tamper(&self, workspace: &Path, id: ThreadId) -> Result<()> {
        let mut connection = connect(workspace).await?;
        sqlx::query(
            "UPDATE threads SET body = replace(body, '\"title\":\"', '\"title\":\"~')
             WHERE id = ?1",
        )
        .bind(&id.as_bytes()[..])
        .execute(&mut connection)
        .await
        .map_err(failed)?;
        connection.close().await.map_err(failed)
    }

    async fn hold(&self, workspace: &Path) -> Result<Box<dyn Send>> {
        let mut connection = connect(workspace).await?;
        sqlx::query("BEGIN IMMEDIATE").execute(&mut connection).await.map_err(failed)?;
        Ok(Box::new(connection))
    }
}

async fn connect(workspace: &Path) -> Result<SqliteConnection> {
    let url = workspace.join("threads.db").display().to_string();
    SqliteConnection::connect(&url).await.map_err(failed)
}

fn failed(error: sqlx::Error) -> Error {
    Error::new(ErrorKind::Io, "getting at the file failed").with_source(error)
}
