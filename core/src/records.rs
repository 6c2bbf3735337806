//! The records of one write transaction: loaded, changed batch by batch, stored.

use std::collections::HashMap;

use crate::reduce::reduce_checkpoint;
use crate::{Checkpoint, Outcome, Record, Result, Subject, ThreadId, WriteBatch};

/// The loaded records of a write transaction.
///
/// A backend inserts what it loads, calls [`apply`](Self::apply) once a batch, and stores what
/// [`into_changed`](Self::into_changed) gives, all in one transaction.
#[derive(Debug, Default)]
pub struct Records {
    threads: HashMap<ThreadId, Loaded<Record>>,
    checkpoints: HashMap<String, Loaded<Option<Checkpoint>>>,
}

/// What was found, and what became of it where something did.
#[derive(Debug, Default)]
struct Loaded<T> {
    found: T,
    changed: Option<T>,
}

impl<T: Clone + Default + PartialEq> Loaded<T> {
    fn of(found: T) -> Self {
        Self { found, changed: None }
    }

    fn current(loaded: Option<&Self>) -> T {
        loaded
            .map(|loaded| loaded.changed.as_ref().unwrap_or(&loaded.found).clone())
            .unwrap_or_default()
    }

    fn set(&mut self, value: T) {
        self.changed = Some(value).filter(|value| *value != self.found);
    }
}

/// What a write transaction has to store.
#[derive(Debug, Default)]
pub struct Changed {
    /// Threads.
    pub threads: Vec<ChangedThread>,
    /// Checkpoints; `None` is to be removed.
    pub checkpoints: Vec<(String, Option<Checkpoint>)>,
}

/// A thread to be stored anew.
#[derive(Debug)]
pub struct ChangedThread {
    /// The thread.
    pub id: ThreadId,
    /// What was loaded: its index entries have to go.
    pub before: Record,
    /// What is to be stored.
    pub after: Record,
}

impl Records {
    /// Nothing loaded yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether this subject was loaded, or found absent, already.
    pub fn contains(&self, subject: &Subject) -> bool {
        match subject {
            Subject::Thread(id) => self.threads.contains_key(id),
            Subject::Checkpoint(key) => self.checkpoints.contains_key(key),
        }
    }

    /// Adds what is stored of a thread; a thread never added counts as never stored.
    pub fn insert_thread(&mut self, id: ThreadId, record: Record) {
        self.threads.insert(id, Loaded::of(record));
    }

    /// Adds a stored checkpoint.
    pub fn insert_checkpoint(&mut self, checkpoint: Checkpoint) {
        self.checkpoints.insert(checkpoint.key.clone(), Loaded::of(Some(checkpoint)));
    }

    /// Applies a batch: all of it, or, with an error, nothing.
    pub fn apply(&mut self, batch: WriteBatch) -> Result<Vec<Outcome>> {
        batch.validate()?;
        // Copies of what the batch touches, put back only if every change was accepted.
        let mut threads: HashMap<ThreadId, Record> = HashMap::new();
        let mut checkpoints: HashMap<String, Option<Checkpoint>> = HashMap::new();
        let mut outcomes = Vec::with_capacity(batch.len());
        for (change, expect) in batch.into_changes() {
            let outcome = match (change.subject(), change) {
                (Subject::Thread(id), change) => threads
                    .entry(id)
                    .or_insert_with(|| Loaded::current(self.threads.get(&id)))
                    .reduce(change, expect)
                    .map_err(|error| error.about(id)),
                (Subject::Checkpoint(key), change) => {
                    let slot = checkpoints
                        .entry(key.clone())
                        .or_insert_with(|| Loaded::current(self.checkpoints.get(&key)));
                    reduce_checkpoint(slot, key, change, expect)
                }
            };
            outcomes.push(outcome?);
        }
        for (id, record) in threads {
            self.threads.entry(id).or_default().set(record);
        }
        for (key, slot) in checkpoints {
            self.checkpoints.entry(key).or_default().set(slot);
        }
        Ok(outcomes)
    }

    /// What changed since it was loaded, threads by id and checkpoints by key.
    pub fn into_changed(self) -> Changed {
        let mut changed = Changed::default();
        for (id, Loaded { found: before, changed: after }) in self.threads {
            if let Some(after) = after {
                changed.threads.push(ChangedThread { id, before, after });
            }
        }
        for (key, loaded) in self.checkpoints {
            if let Some(after) = loaded.changed {
                changed.checkpoints.push((key, after));
            }
        }
        changed.threads.sort_unstable_by_key(|thread| thread.id);
        changed.checkpoints.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        changed
    }
}
