//! How the suite gets at a sabotaged store.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use sqlx::{Connection, SqliteConnection};
use threadkeep_conformance::{Declared, Fixture, Spoiled, async_trait};
use threadkeep_core::{Capability, Error, ErrorKind, Result, Retention, Store, ThreadId};
use threadkeep_memory::MemoryStore;
use threadkeep_sqlite::{SqliteOptions, SqliteStore};

use crate::own_logs::OwnLogs;
use crate::sabotage::{Sabotage, Sabotaged};

/// Makes the saboteur of one handle, given the folder the store is in.
type Make<A> = fn(&Path) -> A;

struct OnMemory<A> {
    name: &'static str,
    make: Make<A>,
    /// Whether the store prunes its logs by itself.
    keeps: bool,
}

struct OnSqlite<A> {
    name: &'static str,
    make: Make<A>,
    reading: Reading,
}

/// What a handle that only reads does.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Reading {
    /// It reads.
    Only,
    /// It writes where it is asked to.
    AndWriting,
    /// It makes the store that it reads, where there is none.
    AndCreating,
}

/// The saboteur on a store in memory.
pub(crate) fn memory<A: Sabotage>(name: &'static str, make: Make<A>) -> Arc<dyn Fixture> {
    Arc::new(OnMemory { name, make, keeps: true })
}

/// Logs of their own beside a store in memory, which prunes them only when it is asked to.
pub(crate) fn own_logs(name: &'static str, make: Make<OwnLogs>) -> Arc<dyn Fixture> {
    Arc::new(OnMemory { name, make, keeps: false })
}

/// The saboteur on SQLite, which is slower: for what needs files or several handles.
pub(crate) fn sqlite<A: Sabotage>(name: &'static str, make: Make<A>) -> Arc<dyn Fixture> {
    sqlite_reading(name, make, Reading::Only)
}

/// The same with handles that only read, or should.
pub(crate) fn sqlite_reading<A: Sabotage>(
    name: &'static str,
    make: Make<A>,
    reading: Reading,
) -> Arc<dyn Fixture> {
    Arc::new(OnSqlite { name, make, reading })
}

impl<A: Sabotage> OnSqlite<A> {
    async fn store(&self, workspace: &Path, options: SqliteOptions) -> Result<Arc<dyn Store>> {
        let inner = Arc::new(SqliteStore::open_with(workspace.join(THREADS), options).await?);
        Ok(Arc::new(Sabotaged::new(inner, (self.make)(workspace))))
    }
}

#[async_trait]
impl<A: Sabotage> Fixture for OnMemory<A> {
    fn name(&self) -> &str {
        self.name
    }

    fn declared(&self) -> Declared {
        let declared = Declared::everything()
            .without(Capability::Persistent, "it is gone with its last handle")
            .without(Capability::Durable, "it has no files")
            .without(Capability::MultiProcess, "other processes cannot reach it")
            .without(Capability::Backup, "it has no files")
            .without(Capability::ReadOnly, "there is nothing to open")
            .without_tamper("it has no files")
            .without_previous_format("it has no files")
            .without_hold("other processes cannot reach it")
            .without_faults("it has no files")
            .without_spoiling("it has no files");
        if self.keeps {
            return declared;
        }
        declared.without_retention("its logs are beside the store")
    }

    async fn open(&self, workspace: &Path) -> Result<Arc<dyn Store>> {
        self.open_keeping(workspace, Retention::default()).await
    }

    async fn open_keeping(&self, workspace: &Path, retention: Retention) -> Result<Arc<dyn Store>> {
        let inner = Arc::new(MemoryStore::keeping(retention));
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
    }

    async fn open(&self, workspace: &Path) -> Result<Arc<dyn Store>> {
        self.open_keeping(workspace, Retention::default()).await
    }

    async fn open_keeping(&self, workspace: &Path, retention: Retention) -> Result<Arc<dyn Store>> {
        self.store(workspace, SqliteOptions::default().retention(retention)).await
    }

    async fn open_read_only(&self, workspace: &Path) -> Result<Arc<dyn Store>> {
        if self.reading == Reading::AndCreating {
            self.open(workspace).await?.close().await?;
        }
        let options = SqliteOptions::default().retention(Retention::default());
        let reader = self.store(workspace, options.read_only(true)).await?;
        match self.reading {
            Reading::AndWriting => self.open(workspace).await,
            Reading::Only | Reading::AndCreating => Ok(reader),
        }
    }

    async fn spoil_logs(&self, workspace: &Path, how: Spoiled) -> Result<Box<dyn Send>> {
        if how == Spoiled::Locked {
            return lock(workspace, LOGS).await;
        }
        for beside in ["", "-wal", "-shm"] {
            let file = workspace.join(format!("{LOGS}{beside}"));
            match how {
                Spoiled::Damaged if beside.is_empty() => {
                    fs::write(file, [0xA5; 8_192]).map_err(io)?;
                }
                Spoiled::Deleted if file.exists() => fs::remove_file(file).map_err(io)?,
                _ => {}
            }
        }
        Ok(Box::new(()))
    }

    async fn tamper(&self, workspace: &Path, id: ThreadId) -> Result<()> {
        let mut connection = connect(workspace, THREADS).await?;
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
        lock(workspace, THREADS).await
    }
}

const THREADS: &str = "threads.db";
const LOGS: &str = "threads-logs.db";

/// What a write takes of this file.
async fn lock(workspace: &Path, file: &str) -> Result<Box<dyn Send>> {
    let mut connection = connect(workspace, file).await?;
    sqlx::query("BEGIN IMMEDIATE").execute(&mut connection).await.map_err(failed)?;
    Ok(Box::new(connection))
}

async fn connect(workspace: &Path, file: &str) -> Result<SqliteConnection> {
    let url = workspace.join(file).display().to_string();
    SqliteConnection::connect(&url).await.map_err(failed)
}

fn failed(error: sqlx::Error) -> Error {
    Error::new(ErrorKind::Io, "getting at the file failed").with_source(error)
}

fn io(error: std::io::Error) -> Error {
    Error::new(ErrorKind::Io, "getting at the files failed").with_source(error)
}
