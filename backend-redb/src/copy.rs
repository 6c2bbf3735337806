//! A copy of a store as it was at one moment, while others go on writing.

use std::path::Path;
use std::sync::Arc;

use redb::{Key, ReadTransaction, TableDefinition, Value};
use threadkeep_core::{Error, ErrorKind, Result};

use crate::Sharing;
use crate::database::{Database, Settings};
use crate::errors::{self, Failure};
use crate::files::{Files, System};
use crate::open::{OpenStore, create};
use crate::segments::file_name;
use crate::tables::{
    BATCH_ORDER, BATCHES, BLOCKS, CHECKPOINTS, HEADS, INDEX, Kind, LOG_PROCESSES, LOG_THREADS,
    META, PENDING, SITES, STATE, THREADS, TOMBSTONES, TOOLS,
};

/// Rows written in one transaction.
const STEP: usize = 10_000;

/// Copies the store into this folder, which is made and has to be empty.
pub(crate) fn store(store: &OpenStore, to: &Path) -> Result<()> {
    create_empty(to)?;
    let path = store.threads.path();
    let copy = to.join(path.file_name().unwrap_or_default());
    file(&store.threads, &copy, Kind::Threads)?;
    let segments = &store.logs.segments;
    let firsts = segments.list()?;
    if firsts.is_empty() {
        return Ok(());
    }
    let folder = to.join(segments.folder().file_name().unwrap_or_default());
    System.create_folder(&folder).map_err(|error| errors::io(error, &folder, "backup"))?;
    for first in firsts {
        if let Some(segment) = segments.get(first)? {
            file(&segment.database, &folder.join(file_name(first)), Kind::Logs)?;
        }
    }
    Ok(())
}

/// Copies one file, table by table, from one state of it.
fn file(from: &Database, to: &Path, kind: Kind) -> Result<()> {
    let settings = Settings {
        files: Arc::new(System),
        mode: Sharing::Exclusive.mode(),
        read_only: false,
        ..from.settings().clone()
    };
    let made = create(to, kind, &settings).and_then(|()| Database::open(to, settings));
    let copy = made.map_err(|failure| failure.at(to, "backup"))?;
    from.read("backup", |from| {
        let pair = Pair { from, to: &copy };
        pair.table(META)?;
        match kind {
            Kind::Threads => {
                for table in [THREADS, INDEX, TOOLS, TOMBSTONES, PENDING, BATCHES] {
                    pair.table(table)?;
                }
                pair.table(CHECKPOINTS)?;
                pair.table(BATCH_ORDER)
            }
            Kind::Logs => {
                pair.table(HEADS)?;
                pair.table(BLOCKS)?;
                pair.table(SITES)?;
                pair.table(LOG_THREADS)?;
                pair.table(LOG_PROCESSES)?;
                pair.table(STATE)
            }
        }
    })?;
    copy.close()
}

struct Pair<'a> {
    from: &'a ReadTransaction,
    to: &'a Database,
}

impl Pair<'_> {
    fn table<K: Key, V: Value>(&self, table: TableDefinition<'_, K, V>) -> Result<(), Failure> {
        let source = self.from.open_table(table)?;
        let mut rows = redb::ReadableTable::iter(&source)?;
        loop {
            let transaction = self.to.begin()?;
            let copied = copy_some(&mut rows, &transaction, table);
            match copied {
                Ok(count) => {
                    self.to.commit(transaction)?;
                    if count < STEP {
                        return Ok(());
                    }
                }
                Err(failure) => {
                    self.to.abort(transaction);
                    return Err(failure);
                }
            }
        }
    }
}

fn copy_some<K: Key, V: Value>(
    rows: &mut redb::Range<'_, K, V>,
    transaction: &redb::WriteTransaction,
    table: TableDefinition<'_, K, V>,
) -> Result<usize, Failure> {
    let mut target = transaction.open_table(table)?;
    let mut count = 0;
    for row in rows.by_ref().take(STEP) {
        let (key, value) = row?;
        target.insert(key.value(), value.value())?;
        count += 1;
    }
    Ok(count)
}

/// Creates a folder that only its owner may read, or takes an empty one.
fn create_empty(folder: &Path) -> Result<()> {
    let failed = |error| {
        Error::new(ErrorKind::Io, format!("cannot create {}", folder.display()))
            .hint("check that its parent exists and may be written to")
            .with_source(error)
    };
    System.create_folder(folder).map_err(failed)?;
    if System.list(folder).map_err(failed)?.is_empty() {
        return Ok(());
    }
    Err(Error::new(ErrorKind::AlreadyExists, format!("{} is not empty", folder.display()))
        .hint("name a new folder"))
}
