//! Storing threads: what is there already is only completed, never replaced.

use threadkeep::{
    Change, Effect, Error, ErrorKind, Result, Store, ThreadId, ThreadMetadata, WriteBatch,
};

use super::report::Report;
use super::threads::Thread;

/// A thread's row in the store.
enum Row {
    Absent,
    Sound(Box<ThreadMetadata>),
    Damaged,
}

/// Stores threads and counts what became of them. Where the store refuses some, the others are
/// stored without them.
pub(super) async fn write(
    store: &dyn Store,
    threads: Vec<Thread>,
    report: &mut Report,
) -> Result<()> {
    let rows = rows(store, threads.iter().map(|thread| thread.id).collect()).await?;
    let mut changes = Vec::with_capacity(threads.len());
    for (thread, row) in threads.into_iter().zip(rows) {
        if let Row::Sound(row) = &row
            && thread.is_archived()
            && !row.is_archived()
        {
            report.threads.active_here += 1;
        }
        match change(&thread, &row) {
            Some(change) => changes.push((thread, change)),
            None => refuse(&thread, "its row in the store is damaged", report),
        }
    }
    let mut batches = vec![changes];
    while let Some(mut batch) = batches.pop() {
        if batch.is_empty() {
            continue;
        }
        let mut written = WriteBatch::new();
        for (_, change) in &batch {
            written.push(change.clone());
        }
        match store.write(written).await {
            Ok(outcomes) => outcomes.iter().for_each(|outcome| count(outcome.effect, report)),
            Err(error) if !concerns_one(&error) => return Err(error),
            // One of them was refused: halving finds it.
            Err(error) if batch.len() == 1 => {
                for (thread, _) in &batch {
                    refuse(thread, error.message(), report);
                }
            }
            Err(_) => {
                let half = batch.split_off(batch.len() / 2);
                batches.extend([half, batch]);
            }
        }
    }
    Ok(())
}

/// What is to happen to a thread; `None` where its row cannot be read.
fn change(thread: &Thread, row: &Row) -> Option<Change> {
    Some(match row {
        Row::Absent => Change::Apply(Box::new(thread.seed.clone()), Box::new(thread.beginning())),
        Row::Sound(row) => {
            let mut patch = thread.additions();
            // Without a date it loses against one that was taken away, but not against one that has
            // no date either.
            if row.name.is_none() {
                patch.name = thread.naming();
            }
            Change::Patch(thread.id, Box::new(patch))
        }
        Row::Damaged => return None,
    })
}

async fn rows(store: &dyn Store, ids: Vec<ThreadId>) -> Result<Vec<Row>> {
    let row = |found: Option<ThreadMetadata>| {
        found.map_or(Row::Absent, |found| Row::Sound(Box::new(found)))
    };
    match store.threads(ids.clone()).await {
        Ok(found) => return Ok(found.into_iter().map(row).collect()),
        Err(error) if error.kind() == ErrorKind::Corrupted => {}
        Err(error) => return Err(error),
    }
    let mut rows = Vec::with_capacity(ids.len());
    for id in ids {
        rows.push(match store.threads(vec![id]).await {
            Ok(mut found) => row(found.pop().flatten()),
            Err(error) if error.kind() == ErrorKind::Corrupted => Row::Damaged,
            Err(error) => return Err(error),
        });
    }
    Ok(rows)
}

fn count(effect: Effect, report: &mut Report) {
    let threads = &mut report.threads;
    match effect {
        Effect::Created => threads.created += 1,
        Effect::Updated => threads.filled += 1,
        // Absent: another program deleted it since its row was read.
        Effect::Tombstoned | Effect::Absent => threads.deleted += 1,
        _ => threads.unchanged += 1,
    }
}

fn refuse(thread: &Thread, reason: &str, report: &mut Report) {
    report.threads.left_out += 1;
    report.leave_out("thread", reason, thread.spelled.clone());
}

/// Whether an error may be due to one thread of many.
fn concerns_one(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::InvalidInput | ErrorKind::Corrupted)
}
