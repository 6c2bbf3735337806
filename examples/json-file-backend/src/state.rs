//! Everything that is stored, and what a batch of changes does to it.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound::{Excluded, Included, Unbounded};

use serde::{Deserialize, Serialize};
use threadkeep_core::{
    BatchId, Changed, Checkpoint, Effect, LogRow, Outcome, Record, Records, Result, Slot, Subject,
    ThreadId, Timestamp, Tombstone, ToolsChange, WriteBatch, limits, tools,
};

use crate::row::{self, Row, Sealed};

/// How many named batches are remembered.
const REMEMBERED: usize = 10_000;

/// Everything stored, as it is in the file.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(crate) struct State {
    pub(crate) format: u32,
    #[serde(deserialize_with = "row::read_all")]
    pub(crate) rows: BTreeMap<ThreadId, Row>,
    /// The list of each thread, in the form of [`tools::encode`].
    pub(crate) tools: BTreeMap<ThreadId, Sealed>,
    /// When each deleted thread was, and the revision of that.
    pub(crate) tombstones: BTreeMap<ThreadId, (Timestamp, u64)>,
    /// Text and revision of each key.
    pub(crate) checkpoints: BTreeMap<String, (String, u64)>,
    /// Effects and revisions that the last named batches were answered with, the oldest first.
    pub(crate) batches: VecDeque<(BatchId, Vec<(u8, u64)>)>,
    /// By number.
    pub(crate) logs: Vec<LogRow>,
    /// The greatest number ever given out, so that none is given twice after a deletion.
    pub(crate) last_log_id: u64,
    /// The greatest number that was deleted.
    #[serde(default)]
    pub(crate) deleted_log_id: u64,
}

impl State {
    /// Loads what the batch touches, lets the core decide, stores what changed.
    pub(crate) fn apply(&mut self, batch: WriteBatch) -> Result<Vec<Outcome>> {
        let name = batch.id();
        if let Some(answer) = name.and_then(|name| self.answer_to(name)) {
            return answer;
        }
        let mut records = Records::new();
        for subject in batch.subjects() {
            match subject {
                Subject::Thread(id) => records.insert_thread(id, self.record(id)),
                Subject::Checkpoint(key) => {
                    if let Some((value, revision)) = self.checkpoints.get(&key).cloned() {
                        records.insert_checkpoint(Checkpoint { key, value, revision });
                    }
                }
            }
        }
        let outcomes = records.apply(batch)?;
        self.store(records.into_changed())?;
        if let Some(name) = name {
            self.remember(name, &outcomes);
        }
        Ok(outcomes)
    }

    /// What is stored of one thread.
    fn record(&self, id: ThreadId) -> Record {
        let tombstone = self.tombstones.get(&id);
        Record {
            thread: self.rows.get(&id).map_or(Slot::Absent, Row::slot),
            tombstone: tombstone.map(|&(deleted_at, revision)| Tombstone { deleted_at, revision }),
            has_tools: self.tools.contains_key(&id),
            ..Record::default()
        }
    }

    fn store(&mut self, changed: Changed) -> Result<()> {
        let mut rows = Vec::new();
        for thread in &changed.threads {
            if let Slot::Present(metadata) = &thread.after.thread {
                rows.push((thread.id, Row::new(metadata.as_ref().clone())?));
            }
        }
        // Nothing can fail from here on.
        for thread in changed.threads {
            self.rows.remove(&thread.id);
            self.store_beside(thread.id, thread.after);
        }
        self.rows.extend(rows);
        for (key, checkpoint) in changed.checkpoints {
            match checkpoint {
                Some(Checkpoint { value, revision, .. }) => {
                    self.checkpoints.insert(key, (value, revision));
                }
                None => {
                    self.checkpoints.remove(&key);
                }
            }
        }
        Ok(())
    }

    /// Stores what belongs to a thread beside its row.
    fn store_beside(&mut self, id: ThreadId, record: Record) {
        match record.tombstone {
            Some(Tombstone { deleted_at, revision }) => {
                self.tombstones.insert(id, (deleted_at, revision));
            }
            None => {
                self.tombstones.remove(&id);
            }
        }
        match record.tools_change {
            Some(ToolsChange::Store(list)) => {
                self.tools.insert(id, Sealed::new(id, tools::encode(&list)));
            }
            Some(ToolsChange::Remove) => {
                self.tools.remove(&id);
            }
            None => {}
        }
        if record.drop_logs {
            let id = id.to_string();
            self.delete_logs(|row| row.entry.thread_id.as_ref() == Some(&id));
        }
    }

    /// What a batch of this name was answered before.
    fn answer_to(&self, name: BatchId) -> Option<Result<Vec<Outcome>>> {
        let (_, outcomes) = self.batches.iter().find(|(known, _)| *known == name)?;
        let outcome = |&(effect, revision): &(u8, u64)| {
            Ok(Outcome { effect: Effect::from_code(effect)?, revision })
        };
        Some(outcomes.iter().map(outcome).collect())
    }

    fn remember(&mut self, name: BatchId, outcomes: &[Outcome]) {
        if self.batches.len() == REMEMBERED {
            self.batches.pop_front();
        }
        let outcomes = outcomes.iter().map(|done| (done.effect.code(), done.revision));
        self.batches.push_back((name, outcomes.collect()));
    }

    /// The checkpoints of a prefix after a key, by key.
    pub(crate) fn checkpoints(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Checkpoint>> {
        limits::check_checkpoint_limit(limit)?;
        let from = match after {
            Some(after) if after >= prefix => Excluded(after),
            _ => Included(prefix),
        };
        let found = self.checkpoints.range::<str, _>((from, Unbounded));
        let found = found.take_while(|(key, _)| key.starts_with(prefix)).take(limit);
        Ok(found
            .map(|(key, (value, revision))| Checkpoint {
                key: key.clone(),
                value: value.clone(),
                revision: *revision,
            })
            .collect())
    }
}
