//! Saboteurs of batches: all or nothing, expectations, names.

use std::sync::Mutex;

use threadkeep_conformance::async_trait;
use threadkeep_core::{
    Change, DynamicToolStore, ErrorKind, Expect, Outcome, Record, Result, Slot, Subject,
    ThreadStore, WriteBatch,
};

use crate::Saboteur;
use crate::fixtures::{memory, sqlite};
use crate::imitate::{Known, Names, batch_of, hold};
use crate::sabotage::{Inner, Sabotage};

pub(crate) fn all() -> Vec<Saboteur> {
    [atomicity(), expectations(), names()].into_iter().flatten().collect()
}

fn atomicity() -> Vec<Saboteur> {
    vec![
        Saboteur {
            name: "loses_the_last_change",
            breaks: "Of a batch of several changes the last is answered but not stored.",
            seen: "A loop to `len - 1`, or a last chunk that is never flushed; single changes go \
                   another way and hide it.",
            rules: "T-65, P-01",
            fixture: |name| memory(name, |_| LosesTheLast::default()),
        },
        Saboteur {
            name: "applies_half_a_batch",
            breaks: "Changes are applied one by one; at a refused one those before it stay.",
            seen: "A loop of statements without a transaction.",
            rules: "T-68",
            fixture: |name| memory(name, |_| InParts::of(Split::Each)),
        },
        Saboteur {
            name: "splits_large_batches",
            breaks: "A batch of more than 500 changes is several transactions.",
            seen: "Stores that keep below a server's limit of statements or bytes.",
            rules: "T-68, P-12",
            fixture: |name| memory(name, |_| InParts::of(Split::Every(500))),
        },
        Saboteur {
            name: "drops_the_rest_of_a_dropped_batch",
            breaks: "A batch is two transactions with a wait between: a dropped future, or a \
                     reader at that moment, finds the first half.",
            seen: "A row and its index, or a row and its tools, in two awaited statements.",
            rules: "P-12, P-52",
            fixture: |name| memory(name, |_| InParts::of(Split::Halves)),
        },
        Saboteur {
            name: "commits_checkpoints_first",
            breaks: "A batch's checkpoints are committed before its threads: a kill between the \
                     two loses what the checkpoint says was indexed.",
            seen: "Checkpoints in a table or file that the transaction does not cover.",
            rules: "T-86, P-12, P-31",
            fixture: |name| sqlite(name, |_| InParts::of(Split::CheckpointsFirst)),
        },
    ]
}

fn expectations() -> Vec<Saboteur> {
    vec![
        Saboteur {
            name: "ignores_expectations",
            breaks: "Every change is applied, whatever it expects.",
            seen: "An UPDATE without `AND revision = ?`, or one whose count of rows nobody reads.",
            rules: "T-70, T-71",
            fixture: |name| memory(name, |_| IgnoresExpectations),
        },
        Saboteur {
            name: "checks_before_it_locks",
            breaks: "Expectations are checked on what was read before the write began: of two \
                     that expect the same revision both go through.",
            seen: "SELECT and then BEGIN, or a transaction that takes its lock at the first write.",
            rules: "P-11",
            fixture: |name| memory(name, |_| ChecksFirst::default()),
        },
        Saboteur {
            name: "reads_modifies_and_writes_unlocked",
            breaks: "A patch is read, changed in memory and put back without a lock, so that two \
                     at once undo each other.",
            seen: "The usual way with an object mapper: load, set fields, save.",
            rules: "P-11",
            fixture: |name| memory(name, |_| ReadsModifiesWrites),
        },
    ]
}

fn names() -> Vec<Saboteur> {
    vec![
        Saboteur {
            name: "applies_a_repeated_batch_again",
            breaks: "A batch of a name that was applied is applied again.",
            seen: "Stores that take an idempotency key and only log it.",
            rules: "T-73",
            fixture: |name| memory(name, |_| ForgetsNames),
        },
        Saboteur {
            name: "remembers_names_in_the_handle",
            breaks: "Names of batches are known to the handle that applied them, not to the next.",
            seen: "A map in memory for idempotency keys.",
            rules: "T-74",
            fixture: |name| sqlite(name, |_| RemembersInTheHandle::default()),
        },
        Saboteur {
            name: "remembers_the_last_name_only",
            breaks: "A batch is known as a repeat only while no other named batch came after it.",
            seen: "A `last_batch_id` column in place of a table.",
            rules: "T-77",
            fixture: |name| memory(name, |_| RemembersTheLast::default()),
        },
    ]
}

#[derive(Default)]
struct LosesTheLast {
    known: Known,
    names: Names,
}

#[async_trait]
impl Sabotage for LosesTheLast {
    async fn write(&self, inner: &Inner, batch: WriteBatch) -> Result<Vec<Outcome>> {
        let _turn = self.names.turn(&batch).await;
        if let Some(outcomes) = self.names.get(&batch) {
            return Ok(outcomes);
        }
        let changes = batch.changes().iter().cloned();
        let outcomes = if batch.len() < 2 {
            inner.write(batch_of(None, changes)).await?
        } else {
            let outcomes = self.known.foretell(inner, &batch).await?;
            inner.write(batch_of(None, changes.take(batch.len() - 1))).await?;
            outcomes
        };
        self.known.note(&batch, &outcomes);
        self.names.note(&batch, &outcomes);
        Ok(outcomes)
    }
}

/// Where a batch falls apart.
#[derive(Clone, Copy)]
enum Split {
    Each,
    Every(usize),
    Halves,
    CheckpointsFirst,
}

/// A change with what it expects, and its place in the batch.
type Placed = (usize, (Change, Expect));

struct InParts {
    split: Split,
    known: Known,
    names: Names,
}

impl InParts {
    fn of(split: Split) -> Self {
        Self { split, known: Known::default(), names: Names::default() }
    }
}

impl InParts {
    /// The changes in order of storing, and the size of a part.
    fn arranged(&self, batch: &WriteBatch) -> (Vec<Placed>, usize) {
        let is_checkpoint = |change: &Change| matches!(change.subject(), Subject::Checkpoint(_));
        let mut changes: Vec<_> = batch.changes().iter().cloned().enumerate().collect();
        let size = match self.split {
            Split::Each => 1,
            Split::Every(size) => size,
            Split::Halves => batch.len().div_ceil(2),
            Split::CheckpointsFirst => {
                changes.sort_by_key(|(_, (change, _))| !is_checkpoint(change));
                changes.iter().filter(|(_, (change, _))| is_checkpoint(change)).count()
            }
        };
        (changes, size)
    }
}

#[async_trait]
impl Sabotage for InParts {
    async fn write(&self, inner: &Inner, batch: WriteBatch) -> Result<Vec<Outcome>> {
        // A name has to outlive the handle, which only the store's own transaction can do.
        let whole = matches!(self.split, Split::CheckpointsFirst) && batch.id().is_some();
        if whole {
            return inner.write(batch).await;
        }
        let _turn = self.names.turn(&batch).await;
        if let Some(outcomes) = self.names.get(&batch) {
            return Ok(outcomes);
        }
        batch.validate()?;
        // These authors look before they write, so that only a crash or a race finds the gap.
        let (changes, mut size) = self.arranged(&batch);
        if matches!(self.split, Split::Halves | Split::CheckpointsFirst)
            && (1..batch.len()).contains(&size)
        {
            match self.known.foretell(inner, &batch).await {
                // What can be done with a damaged row only the store knows.
                Err(error) if error.kind() == ErrorKind::Corrupted => size = batch.len(),
                foretold => drop(foretold?),
            }
        }
        let (first, rest) = changes.split_at(size.min(batch.len()));
        let mut parts: Vec<_> = match self.split {
            Split::CheckpointsFirst => vec![first, rest],
            _ => changes.chunks(size.max(1)).collect(),
        };
        parts.retain(|part| !part.is_empty());
        if parts.is_empty() {
            // Also a batch without changes is for the store to answer.
            parts.push(&changes);
        }
        let mut outcomes = Vec::with_capacity(batch.len());
        for part in parts {
            if !outcomes.is_empty() {
                // Where a database would be asked, others get their turn.
                tokio::task::yield_now().await;
            }
            let answers = inner.write(batch_of(None, part.iter().map(|(_, c)| c.clone()))).await?;
            outcomes.extend(part.iter().map(|(place, _)| *place).zip(answers));
        }
        outcomes.sort_by_key(|(place, _)| *place);
        let outcomes: Vec<_> = outcomes.into_iter().map(|(_, outcome)| outcome).collect();
        self.known.note(&batch, &outcomes);
        self.names.note(&batch, &outcomes);
        Ok(outcomes)
    }
}

fn without_expectations(batch: &WriteBatch) -> WriteBatch {
    let changes = batch.changes().iter().map(|(change, _)| (change.clone(), Expect::Any));
    batch_of(batch.id(), changes)
}

struct IgnoresExpectations;

#[async_trait]
impl Sabotage for IgnoresExpectations {
    async fn write(&self, inner: &Inner, batch: WriteBatch) -> Result<Vec<Outcome>> {
        inner.write(without_expectations(&batch)).await
    }
}

#[derive(Default)]
struct ChecksFirst {
    known: Known,
    names: Names,
}

#[async_trait]
impl Sabotage for ChecksFirst {
    async fn write(&self, inner: &Inner, batch: WriteBatch) -> Result<Vec<Outcome>> {
        let _turn = self.names.turn(&batch).await;
        if let Some(outcomes) = self.names.get(&batch) {
            return Ok(outcomes);
        }
        if batch.changes().iter().any(|(_, expect)| *expect != Expect::Any) {
            self.known.foretell(inner, &batch).await?;
            tokio::task::yield_now().await;
        }
        let outcomes = inner.write(without_expectations(&batch)).await?;
        self.known.note(&batch, &outcomes);
        self.names.note(&batch, &outcomes);
        Ok(outcomes)
    }
}

struct ReadsModifiesWrites;

#[async_trait]
impl Sabotage for ReadsModifiesWrites {
    async fn write(&self, inner: &Inner, batch: WriteBatch) -> Result<Vec<Outcome>> {
        let (None, [(change, Expect::Any)]) = (batch.id(), batch.changes()) else {
            return inner.write(batch).await;
        };
        let id = match change {
            Change::Apply(seed, _) => seed.id(),
            Change::Patch(id, _)
            | Change::Move { id, .. }
            | Change::Archive { id, .. }
            | Change::Unarchive { id, .. }
            | Change::Rename { id, .. } => *id,
            _ => return inner.write(batch).await,
        };
        batch.validate()?;
        let Some(row) = inner.threads(vec![id]).await?.pop().flatten() else {
            return inner.write(batch).await;
        };
        let mut record = Record {
            thread: Slot::Present(Box::new(row)),
            has_tools: inner.dynamic_tools(id).await?.is_some(),
            ..Record::default()
        };
        record.reduce(change.clone(), Expect::Any)?;
        tokio::task::yield_now().await;
        match (record.thread, record.tools_change) {
            (Slot::Present(row), None) => inner.write(Change::Put(row).into()).await,
            _ => inner.write(batch).await,
        }
    }
}

struct ForgetsNames;

#[async_trait]
impl Sabotage for ForgetsNames {
    async fn write(&self, inner: &Inner, batch: WriteBatch) -> Result<Vec<Outcome>> {
        inner.write(batch_of(None, batch.changes().iter().cloned())).await
    }
}

#[derive(Default)]
struct RemembersInTheHandle(Names);

#[async_trait]
impl Sabotage for RemembersInTheHandle {
    async fn write(&self, inner: &Inner, batch: WriteBatch) -> Result<Vec<Outcome>> {
        let _turn = self.0.turn(&batch).await;
        if let Some(outcomes) = self.0.get(&batch) {
            return Ok(outcomes);
        }
        let outcomes = inner.write(batch_of(None, batch.changes().iter().cloned())).await?;
        self.0.note(&batch, &outcomes);
        Ok(outcomes)
    }
}

#[derive(Default)]
struct RemembersTheLast {
    last: Mutex<Names>,
    turn: tokio::sync::Mutex<()>,
}

#[async_trait]
impl Sabotage for RemembersTheLast {
    async fn write(&self, inner: &Inner, batch: WriteBatch) -> Result<Vec<Outcome>> {
        let _turn = self.turn.lock().await;
        if let Some(outcomes) = hold(&self.last).get(&batch) {
            return Ok(outcomes);
        }
        let outcomes = inner.write(batch_of(None, batch.changes().iter().cloned())).await?;
        if batch.id().is_some() {
            let names = Names::default();
            names.note(&batch, &outcomes);
            *hold(&self.last) = names;
        }
        Ok(outcomes)
    }
}
