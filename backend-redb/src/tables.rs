//! The tables. Their types are bytes, texts and integers only, so that no change of redb's own types
//! can keep anybody from a file.

use redb::{ReadTransaction, TableDefinition, WriteTransaction};
use threadkeep_core::{Error, ErrorKind, Result};
use threadkeep_migrations::kv::{self, Step};
use threadkeep_migrations::{Meta, Migration};

use crate::errors::Failure;

/// Bytes to bytes.
pub(crate) type Bytes<'a> = TableDefinition<'a, &'static [u8], &'static [u8]>;

pub(crate) const META: TableDefinition<&str, &str> = TableDefinition::new(kv::META);

pub(crate) const THREADS: Bytes<'_> = TableDefinition::new(kv::THREADS);
pub(crate) const INDEX: Bytes<'_> = TableDefinition::new(kv::INDEX);
pub(crate) const TOOLS: Bytes<'_> = TableDefinition::new(kv::TOOLS);
pub(crate) const TOMBSTONES: Bytes<'_> = TableDefinition::new(kv::TOMBSTONES);
pub(crate) const PENDING: Bytes<'_> = TableDefinition::new(kv::PENDING);
pub(crate) const CHECKPOINTS: TableDefinition<&str, &[u8]> = TableDefinition::new(kv::CHECKPOINTS);
pub(crate) const BATCHES: Bytes<'_> = TableDefinition::new(kv::BATCHES);
pub(crate) const BATCH_ORDER: TableDefinition<u64, &[u8]> = TableDefinition::new(kv::BATCH_ORDER);

pub(crate) const HEADS: TableDefinition<u64, &[u8]> = TableDefinition::new(kv::HEADS);
pub(crate) const BLOCKS: TableDefinition<u64, &[u8]> = TableDefinition::new(kv::BLOCKS);
pub(crate) const SITES: TableDefinition<u32, &[u8]> = TableDefinition::new(kv::SITES);
pub(crate) const LOG_THREADS: TableDefinition<u32, &str> = TableDefinition::new(kv::LOG_THREADS);
pub(crate) const LOG_PROCESSES: TableDefinition<u32, &str> =
    TableDefinition::new(kv::LOG_PROCESSES);
pub(crate) const STATE: TableDefinition<&str, u64> = TableDefinition::new(kv::STATE);

/// What kind of file it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Threads,
    Logs,
}

impl Kind {
    /// The steps of its format.
    pub(crate) const fn steps(self) -> &'static [Migration<Step>] {
        match self {
            Self::Threads => kv::THREADS_STEPS,
            Self::Logs => kv::LOGS_STEPS,
        }
    }

    const fn application(self) -> &'static str {
        match self {
            Self::Threads => kv::THREADS_APPLICATION,
            Self::Logs => kv::LOGS_APPLICATION,
        }
    }

    /// What the file says of its format; [`Corrupted`](ErrorKind::Corrupted) where it is no file of
    /// this kind.
    pub(crate) fn meta(self, transaction: &ReadTransaction) -> Result<Meta, Failure> {
        let foreign = |why: &str| -> Failure {
            Error::new(ErrorKind::Corrupted, format!("the file is no store of threads: {why}"))
                .hint("name another file, or move this one away")
                .into()
        };
        let table = match transaction.open_table(META) {
            Err(redb::TableError::TableDoesNotExist(_)) => {
                return Err(foreign("it is a database of another program"));
            }
            table => table?,
        };
        let application = table.get(kv::APPLICATION)?;
        if application.is_none_or(|found| found.value() != self.application()) {
            return Err(foreign("it is a database of another kind"));
        }
        let number = |key: &str| -> Result<u64, Failure> {
            let found = table.get(key)?.and_then(|found| found.value().parse().ok());
            found.ok_or_else(|| foreign("its table meta does not tell the format"))
        };
        Ok(Meta {
            schema: number(kv::SCHEMA)?,
            min_reader: number(kv::MIN_READER)?,
            min_writer: number(kv::MIN_WRITER)?,
        })
    }

    /// Takes these steps, and notes the last.
    pub(crate) fn upgrade(
        self,
        transaction: &WriteTransaction,
        steps: &[Migration<Step>],
    ) -> Result<(), Failure> {
        for step in steps {
            match step.step {
                Step::Create => self.create(transaction)?,
                _ => return Err(Error::new(ErrorKind::Internal, "a step is not known").into()),
            }
        }
        let Some(last) = steps.last() else {
            return Ok(());
        };
        let mut meta = transaction.open_table(META)?;
        for (key, number) in [
            (kv::SCHEMA, last.version),
            (kv::MIN_READER, last.min_reader),
            (kv::MIN_WRITER, last.min_writer),
        ] {
            meta.insert(key, number.to_string().as_str())?;
        }
        Ok(())
    }

    fn create(self, transaction: &WriteTransaction) -> Result<(), Failure> {
        let mut meta = transaction.open_table(META)?;
        meta.insert(kv::APPLICATION, self.application())?;
        let program = format!("threadkeep {}", env!("CARGO_PKG_VERSION"));
        meta.insert(kv::CREATED_BY, program.as_str())?;
        // Opening a table to be written makes it.
        match self {
            Self::Threads => {
                for table in [THREADS, INDEX, TOOLS, TOMBSTONES, PENDING, BATCHES] {
                    transaction.open_table(table)?;
                }
                transaction.open_table(CHECKPOINTS)?;
                transaction.open_table(BATCH_ORDER)?;
            }
            Self::Logs => {
                for table in [HEADS, BLOCKS] {
                    transaction.open_table(table)?;
                }
                transaction.open_table(SITES)?;
                transaction.open_table(LOG_THREADS)?;
                transaction.open_table(LOG_PROCESSES)?;
                transaction.open_table(STATE)?;
            }
        }
        Ok(())
    }
}
