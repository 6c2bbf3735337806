//! The write side of the file of threads.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use redb::{ReadableTable as _, ReadableTableMetadata as _, WriteTransaction};
use threadkeep_core::{BatchId, Effect, Outcome, Result, Subject, ThreadId, WriteBatch};
use threadkeep_migrations::kv;
use threadkeep_writer::Engine;

use crate::database::{Database, guarded};
use crate::errors::{self, Failure};
use crate::rows::{self, Rows};
use crate::tables::{BATCH_ORDER, BATCHES, PENDING};
use crate::turns::Turns;

/// Named batches that are remembered.
const REMEMBERED: u64 = 10_000;

/// What a batch did.
#[derive(Default)]
pub(crate) struct Written {
    pub(crate) outcomes: Vec<Outcome>,
    /// Threads that it deleted, whose logs are to go; none where it was a repeat.
    pub(crate) deleted: Vec<ThreadId>,
}

/// Applies batches of changes. Lives on the writer's thread, which it may block.
pub(crate) struct ThreadEngine {
    pub(crate) database: Arc<Database>,
    transaction: Option<WriteTransaction>,
    turns: Turns,
}

impl ThreadEngine {
    pub(crate) fn new(database: Arc<Database>) -> Self {
        Self { database, transaction: None, turns: Turns::default() }
    }

    /// Writes in a transaction of its own.
    pub(crate) fn write(
        &mut self,
        operation: &'static str,
        work: impl FnOnce(&WriteTransaction) -> Result<(), Failure>,
    ) -> Result<()> {
        let wait = self.database.settings().deadline;
        let written = self.turns.begin(&self.database, wait).and_then(|transaction| {
            let done = guarded(|| work(&transaction));
            match done.map_err(|failure| self.database.note(failure)) {
                Ok(()) => self.database.commit(transaction),
                Err(failure) => {
                    self.database.abort(transaction);
                    Err(failure)
                }
            }
        });
        self.turns.end();
        written.map_err(|failure| failure.at(self.database.path(), operation))
    }

    /// Notes that the logs of these deleted threads are gone.
    pub(crate) fn logs_dropped(&mut self, threads: &[ThreadId]) -> Result<()> {
        self.write("maintain", |transaction| {
            let mut pending = transaction.open_table(PENDING)?;
            for id in threads {
                pending.remove(&id.as_bytes()[..])?;
            }
            Ok(())
        })
    }
}

impl Engine for ThreadEngine {
    type Job = WriteBatch;
    type Answer = Written;

    fn size(job: &WriteBatch) -> usize {
        // About what a row, its index entries and a checkpoint take.
        job.len() * 2_048
    }

    fn begin(&mut self, wait: Duration) -> Result<()> {
        let begun = self.turns.begin(&self.database, wait);
        let transaction = begun.map_err(|failure| failure.at(self.database.path(), "write"))?;
        self.transaction = Some(transaction);
        Ok(())
    }

    fn apply(&mut self, jobs: Vec<WriteBatch>) -> Result<Vec<Result<Written>>> {
        let Some(transaction) = &self.transaction else {
            return Err(errors::closed());
        };
        guarded(|| apply(transaction, jobs))
            .map_err(|failure| self.database.note(failure).at(self.database.path(), "write"))
    }

    fn commit(&mut self) -> Result<()> {
        self.turns.end();
        let Some(transaction) = self.transaction.take() else {
            return Err(errors::closed());
        };
        let committed = self.database.commit(transaction);
        committed.map_err(|failure| failure.at(self.database.path(), "commit"))
    }

    fn rollback(&mut self) {
        if let Some(transaction) = self.transaction.take() {
            self.database.abort(transaction);
        }
    }
}

fn apply(
    transaction: &WriteTransaction,
    jobs: Vec<WriteBatch>,
) -> Result<Vec<Result<Written>>, Failure> {
    let mut rows = Rows::open(transaction)?;
    let subjects: BTreeSet<Subject> = jobs.iter().flat_map(WriteBatch::subjects).collect();
    let mut records = rows.load(subjects)?;
    let mut names = Names::new(transaction);
    let mut answers = Vec::with_capacity(jobs.len());
    for job in jobs {
        let name = job.id();
        if let Some(name) = name
            && let Some(outcomes) = names.answer(name)?
        {
            answers.push(Ok(Written { outcomes, ..Written::default() }));
            continue;
        }
        let deletions = job.deletions();
        let answer = records.apply(job);
        if let (Some(name), Ok(outcomes)) = (name, &answer) {
            names.remember(name, outcomes)?;
        }
        answers.push(answer.map(|outcomes| {
            let deleted = deletions.into_iter().zip(&outcomes);
            let deleted = deleted.filter(|(_, outcome)| outcome.effect == Effect::Deleted);
            Written { deleted: deleted.filter_map(|(id, _)| id).collect(), outcomes }
        }));
    }
    rows::store(&mut rows, records.into_changed())?;
    Ok(answers)
}

/// Named batches: what they were answered, so that a repeated one is answered alike.
struct Names<'a> {
    transaction: &'a WriteTransaction,
    known: HashMap<BatchId, Vec<Outcome>>,
}

impl<'a> Names<'a> {
    fn new(transaction: &'a WriteTransaction) -> Self {
        Self { transaction, known: HashMap::new() }
    }

    /// What the batch of this name was answered, if it was applied.
    fn answer(&mut self, name: BatchId) -> Result<Option<Vec<Outcome>>, Failure> {
        if let Some(outcomes) = self.known.get(&name) {
            return Ok(Some(outcomes.clone()));
        }
        let batches = self.transaction.open_table(BATCHES)?;
        let found = batches.get(&name.as_bytes()[..])?;
        Ok(found.map(|found| kv::decode_batch(name, found.value())).transpose()?)
    }

    /// Remembers an answer, and forgets the oldest.
    fn remember(&mut self, name: BatchId, outcomes: &[Outcome]) -> Result<(), Failure> {
        let mut batches = self.transaction.open_table(BATCHES)?;
        let mut order = self.transaction.open_table(BATCH_ORDER)?;
        let next = order.last()?.map_or(0, |(number, _)| number.value() + 1);
        let value = kv::encode_batch(name, outcomes)?;
        batches.insert(&name.as_bytes()[..], value.as_slice())?;
        order.insert(next, &name.as_bytes()[..])?;
        while order.len()? > REMEMBERED
            && let Some((_, oldest)) = order.pop_first()?
        {
            batches.remove(oldest.value())?;
        }
        self.known.insert(name, outcomes.to_vec());
        Ok(())
    }
}
