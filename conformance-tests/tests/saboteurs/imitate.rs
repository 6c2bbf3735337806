//! What saboteurs are built from: whole listings, foretold outcomes, rewritten batches.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Mutex, MutexGuard, PoisonError};

use threadkeep_conformance::async_trait;
use threadkeep_core::{
    BatchId, Change, Checkpoint, Cursor, Direction, DynamicToolStore, Effect, Outcome, Page,
    Record, Records, Result, Slot, Subject, ThreadId, ThreadMetadata, ThreadQuery, ThreadStore,
    Tombstone, WriteBatch,
};

use crate::sabotage::{Inner, Sabotage};

/// Locks without minding that another test panicked.
pub(crate) fn hold<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A listing done in another way, rows and ids alike.
#[async_trait]
pub(crate) trait Listing: Send + Sync + 'static {
    async fn page(&self, inner: &Inner, query: ThreadQuery) -> Result<Page<ThreadMetadata>>;
}

/// The saboteur that lists so.
pub(crate) struct Lists<L>(pub(crate) L);

#[async_trait]
impl<L: Listing> Sabotage for Lists<L> {
    async fn list(&self, inner: &Inner, query: ThreadQuery) -> Result<Page<ThreadMetadata>> {
        self.0.page(inner, query).await
    }

    async fn list_ids(&self, inner: &Inner, query: ThreadQuery) -> Result<Page<ThreadId>> {
        let Page { items, next, skipped } = self.0.page(inner, query).await?;
        Ok(Page { items: items.into_iter().map(|row| row.id).collect(), next, skipped })
    }
}

/// Every row that matches, in order, wherever the query begins.
pub(crate) async fn whole(inner: &Inner, query: &ThreadQuery) -> Result<Vec<ThreadMetadata>> {
    query.validate()?;
    let query = query.clone().limit(1_000);
    let mut rows = Vec::new();
    let mut after = None;
    loop {
        let page = inner.list(query.clone().after(after)).await?;
        rows.extend(page.items);
        if page.next.is_none() {
            return Ok(rows);
        }
        after = page.next;
    }
}

/// The page of a listing whose rows are all known.
pub(crate) fn cut(query: &ThreadQuery, rows: Vec<ThreadMetadata>) -> Page<ThreadMetadata> {
    cut_where(query, rows, |cursor, row| {
        let (here, there) = ((query.sort.of(row), row.id), (cursor.value(), cursor.id()));
        match query.direction {
            Direction::Ascending => here > there,
            Direction::Descending => here < there,
        }
    })
}

/// The same in another order, which tells what comes after a cursor.
pub(crate) fn cut_where(
    query: &ThreadQuery,
    mut rows: Vec<ThreadMetadata>,
    is_after: impl Fn(Cursor, &ThreadMetadata) -> bool,
) -> Page<ThreadMetadata> {
    rows.retain(|row| query.after.is_none_or(|cursor| is_after(cursor, row)));
    let more = rows.len() > query.limit;
    rows.truncate(query.limit);
    let last = rows.last().filter(|_| more);
    let next = last.map(|row| Cursor::new(query, query.sort.of(row), row.id));
    Page { items: rows, next, ..Page::default() }
}

/// Asks another question at the place of this one, and answers with cursors of this one.
pub(crate) async fn ask_as(
    inner: &Inner,
    query: &ThreadQuery,
    other: ThreadQuery,
) -> Result<Page<ThreadMetadata>> {
    query.validate()?;
    let moved = |to: &ThreadQuery, cursor: Cursor| Cursor::new(to, cursor.value(), cursor.id());
    let after = query.after.map(|cursor| moved(&other, cursor));
    let mut page = inner.list(other.after(after)).await?;
    page.next = page.next.map(|cursor| moved(query, cursor));
    Ok(page)
}

/// What one handle on a store in memory can know of it without asking: which threads were deleted.
#[derive(Default)]
pub(crate) struct Known {
    graves: Mutex<HashMap<ThreadId, Tombstone>>,
}

impl Known {
    pub(crate) async fn record(&self, inner: &Inner, id: ThreadId) -> Result<Record> {
        let row = inner.threads(vec![id]).await?.pop().flatten();
        let grave = hold(&self.graves).get(&id).copied();
        Ok(Record {
            tombstone: grave.filter(|_| row.is_none()),
            thread: row.map_or(Slot::Absent, |row| Slot::Present(Box::new(row))),
            has_tools: inner.dynamic_tools(id).await?.is_some(),
            ..Record::default()
        })
    }

    /// What a batch would be answered.
    pub(crate) async fn foretell(&self, inner: &Inner, batch: &WriteBatch) -> Result<Vec<Outcome>> {
        let mut records = Records::new();
        for subject in batch.subjects() {
            match subject {
                Subject::Thread(id) => records.insert_thread(id, self.record(inner, id).await?),
                Subject::Checkpoint(key) => {
                    if let Some(found) = checkpoint(inner, key).await? {
                        records.insert_checkpoint(found);
                    }
                }
            }
        }
        records.apply(batch.clone())
    }

    /// Remembers what was deleted.
    pub(crate) fn note(&self, batch: &WriteBatch, outcomes: &[Outcome]) {
        let mut graves = hold(&self.graves);
        for (id, at, revision) in deleted(batch, outcomes) {
            graves.insert(id, Tombstone { deleted_at: at, revision });
        }
    }
}

/// The threads that a batch deleted, when, and with which revision.
pub(crate) fn deleted<'a>(
    batch: &'a WriteBatch,
    outcomes: &'a [Outcome],
) -> impl Iterator<Item = (ThreadId, threadkeep_core::Timestamp, u64)> + 'a {
    batch.changes().iter().zip(outcomes).filter_map(|((change, _), outcome)| match change {
        Change::Delete { id, at } if outcome.effect == Effect::Deleted => {
            Some((*id, *at, outcome.revision))
        }
        _ => None,
    })
}

async fn checkpoint(inner: &Inner, key: String) -> Result<Option<Checkpoint>> {
    // No key below the prefix comes before the prefix itself.
    let first = inner.checkpoints(key.clone(), None, 1).await?.pop();
    Ok(first.filter(|checkpoint| checkpoint.key == key))
}

/// What named batches were answered, for saboteurs that hand over something else under the name.
#[derive(Default)]
pub(crate) struct Names {
    answers: Mutex<HashMap<BatchId, Vec<Outcome>>>,
    turn: tokio::sync::Mutex<()>,
}

impl Names {
    /// Held from `get` to `note`, lets no repeat in between. Batches without a name never wait.
    pub(crate) async fn turn(&self, batch: &WriteBatch) -> Option<tokio::sync::MutexGuard<'_, ()>> {
        match batch.id() {
            Some(_) => Some(self.turn.lock().await),
            None => None,
        }
    }

    pub(crate) fn get(&self, batch: &WriteBatch) -> Option<Vec<Outcome>> {
        hold(&self.answers).get(&batch.id()?).cloned()
    }

    pub(crate) fn note(&self, batch: &WriteBatch, outcomes: &[Outcome]) {
        if let Some(name) = batch.id() {
            hold(&self.answers).insert(name, outcomes.to_vec());
        }
    }
}

/// The batch, with or without its name, made of other changes.
pub(crate) fn batch_of(
    name: Option<BatchId>,
    changes: impl IntoIterator<Item = (Change, threadkeep_core::Expect)>,
) -> WriteBatch {
    let mut batch = WriteBatch::new();
    if let Some(name) = name {
        batch = batch.with_id(name);
    }
    for (change, expect) in changes {
        batch.push_if(expect, change);
    }
    batch
}

/// Another meaning of changes: in place of one, another is applied to what is there.
pub(crate) trait Rewrite: Send + Sync + 'static {
    fn rewrite(&self, record: &Record, change: Change) -> Change;
}

/// The saboteur that writes so, one batch at a time.
pub(crate) struct Rewrites<R> {
    meaning: R,
    known: Known,
    turn: tokio::sync::Mutex<()>,
}

impl<R: Rewrite> Rewrites<R> {
    pub(crate) fn new(meaning: R) -> Self {
        Self { meaning, known: Known::default(), turn: tokio::sync::Mutex::default() }
    }
}

#[async_trait]
impl<R: Rewrite> Sabotage for Rewrites<R> {
    async fn write(&self, inner: &Inner, batch: WriteBatch) -> Result<Vec<Outcome>> {
        let _turn = self.turn.lock().await;
        let mut records: HashMap<ThreadId, Record> = HashMap::new();
        let mut changes = Vec::with_capacity(batch.len());
        for (change, expect) in batch.changes().iter().cloned() {
            let Subject::Thread(id) = change.subject() else {
                changes.push((change, expect));
                continue;
            };
            let record = match records.entry(id) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(unknown) => unknown.insert(self.known.record(inner, id).await?),
            };
            let change = self.meaning.rewrite(record, change);
            // A refusal is found out by the store.
            let _ = record.reduce(change.clone(), expect);
            changes.push((change, expect));
        }
        let outcomes = inner.write(batch_of(batch.id(), changes)).await?;
        self.known.note(&batch, &outcomes);
        Ok(outcomes)
    }
}

/// The row, where there is a sound one.
pub(crate) fn row_of(record: &Record) -> Option<&ThreadMetadata> {
    match &record.thread {
        Slot::Present(row) => Some(row),
        Slot::Absent | Slot::Damaged { .. } => None,
    }
}
