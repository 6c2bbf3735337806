//! The write side of the logs.

use std::sync::Arc;
use std::time::{Duration, Instant};

use redb::{ReadableTable as _, WriteTransaction};
use threadkeep_core::{Error, LogEntry, LogIds, Result};
use threadkeep_migrations::kv;
use threadkeep_writer::Engine;

use crate::database::guarded;
use crate::doomed::{Doomed, Extent, Taken};
use crate::errors::{self, Failure};
use crate::segment::{self, Segment};
use crate::segments::{SEGMENT_BYTES, Segments};
use crate::tables::STATE;
use crate::turns::Turns;

/// Appends entries, and takes some out. Lives on the writer's thread, which it may block.
pub(crate) struct LogEngine {
    segments: Arc<Segments>,
    current: Option<(Arc<Segment>, WriteTransaction)>,
    turns: Turns,
}

/// How far entries were taken out.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Progress {
    /// Segments from this one on are left.
    segment: u64,
    /// Blocks after this one are left of it.
    block: Option<u64>,
}

impl LogEngine {
    pub(crate) fn new(segments: Arc<Segments>) -> Self {
        Self { segments, current: None, turns: Turns::default() }
    }

    /// Takes out entries of one segment, for a few milliseconds.
    pub(crate) fn take_out(&mut self, doomed: &Doomed, progress: &mut Progress) -> Result<Taken> {
        let list = self.segments.list()?;
        let Some(first) = list.iter().copied().find(|first| *first >= progress.segment) else {
            return Ok(Taken { rows: 0, done: true });
        };
        let next = Progress { segment: first + 1, block: None };
        let Some(segment) = self.segments.get(first)? else {
            *progress = next;
            return Ok(Taken::default());
        };
        let failed = |failure: Failure| failure.at(segment.database.path(), "prune");
        let is_last = list.last() == Some(&first);
        let taken = match segment.extent(doomed)? {
            Extent::Nothing => Taken { rows: 0, done: true },
            Extent::Whole(rows) if !is_last => {
                drop(segment);
                let gone = self.segments.remove(first).map_err(Error::maybe_applied)?;
                Taken { rows: if gone { rows } else { 0 }, done: true }
            }
            Extent::Whole(_) if self.seal_doomed(&segment, doomed).map_err(failed)? => {
                // It is no longer the last, so that the next step removes its file.
                return Ok(Taken::default());
            }
            Extent::Part | Extent::Whole(_) => {
                let taken = segment.take_out(&mut self.turns, doomed, &mut progress.block);
                taken.map_err(|failure| failure.at(segment.database.path(), "prune"))?
            }
        };
        if taken.done {
            *progress = next;
        }
        Ok(Taken { done: false, ..taken })
    }

    /// Ends the last segment, if every entry in it is doomed still, and begins the next.
    fn seal_doomed(&mut self, segment: &Segment, doomed: &Doomed) -> Result<bool, Failure> {
        let database = &segment.database;
        let transaction = self.turns.begin(database, database.settings().deadline)?;
        let ended = guarded(|| match Segment::extent_in(&transaction, doomed)? {
            Extent::Whole(_) => segment::seal(&transaction, segment.first).map(Some),
            Extent::Nothing | Extent::Part => Ok(None),
        });
        let next = match ended {
            Ok(Some(next)) => {
                database.commit(transaction)?;
                next
            }
            Ok(None) => {
                database.abort(transaction);
                return Ok(false);
            }
            Err(failure) => {
                database.abort(transaction);
                return Err(database.note(failure));
            }
        };
        self.turns.end();
        self.segments.get_or_create(next)?;
        Ok(true)
    }

    /// Begins a transaction on the last segment, the next one where that is full.
    fn begin_on_last(&mut self, wait: Duration) -> Result<()> {
        let begun = Instant::now();
        loop {
            let first = self.segments.list()?.last().copied().unwrap_or(1);
            let segment = self.segments.get_or_create(first)?;
            let failed = |failure: Failure| failure.at(segment.database.path(), "append");
            let left = wait.saturating_sub(begun.elapsed());
            let transaction = self.turns.begin(&segment.database, left).map_err(failed)?;
            let is_full = self.segments.bytes(first)?.is_some_and(|bytes| bytes >= SEGMENT_BYTES);
            let ended = guarded(|| {
                if segment::is_sealed(&transaction)? {
                    let state = transaction.open_table(STATE)?;
                    let next = state.get(kv::NEXT_ID)?.map(|next| next.value());
                    return Ok(next);
                }
                if is_full { segment::seal(&transaction, first).map(Some) } else { Ok(None) }
            });
            match ended {
                Ok(None) => {
                    self.current = Some((segment, transaction));
                    return Ok(());
                }
                Ok(Some(next)) => {
                    segment.database.commit(transaction).map_err(failed)?;
                    self.segments.get_or_create(next)?;
                }
                Err(failure) => {
                    segment.database.abort(transaction);
                    return Err(failed(segment.database.note(failure)));
                }
            }
        }
    }
}

impl Engine for LogEngine {
    type Job = Vec<LogEntry>;
    type Answer = Option<LogIds>;

    fn size(job: &Vec<LogEntry>) -> usize {
        job.iter().map(|entry| 200 + entry.message.as_ref().map_or(0, String::len)).sum()
    }

    fn begin(&mut self, wait: Duration) -> Result<()> {
        self.begin_on_last(wait)
    }

    fn apply(&mut self, jobs: Vec<Vec<LogEntry>>) -> Result<Vec<Result<Option<LogIds>>>> {
        let Some((segment, transaction)) = &self.current else {
            return Err(errors::closed());
        };
        let sizes: Vec<_> = jobs.iter().map(|job| job.len() as u64).collect();
        let entries: Vec<_> = jobs.into_iter().flatten().collect();
        let appended = guarded(|| segment.append(transaction, &entries)).map_err(|failure| {
            segment.database.note(failure).at(segment.database.path(), "append")
        });
        let mut first = appended?;
        let ids = sizes.into_iter().map(|size| {
            let ids = (size > 0).then(|| LogIds { first, last: first + size - 1 });
            first += size;
            Ok(ids)
        });
        Ok(ids.collect())
    }

    fn commit(&mut self) -> Result<()> {
        self.turns.end();
        let Some((segment, transaction)) = self.current.take() else {
            return Err(errors::closed());
        };
        segment.database.commit(transaction).map_err(|failure| {
            segment.forget();
            failure.at(segment.database.path(), "commit")
        })
    }

    fn rollback(&mut self) {
        if let Some((segment, transaction)) = self.current.take() {
            segment.database.abort(transaction);
            segment.forget();
        }
    }
}
