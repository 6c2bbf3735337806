//! A batch of changes: load what it touches, let the core decide, store what changed.

use std::collections::{BTreeSet, HashMap, VecDeque};

use threadkeep_core::{
    BatchId, ChangedThread, Outcome, Record, Records, Result, Slot, Subject, ThreadId, ToolsChange,
    WriteBatch, index,
};

use crate::State;

/// How many named batches are remembered.
const REMEMBERED: usize = 10_000;

impl State {
    pub(crate) fn apply(&mut self, batch: WriteBatch) -> Result<Vec<Outcome>> {
        let name = batch.id();
        if let Some(outcomes) = name.and_then(|name| self.batches.get(name)) {
            return Ok(outcomes.to_vec());
        }
        let mut records = Records::new();
        for subject in batch.subjects() {
            match subject {
                Subject::Thread(id) => records.insert_thread(id, self.record(id)),
                Subject::Checkpoint(key) => {
                    if let Some(checkpoint) = self.checkpoints.get(&key) {
                        records.insert_checkpoint(checkpoint.clone());
                    }
                }
            }
        }
        let outcomes = records.apply(batch)?;
        let changed = records.into_changed();
        let mut logless = BTreeSet::new();
        for ChangedThread { id, after: record, .. } in changed.threads {
            if record.drop_logs {
                logless.insert(id.to_string());
            }
            self.store(id, record);
        }
        for (key, slot) in changed.checkpoints {
            match slot {
                Some(checkpoint) => self.checkpoints.insert(key, checkpoint),
                None => self.checkpoints.remove(&key),
            };
        }
        self.logs.drop_threads(&logless);
        if let Some(name) = name {
            self.batches.remember(name, outcomes.clone());
        }
        Ok(outcomes)
    }

    fn record(&self, id: ThreadId) -> Record {
        Record {
            thread: self
                .rows
                .get(&id)
                .map_or(Slot::Absent, |row| Slot::Present(Box::new(row.clone()))),
            tombstone: self.tombstones.get(&id).copied(),
            has_tools: self.tools.contains_key(&id),
            ..Record::default()
        }
    }

    fn store(&mut self, id: ThreadId, record: Record) {
        if let Some(before) = self.rows.remove(&id) {
            for key in index::keys(&before) {
                self.index.remove(&key);
            }
        }
        if let Slot::Present(row) = record.thread {
            self.index.extend(index::keys(&row));
            self.rows.insert(id, *row);
        }
        match record.tombstone {
            Some(tombstone) => self.tombstones.insert(id, tombstone),
            None => self.tombstones.remove(&id),
        };
        match record.tools_change {
            Some(ToolsChange::Store(tools)) => {
                self.tools.insert(id, tools);
            }
            Some(ToolsChange::Remove) => {
                self.tools.remove(&id);
            }
            None => {}
        }
    }
}

/// What the last named batches were answered.
#[derive(Debug, Default)]
pub(crate) struct Batches {
    outcomes: HashMap<BatchId, Vec<Outcome>>,
    /// From the oldest to the newest.
    order: VecDeque<BatchId>,
}

impl Batches {
    fn get(&self, name: BatchId) -> Option<&[Outcome]> {
        self.outcomes.get(&name).map(Vec::as_slice)
    }

    fn remember(&mut self, name: BatchId, outcomes: Vec<Outcome>) {
        if self.order.len() == REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.outcomes.remove(&oldest);
        }
        self.order.push_back(name);
        self.outcomes.insert(name, outcomes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_oldest_batch_is_forgotten() {
        let name = |number: usize| {
            let mut bytes = [0; 16];
            bytes[8..].copy_from_slice(&(number as u64).to_be_bytes());
            BatchId::from_bytes(bytes)
        };
        let mut batches = Batches::default();
        for number in 0..=REMEMBERED {
            batches.remember(name(number), Vec::new());
        }
        assert!(batches.get(name(0)).is_none());
        assert!((1..=REMEMBERED).all(|number| batches.get(name(number)).is_some()));
    }
}
