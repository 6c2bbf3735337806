//! What SQLite and sqlx say, in the words of the contract: one table.

use std::path::Path;

use threadkeep_core::{Error, ErrorKind};

use crate::SqliteOptions;

/// SQLite's primary result codes that mean something to a caller.
const KINDS: &[(i32, ErrorKind, &str)] = &[
    (3, ErrorKind::Io, "check the permissions of the file and its folder"),
    (5, ErrorKind::Busy, "try again, or end the process that holds the write lock"),
    (6, ErrorKind::Busy, "try again, or end the process that holds the write lock"),
    (8, ErrorKind::ReadOnly, "check the permissions of the file and its folder"),
    (9, ErrorKind::Timeout, "try again"),
    (10, ErrorKind::Io, "check the disk, then open the store again"),
    (11, ErrorKind::Corrupted, "run a check; restore a backup or index the threads anew"),
    (13, ErrorKind::StorageFull, "free space on the disk, then try again"),
    (14, ErrorKind::Io, "check that the folder exists and may be written to"),
    (18, ErrorKind::InvalidInput, "store less at once"),
    (23, ErrorKind::Io, "check the permissions of the file and its folder"),
    (26, ErrorKind::Corrupted, "name another file, or move this one away"),
];

/// An error of sqlx while doing something with the file at `path`.
pub(crate) fn translate(error: sqlx::Error, path: &Path, operation: &'static str) -> Error {
    let (kind, hint) = match &error {
        sqlx::Error::Database(database) => database
            .code()
            .and_then(|code| code.parse::<i32>().ok())
            // The lower byte of an extended code is its primary one.
            .and_then(|code| KINDS.iter().find(|(known, ..)| *known == code & 0xff))
            .map_or((ErrorKind::Internal, None), |(_, kind, hint)| (*kind, Some(*hint))),
        sqlx::Error::Io(_) => (ErrorKind::Io, None),
        sqlx::Error::PoolTimedOut => {
            (ErrorKind::Busy, Some("read less at once, or open the store with more readers"))
        }
        sqlx::Error::PoolClosed => (ErrorKind::Closed, Some("open the store again")),
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => {
            (ErrorKind::Corrupted, Some("run a check; restore a backup or index the threads anew"))
        }
        _ => (ErrorKind::Internal, None),
    };
    let what = match kind {
        ErrorKind::Busy => "others are using",
        ErrorKind::Corrupted => "damaged, or not a store:",
        ErrorKind::StorageFull => "no room left for",
        ErrorKind::Closed => "already closed:",
        _ => "failed on",
    };
    let translated = Error::new(kind, format!("{what} {}", path.display())).during(operation);
    let translated = match hint {
        Some(hint) => translated.hint(hint),
        None => translated,
    };
    translated.with_source(error)
}

/// Whether a connection that only reads met a file whose last change was cut off, which one that may
/// write undoes: `SQLITE_READONLY_ROLLBACK`.
pub(crate) fn needs_rollback(error: &Error) -> bool {
    let source = std::error::Error::source(error).and_then(|source| source.downcast_ref());
    matches!(source, Some(sqlx::Error::Database(error)) if error.code().as_deref() == Some("776"))
}

/// What a handle answers whose store allows this version only to read.
pub(crate) fn read_only(path: &Path, options: SqliteOptions) -> Error {
    if options.read_only {
        let text = format!("{} was opened to be read only", path.display());
        return Error::new(ErrorKind::ReadOnly, text).hint("open it for writing");
    }
    Error::new(
        ErrorKind::ReadOnly,
        format!("{} was written by a newer version, which allows reading only", path.display()),
    )
    .hint("use that version to write to it")
}
