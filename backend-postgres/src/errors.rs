//! What PostgreSQL and sqlx say, in the words of the contract: one table.

use std::io;

use threadkeep_core::{Error, ErrorKind, Retry};

/// The codes (SQLSTATE) that mean something to a caller, the first that fits; two letters are a
/// class.
const KINDS: &[(&str, ErrorKind, &str)] = &[
    ("53100", ErrorKind::StorageFull, "free space on the server's disk, then try again"),
    ("53200", ErrorKind::Unavailable, "try again; the server is out of memory"),
    (
        TOO_MANY,
        ErrorKind::Unavailable,
        "raise the server's max_connections, or put a pooler before it",
    ),
    ("53", ErrorKind::Unavailable, "try again"),
    ("57014", ErrorKind::Timeout, "try again, or allow more time"),
    ("57", ErrorKind::Unavailable, "try again once the server is back"),
    ("58", ErrorKind::Io, "look into the server's log"),
    ("08", ErrorKind::Unavailable, "try again once the server is back"),
    (LOCK_TIMEOUT, ErrorKind::Busy, "try again, or end the transaction that holds the lock"),
    (DEADLOCK, ErrorKind::Busy, "try again"),
    ("40", ErrorKind::Busy, "try again"),
    ("25P03", ErrorKind::Timeout, "try again"),
    (READ_ONLY, ErrorKind::ReadOnly, "name the primary in the URL, or all hosts of the cluster"),
    ("28", ErrorKind::InvalidInput, "check the user and the password in the URL"),
    ("3D", ErrorKind::NotFound, "create the database, or name another one in the URL"),
    ("42501", ErrorKind::ReadOnly, "grant the role what it needs on the schema threadkeep"),
    ("54", ErrorKind::InvalidInput, "store less at once"),
    ("42P01", ErrorKind::Corrupted, "restore the schema threadkeep from a backup"),
    ("XX001", ErrorKind::Corrupted, "restore the server from a backup"),
    ("XX002", ErrorKind::Corrupted, "rebuild the indexes of the schema threadkeep"),
];

const TOO_MANY: &str = "53300";
const LOCK_TIMEOUT: &str = "55P03";
const DEADLOCK: &str = "40P01";
const READ_ONLY: &str = "25006";

/// Something failed on a connection to a server.
#[derive(Debug)]
pub(crate) struct Failed(pub(crate) sqlx::Error);

impl Failed {
    pub(crate) fn decode(what: &'static str) -> Self {
        Self(sqlx::Error::Decode(what.into()))
    }

    fn code(&self) -> Option<String> {
        match &self.0 {
            sqlx::Error::Database(error) => error.code().map(std::borrow::Cow::into_owned),
            _ => None,
        }
    }

    fn is(&self, code: &str) -> bool {
        self.code().is_some_and(|found| found.starts_with(code))
    }

    /// Whether the server, or the way to it, failed rather than the statement: another connection
    /// may do better, perhaps to another host.
    pub(crate) fn is_connection(&self) -> bool {
        match &self.0 {
            sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::Protocol(_) => true,
            sqlx::Error::Database(_) => {
                self.is("08")
                    || (self.is("57") && !self.is("57014"))
                    || self.is(READ_ONLY)
                    || self.is(TOO_MANY)
                    || self.is("25P03")
            }
            _ => false,
        }
    }

    /// How much it tells, beside others of which one is to be told.
    pub(crate) fn weight(&self) -> u8 {
        match &self.0 {
            _ if !self.is_connection() => 3,
            sqlx::Error::Io(error) => match error.kind() {
                io::ErrorKind::TimedOut => 0,
                io::ErrorKind::InvalidData | io::ErrorKind::ReadOnlyFilesystem => 2,
                _ => 1,
            },
            _ => 2,
        }
    }

    /// This error, or an earlier one that tells more: the last try may have been too short.
    pub(crate) fn or_earlier(self, earlier: Option<Self>) -> Self {
        earlier.filter(|earlier| earlier.weight() > self.weight()).unwrap_or(self)
    }

    /// Whether somebody else came first, so that the whole transaction has to be done again.
    pub(crate) fn is_race(&self) -> bool {
        self.is("23505") || self.is(DEADLOCK) || self.is("40001")
    }

    /// Whether a lock was not to be had in time.
    pub(crate) fn is_lock_timeout(&self) -> bool {
        self.is(LOCK_TIMEOUT)
    }

    /// Whether a log entry's day has no partition.
    pub(crate) fn is_without_partition(&self) -> bool {
        self.is("23514")
    }

    /// Whether a day's partitions cannot be dropped now: there are entries in them, somebody is using
    /// them, or the tables are not this role's.
    pub(crate) fn keeps_partition(&self) -> bool {
        self.is("55006") || self.is(LOCK_TIMEOUT) || self.is("42501")
    }

    /// In the words of the contract; `place` names the server without anything secret.
    pub(crate) fn translate(self, place: &str, operation: &'static str) -> Error {
        let (kind, hint) = match &self.0 {
            sqlx::Error::Database(_) => KINDS
                .iter()
                .find(|(code, ..)| self.is(code))
                .map_or((ErrorKind::Internal, None), |(_, kind, hint)| (*kind, Some(*hint))),
            // What is said where no host fits.
            sqlx::Error::Io(error) if error.kind() == io::ErrorKind::ReadOnlyFilesystem => (
                ErrorKind::Unavailable,
                Some(
                    "name the primary in the URL, or all hosts of the cluster; standbys are for mode=ro",
                ),
            ),
            // What the driver makes of a certificate that it does not take.
            sqlx::Error::Io(error) if error.kind() == io::ErrorKind::InvalidData => {
                (ErrorKind::Unavailable, Some("check sslmode and sslrootcert in the URL"))
            }
            sqlx::Error::Io(_) | sqlx::Error::Protocol(_) => {
                (ErrorKind::Unavailable, Some("check that the server runs and can be reached"))
            }
            sqlx::Error::Tls(_) => {
                (ErrorKind::Unavailable, Some("check sslmode and sslrootcert in the URL"))
            }
            sqlx::Error::Configuration(_) => (ErrorKind::InvalidInput, Some("check the URL")),
            sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => (
                ErrorKind::Corrupted,
                Some("run a check; restore a backup or index the threads anew"),
            ),
            _ => (ErrorKind::Internal, None),
        };
        let what = match kind {
            ErrorKind::Busy => "others are using",
            ErrorKind::Corrupted => "damaged, or not a store:",
            ErrorKind::StorageFull => "no room left on",
            ErrorKind::Unavailable => "cannot reach",
            ErrorKind::ReadOnly => "may not write to",
            _ => "failed on",
        };
        let mut error = Error::new(kind, format!("{what} {place}")).during(operation);
        if kind == ErrorKind::Unavailable {
            // The handle connects anew by itself.
            error = error.with_retry(Retry::After(std::time::Duration::from_millis(500)));
        }
        if let Some(hint) = hint {
            error = error.hint(hint);
        }
        error.with_source(self)
    }
}

impl From<sqlx::Error> for Failed {
    fn from(error: sqlx::Error) -> Self {
        Self(error)
    }
}

impl std::fmt::Display for Failed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Failed {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source()
    }
}

/// What a handle answers that was opened to be read only.
pub(crate) fn read_only(place: &str, by_choice: bool) -> Error {
    if by_choice {
        let text = format!("{place} was opened to be read only");
        return Error::new(ErrorKind::ReadOnly, text).hint("open it for writing");
    }
    let text = format!("{place} was written by a newer version, which allows reading only");
    Error::new(ErrorKind::ReadOnly, text).hint("use that version to write to it")
}

/// What a closed handle answers.
pub(crate) fn closed() -> Error {
    Error::new(ErrorKind::Closed, "the store was closed").hint("open the store again")
}
