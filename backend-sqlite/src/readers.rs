//! The connections that read: few, lent one at a time, the one used last first.
//!
//! sqlx's own pool hands connections out in turn and asks each whether it is alive whenever one
//! comes back. For a file on this machine that costs as much as the reading, and leaves the pages
//! each connection remembers cold.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use sqlx::{Connection, SqliteConnection};
use threadkeep_core::{Error, ErrorKind, Result};
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::SqliteOptions;
use crate::connect::{self, Still};

/// A bounded set of connections that cannot write.
pub(crate) struct Readers {
    path: PathBuf,
    options: SqliteOptions,
    idle: Mutex<Idle>,
    permits: Semaphore,
}

#[derive(Default)]
struct Idle {
    connections: Vec<SqliteConnection>,
    /// They were made while nobody wrote, by a handle that only reads, when the file was in this
    /// state; they know nothing of what others write since.
    frozen: Option<Still>,
}

impl Readers {
    pub(crate) fn new(path: &Path, options: SqliteOptions) -> Self {
        Self {
            path: path.to_owned(),
            options,
            idle: Mutex::default(),
            permits: Semaphore::new(options.readers as usize),
        }
    }

    /// Lends a connection; waits while all are lent.
    pub(crate) async fn lend(&self) -> Result<Reader<'_>> {
        let permit = self.permits.acquire().await.map_err(|_| {
            Error::new(ErrorKind::Closed, "the store was closed").hint("open the store again")
        })?;
        let frozen = if self.options.read_only { connect::still(&self.path) } else { None };
        let idle = {
            let mut idle = self.lock();
            if idle.frozen != frozen {
                *idle = Idle { frozen, ..Idle::default() };
            }
            idle.connections.pop()
        };
        let connection = if let Some(connection) = idle {
            connection
        } else {
            let options = connect::read(&self.path, self.options).immutable(frozen.is_some());
            connect::connect(&options, &self.path, "open").await?
        };
        Ok(Reader { connection, readers: self, permit, frozen })
    }

    /// Lends no more, and closes those that are not lent.
    pub(crate) async fn close(&self) {
        self.permits.close();
        let idle = std::mem::take(&mut *self.lock());
        for connection in idle.connections {
            // Closing a connection that only read has nothing to lose.
            let _ = connection.close().await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection that was lent. It must be given back; one that is dropped instead, because its
/// future was, may be in the middle of a statement and is closed.
pub(crate) struct Reader<'a> {
    pub(crate) connection: SqliteConnection,
    readers: &'a Readers,
    permit: SemaphorePermit<'a>,
    frozen: Option<Still>,
}

impl Reader<'_> {
    pub(crate) fn give_back(self) {
        let Self { connection, readers, permit, frozen } = self;
        let mut idle = readers.lock();
        // One that takes the file for still keeps the pages it has read: good only for as long as
        // the file is sure to be what it was.
        let is_good = idle.frozen == frozen && frozen.is_none_or(Still::is_sure);
        if is_good && !readers.permits.is_closed() {
            idle.connections.push(connection);
        }
        drop(idle);
        drop(permit);
    }
}
