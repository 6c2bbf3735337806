//! Why a server cannot be had, or could not be made to do something.

use std::fmt;
use std::io;

/// What this crate answers.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A reason in words, and whether it is the machine that lacks something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// This machine lacks what is needed: PostgreSQL, a right, a program. A test is skipped by
    /// name then, or fails in CI; see [`skipped`](crate::skipped).
    Missing(String),
    /// It was tried and failed. A test fails then.
    Failed(String),
}

impl Error {
    pub(crate) fn failed(what: impl fmt::Display, cause: impl fmt::Display) -> Self {
        Self::Failed(format!("{what}: {cause}"))
    }

    /// The reason, when the machine lacks something.
    pub fn missing(&self) -> Option<&str> {
        match self {
            Self::Missing(reason) => Some(reason),
            Self::Failed(_) => None,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(reason) => write!(f, "missing: {reason}"),
            Self::Failed(reason) => f.write_str(reason),
        }
    }
}

impl std::error::Error for Error {}

/// Adds what was being done to an error of the operating system.
pub(crate) trait During<T> {
    fn during(self, what: impl fmt::Display) -> Result<T>;
}

impl<T> During<T> for io::Result<T> {
    fn during(self, what: impl fmt::Display) -> Result<T> {
        self.map_err(|cause| Error::failed(what, cause))
    }
}
