//! How the program ends: what a command can come to, and the exit code of each.

use std::io;
use std::process::ExitCode;

use threadkeep::{Error, ErrorKind, ThreadId};

/// What a command that ran to its end has to say by its exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Done {
    /// Everything was done.
    Whole,
    /// Something was passed over, and named.
    InPart,
    /// A check found damage.
    Damaged,
    /// It would have gone on, and Ctrl-C ended it, as is usual.
    Stopped,
}

impl Done {
    /// [`Done::InPart`] where something was passed over.
    pub(crate) fn in_part(passed_over: bool) -> Self {
        if passed_over { Self::InPart } else { Self::Whole }
    }

    pub(crate) fn code(self) -> ExitCode {
        ExitCode::from(match self {
            Self::Whole => 0,
            Self::InPart => 4,
            Self::Damaged => 6,
            Self::Stopped => 130,
        })
    }
}

/// Why a command did not run to its end.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Whoever read the output has seen enough.
    ClosedPipe,
    /// Ctrl-C.
    Interrupted,
    /// Several threads fit a part of an id.
    Ambiguous(Box<Ambiguous>),
    /// Anything else.
    Failed(Error),
}

/// Several threads fit a part of an id.
#[derive(Debug)]
pub(crate) struct Ambiguous {
    pub(crate) given: String,
    pub(crate) matches: usize,
    /// Some of them, each with its title.
    pub(crate) candidates: Vec<(ThreadId, String)>,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

/// Of writing the output; nothing else here answers with a bare [`io::Error`].
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self::ClosedPipe;
        }
        Self::Failed(
            Error::new(ErrorKind::Io, "the output could not be written")
                .hint("free some room where the output goes, or send it elsewhere")
                .with_source(error),
        )
    }
}

impl Failure {
    pub(crate) fn code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::ClosedPipe => 0,
            Self::Interrupted => 130,
            Self::Ambiguous(_) => 3,
            Self::Failed(error) => match error.kind() {
                ErrorKind::InvalidInput | ErrorKind::InvalidCursor => 2,
                ErrorKind::NotFound => 3,
                ErrorKind::Busy | ErrorKind::Locked | ErrorKind::Timeout => 5,
                ErrorKind::Corrupted | ErrorKind::SchemaTooNew | ErrorKind::MigrationFailed => 6,
                _ => 1,
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closed_pipe_is_no_failure() {
        let failure = Failure::from(io::Error::from(io::ErrorKind::BrokenPipe));
        assert_eq!(failure.code(), ExitCode::SUCCESS);
        let failure = Failure::from(io::Error::from(io::ErrorKind::StorageFull));
        assert_eq!(failure.code(), ExitCode::FAILURE);
    }
}
