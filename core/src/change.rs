//! Changes as values: what a caller wants to happen, in ordered batches applied as one.

use std::path::PathBuf;

use crate::{
    BatchId, DynamicToolSpec, Error, Result, ThreadId, ThreadMetadata, ThreadPatch, ThreadSeed,
    Timestamp, limits, thread, tools,
};

/// One wanted change.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Change {
    /// Insert or replace every field of a row but its revision. Tools stay.
    Put(Box<ThreadMetadata>),
    /// Create the row from the seed where there is none, then patch it.
    ///
    /// Does nothing for a deleted thread unless the patch has an item newer than the deletion.
    Apply(Box<ThreadSeed>, Box<ThreadPatch>),
    /// Make the row anew from its whole history. What a person did is kept: the name unless the
    /// history has a later one, and whether it is archived unless the file moved between folders.
    Rebuild(Box<ThreadSeed>, Box<ThreadPatch>),
    /// Patch a row that exists.
    Patch(ThreadId, Box<ThreadPatch>),
    /// The history file was found at another path. Whether the thread is archived follows only
    /// where the file moved into or out of the folder of archived threads.
    Move {
        /// The thread.
        id: ThreadId,
        /// Where the file is now.
        path: PathBuf,
        /// When it was archived, should it have moved there.
        archived_at: Timestamp,
    },
    /// Archive a thread.
    Archive {
        /// The thread.
        id: ThreadId,
        /// Where the history file is now; `None` where it stays.
        path: Option<PathBuf>,
        /// When.
        at: Timestamp,
    },
    /// Make a thread active again.
    Unarchive {
        /// The thread.
        id: ThreadId,
        /// Where the history file is now; `None` where it stays.
        path: Option<PathBuf>,
    },
    /// Give a thread a name, or take it away. A later naming wins.
    Rename {
        /// The thread.
        id: ThreadId,
        /// The name.
        name: Option<String>,
        /// When.
        at: Timestamp,
    },
    /// Store the thread's tools. [`NotFound`](crate::ErrorKind::NotFound) for an unknown thread.
    SetTools {
        /// The thread.
        id: ThreadId,
        /// The tools in order; an empty list changes nothing.
        tools: Vec<DynamicToolSpec>,
        /// Whether stored tools give way.
        replace: bool,
    },
    /// Delete a thread with its tools and log entries. A tombstone stays.
    Delete {
        /// The thread.
        id: ThreadId,
        /// When.
        at: Timestamp,
    },
    /// Store, or with `None` remove, a text of an indexer's own, in the same commit as what it
    /// has indexed.
    SetCheckpoint {
        /// Its key.
        key: String,
        /// Its text.
        value: Option<String>,
    },
}

/// What a change works on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// A thread.
    Thread(ThreadId),
    /// A checkpoint, by key.
    Checkpoint(String),
}

impl Change {
    /// What the change works on.
    pub fn subject(&self) -> Subject {
        match self {
            Self::Put(row) => Subject::Thread(row.id),
            Self::Apply(seed, _) | Self::Rebuild(seed, _) => Subject::Thread(seed.id()),
            Self::Patch(id, _)
            | Self::Move { id, .. }
            | Self::Archive { id, .. }
            | Self::Unarchive { id, .. }
            | Self::Rename { id, .. }
            | Self::SetTools { id, .. }
            | Self::Delete { id, .. } => Subject::Thread(*id),
            Self::SetCheckpoint { key, .. } => Subject::Checkpoint(key.clone()),
        }
    }

    fn validate(&self) -> Result<()> {
        let optional =
            |path: &Option<PathBuf>| path.as_deref().map_or(Ok(()), thread::validate_rollout_path);
        let text = |field, value: &Option<String>| {
            let bytes = value.as_ref().map_or(0, String::len);
            limits::check(field, bytes, limits::TEXT_BYTES, "bytes")
        };
        match self {
            Self::Put(row) => row.validate(),
            Self::Apply(seed, patch) | Self::Rebuild(seed, patch) => {
                seed.as_metadata().validate()?;
                patch.validate()
            }
            Self::Patch(_, patch) => patch.validate(),
            Self::Move { path, .. } => thread::validate_rollout_path(path),
            Self::Archive { path, .. } | Self::Unarchive { path, .. } => optional(path),
            Self::Rename { name, .. } => text("name", name),
            Self::SetTools { tools, .. } => tools::validate(tools),
            Self::Delete { .. } => Ok(()),
            Self::SetCheckpoint { key, value } => {
                limits::check("a checkpoint's key", key.len(), limits::PREVIEW_BYTES, "bytes")?;
                text("a checkpoint", value)
            }
        }
    }
}

/// What must hold of a row, or checkpoint, for a change to be applied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Expect {
    /// Nothing.
    #[default]
    Any,
    /// It exists and has this revision; otherwise [`Conflict`](crate::ErrorKind::Conflict).
    Revision(u64),
    /// It does not exist; otherwise [`AlreadyExists`](crate::ErrorKind::AlreadyExists).
    Absent,
}

/// Changes in order, applied together or not at all.
///
/// ```
/// use threadkeep_core::{Change, Expect, ThreadId, Timestamp, WriteBatch};
///
/// let id = ThreadId::new();
/// let batch = WriteBatch::new()
///     .and(Change::Rename { id, name: Some("release".into()), at: Timestamp::now() })
///     .and_if(Expect::Revision(4), Change::Delete { id, at: Timestamp::now() });
/// assert_eq!(batch.len(), 2);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WriteBatch {
    id: Option<BatchId>,
    changes: Vec<(Change, Expect)>,
}

impl WriteBatch {
    /// No changes yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Names the batch, so that repeating it after an error of unknown outcome answers as the
    /// first time and changes nothing twice. A store remembers at least the last 10,000 names.
    #[must_use]
    pub fn with_id(mut self, id: BatchId) -> Self {
        self.id = Some(id);
        self
    }

    /// Adds a change.
    #[must_use]
    pub fn and(self, change: Change) -> Self {
        self.and_if(Expect::Any, change)
    }

    /// Adds a change that is applied only where `expect` holds; where it does not, the whole
    /// batch is refused.
    #[must_use]
    pub fn and_if(mut self, expect: Expect, change: Change) -> Self {
        self.push_if(expect, change);
        self
    }

    /// Adds a change in place.
    pub fn push(&mut self, change: Change) {
        self.push_if(Expect::Any, change);
    }

    /// Adds a change in place that is applied only where `expect` holds.
    pub fn push_if(&mut self, expect: Expect, change: Change) {
        self.changes.push((change, expect));
    }

    /// Its name, where it has one.
    pub fn id(&self) -> Option<BatchId> {
        self.id
    }

    /// The changes in order, each with what it expects.
    pub fn changes(&self) -> &[(Change, Expect)] {
        &self.changes
    }

    pub(crate) fn into_changes(self) -> Vec<(Change, Expect)> {
        self.changes
    }

    /// How many changes there are.
    pub fn len(&self) -> usize {
        self.changes.len()
    }

    /// Whether there are no changes.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// What the changes work on, each once, in order of first use.
    pub fn subjects(&self) -> Vec<Subject> {
        let mut seen = std::collections::HashSet::new();
        self.changes
            .iter()
            .map(|(change, _)| change.subject())
            .filter(|subject| seen.insert(subject.clone()))
            .collect()
    }

    /// The thread each change would delete, in the order of the changes.
    pub fn deletions(&self) -> Vec<Option<ThreadId>> {
        let deleted = self.changes.iter().map(|(change, _)| match change {
            Change::Delete { id, .. } => Some(*id),
            _ => None,
        });
        deleted.collect()
    }

    /// Checks every limit; backends reach this through [`Records::apply`](crate::Records::apply).
    pub fn validate(&self) -> Result<()> {
        limits::check("a batch", self.changes.len(), limits::BATCH_CHANGES, "changes")?;
        self.changes.iter().try_for_each(|(change, _)| change.validate())
    }
}

impl From<Change> for WriteBatch {
    fn from(change: Change) -> Self {
        Self::new().and(change)
    }
}

/// What became of one change of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// What happened.
    pub effect: Effect,
    /// The revision of the row, or checkpoint, after the change; 0 where there never was one.
    pub revision: u64,
}

/// What a change did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Effect {
    /// There was nothing, now there is.
    Created,
    /// Something changed.
    Updated,
    /// Everything was so already, or the patch was behind the row.
    Unchanged,
    /// It was there, now it is gone.
    Deleted,
    /// There is nothing to change.
    Absent,
    /// The thread was deleted after the newest item of the patch, and stays so.
    Tombstoned,
}

impl Effect {
    /// A number for storing; [`from_code`](Self::from_code) reads it. Never reused.
    pub const fn code(self) -> u8 {
        match self {
            Self::Created => 1,
            Self::Updated => 2,
            Self::Unchanged => 3,
            Self::Deleted => 4,
            Self::Absent => 5,
            Self::Tombstoned => 6,
        }
    }

    /// The effect that [`code`](Self::code) gave.
    pub fn from_code(code: u8) -> Result<Self> {
        Ok(match code {
            1 => Self::Created,
            2 => Self::Updated,
            3 => Self::Unchanged,
            4 => Self::Deleted,
            5 => Self::Absent,
            6 => Self::Tombstoned,
            _ => {
                return Err(Error::new(
                    crate::ErrorKind::Corrupted,
                    format!("{code} is no effect of a change"),
                ));
            }
        })
    }
}
