//! Errors: the words of the contract for what can go wrong.

use std::io;
use std::path::Path;

use threadkeep_core::{Error, ErrorKind, ThreadId};

/// What the system says, in the words of the contract: one table.
pub(crate) fn failed(what: &str, path: &Path, error: io::Error) -> Error {
    let (kind, hint) = match error.kind() {
        io::ErrorKind::NotFound => (ErrorKind::NotFound, "check the folder of the store"),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            (ErrorKind::StorageFull, "free space on the disk, then try again")
        }
        io::ErrorKind::ReadOnlyFilesystem => (ErrorKind::ReadOnly, "name a folder elsewhere"),
        _ => (ErrorKind::Io, "check the disk, and the permissions of the file and its folder"),
    };
    Error::new(kind, format!("cannot {what} {}", path.display())).hint(hint).with_source(error)
}

/// A row, or its tools, that is not what was written.
pub(crate) fn damaged(id: ThreadId, reason: String) -> Error {
    Error::new(ErrorKind::Corrupted, reason)
        .about(id)
        .hint("rebuild the thread from its history, or delete it")
}

/// What every call on a closed handle is answered.
pub(crate) fn closed() -> Error {
    Error::new(ErrorKind::Closed, "the store was closed").hint("open the store again")
}

/// A fault of the store itself.
pub(crate) fn failed_task(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::new(ErrorKind::Internal, "a task of the store did not end").with_source(error)
}
