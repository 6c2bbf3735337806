//! What redb says, in the words of the contract: one table.

use std::io;
use std::path::Path;

use threadkeep_core::{Error, ErrorKind, Retry};

/// Why something inside a transaction did not succeed: the engine failed, or the store refused.
#[derive(Debug)]
pub(crate) enum Failure {
    /// redb said so.
    Engine(redb::Error),
    /// redb said so of a commit, which may be there all the same.
    Commit(redb::Error),
    /// What is stored, or asked, is not as it has to be.
    Refused(Error),
}

impl Failure {
    /// The error for the caller, who did something with the file at `path`.
    pub(crate) fn at(self, path: &Path, operation: &'static str) -> Error {
        match self {
            Self::Engine(error) => translate(error, path, operation),
            Self::Commit(error) => translate(error, path, operation).maybe_applied(),
            Self::Refused(error) => error.during(operation),
        }
    }

    /// Whether redb has given the file up until it is opened anew.
    pub(crate) fn ends_the_database(&self) -> bool {
        use redb::Error as Redb;
        match self {
            Self::Engine(Redb::Io(error)) => {
                !matches!(error.kind(), io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock)
            }
            Self::Engine(error) => matches!(
                error,
                Redb::PreviousIo
                    | Redb::Backend(_)
                    | Redb::LockPoisoned(_)
                    | Redb::TransactionPoisoned
                    | Redb::DatabaseClosed
            ),
            Self::Commit(_) => true,
            Self::Refused(_) => false,
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Refused(error)
    }
}

impl From<redb::CommitError> for Failure {
    fn from(error: redb::CommitError) -> Self {
        Self::Commit(error.into())
    }
}

macro_rules! from_engine {
    ($($error:ty),+) => {$(
        impl From<$error> for Failure {
            fn from(error: $error) -> Self {
                Self::Engine(error.into())
            }
        }
    )+};
}

from_engine!(
    redb::Error,
    redb::StorageError,
    redb::TableError,
    redb::TransactionError,
    redb::DatabaseError,
    redb::CompactionError,
    io::Error
);

type Meaning = (ErrorKind, Option<Retry>, &'static str);

const DISK: &str = "check the disk, then open the store again";
const DAMAGED: &str = "run a check; restore a backup or index the threads anew";
const FOREIGN: &str = "name another file, or move this one away";

/// An error of redb while doing something with the file at `path`.
pub(crate) fn translate(
    error: impl Into<redb::Error>,
    path: &Path,
    operation: &'static str,
) -> Error {
    let error = error.into();
    let (kind, retry, hint) = meaning(&error);
    let translated = Error::new(kind, format!("{}", path.display()))
        .during(operation)
        .hint(hint)
        .with_source(error);
    match retry {
        Some(retry) => translated.with_retry(retry),
        None => translated,
    }
}

fn meaning(error: &redb::Error) -> Meaning {
    use redb::Error as Redb;
    match error {
        Redb::Io(error) => meaning_of_io(error),
        Redb::PreviousIo => (ErrorKind::Io, Some(Retry::Reopen), "open the store again"),
        Redb::Corrupted(_)
        | Redb::TableTypeMismatch { .. }
        | Redb::TableIsMultimap(_)
        | Redb::TableIsNotMultimap(_)
        | Redb::TypeDefinitionChanged { .. }
        | Redb::TableDoesNotExist(_)
        | Redb::TableExists(_) => (ErrorKind::Corrupted, None, DAMAGED),
        Redb::UpgradeRequired(_) => (ErrorKind::Corrupted, None, FOREIGN),
        Redb::ValueTooLarge(_) => (ErrorKind::InvalidInput, None, "store less at once"),
        Redb::DatabaseClosed => (ErrorKind::Closed, None, "open the store again"),
        Redb::DatabaseAlreadyOpen | Redb::LockProtocolMismatch => {
            (ErrorKind::Locked, None, "close the store in the other process, then try again")
        }
        Redb::TransactionInProgress | Redb::WouldBlock => (ErrorKind::Busy, None, "try again"),
        Redb::RepairAborted => {
            (ErrorKind::Unavailable, None, "open the store once with the right to write to it")
        }
        Redb::Unsupported => {
            (ErrorKind::Unsupported, None, "open the store with sharing=exclusive")
        }
        Redb::TransactionPoisoned | Redb::LockPoisoned(_) => {
            (ErrorKind::Internal, Some(Retry::Reopen), "open the store again")
        }
        _ => (ErrorKind::Internal, None, "report this"),
    }
}

fn meaning_of_io(error: &io::Error) -> Meaning {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            (ErrorKind::StorageFull, None, "free space on the disk, then try again")
        }
        io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => {
            (ErrorKind::Busy, None, "try again, or end the process that holds the store")
        }
        // What a file is taken for that does not begin like one of redb's.
        io::ErrorKind::InvalidData => (ErrorKind::Corrupted, None, FOREIGN),
        io::ErrorKind::NotFound => {
            (ErrorKind::NotFound, None, "check that the file is still there")
        }
        io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied => {
            (ErrorKind::ReadOnly, None, "check the permissions of the file and its folder")
        }
        _ => (ErrorKind::Io, None, DISK),
    }
}

/// The system's answer to something done with the file or folder at `path`.
pub(crate) fn io(error: io::Error, path: &Path, operation: &'static str) -> Error {
    translate(error, path, operation)
}

pub(crate) fn closed() -> Error {
    Error::new(ErrorKind::Closed, "the store was closed").hint("open the store again")
}
