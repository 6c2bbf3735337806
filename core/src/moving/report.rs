//! What came of a copy.

use std::fmt;

use crate::{Error, ErrorKind, Skipped, Subject};

/// Conflicts, and threads passed over, of which a report holds more than their number.
const NAMED: usize = 1_000;

/// What became of threads, or checkpoints. The numbers add up to those the source holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// They were not in the target.
    pub created: u64,
    /// The target held something else, which gave way.
    pub replaced: u64,
    /// The target held the same.
    pub unchanged: u64,
    /// The target held something else, or had deleted it, and that stayed, as was asked for.
    pub kept: u64,
    /// The target held something else, or had deleted it, and that stayed: a conflict.
    pub conflicts: u64,
    /// They could not be read in the source.
    pub skipped: u64,
    /// Checkpoints that would have told an indexer of more than the target's threads reflect, which
    /// is where a thread was kept, in conflict or skipped: it will read those files again.
    pub left_out: u64,
}

impl Counts {
    /// All of them.
    pub fn total(&self) -> u64 {
        let Self { created, replaced, unchanged, kept, conflicts, skipped, left_out } = self;
        created + replaced + unchanged + kept + conflicts + skipped + left_out
    }

    /// Whether the target holds all of them as the source does.
    pub fn is_whole(&self) -> bool {
        self.kept + self.conflicts + self.skipped + self.left_out == 0
    }
}

/// What became of log entries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LogCounts {
    /// They were appended.
    pub copied: u64,
    /// Of a dump, those that were appended by an earlier load. A copy does not read them again.
    pub already: u64,
}

/// Something that the target holds with another content, or has deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopyConflict {
    /// What.
    pub subject: Subject,
    /// Its revision in the source.
    pub revision: u64,
    /// What is in the target.
    pub found: Found,
}

/// What the target has in place of something.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Found {
    /// Another content.
    Present {
        /// Its revision.
        revision: u64,
    },
    /// A deletion.
    Deleted {
        /// Its revision.
        revision: u64,
    },
    /// Something that cannot be read.
    Damaged {
        /// What is wrong with it.
        reason: String,
    },
}

impl fmt::Display for CopyConflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.subject {
            Subject::Thread(id) => write!(f, "thread {id}")?,
            Subject::Checkpoint(key) => write!(f, "checkpoint {key:?}")?,
        }
        write!(f, ": revision {} in the source, ", self.revision)?;
        match &self.found {
            Found::Present { revision } => write!(f, "revision {revision} in the target"),
            Found::Deleted { revision } => {
                write!(f, "deleted in the target as revision {revision}")
            }
            Found::Damaged { reason } => write!(f, "damaged in the target: {reason}"),
        }
    }
}

impl CopyConflict {
    /// The same as an error of the kind [`Conflict`](ErrorKind::Conflict).
    pub fn to_error(&self) -> Error {
        Error::new(ErrorKind::Conflict, self.to_string())
            .during("copy")
            .hint("say which of the two is to stay: keep, replace or newer")
    }
}

/// What came of a copy, or of loading a dump.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CopyReport {
    /// Threads.
    pub threads: Counts,
    /// Of these, threads whose tools were written.
    pub tools: u64,
    /// Checkpoints.
    pub checkpoints: Counts,
    /// Log entries.
    pub logs: LogCounts,
    /// The first 1,000 conflicts.
    pub conflicts: Vec<CopyConflict>,
    /// The first 1,000 threads that could not be read in the source, or whose tools could not be;
    /// those are copied without.
    pub skipped: Vec<Skipped>,
    /// Threads whose tools could not be read in the source.
    pub skipped_tools: u64,
}

impl CopyReport {
    /// Whether everything that was to be copied is in the target as it is in the source.
    pub fn is_whole(&self) -> bool {
        self.threads.is_whole() && self.checkpoints.is_whole() && self.skipped_tools == 0
    }

    pub(super) fn conflict(&mut self, conflict: CopyConflict) {
        match conflict.subject {
            Subject::Thread(_) => self.threads.conflicts += 1,
            Subject::Checkpoint(_) => self.checkpoints.conflicts += 1,
        }
        if self.conflicts.len() < NAMED {
            self.conflicts.push(conflict);
        }
    }

    pub(super) fn skip(&mut self, skipped: Skipped) {
        if self.skipped.len() < NAMED {
            self.skipped.push(skipped);
        }
    }
}
