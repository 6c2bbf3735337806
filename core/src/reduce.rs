//! The meaning of every change: what it makes of what is stored.
//!
//! A backend loads the [`Record`] of each subject under its write lock, lets
//! [`Records::apply`](crate::Records::apply) work on them, and stores those that changed. It
//! decides nothing itself.

use crate::{
    Change, DynamicToolSpec, Effect, Error, ErrorKind, Expect, Outcome, Result, ThreadId,
    ThreadMetadata, ThreadPatch, ThreadSeed, Timestamp, path,
};

/// A thread's row as it was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Slot {
    /// There is none.
    #[default]
    Absent,
    /// It is there and sound.
    Present(Box<ThreadMetadata>),
    /// It is there but is not what was written. It can be replaced or deleted, nothing else.
    Damaged {
        /// What is wrong with it.
        reason: String,
        /// Its revision, as far as it can be read.
        revision: u64,
    },
}

/// What a deleted thread leaves behind, so that late patches do not bring it back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tombstone {
    /// When it was deleted.
    pub deleted_at: Timestamp,
    /// The revision of the deletion.
    pub revision: u64,
}

/// What a write does to a thread's tools.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ToolsChange {
    /// The list becomes this.
    Store(Vec<DynamicToolSpec>),
    /// The list goes.
    Remove,
}

/// Everything stored of one thread that a change may need: tools are known only as present or
/// not, because no change reads them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// The row.
    pub thread: Slot,
    /// What a deletion left.
    pub tombstone: Option<Tombstone>,
    /// Whether tools are stored.
    pub has_tools: bool,
    /// What is to happen to the tools; `None` when loaded.
    pub tools_change: Option<ToolsChange>,
    /// Whether the log entries of the thread are to go.
    pub drop_logs: bool,
}

impl Record {
    /// The revision of the row, or of its deletion; 0 where there never was a row.
    pub fn revision(&self) -> u64 {
        match &self.thread {
            Slot::Present(row) => row.revision,
            Slot::Damaged { revision, .. } => *revision,
            Slot::Absent => self.tombstone.map_or(0, |tombstone| tombstone.revision),
        }
    }

    /// Applies one change that works on this thread.
    ///
    /// On an error the record may be half changed: work on a copy, as [`Records::apply`](crate::Records::apply) does.
    pub fn reduce(&mut self, change: Change, expect: Expect) -> Result<Outcome> {
        self.check(expect)?;
        let effect = match change {
            Change::Put(row) => self.store(*row),
            Change::Apply(seed, patch) => self.apply(*seed, &patch)?,
            Change::Rebuild(seed, patch) => self.rebuild(*seed, &patch),
            Change::Patch(_, patch) => self.patch(&patch)?,
            Change::Move { path, archived_at, .. } => self.edit(|row| {
                let archived = path::is_archived(&path);
                if archived != path::is_archived(&row.rollout_path) {
                    row.archived_at = archived.then_some(archived_at);
                }
                row.rollout_path = path;
            })?,
            Change::Archive { path, at, .. } => self.edit(|row| {
                row.archived_at = Some(at);
                row.rollout_path = path.unwrap_or_else(|| std::mem::take(&mut row.rollout_path));
            })?,
            Change::Unarchive { path, .. } => self.edit(|row| {
                row.archived_at = None;
                row.rollout_path = path.unwrap_or_else(|| std::mem::take(&mut row.rollout_path));
            })?,
            Change::Rename { name, at, .. } => self.edit(|row| {
                if Some(at) >= row.named_at {
                    row.name = name;
                    row.named_at = Some(at);
                }
            })?,
            Change::SetTools { id, tools, replace } => self.set_tools(id, tools, replace)?,
            Change::Delete { at, .. } => self.delete(at),
            Change::SetCheckpoint { .. } => {
                return Err(Error::new(
                    ErrorKind::Internal,
                    "a checkpoint is not part of a thread",
                ));
            }
        };
        Ok(Outcome { effect, revision: self.revision() })
    }

    fn check(&self, expect: Expect) -> Result<()> {
        match (expect, &self.thread) {
            (Expect::Any, _) | (Expect::Absent, Slot::Absent) => Ok(()),
            (Expect::Absent, _) => Err(already_exists("thread")),
            (Expect::Revision(wanted), Slot::Absent) => Err(conflict("thread", wanted, None)),
            (Expect::Revision(wanted), _) if wanted == self.revision() => Ok(()),
            (Expect::Revision(wanted), _) => Err(conflict("thread", wanted, Some(self.revision()))),
        }
    }

    /// Stores a row made outside, as the next revision, where it differs from the present one.
    fn store(&mut self, mut row: ThreadMetadata) -> Effect {
        row.normalise();
        let existed = !matches!(self.thread, Slot::Absent);
        row.revision = self.revision();
        if let Slot::Present(present) = &self.thread
            && **present == row
        {
            return Effect::Unchanged;
        }
        row.revision += 1;
        self.thread = Slot::Present(Box::new(row));
        self.tombstone = None;
        if existed { Effect::Updated } else { Effect::Created }
    }

    /// Changes the row where there is one.
    fn edit(&mut self, change: impl FnOnce(&mut ThreadMetadata)) -> Result<Effect> {
        let Some(row) = self.sound()? else {
            return Ok(Effect::Absent);
        };
        let mut next = row.clone();
        change(&mut next);
        Ok(self.store(next))
    }

    fn sound(&self) -> Result<Option<&ThreadMetadata>> {
        match &self.thread {
            Slot::Absent => Ok(None),
            Slot::Present(row) => Ok(Some(row)),
            Slot::Damaged { reason, .. } => Err(Error::new(
                ErrorKind::Corrupted,
                format!("the stored row is damaged: {reason}"),
            )
            .hint("rebuild the thread from its history, or delete it")),
        }
    }

    fn is_buried_for(&self, patch: &ThreadPatch) -> bool {
        self.tombstone.is_some_and(|tombstone| patch.newest_item_at <= Some(tombstone.deleted_at))
    }

    fn apply(&mut self, seed: ThreadSeed, patch: &ThreadPatch) -> Result<Effect> {
        let mut row = match self.sound()? {
            Some(row) => row.clone(),
            None if self.is_buried_for(patch) => return Ok(Effect::Tombstoned),
            None => seed.as_metadata().clone(),
        };
        let seed = seed.into_metadata();
        let next_file = patch.mark.as_ref().is_some_and(|mark| mark.file > row.applied_file);
        if !patch.apply_to(&mut row) {
            return Ok(Effect::Unchanged);
        }
        if next_file {
            row.rollout_path = seed.rollout_path;
        }
        if row.model_provider.is_empty() {
            row.model_provider = seed.model_provider;
        }
        let effect = self.store(row);
        Ok(self.with_first_tools(patch, effect))
    }

    fn rebuild(&mut self, seed: ThreadSeed, patch: &ThreadPatch) -> Effect {
        let mut row = seed.into_metadata();
        match &self.thread {
            Slot::Present(present) => {
                row.name.clone_from(&present.name);
                row.named_at = present.named_at;
                row.updated_at = row.updated_at.max(present.updated_at);
                let archived = path::is_archived(&row.rollout_path);
                if archived == path::is_archived(&present.rollout_path) {
                    row.archived_at = present.archived_at;
                }
            }
            Slot::Absent if self.is_buried_for(patch) => return Effect::Tombstoned,
            Slot::Absent | Slot::Damaged { .. } => {}
        }
        let default_provider = row.model_provider.clone();
        patch.apply_to(&mut row);
        if row.model_provider.is_empty() {
            row.model_provider = default_provider;
        }
        let effect = self.store(row);
        self.with_first_tools(patch, effect)
    }

    fn patch(&mut self, patch: &ThreadPatch) -> Result<Effect> {
        let mut behind = false;
        let effect = self.edit(|row| behind = !patch.apply_to(row))?;
        Ok(match effect {
            Effect::Absent => effect,
            _ if behind => Effect::Unchanged,
            _ => self.with_first_tools(patch, effect),
        })
    }

    /// Stores the tools of a history's first record where none are stored.
    fn with_first_tools(&mut self, patch: &ThreadPatch, effect: Effect) -> Effect {
        match patch.tools.as_deref() {
            Some(tools) if !tools.is_empty() && !self.has_tools => {
                self.has_tools = true;
                self.tools_change = Some(ToolsChange::Store(tools.to_vec()));
                self.touch(effect)
            }
            _ => effect,
        }
    }

    /// Counts a change of the tools as a change of the row, once.
    fn touch(&mut self, effect: Effect) -> Effect {
        if effect != Effect::Unchanged {
            return effect;
        }
        if let Slot::Present(row) = &mut self.thread {
            row.revision += 1;
        }
        Effect::Updated
    }

    fn set_tools(
        &mut self,
        id: ThreadId,
        tools: Vec<DynamicToolSpec>,
        replace: bool,
    ) -> Result<Effect> {
        if self.sound()?.is_none() {
            return Err(Error::new(ErrorKind::NotFound, format!("thread {id} does not exist"))
                .hint("store the thread before its tools"));
        }
        if tools.is_empty() || (self.has_tools && !replace) {
            return Ok(Effect::Unchanged);
        }
        self.has_tools = true;
        self.tools_change = Some(ToolsChange::Store(tools));
        Ok(self.touch(Effect::Unchanged))
    }

    fn delete(&mut self, at: Timestamp) -> Effect {
        if self.thread == Slot::Absent {
            return Effect::Absent;
        }
        let revision = self.revision() + 1;
        *self = Self {
            thread: Slot::Absent,
            tombstone: Some(Tombstone { deleted_at: at, revision }),
            has_tools: false,
            tools_change: Some(ToolsChange::Remove),
            drop_logs: true,
        };
        Effect::Deleted
    }
}

/// A text that an indexer keeps beside the threads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Its key.
    pub key: String,
    /// Its text.
    pub value: String,
    /// Grows by one at every change while it exists.
    pub revision: u64,
}

pub(crate) fn reduce_checkpoint(
    slot: &mut Option<Checkpoint>,
    key: String,
    change: Change,
    expect: Expect,
) -> Result<Outcome> {
    let Change::SetCheckpoint { value, .. } = change else {
        return Err(Error::new(ErrorKind::Internal, "a thread is no checkpoint"));
    };
    let revision = slot.as_ref().map(|checkpoint| checkpoint.revision);
    match (expect, revision) {
        (Expect::Any, _) | (Expect::Absent, None) => {}
        (Expect::Absent, Some(_)) => return Err(already_exists(&key)),
        (Expect::Revision(wanted), Some(found)) if wanted == found => {}
        (Expect::Revision(wanted), found) => return Err(conflict(&key, wanted, found)),
    }
    let effect = match (&slot, &value) {
        (None, None) => Effect::Absent,
        (None, Some(_)) => Effect::Created,
        (Some(_), None) => Effect::Deleted,
        (Some(present), Some(value)) if present.value == *value => Effect::Unchanged,
        (Some(_), Some(_)) => Effect::Updated,
    };
    let revision = revision.unwrap_or(0)
        + u64::from(matches!(effect, Effect::Created | Effect::Updated | Effect::Deleted));
    *slot = value.map(|value| Checkpoint { key, value, revision });
    Ok(Outcome { effect, revision })
}

fn already_exists(what: &str) -> Error {
    Error::new(ErrorKind::AlreadyExists, format!("{what} exists already"))
        .hint("read it first, then expect its revision")
}

fn conflict(what: &str, wanted: u64, found: Option<u64>) -> Error {
    let found = found.map_or_else(|| "nothing".to_owned(), |found| format!("revision {found}"));
    Error::new(ErrorKind::Conflict, format!("{what}: expected revision {wanted}, found {found}"))
        .hint("read it again and repeat the change on what you find")
}
