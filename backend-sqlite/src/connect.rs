//! How connections are made: the same for threads and logs.

use std::path::Path;
use std::time::{Duration, SystemTime};

use sqlx::sqlite::{SqliteAutoVacuum, SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, SqliteConnection};
use threadkeep_core::Result;

use crate::SqliteOptions;
use crate::errors::translate;
use crate::maintain::wal;

/// How long SQLite itself waits for a lock before the caller looks at its deadline again.
const SQLITE_WAIT: Duration = Duration::from_millis(100);

/// A connection to a file that exists.
pub(crate) fn plain(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(false)
        .busy_timeout(SQLITE_WAIT)
        .disable_statement_logging()
}

/// The same, which waits for others as long as opening may. Even reading waits while another process
/// closes the file as the last, or puts in order what a killed one left.
pub(crate) fn patient(path: &Path, options: SqliteOptions) -> SqliteConnectOptions {
    plain(path).busy_timeout(options.deadline)
}

/// A connection that looks at a file without changing a byte of it.
pub(crate) fn probe(path: &Path, options: SqliteOptions) -> SqliteConnectOptions {
    patient(path, options).read_only(true)
}

/// The same, without so much as a side file. Whoever writes has a write-ahead file for as long, so
/// that without one the file stands still.
pub(crate) fn frozen(path: &Path, options: SqliteOptions) -> SqliteConnectOptions {
    probe(path, options).immutable(still(path).is_some())
}

/// A file that nobody writes to, as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Still {
    bytes: u64,
    written: SystemTime,
}

impl Still {
    /// Whether a later write is sure to be told by the time it leaves: clocks of file systems go by
    /// a few milliseconds at a time.
    pub(crate) fn is_sure(self) -> bool {
        self.written.elapsed().is_ok_and(|since| since > Duration::from_millis(100))
    }
}

/// How a file is; `None` where somebody may be writing to it.
pub(crate) fn still(path: &Path) -> Option<Still> {
    let file = std::fs::metadata(path).ok()?;
    let still = Still { bytes: file.len(), written: file.modified().ok()? };
    (!wal(path).exists()).then_some(still)
}

/// A connection that gives an empty file its lasting settings.
pub(crate) fn create(path: &Path, options: SqliteOptions) -> SqliteConnectOptions {
    patient(path, options)
        .auto_vacuum(SqliteAutoVacuum::Incremental)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
}

/// The one connection that writes threads.
pub(crate) fn write_threads(path: &Path) -> SqliteConnectOptions {
    write(path, SqliteSynchronous::Full, PAGES)
}

/// The one connection that writes logs, whose write-ahead file may have at most so many bytes.
pub(crate) fn write_logs(path: &Path, wal_limit: u64) -> SqliteConnectOptions {
    let pages = i64::try_from(wal_limit / 2 / 4_096).unwrap_or(i64::MAX);
    write(path, SqliteSynchronous::Normal, pages.min(PAGES))
}

/// Pages of a write-ahead file at which they are copied to the main one: 16 MiB.
const PAGES: i64 = 4_000;

/// Commits that touch the same pages share one copy of them to the main file: the less often it is
/// made, the fewer of them. After a burst the write-ahead file shrinks again.
fn write(path: &Path, synchronous: SqliteSynchronous, pages: i64) -> SqliteConnectOptions {
    plain(path)
        .synchronous(synchronous)
        .pragma("wal_autocheckpoint", pages.to_string())
        .pragma("journal_size_limit", (pages * 4_096).to_string())
}

/// A connection that reads and cannot write.
pub(crate) fn read(path: &Path, options: SqliteOptions) -> SqliteConnectOptions {
    plain(path)
        .read_only(options.read_only)
        .busy_timeout(options.deadline)
        .pragma("query_only", "on")
        // A whole page fits, so that SQLite does not wait for rows to be taken.
        .row_buffer_size(1_024)
}

/// Opens a connection, naming the file in an error.
pub(crate) async fn connect(
    options: &SqliteConnectOptions,
    path: &Path,
    operation: &'static str,
) -> Result<SqliteConnection> {
    SqliteConnection::connect_with(options).await.map_err(|error| translate(error, path, operation))
}
