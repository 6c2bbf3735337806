//! The one error type of every store.
//!
//! It is opaque and is asked by methods: what kind of failure, whether the write may have
//! happened all the same, and whether trying again can help.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

/// What a store answers.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, in terms a caller can act upon.
///
/// The same fault gives the same kind on every backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A named thread, file or store does not exist.
    NotFound,
    /// Something that had to be absent is there.
    AlreadyExists,
    /// An [`Expect`](crate::Expect) did not hold: somebody else changed the row in between.
    Conflict,
    /// An argument is outside the documented limits; the message names it.
    InvalidInput,
    /// A cursor is damaged or belongs to another query.
    InvalidCursor,
    /// This backend cannot do it, and says so in its capabilities.
    Unsupported,
    /// The store was in use by others for the whole time allowed.
    Busy,
    /// Somebody holds the store exclusively, and for longer than a retry would last.
    Locked,
    /// The store, or the handle, may not be written to.
    ReadOnly,
    /// The handle was closed.
    Closed,
    /// Stored bytes are not what was written, or the file is not a store.
    Corrupted,
    /// The store was written by a newer version that this one may not touch.
    SchemaTooNew,
    /// An upgrade of the stored format failed; the store is as it was before.
    MigrationFailed,
    /// No room left on the device, or a size limit was reached.
    StorageFull,
    /// The time allowed for the call ran out.
    Timeout,
    /// A server cannot be reached.
    Unavailable,
    /// The operating system refused a read or a write.
    Io,
    /// A fault of this library.
    Internal,
}

impl ErrorKind {
    /// The kind in words, as it stands at the start of an error's text.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotFound => "not found",
            Self::AlreadyExists => "already exists",
            Self::Conflict => "conflict",
            Self::InvalidInput => "invalid input",
            Self::InvalidCursor => "invalid cursor",
            Self::Unsupported => "unsupported",
            Self::Busy => "busy",
            Self::Locked => "locked",
            Self::ReadOnly => "read-only",
            Self::Closed => "closed",
            Self::Corrupted => "corrupted",
            Self::SchemaTooNew => "schema too new",
            Self::MigrationFailed => "migration failed",
            Self::StorageFull => "storage full",
            Self::Timeout => "timeout",
            Self::Unavailable => "unavailable",
            Self::Io => "i/o error",
            Self::Internal => "internal error",
        }
    }

    const fn default_retry(self) -> Retry {
        match self {
            Self::Busy | Self::Timeout => Retry::After(Duration::from_millis(50)),
            Self::Conflict => Retry::After(Duration::ZERO),
            Self::Locked | Self::StorageFull => Retry::After(Duration::from_secs(1)),
            Self::Unavailable | Self::Io | Self::Closed => Retry::Reopen,
            _ => Retry::Never,
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whether a failed write may have happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Applied {
    /// Nothing was written.
    NotApplied,
    /// The write may or may not be there. Repeat it with the same [`BatchId`](crate::BatchId),
    /// which answers as the first time if it was.
    Unknown,
}

/// Whether trying again can help.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Retry {
    /// The same call fails again.
    Never,
    /// The same call may succeed after at least this long. After a
    /// [`Conflict`](ErrorKind::Conflict), read again first.
    After(Duration),
    /// Open the store anew, then call again.
    Reopen,
}

/// Why a store refused or failed.
///
/// ```
/// use threadkeep_core::{Applied, Error, ErrorKind};
///
/// let error = Error::new(ErrorKind::Busy, "write lock held for 10 s by others")
///     .during("write")
///     .hint("stop the other writers or raise the deadline");
/// assert_eq!(error.to_string(), "busy: write: write lock held for 10 s by others");
/// assert_eq!(error.outcome(), Applied::NotApplied);
/// assert!(error.is_retryable());
/// ```
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    outcome: Applied,
    retry: Retry,
    operation: Option<&'static str>,
    message: String,
    hint: Option<String>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    /// An error that nothing was written for. `message` is lower case, names the entity and the
    /// number that matters, and does not repeat its source.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            kind,
            outcome: Applied::NotApplied,
            retry: kind.default_retry(),
            operation: None,
            message: message.into(),
            hint: None,
            source: None,
        }))
    }

    /// An argument outside its limits.
    pub fn invalid_input(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::InvalidInput, message)
    }

    /// Names the operation that was tried. The first name given stays.
    #[must_use]
    pub fn during(mut self, operation: &'static str) -> Self {
        self.0.operation.get_or_insert(operation);
        self
    }

    /// Says what to do next, as one imperative sentence without a full stop.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    /// Keeps the error underneath.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// Says that the write may have happened; the store must be opened anew to find out.
    #[must_use]
    pub fn maybe_applied(mut self) -> Self {
        self.0.outcome = Applied::Unknown;
        self.0.retry = Retry::Reopen;
        self
    }

    /// The same where so many entries, or whatever else is counted, had gone before it.
    #[must_use]
    pub fn after(self, gone: u64) -> Self {
        if gone > 0 { self.maybe_applied() } else { self }
    }

    /// Overrides what the kind says about trying again.
    #[must_use]
    pub fn with_retry(mut self, retry: Retry) -> Self {
        self.0.retry = retry;
        self
    }

    /// Names what it is about, where the message does not.
    #[must_use]
    pub fn about(mut self, subject: impl fmt::Display) -> Self {
        let subject = subject.to_string();
        if !self.0.message.contains(&subject) {
            self.0.message = format!("{subject}: {}", self.0.message);
        }
        self
    }

    /// The kind of failure.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Whether the write may have happened.
    pub fn outcome(&self) -> Applied {
        self.0.outcome
    }

    /// Whether and how trying again can help.
    pub fn retry(&self) -> Retry {
        self.0.retry
    }

    /// `false` only where the same call is bound to fail again.
    pub fn is_retryable(&self) -> bool {
        self.0.retry != Retry::Never
    }

    /// What was tried on what, without the kind.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The operation that was tried, where one is known.
    pub fn operation(&self) -> Option<&'static str> {
        self.0.operation
    }

    /// What to do next, as one imperative sentence.
    pub fn hint_text(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }

    /// A second copy for another caller of the same failed commit. The source is kept as text.
    #[must_use]
    pub fn duplicate(&self) -> Self {
        Self(Box::new(Inner {
            kind: self.0.kind,
            outcome: self.0.outcome,
            retry: self.0.retry,
            operation: self.0.operation,
            message: self.0.message.clone(),
            hint: self.0.hint.clone(),
            source: self.0.source.as_ref().map(|source| source.to_string().into()),
        }))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.0.kind)?;
        if let Some(operation) = self.0.operation {
            write!(f, "{operation}: ")?;
        }
        f.write_str(&self.0.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("kind", &self.0.kind)
            .field("outcome", &self.0.outcome)
            .field("retry", &self.0.retry)
            .field("operation", &self.0.operation)
            .field("message", &self.0.message)
            .field("hint", &self.0.hint)
            .field("source", &self.0.source)
            .finish()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_ref().map(|source| {
            let source: &(dyn StdError + 'static) = source.as_ref();
            source
        })
    }
}
