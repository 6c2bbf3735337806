//! Writing what was found, many threads a commit.

use std::collections::HashMap;

use threadkeep_core::{
    Change, Effect, Error, ErrorKind, Expect, Result, Store, ThreadId, ThreadMetadata, WriteBatch,
};

use crate::claim::Claim;
use crate::job::{Findings, Job, Place, Update};
use crate::state::FileState;

/// How often a thread that changes meanwhile is read again.
const ATTEMPTS: u32 = 8;

/// A job that was done, to be written.
pub(crate) struct Ready {
    pub(crate) job: Box<Job>,
    pub(crate) found: Box<Findings>,
}

/// What became of the jobs.
#[derive(Default)]
pub(crate) struct Committed {
    /// These are written, or cannot be and say so.
    pub(crate) done: Vec<Ready>,
    /// These have to be done again, because the store is not what they took it for.
    pub(crate) again: Vec<Job>,
}

/// A thread's row as it is before the commit.
enum Row {
    Sound(Box<ThreadMetadata>),
    Damaged,
}

/// Writes what was found, with what is to be remembered of the files, in one commit. Where the
/// store refuses a thread, the others are written without it.
pub(crate) async fn commit(
    store: &dyn Store,
    claim: &mut Claim,
    ready: Vec<Ready>,
) -> Result<Committed> {
    let mut committed = Committed::default();
    let rows = rows(store, &ready).await?;
    let mut accepted = Vec::with_capacity(ready.len());
    for ready in ready {
        match expectation(&ready, rows.get(&ready.job.id)) {
            Ok(expect) => accepted.push((ready, expect)),
            Err(seen) => committed.retry(ready, seen, "its row changes all the time"),
        }
    }
    let mut batches = vec![accepted];
    while let Some(mut batch) = batches.pop() {
        match write(store, claim, &batch).await {
            Ok(effects) => {
                for ((ready, _), effect) in batch.into_iter().zip(effects) {
                    let is_more = matches!(ready.found.update, Update::More { .. });
                    if is_more && effect == Some(Effect::Absent) {
                        committed.retry(ready, None, "its row comes and goes");
                    } else {
                        committed.done.push(ready);
                    }
                }
            }
            Err(error) if !concerns_one(&error) => return Err(error),
            Err(error) => {
                // Either the claim is lost, which ends the run here, or one of the threads was
                // refused: halving finds it.
                claim.renew(store).await?;
                let half = batch.split_off(batch.len() / 2);
                match half.len() {
                    0 => {}
                    1 if batch.is_empty() => committed.refused(half, &error),
                    _ => batches.extend([half, batch]),
                }
            }
        }
    }
    Ok(committed)
}

/// Writes what is to be remembered of files that have no thread.
pub(crate) async fn remember(
    store: &dyn Store,
    claim: &mut Claim,
    states: Vec<(String, Option<FileState>)>,
) -> Result<()> {
    for states in states.chunks(1_000) {
        let mut batch = start(claim);
        for (key, state) in states {
            batch.push(checkpoint(key, state.as_ref()));
        }
        let outcomes = match store.write(batch).await {
            Ok(outcomes) => outcomes,
            // A name that is too long to be a key is not remembered.
            Err(error) if concerns_one(&error) => {
                claim.renew(store).await?;
                continue;
            }
            Err(error) => return Err(error),
        };
        claim.renewed_as(outcomes.first().map_or(0, |outcome| outcome.revision));
    }
    Ok(())
}

impl Committed {
    fn retry(&mut self, mut ready: Ready, seen: Option<u64>, reason: &str) {
        if ready.job.attempts < ATTEMPTS {
            self.again.push(ready.job.again(seen));
            return;
        }
        for file in &ready.job.files {
            ready.found.skip(file, reason.to_owned());
        }
        self.done.push(ready);
    }

    fn refused(&mut self, refused: Vec<(Ready, Expect)>, error: &Error) {
        for (mut ready, _) in refused {
            if error.kind() == ErrorKind::InvalidInput {
                ready.job.attempts = ATTEMPTS;
            }
            self.retry(ready, None, &error.to_string());
        }
    }
}

/// Whether an error may be due to one thread of many.
fn concerns_one(error: &Error) -> bool {
    use ErrorKind::{AlreadyExists, Conflict, Corrupted, InvalidInput};
    matches!(error.kind(), Conflict | AlreadyExists | Corrupted | InvalidInput)
}

/// The rows of threads that are taken to have one.
async fn rows(store: &dyn Store, ready: &[Ready]) -> Result<HashMap<ThreadId, Row>> {
    let has_row = |ready: &&Ready| !matches!(ready.found.update, Update::None | Update::New(..));
    let ids: Vec<ThreadId> = ready.iter().filter(has_row).map(|ready| ready.job.id).collect();
    let mut rows = HashMap::new();
    if ids.is_empty() {
        return Ok(rows);
    }
    let found = match store.threads(ids.clone()).await {
        Ok(found) => found,
        Err(error) if error.kind() == ErrorKind::Corrupted => {
            for id in ids {
                match store.threads(vec![id]).await {
                    Ok(mut found) => {
                        rows.extend(found.pop().flatten().map(|row| (id, Row::Sound(row.into()))));
                    }
                    Err(error) if error.kind() == ErrorKind::Corrupted => {
                        rows.insert(id, Row::Damaged);
                    }
                    Err(error) => return Err(error),
                }
            }
            return Ok(rows);
        }
        Err(error) => return Err(error),
    };
    rows.extend(found.into_iter().flatten().map(|row| (row.id, Row::Sound(row.into()))));
    Ok(rows)
}

/// What the row must still be for the update to be right, or, where it is not right already, the
/// revision that was seen.
fn expectation(ready: &Ready, row: Option<&Row>) -> Result<Expect, Option<u64>> {
    match (&ready.found.update, row) {
        (Update::None | Update::New(..), _) | (Update::Moved(_), None | Some(Row::Sound(_))) => {
            Ok(Expect::Any)
        }
        (Update::More { after, .. }, Some(Row::Sound(row))) => {
            let mark = (row.applied_file.as_str(), row.applied_through);
            let has_all_before = mark >= (after.file.as_str(), after.through);
            if has_all_before { Ok(Expect::Any) } else { Err(Some(row.revision)) }
        }
        (Update::More { .. }, _) | (Update::Moved(_), Some(Row::Damaged)) => Err(None),
        (Update::Anew(..), None) => Ok(Expect::Absent),
        (Update::Anew(..), Some(Row::Damaged)) => Ok(Expect::Any),
        (Update::Anew(_, patch), Some(Row::Sound(row))) => {
            // An agent may have written and applied more since the file was read. If that is not
            // so the second time either, the file is shorter than it was.
            let is_ahead = patch.mark.as_ref().is_some_and(|mark| {
                mark.file == row.applied_file && mark.through < row.applied_through
            });
            if is_ahead && ready.job.seen != Some(row.revision) {
                return Err(Some(row.revision));
            }
            Ok(Expect::Revision(row.revision))
        }
    }
}

/// Writes a batch and answers, for each thread, the effect of its first change.
async fn write(
    store: &dyn Store,
    claim: &mut Claim,
    batch: &[(Ready, Expect)],
) -> Result<Vec<Option<Effect>>> {
    let mut changes = start(claim);
    let mut firsts = Vec::with_capacity(batch.len());
    for (ready, expect) in batch {
        let first = changes.len();
        push(&mut changes, ready.job.id, &ready.found.update, *expect);
        firsts.push((changes.len() > first).then_some(first));
        for key in &ready.job.gone {
            changes.push(checkpoint(key, None));
        }
        for (key, state) in &ready.found.states {
            changes.push(checkpoint(key, Some(state)));
        }
    }
    let outcomes = store.write(changes).await?;
    claim.renewed_as(outcomes.first().map_or(0, |outcome| outcome.revision));
    let effect = |first: Option<usize>| Some(outcomes.get(first?)?.effect);
    Ok(firsts.into_iter().map(effect).collect())
}

fn start(claim: &Claim) -> WriteBatch {
    let (expect, change) = claim.renewal();
    WriteBatch::new().and_if(expect, change)
}

fn push(changes: &mut WriteBatch, id: ThreadId, update: &Update, expect: Expect) {
    let moved =
        |place: &Place| Change::Move { id, path: place.path.clone(), archived_at: place.modified };
    match update {
        Update::None => {}
        Update::New(seed, patch, place) => {
            changes.push_if(expect, Change::Apply(seed.clone(), patch.clone()));
            // Does nothing unless there was a row, of a file elsewhere.
            changes.push(moved(place));
        }
        Update::More { patch, place, .. } => {
            changes.push_if(expect, Change::Patch(id, patch.clone()));
            if let Some(place) = place {
                changes.push(moved(place));
            }
        }
        Update::Moved(place) => changes.push_if(expect, moved(place)),
        Update::Anew(seed, patch) => {
            changes.push_if(expect, Change::Rebuild(seed.clone(), patch.clone()));
        }
    }
}

fn checkpoint(key: &str, state: Option<&FileState>) -> Change {
    Change::SetCheckpoint { key: key.to_owned(), value: state.map(FileState::to_text) }
}
