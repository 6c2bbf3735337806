//! How the suite gets at a store on redb, for each way to share it. Damaging and holding a file go
//! past the store.
#![allow(clippy::disallowed_methods)]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use redb::{ConcurrencyMode, ReadableTable as _, TableDefinition};
use threadkeep_conformance::{Declared, Fault, FaultyDisk, Fixture, Unsynced, async_trait};
use threadkeep_core::{Capability, Error, ErrorKind, Result, Store, ThreadId};
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
        let declared = Declared::everything()
            .without_previous_format("there is one format so far")
            .without(Capability::ReadOnly, "not built yet")
            .without_retention("not built yet")
            .without_spoiling("not built yet");
        match self.sharing {
            Sharing::Auto => declared,
            Sharing::Single => declared
                .without(Capability::MultiProcess, "one process writes")
                .without_hold("other processes cannot write"),
            Sharing::Exclusive => declared
                .without(Capability::MultiProcess, "one process has it")
                .without_hold("other processes cannot open it"),
        }
    }

    async fn open(&self, workspace: &Path) -> Result<Arc<dyn Store>> {
        let options = RedbOptions::default().sharing(self.sharing);
        Ok(Arc::new(RedbStore::open_with(file(workspace), options).await?))
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
        let mut builder = redb::Database::builder();
        builder.set_concurrency_mode(ConcurrencyMode::MultiWriter);
        let database = builder.open(file(workspace)).map_err(failed)?;
        let transaction = database.begin_write().map_err(failed)?;
        // In the order in which they are let go of.
        Ok(Box::new((transaction, database)))
    }

    fn disk(&self) -> Option<Arc<dyn FaultyDisk>> {
        Some(Arc::new(Disk { disk: SimulatedDisk::new(), sharing: self.sharing }))
    }
}

fn file(workspace: &Path) -> PathBuf {
    workspace.join("threads.redb")
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
