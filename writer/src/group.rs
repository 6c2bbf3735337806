//! The queue's thread: from waiting jobs to one transaction.

use std::time::{Duration, Instant};

use flume::{Receiver, RecvTimeoutError};
use threadkeep_core::{Error, ErrorKind, Result};

use crate::queue::{Message, Queued, WriterOptions, ended};
use crate::{Engine, queue};

/// How long after a write upkeep is due.
const REST: Duration = Duration::from_millis(50);
/// How long it is put off while jobs keep coming.
const PATIENCE: Duration = Duration::from_millis(500);

/// What comes after a group was collected.
enum Then<E: Engine> {
    Wait,
    Run(Box<dyn FnOnce(&mut E) + Send>),
    Close,
}

/// Serves jobs until closed or until every handle is gone.
pub(crate) fn serve<E: Engine>(
    mut engine: E,
    receiver: &Receiver<Message<E>>,
    options: WriterOptions,
) {
    // When a bit of upkeep is due: where nothing waits, and in any case.
    let mut upkeep: Option<(Instant, Instant)> = None;
    loop {
        let message = match upkeep {
            None => receiver.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some((_, latest)) if latest <= Instant::now() => Err(RecvTimeoutError::Timeout),
            Some((at, _)) => receiver.recv_deadline(at),
        };
        let message = match message {
            Ok(message) => message,
            Err(RecvTimeoutError::Timeout) => {
                let rest = engine.upkeep();
                upkeep = rest.map(|rest| {
                    let at = Instant::now() + rest;
                    // What must not rest need not wait for a pause either.
                    (at, if rest.is_zero() { at + REST } else { at + PATIENCE })
                });
                continue;
            }
            Err(RecvTimeoutError::Disconnected) => break,
        };
        let then = match message {
            Message::Job(first) => {
                let (group, then) = collect(first, receiver, options);
                write(&mut engine, group, options.deadline);
                upkeep.get_or_insert_with(|| {
                    let at = Instant::now() + REST;
                    (at, at + PATIENCE)
                });
                then
            }
            Message::Run(work) => Then::Run(work),
            Message::Close => Then::Close,
        };
        match then {
            Then::Wait => {}
            Then::Run(work) => work(&mut engine),
            Then::Close => break,
        }
    }
    // Whoever slipped in behind the closing must not wait for ever.
    for message in receiver.drain() {
        if let Message::Job(Queued { answer, .. }) = message {
            let _ = answer.send(Err(ended()));
        }
    }
}

/// Takes what waits already. Nothing is waited for: while one group commits, the next gathers.
fn collect<E: Engine>(
    first: Queued<E>,
    receiver: &Receiver<Message<E>>,
    options: WriterOptions,
) -> (Vec<Queued<E>>, Then<E>) {
    let until = Instant::now() + options.group_time;
    let mut bytes = E::size(&first.job);
    let mut group = vec![first];
    while group.len() < options.group_jobs && bytes < options.group_bytes && Instant::now() < until
    {
        match receiver.try_recv() {
            Ok(Message::Job(queued)) => {
                bytes += E::size(&queued.job);
                group.push(queued);
            }
            Ok(Message::Run(work)) => return (group, Then::Run(work)),
            Ok(Message::Close) => return (group, Then::Close),
            Err(_) => break,
        }
    }
    (group, Then::Wait)
}

fn write<E: Engine>(engine: &mut E, group: Vec<Queued<E>>, deadline: Duration) {
    let group = match begin(engine, group, deadline) {
        Ok(group) if group.is_empty() => return,
        Ok(group) => group,
        Err((group, error)) => return refuse(group, &error),
    };
    let (jobs, answers): (Vec<_>, Vec<_>) =
        group.into_iter().map(|queued| (queued.job, queued.answer)).unzip();
    let applied = engine.apply(jobs).and_then(|results| {
        if results.len() == answers.len() {
            Ok(results)
        } else {
            Err(Error::new(ErrorKind::Internal, "the engine did not answer every job"))
        }
    });
    let results = match applied {
        Ok(results) => results,
        Err(error) => {
            engine.rollback();
            for answer in answers {
                let _ = answer.send(Err(error.duplicate()));
            }
            return;
        }
    };
    let committed = engine.commit().map_err(|error| {
        engine.rollback();
        error.maybe_applied()
    });
    for (answer, result) in answers.into_iter().zip(results) {
        // A refusal stands whatever became of the commit.
        let result = match (&committed, result) {
            (Err(error), Ok(_)) => Err(error.duplicate()),
            (_, result) => result,
        };
        let _ = answer.send(result);
    }
}

type Begun<E> = std::result::Result<Vec<Queued<E>>, (Vec<Queued<E>>, Error)>;

/// Asks for the write lock until it is there, answering those whose time is up meanwhile.
fn begin<E: Engine>(engine: &mut E, mut group: Vec<Queued<E>>, deadline: Duration) -> Begun<E> {
    loop {
        let Some(oldest) = group.iter().map(|queued| queued.since).min() else {
            return Ok(group);
        };
        // Even a job that waited its whole time in the queue is worth one try.
        let wait = deadline.saturating_sub(oldest.elapsed()).max(Duration::from_millis(1));
        match engine.begin(wait) {
            Ok(()) => return Ok(group),
            Err(error) if error.kind() == ErrorKind::Busy => {
                let (late, rest): (Vec<_>, Vec<_>) =
                    group.into_iter().partition(|queued| queued.since.elapsed() >= deadline);
                refuse(late, &error);
                group = rest;
            }
            Err(error) => return Err((group, error)),
        }
    }
}

fn refuse<E: Engine>(group: Vec<Queued<E>>, error: &Error) {
    for queue::Queued { answer, .. } in group {
        let _: std::result::Result<(), flume::SendError<Result<E::Answer>>> =
            answer.send(Err(error.duplicate()));
    }
}
