//! The model: what every change and every question means, written down as simply as can be.
//!
//! It is made of rows in a list, looked at one by one. It shares the core's plain values and none
//! of its decisions, so that it can tell when the core is wrong.

use std::path::Path;

use threadkeep_core::{
    BatchId, Change, Checkpoint, DynamicToolSpec, Effect, ErrorKind, Expect, FieldPatch, LogRow,
    Outcome, ThreadId, ThreadMetadata, ThreadPatch, ThreadSeed, Timestamp, WriteBatch,
};

use super::row::{cut, in_archive, patched};

/// Everything stored.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Model {
    pub(crate) threads: Vec<Known>,
    pub(crate) checkpoints: Vec<Checkpoint>,
    pub(crate) logs: Vec<LogRow>,
    greatest_log_id: u64,
    /// The greatest number of an entry that was deleted.
    pub(super) deleted_log_id: u64,
    batches: Vec<(BatchId, Vec<Outcome>)>,
}

/// All that is known of one thread, also after it was deleted.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Known {
    pub(crate) id: ThreadId,
    pub(crate) row: Option<ThreadMetadata>,
    pub(crate) tools: Option<Vec<DynamicToolSpec>>,
    pub(crate) deleted_at: Option<Timestamp>,
    revision: u64,
}

impl Model {
    pub(crate) fn thread(&self, id: ThreadId) -> Option<&Known> {
        self.threads.iter().find(|known| known.id == id)
    }

    pub(crate) fn rows(&self) -> impl Iterator<Item = &ThreadMetadata> {
        self.threads.iter().filter_map(|known| known.row.as_ref())
    }

    /// The greatest number an entry ever had.
    pub(crate) fn greatest_log_id(&self) -> u64 {
        self.greatest_log_id
    }

    pub(crate) fn append(&mut self, rows: Vec<LogRow>) {
        self.greatest_log_id = rows.last().map_or(self.greatest_log_id, |row| row.id);
        self.logs.extend(rows);
    }

    /// The revision of what a change works on.
    pub(crate) fn revision(&self, change: &Change) -> u64 {
        match change {
            Change::SetCheckpoint { key, .. } => self
                .checkpoints
                .iter()
                .find(|checkpoint| checkpoint.key == *key)
                .map_or(0, |checkpoint| checkpoint.revision),
            _ => self.thread(thread_of(change)).map_or(0, |known| known.revision),
        }
    }

    pub(crate) fn write(&mut self, batch: &WriteBatch) -> Result<Vec<Outcome>, ErrorKind> {
        let first = self.batches.iter().find(|(name, _)| Some(*name) == batch.id());
        if let Some((_, outcomes)) = first {
            return Ok(outcomes.clone());
        }
        if batch.changes().iter().any(|(change, _)| refused(change)) {
            return Err(ErrorKind::InvalidInput);
        }
        let mut next = self.clone();
        let mut outcomes = Vec::new();
        for (change, expect) in batch.changes() {
            outcomes.push(match change {
                Change::SetCheckpoint { key, value } => {
                    next.set_checkpoint(key, value.as_ref(), *expect)?
                }
                change => next.change_thread(change, *expect)?,
            });
        }
        if let Some(name) = batch.id() {
            next.batches.push((name, outcomes.clone()));
        }
        *self = next;
        Ok(outcomes)
    }

    fn set_checkpoint(
        &mut self,
        key: &str,
        value: Option<&String>,
        expect: Expect,
    ) -> Result<Outcome, ErrorKind> {
        let before = self.checkpoints.iter().find(|checkpoint| checkpoint.key == key).cloned();
        hold(expect, before.as_ref().map(|before| before.revision))?;
        let (effect, revision) = match (&before, value) {
            (None, None) => (Effect::Absent, 0),
            (None, Some(_)) => (Effect::Created, 1),
            (Some(before), None) => (Effect::Deleted, before.revision + 1),
            (Some(before), Some(value)) if before.value == *value => {
                (Effect::Unchanged, before.revision)
            }
            (Some(before), Some(_)) => (Effect::Updated, before.revision + 1),
        };
        self.checkpoints.retain(|checkpoint| checkpoint.key != key);
        if let Some(value) = value {
            let checkpoint = Checkpoint { key: key.into(), value: value.clone(), revision };
            self.checkpoints.push(checkpoint);
        }
        Ok(Outcome { effect, revision })
    }

    fn change_thread(&mut self, change: &Change, expect: Expect) -> Result<Outcome, ErrorKind> {
        let id = thread_of(change);
        if self.thread(id).is_none() {
            let known = Known { id, row: None, tools: None, deleted_at: None, revision: 0 };
            self.threads.push(known);
        }
        let Some(known) = self.threads.iter_mut().find(|known| known.id == id) else {
            return Err(ErrorKind::Internal);
        };
        hold(expect, known.row.as_ref().map(|row| row.revision))?;
        let effect = known.change(change)?;
        let revision = known.revision;
        if effect == Effect::Deleted {
            let text = id.to_string();
            self.delete_logs(|row| row.entry.thread_id.as_ref() == Some(&text));
        }
        Ok(Outcome { effect, revision })
    }
}

fn thread_of(change: &Change) -> ThreadId {
    match change {
        Change::Put(row) => row.id,
        Change::Apply(seed, _) | Change::Rebuild(seed, _) => seed.id(),
        Change::Patch(id, _)
        | Change::Move { id, .. }
        | Change::Archive { id, .. }
        | Change::Unarchive { id, .. }
        | Change::Rename { id, .. }
        | Change::SetTools { id, .. }
        | Change::Delete { id, .. } => *id,
        other => panic!("the model knows no such change of a thread: {other:?}"),
    }
}

/// Whether a change is beyond a limit, whatever is stored.
fn refused(change: &Change) -> bool {
    let patch_too_long = |patch: &ThreadPatch| match &patch.model {
        FieldPatch::Set(text) | FieldPatch::SetIfEmpty(text) => too_long(text.as_ref()),
        FieldPatch::Keep => false,
    };
    let no_path = |path: &Path| path.as_os_str().is_empty();
    match change {
        // Of the texts of a row, the random one that can be too long.
        Change::Put(row) => too_long(row.model.as_ref()) || no_path(&row.rollout_path),
        Change::Apply(seed, patch) | Change::Rebuild(seed, patch) => {
            patch_too_long(patch) || no_path(&seed.clone().into_metadata().rollout_path)
        }
        Change::Patch(_, patch) => patch_too_long(patch),
        Change::Move { path, .. } => no_path(path),
        Change::Archive { path, .. } | Change::Unarchive { path, .. } => {
            path.as_deref().is_some_and(no_path)
        }
        Change::Rename { name, .. } => too_long(name.as_ref()),
        _ => false,
    }
}

fn too_long(text: Option<&String>) -> bool {
    text.is_some_and(|text| text.len() > 16 * 1024 * 1024)
}

fn hold(expect: Expect, revision: Option<u64>) -> Result<(), ErrorKind> {
    match expect {
        Expect::Absent if revision.is_some() => Err(ErrorKind::AlreadyExists),
        Expect::Revision(wanted) if revision != Some(wanted) => Err(ErrorKind::Conflict),
        _ => Ok(()),
    }
}

impl Known {
    fn change(&mut self, change: &Change) -> Result<Effect, ErrorKind> {
        let effect = match change {
            Change::Put(row) => self.store((**row).clone()),
            Change::Apply(seed, patch) => self.apply(seed, patch),
            Change::Rebuild(seed, patch) => self.rebuild(seed, patch),
            Change::Patch(_, patch) => match self.row.as_ref().map(|row| patched(row, patch)) {
                None => Effect::Absent,
                Some(None) => Effect::Unchanged,
                Some(Some(next)) => self.store_with_tools(next, patch),
            },
            Change::Move { path, archived_at, .. } => self.edit(|row| {
                match (in_archive(&row.rollout_path), in_archive(path)) {
                    (false, true) => row.archived_at = Some(*archived_at),
                    (true, false) => row.archived_at = None,
                    (true, true) | (false, false) => {}
                }
                row.rollout_path.clone_from(path);
            }),
            Change::Archive { path, at, .. } => self.edit(|row| {
                row.archived_at = Some(*at);
                row.rollout_path = path.clone().unwrap_or(row.rollout_path.clone());
            }),
            Change::Unarchive { path, .. } => self.edit(|row| {
                row.archived_at = None;
                row.rollout_path = path.clone().unwrap_or(row.rollout_path.clone());
            }),
            Change::Rename { name, at, .. } => self.edit(|row| {
                if row.named_at.is_none_or(|named_at| named_at <= *at) {
                    row.name.clone_from(name);
                    row.named_at = Some(*at);
                }
            }),
            Change::SetTools { tools, replace, .. } => {
                if self.row.is_none() {
                    return Err(ErrorKind::NotFound);
                }
                if tools.is_empty() || (self.tools.is_some() && !replace) {
                    return Ok(Effect::Unchanged);
                }
                self.tools = Some(tools.clone());
                self.count();
                Effect::Updated
            }
            Change::Delete { at, .. } => {
                if self.row.take().is_none() {
                    return Ok(Effect::Absent);
                }
                self.tools = None;
                self.deleted_at = Some(*at);
                self.revision += 1;
                Effect::Deleted
            }
            other => panic!("the model knows no such change of a thread: {other:?}"),
        };
        Ok(effect)
    }

    /// A deleted thread comes back only through an item that is newer than its deletion.
    fn stays_deleted(&self, patch: &ThreadPatch) -> bool {
        match (self.deleted_at, patch.newest_item_at) {
            (None, _) => false,
            (Some(_), None) => true,
            (Some(deleted_at), Some(newest)) => newest <= deleted_at,
        }
    }

    fn apply(&mut self, seed: &ThreadSeed, patch: &ThreadPatch) -> Effect {
        if self.row.is_none() && self.stays_deleted(patch) {
            return Effect::Tombstoned;
        }
        let seed = seed.clone().into_metadata();
        let row = self.row.clone().unwrap_or(seed.clone());
        let Some(mut next) = patched(&row, patch) else {
            return Effect::Unchanged;
        };
        if patch.mark.as_ref().is_some_and(|mark| mark.file > row.applied_file) {
            next.rollout_path = seed.rollout_path;
        }
        if next.model_provider.is_empty() {
            next.model_provider = seed.model_provider;
        }
        self.store_with_tools(next, patch)
    }

    fn rebuild(&mut self, seed: &ThreadSeed, patch: &ThreadPatch) -> Effect {
        if self.row.is_none() && self.stays_deleted(patch) {
            return Effect::Tombstoned;
        }
        let mut row = seed.clone().into_metadata();
        let provider = row.model_provider.clone();
        if let Some(before) = &self.row {
            row.name.clone_from(&before.name);
            row.named_at = before.named_at;
            row.updated_at = row.updated_at.max(before.updated_at);
            if in_archive(&row.rollout_path) == in_archive(&before.rollout_path) {
                row.archived_at = before.archived_at;
            }
        }
        let mut next = patched(&row, patch).unwrap_or(row);
        if next.model_provider.is_empty() {
            next.model_provider = provider;
        }
        self.store_with_tools(next, patch)
    }

    fn edit(&mut self, change: impl FnOnce(&mut ThreadMetadata)) -> Effect {
        let Some(mut next) = self.row.clone() else {
            return Effect::Absent;
        };
        change(&mut next);
        self.store(next)
    }

    fn store_with_tools(&mut self, next: ThreadMetadata, patch: &ThreadPatch) -> Effect {
        let effect = self.store(next);
        let tools = patch.tools.clone().filter(|tools| !tools.is_empty());
        if tools.is_none() || self.tools.is_some() {
            return effect;
        }
        self.tools = tools;
        if effect != Effect::Unchanged {
            return effect;
        }
        self.count();
        Effect::Updated
    }

    fn store(&mut self, mut next: ThreadMetadata) -> Effect {
        next.title = cut(&next.title, 512);
        next.preview = next.preview.map(|preview| cut(&preview, 4_096));
        next.tokens_used = next.tokens_used.max(0);
        next.revision = self.revision;
        if self.row.as_ref().is_some_and(|row| *row == next) {
            return Effect::Unchanged;
        }
        let effect = if self.row.is_some() { Effect::Updated } else { Effect::Created };
        self.row = Some(next);
        self.deleted_at = None;
        self.count();
        effect
    }

    /// One more committed change.
    fn count(&mut self) {
        self.revision += 1;
        if let Some(row) = &mut self.row {
            row.revision = self.revision;
        }
    }
}
