//! Whether some order of overlapping calls explains every answer.
//!
//! Calls on different threads need no common order, so each thread has a history of its own, which
//! keeps the [search] small.

pub(crate) mod plan;
mod search;
#[cfg(test)]
mod simulate;
mod story;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use threadkeep_core::{
    Applied, DynamicToolSpec, Error, ErrorKind, Expect, Outcome, Subject, ThreadId, ThreadMetadata,
    ThreadQuery, WriteBatch,
};

use crate::lab::{Failure, Verdict};

/// What was asked of a store at once, thread by thread, and what it answered.
#[derive(Clone, Debug, Default)]
pub(crate) struct History {
    threads: BTreeMap<ThreadId, Vec<Call>>,
}

/// Who made a call, and when, by a clock that all tasks share and that shows no instant twice.
#[derive(Clone, Copy, Debug)]
pub(crate) struct When {
    pub(crate) task: usize,
    pub(crate) called: u64,
    pub(crate) returned: u64,
}

/// A call as far as it is about one thread.
#[derive(Clone, Debug)]
struct Call {
    task: usize,
    called: u64,
    /// `None` where nobody knows whether the call took effect, or when.
    returned: Option<u64>,
    deed: Deed,
}

#[derive(Clone, Debug)]
enum Deed {
    /// The changes of the thread in a batch; the words are of the whole of it.
    Write {
        words: String,
        batch: WriteBatch,
        answer: Answer,
    },
    /// The row, or its place in a listing.
    Row {
        query: Option<ThreadQuery>,
        row: Option<Box<ThreadMetadata>>,
    },
    Tools(Option<Vec<DynamicToolSpec>>),
}

#[derive(Clone, Debug)]
enum Answer {
    Done(Vec<Outcome>),
    Refused(ErrorKind),
    Unknown,
}

impl History {
    /// A batch and its answer, which is `None` where the call was given up.
    pub(crate) fn write(
        &mut self,
        when: When,
        words: &str,
        batch: &WriteBatch,
        answer: Option<&Result<Vec<Outcome>, Error>>,
    ) -> Verdict {
        let wrong = |what: &str| Err(Failure::new(format!("write {words}: {what}")));
        let (about, answer) = match answer {
            None => (None, Answer::Unknown),
            Some(Ok(outcomes)) if outcomes.len() != batch.len() => {
                return wrong(&format!("as many outcomes as changes were due, not {outcomes:?}"));
            }
            Some(Ok(outcomes)) => (None, Answer::Done(outcomes.clone())),
            Some(Err(error)) if error.outcome() == Applied::Unknown => (None, Answer::Unknown),
            Some(Err(error)) => match error.kind() {
                kind @ (ErrorKind::Conflict | ErrorKind::AlreadyExists | ErrorKind::NotFound) => {
                    // Only the thread that the error names has to explain the refusal.
                    let text = error.to_string();
                    let mut named = threads(batch);
                    named.retain(|id| text.contains(&id.to_string()));
                    (Some(named), Answer::Refused(kind))
                }
                ErrorKind::Busy | ErrorKind::Timeout | ErrorKind::Unavailable => return Ok(()),
                _ => return wrong(&format!("there is no reason for: {error}")),
            },
        };
        for id in about.unwrap_or_else(|| threads(batch)) {
            let (batch, answer) = part(id, batch, &answer);
            let returned = (!matches!(answer, Answer::Unknown)).then_some(when.returned);
            let deed = Deed::Write { words: words.into(), batch, answer };
            let call = Call { task: when.task, called: when.called, returned, deed };
            self.threads.entry(id).or_default().push(call);
        }
        Ok(())
    }

    /// The rows of some threads.
    pub(crate) fn rows(&mut self, when: When, ids: &[ThreadId], rows: &[Option<ThreadMetadata>]) {
        for (id, row) in ids.iter().zip(rows) {
            self.read(when, *id, Deed::Row { query: None, row: row.clone().map(Box::new) });
        }
    }

    /// The rows of these threads in a listing.
    pub(crate) fn listed(
        &mut self,
        when: When,
        ids: &[ThreadId],
        query: &ThreadQuery,
        rows: &[ThreadMetadata],
    ) {
        for id in ids {
            let row = rows.iter().find(|row| row.id == *id).cloned().map(Box::new);
            self.read(when, *id, Deed::Row { query: Some(query.clone()), row });
        }
    }

    /// The tools of a thread.
    pub(crate) fn tools(&mut self, when: When, id: ThreadId, tools: Option<Vec<DynamicToolSpec>>) {
        self.read(when, id, Deed::Tools(tools));
    }

    /// What other tasks did meanwhile.
    pub(crate) fn merge(&mut self, other: Self) {
        for (id, calls) in other.threads {
            self.threads.entry(id).or_default().extend(calls);
        }
    }

    /// Fails with the shortest story of the first thread that no order of its calls explains. All
    /// threads begin unknown to the store.
    pub(crate) fn check(self) -> Verdict {
        match self.unexplained() {
            Some((id, calls)) => Err(Failure::new(story::tell(id, &calls))),
            None => Ok(()),
        }
    }

    /// The first thread that no order of its calls explains, with these.
    fn unexplained(self) -> Option<(ThreadId, Vec<Call>)> {
        self.threads.into_iter().find_map(|(id, mut calls)| {
            calls.sort_by_key(|call| call.called);
            search::explain(id, &calls).is_err().then_some((id, calls))
        })
    }

    fn read(&mut self, when: When, id: ThreadId, deed: Deed) {
        let When { task, called, returned } = when;
        let call = Call { task, called, returned: Some(returned), deed };
        self.threads.entry(id).or_default().push(call);
    }
}

/// The threads a batch is about.
fn threads(batch: &WriteBatch) -> Vec<ThreadId> {
    let subjects = batch.subjects().into_iter();
    subjects
        .filter_map(|subject| match subject {
            Subject::Thread(id) => Some(id),
            Subject::Checkpoint(_) => None,
        })
        .collect()
}

/// The part of a batch, and of its answer, that is about one thread.
fn part(id: ThreadId, batch: &WriteBatch, answer: &Answer) -> (WriteBatch, Answer) {
    let mut own = WriteBatch::new();
    if let Some(name) = batch.id() {
        own = own.with_id(name);
    }
    let mut places = Vec::new();
    for (place, (change, expect)) in batch.changes().iter().enumerate() {
        if change.subject() == Subject::Thread(id) {
            places.push(place);
            own.push_if(*expect, change.clone());
        }
    }
    let answer = match answer {
        Answer::Done(outcomes) => Answer::Done(places.iter().map(|at| outcomes[*at]).collect()),
        other => other.clone(),
    };
    (own, answer)
}

/// What an expectation says after a change, in words.
fn condition(expect: Expect) -> String {
    match expect {
        Expect::Revision(revision) => format!(" if at revision {revision}"),
        Expect::Absent => " if absent".into(),
        _ => String::new(),
    }
}
