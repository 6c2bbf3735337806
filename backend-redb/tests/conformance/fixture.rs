//! How the suite gets at a store on redb, for each way to share it. Damaging and holding a file go
//! past the store.
#![allow(clippy::disallowed_methods)]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use redb::{ConcurrencyMode, ReadableTable as _, TableDefinition};
use threadkeep_conformance::{
    Declared, Fault, FaultyDisk, Fixture, Spoiled, Unsynced, async_trait,
};
use threadkeep_core::{Capability, Error, ErrorKind, Result, Retention, Store, ThreadId};
use threadkeep_redb::{RedbOptions, RedbStore, Sharing, SimulatedDisk};

/// A store that is shared so.
pub(crate) struct Redb {
    pub(crate) name: &'static str,
    pub(crate) sharing: Sharing,
}

const THREADS: TableDefinition<&[u8], &[u8]> = TableDefinition::new("threads.1");

#[async_trait]
impl Fixture for Redb {
    fn name(&self) -> &str {
        self.name
    }

    fn declared(&self) -> Declared {
        let declared = Declared::everything().without_previous_format("there is one format so far");
        match self.sharing {
            Sharing::Auto => declared,
            Sharing::Single => declared
                .without(Capability::MultiProcess, "one process writes")
                .without_hold("other processes cannot write")
                .without_spoiling("other processes cannot lock the logs"),
            Sharing::Exclusive => declared
                .without(Capability::MultiProcess, "one process has it")
                .without(Capability::ReadOnly, "nobody else has it while one process has")
                .without_hold("other processes cannot open it")
                .without_spoiling("other processes cannot lock the logs"),
        }
    }

    async fn open(&self, workspace: &Path) -> Result<Arc<dyn Store>> {
        self.open_keeping(workspace, Retention::default()).await
    }

    async fn open_read_only(&self, workspace: &Path) -> Result<Arc<dyn Store>> {
        let options = RedbOptions::default().sharing(self.sharing).read_only(true);
        Ok(Arc::new(RedbStore::open_with(file(workspace), options).await?))
    }

    async fn open_keeping(&self, workspace: &Path, retention: Retention) -> Result<Arc<dyn Store>> {
        let options = RedbOptions::default().sharing(self.sharing).retention(retention);
        Ok(Arc::new(RedbStore::open_with(file(workspace), options).await?))
    }

    async fn spoil_logs(&self, workspace: &Path, how: Spoiled) -> Result<Box<dyn Send>> {
        let folder = workspace.join("threads-logs");
        let mut held = Vec::new();
        for entry in fs::read_dir(&folder).map_err(failed)? {
            let segment = entry.map_err(failed)?.path();
            match how {
                Spoiled::Locked => held.push(take_write_side(&segment)?),
                Spoiled::Damaged => fs::write(segment, "no segment").map_err(failed)?,
                Spoiled::Deleted => {}
            }
        }
        if how == Spoiled::Deleted {
            fs::remove_dir_all(folder).map_err(failed)?;
        }
        Ok(Box::new(held))
    }

    async fn tamper(&self, workspace: &Path, id: ThreadId) -> Result<()> {
        let database = redb::Database::open(file(workspace)).map_err(failed)?;
        let transaction = database.begin_write().map_err(failed)?;
        {
            let mut table = transaction.open_table(THREADS).map_err(failed)?;
            let key = &id.as_bytes()[..];
            let found = table.get(key).map_err(failed)?.map(|found| found.value().to_vec());
            let Some(mut value) = found else { return Ok(()) };
            // One bit in the last byte: of the fields, not of what is before them.
            if let Some(last) = value.last_mut() {
                *last ^= 1;
            }
            table.insert(key, value.as_slice()).map_err(failed)?;
        }
        transaction.commit().map_err(failed)?;
        database.close().map_err(failed)
    }

    async fn hold(&self, workspace: &Path) -> Result<Box<dyn Send>> {
        Ok(Box::new(take_write_side(&file(workspace))?))
    }

    fn disk(&self) -> Option<Arc<dyn FaultyDisk>> {
        Some(Arc::new(Disk { disk: SimulatedDisk::new(), sharing: self.sharing }))
    }
}

fn file(workspace: &Path) -> PathBuf {
    workspace.join("threads.redb")
}

/// Takes what a write to this file takes.
fn take_write_side(file: &Path) -> Result<(redb::WriteTransaction, redb::Database)> {
    let mut builder = redb::Database::builder();
    builder.set_concurrency_mode(ConcurrencyMode::MultiWriter);
    let database = builder.open(file).map_err(failed)?;
    let transaction = database.begin_write().map_err(failed)?;
    // In the order in which they are let go of.
    Ok((transaction, database))
}

fn failed(error: impl Into<redb::Error>) -> Error {
    Error::new(ErrorKind::Io, "the fixture failed").with_source(error.into())
}

struct Disk {
    disk: SimulatedDisk,
    sharing: Sharing,
}

#[async_trait]
impl FaultyDisk for Disk {
    async fn open(&self) -> Result<Arc<dyn Store>> {
        let options = RedbOptions::default().sharing(self.sharing).disk(&self.disk);
        let options = options.retention(Retention::default());
        Ok(Arc::new(RedbStore::open_with("threads.redb", options).await?))
    }

    fn copy(&self) -> Arc<dyn FaultyDisk> {
        Arc::new(Self { disk: self.disk.copy(), sharing: self.sharing })
    }

    fn arm(&self, fault: Fault) {
        match fault {
            Fault::Once(call) => self.disk.fail_once(call),
            Fault::From(call) => self.disk.fail_from(call),
            Fault::FullAfter(bytes) => self.disk.fill_after(bytes),
            other => unreachable!("no such fault is known here: {other:?}"),
        }
    }

    fn disarm(&self) -> u64 {
        self.disk.disarm()
    }

    fn struck(&self) -> bool {
        self.disk.struck()
    }

    fn cut_power(&self, unsynced: Unsynced) {
        self.disk.cut_power(match unsynced {
            Unsynced::Lost => None,
            Unsynced::Partly(seed) => Some(seed),
            other => unreachable!("no such power cut is known here: {other:?}"),
        });
    }
}
