//! How to copy.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::{Error, Result};

/// What happens to a thread, or checkpoint, that the target holds with another content.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum OnConflict {
    /// It stays as it is in the target and is reported as a conflict; everything else is copied.
    #[default]
    Refuse,
    /// It stays as it is in the target.
    Keep,
    /// It becomes what it is in the source, also where it was deleted in the target or is damaged
    /// there.
    Replace,
    /// The one that changed last wins, by [`updated_at`](crate::ThreadMetadata::updated_at), and
    /// the target's where both changed at the same time. A thread deleted in the target comes back
    /// where it changed after that.
    Newer,
}

impl OnConflict {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Refuse, Self::Keep, Self::Replace, Self::Newer];

    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Refuse => "refuse",
            Self::Keep => "keep",
            Self::Replace => "replace",
            Self::Newer => "newer",
        }
    }
}

impl fmt::Display for OnConflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for OnConflict {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|policy| policy.as_str() == text).ok_or_else(|| {
            Error::invalid_input(format!("{text:?} is no way to settle a conflict"))
                .hint("use refuse, keep, replace or newer")
        })
    }
}

/// Which parts of a store, beside its threads and their tools.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Parts {
    /// The checkpoints of indexers. Default: yes.
    pub checkpoints: bool,
    /// Log entries. Default: no.
    pub logs: bool,
}

impl Parts {
    /// Threads, tools and checkpoints.
    pub const fn new() -> Self {
        Self { checkpoints: true, logs: false }
    }

    /// Whether checkpoints are among them.
    #[must_use]
    pub const fn checkpoints(mut self, checkpoints: bool) -> Self {
        self.checkpoints = checkpoints;
        self
    }

    /// Whether log entries are among them.
    #[must_use]
    pub const fn logs(mut self, logs: bool) -> Self {
        self.logs = logs;
        self
    }
}

impl Default for Parts {
    fn default() -> Self {
        Self::new()
    }
}

pub(super) type Progress = Arc<dyn Fn(CopyProgress) + Send + Sync>;

/// How to [`copy`](super::copy).
///
/// ```
/// use threadkeep_core::moving::{CopyOptions, OnConflict};
///
/// let options = CopyOptions::new().on_conflict(OnConflict::Newer).logs("mira's laptop");
/// ```
#[derive(Clone, Default)]
pub struct CopyOptions {
    pub(super) on_conflict: OnConflict,
    pub(super) without_checkpoints: bool,
    pub(super) logs: Option<String>,
    pub(super) progress: Option<Progress>,
}

/// What is being copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stage {
    /// Threads with their tools.
    Threads,
    /// Checkpoints.
    Checkpoints,
    /// Log entries.
    Logs,
}

/// How far a copy has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CopyProgress {
    /// What is being copied.
    pub stage: Stage,
    /// Threads, checkpoints or entries that were looked at.
    pub done: u64,
    /// About how many there are in all; 0 where that is not known.
    pub total: u64,
}

impl CopyOptions {
    /// Threads, tools and checkpoints; a conflict is refused.
    pub fn new() -> Self {
        Self::default()
    }

    /// What happens where the target holds something else. Default: [`OnConflict::Refuse`].
    #[must_use]
    pub fn on_conflict(mut self, policy: OnConflict) -> Self {
        self.on_conflict = policy;
        self
    }

    /// Whether the checkpoints of indexers are copied. Without them the next indexing into the
    /// target reads every file once more. Default: yes.
    #[must_use]
    pub fn checkpoints(mut self, checkpoints: bool) -> Self {
        self.without_checkpoints = !checkpoints;
        self
    }

    /// Copies log entries too. `source` names the log they come from, the same whenever it is
    /// copied and no other's, at most 3,000 bytes: by it the target remembers how far it has it.
    #[must_use]
    pub fn logs(mut self, source: impl Into<String>) -> Self {
        self.logs = Some(source.into());
        self
    }

    /// Is told after every batch how far the copy has come. It runs where the copy is polled and
    /// must return at once.
    #[must_use]
    pub fn progress(mut self, progress: Arc<dyn Fn(CopyProgress) + Send + Sync>) -> Self {
        self.progress = Some(progress);
        self
    }
}

impl fmt::Debug for CopyOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CopyOptions")
            .field("on_conflict", &self.on_conflict)
            .field("without_checkpoints", &self.without_checkpoints)
            .field("logs", &self.logs)
            .finish_non_exhaustive()
    }
}
