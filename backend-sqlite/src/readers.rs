//! The connections that read: few, lent one at a time, the one used last first.
//!
//! sqlx's own pool hands connections out in turn and asks each whether it is alive whenever one
//! comes back. For a file on this machine that costs as much as the reading, and leaves the pages
//! each connection remembers cold.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Connection, SqliteConnection};
use threadkeep_core::{Error, ErrorKind, Result};
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::{SqliteOptions, connect};

/// A bounded set of connections that cannot write.
pub(crate) struct Readers {
    path: PathBuf,
    options: SqliteConnectOptions,
    idle: Mutex<Vec<SqliteConnection>>,
    permits: Semaphore,
}

impl Readers {
    pub(crate) fn new(path: &Path, options: SqliteOptions) -> Self {
        Self {
            path: path.to_owned(),
            options: connect::read(path, options),
            idle: Mutex::new(Vec::new()),
            permits: Semaphore::new(options.readers as usize),
        }
    }

    /// Lends a connection; waits while all are lent.
    pub(crate) async fn lend(&self) -> Result<Reader<'_>> {
        let permit = self.permits.acquire().await.map_err(|_| {
            Error::new(ErrorKind::Closed, "the store was closed").hint("open the store again")
        })?;
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let connection = match idle {
            Some(connection) => connection,
            None => connect::connect(&self.options, &self.path, "open").await?,
        };
        Ok(Reader { connection, readers: self, permit })
    }

    /// Lends no more, and closes those that are not lent.
    pub(crate) async fn close(&self) {
        self.permits.close();
        let idle = std::mem::take(&mut *self.idle.lock().unwrap_or_else(PoisonError::into_inner));
        for connection in idle {
            // Closing a connection that only read has nothing to lose.
            let _ = connection.close().await;
        }
    }
}

/// A connection that was lent. It must be given back; one that is dropped instead, because its
/// future was, may be in the middle of a statement and is closed.
pub(crate) struct Reader<'a> {
    pub(crate) connection: SqliteConnection,
    readers: &'a Readers,
    permit: SemaphorePermit<'a>,
}

impl Reader<'_> {
    pub(crate) fn give_back(self) {
        let Self { connection, readers, permit } = self;
        if !readers.permits.is_closed() {
            readers.idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
        }
        drop(permit);
    }
}
