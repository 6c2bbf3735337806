//! Writers of threads, each step of which shows whether it is there, and how often.
//!
//! A step creates a thread of its own, and sets the writer's checkpoint twice, each time to another
//! value: a step that was applied twice shows in the checkpoint's revision.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use threadkeep_core::{
    Applied, BatchId, Change, Effect, Error, ErrorKind, ThreadId, ThreadSeed, ThreadStore as _,
    Timestamp, WriteBatch,
};
use threadkeep_postgres::PostgresStore;

use super::beat::Beat;

/// What became of a step, or of an append.
#[derive(Clone, Debug)]
pub(crate) enum Fate<T> {
    Acknowledged { at: Instant, answer: T },
    Failed { kind: ErrorKind, outcome: Applied },
}

/// What a writer was answered.
#[derive(Clone, Debug, Default)]
pub(crate) struct Steps {
    pub(crate) number: u32,
    pub(crate) fates: Vec<Fate<()>>,
    /// All errors, also of those that were repeated.
    pub(crate) errors: Vec<Problem>,
    /// Answers that a step which was applied once cannot have.
    pub(crate) odd: Vec<String>,
}

/// What is kept of an error.
#[derive(Clone, Debug)]
pub(crate) struct Problem {
    pub(crate) kind: ErrorKind,
    pub(crate) outcome: Applied,
    pub(crate) text: String,
}

impl Problem {
    pub(crate) fn of(error: &Error) -> Self {
        Self { kind: error.kind(), outcome: error.outcome(), text: format!("{error:?}") }
    }
}

/// The thread that a step creates.
pub(crate) fn thread(writer: u32, step: usize) -> ThreadId {
    let mut bytes = [9; 16];
    bytes[8..12].copy_from_slice(&writer.to_be_bytes());
    bytes[12..].copy_from_slice(&u32::try_from(step).unwrap().to_be_bytes());
    ThreadId::from_bytes(bytes)
}

/// The checkpoint of a writer.
pub(crate) fn checkpoint(writer: u32) -> String {
    format!("flip/{writer:04}")
}

/// The changes of a step.
pub(crate) fn step_batch(writer: u32, step: usize) -> WriteBatch {
    let at = Timestamp::from_millis(i64::try_from(step).unwrap());
    let mut row = ThreadSeed::new(thread(writer, step), "/sessions/a.jsonl", at).into_metadata();
    row.has_user_event = true;
    row.title = format!("step {step} of {writer}");
    let flip = |side| Change::SetCheckpoint {
        key: checkpoint(writer),
        value: Some(format!("{step}{side}")),
    };
    WriteBatch::new().and(Change::Put(Box::new(row))).and(flip('a')).and(flip('b'))
}

/// Writes step after step until it is told to stop. Named batches are repeated until they are
/// acknowledged; of others it is noted what became of them.
pub(crate) async fn write(
    store: PostgresStore,
    number: u32,
    named: bool,
    pause: Duration,
    stop: Arc<AtomicBool>,
    beat: Arc<Beat>,
) -> Steps {
    let mut told = Steps { number, ..Steps::default() };
    while !stop.load(Ordering::Relaxed) {
        let nth = told.fates.len();
        let mut batch = step_batch(number, nth);
        if named {
            batch = batch.with_id(BatchId::new());
        }
        let fate = loop {
            match store.write(batch.clone()).await {
                Ok(outcomes) => {
                    let effects: Vec<_> = outcomes.iter().map(|outcome| outcome.effect).collect();
                    if effects[0] != Effect::Created || effects[2] != Effect::Updated {
                        told.odd.push(format!("step {nth} of {number}: {effects:?}"));
                    }
                    beat.tick();
                    break Fate::Acknowledged { at: Instant::now(), answer: () };
                }
                Err(error) => {
                    told.errors.push(Problem::of(&error));
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    if !named || !error.is_retryable() || stop.load(Ordering::Relaxed) {
                        // An earlier try may have been applied, whatever the last one says.
                        let outcome = if named { Applied::Unknown } else { error.outcome() };
                        break Fate::Failed { kind: error.kind(), outcome };
                    }
                }
            }
        };
        told.fates.push(fate);
        tokio::time::sleep(pause).await;
    }
    told
}
