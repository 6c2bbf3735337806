//! The write side of the logs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use redb::{ReadableTable as _, WriteTransaction};
use threadkeep_core::{Error, ErrorKind, LogBell, LogEntry, LogIds, Result, Retention};
use threadkeep_migrations::kv;
use threadkeep_writer::Engine;

use crate::blocks;
use crate::database::guarded;
use crate::doomed::Doomed;
use crate::errors::{self, Failure};
use crate::keep::{Keeper, Task};
use crate::log_taking::Progress;
use crate::segment::Segment;
use crate::segments::Segments;
use crate::space::GivenBack;
use crate::tables::STATE;
use crate::turns::Turns;

/// How long upkeep waits for the write lock.
const UPKEEP_WAIT: Duration = Duration::from_millis(10);
/// How long upkeep rests after it came to nothing.
const UPKEEP_REST: Duration = Duration::from_secs(1);

/// Appends entries, and takes some out. Lives on the writer's thread, which it may block.
pub(crate) struct LogEngine {
    pub(crate) segments: Arc<Segments>,
    /// It waits for the write lock, as far as others need to know.
    waits: Arc<AtomicBool>,
    bell: LogBell,
    current: Option<(Arc<Segment>, WriteTransaction)>,
    pub(crate) turns: Turns,
    /// The greatest number that was given out here, and in the current transaction.
    last_id: u64,
    given: u64,
    keeper: Keeper,
    upkeep: Option<(Doomed, Progress)>,
    given_back: GivenBack,
}

impl LogEngine {
    pub(crate) fn new(
        segments: Arc<Segments>,
        waits: Arc<AtomicBool>,
        bell: LogBell,
        retention: Retention,
    ) -> Self {
        Self {
            segments,
            waits,
            bell,
            current: None,
            turns: Turns::default(),
            last_id: 0,
            given: 0,
            keeper: Keeper::new(retention),
            upkeep: None,
            given_back: GivenBack::default(),
        }
    }

    /// Begins a transaction on the last segment, the next one where that is full, or a new one
    /// where that is damaged or has gone.
    fn begin_on_last(&mut self, wait: Duration) -> Result<()> {
        let begun = Instant::now();
        loop {
            let listed = self.segments.list()?.last().copied();
            let first = listed.unwrap_or(self.last_id + 1);
            let left = wait.saturating_sub(begun.elapsed());
            match self.begin_on(first, left) {
                Ok(true) => return Ok(()),
                Ok(false) => {}
                Err(error) if error.kind() == ErrorKind::Corrupted && listed.is_some() => {
                    let left = wait.saturating_sub(begun.elapsed());
                    self.leave_damaged(first, left, error)?;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Begins a transaction on this segment; `false` where it is not the one to append to, and
    /// another is there now.
    fn begin_on(&mut self, first: u64, wait: Duration) -> Result<bool> {
        let segment = self.segments.get_or_create(first)?;
        let failed = |failure: Failure| failure.at(segment.database.path(), "append");
        let transaction = self.turns.begin(&segment.database, wait).map_err(failed)?;
        let is_full = match self.segments.is_full(&segment) {
            Ok(Some(is_full)) => is_full,
            gone => {
                segment.database.abort(transaction);
                // Its file was deleted, or moved aside.
                self.segments.forget(first);
                return gone.map(|_| false);
            }
        };
        let ended = guarded(|| {
            if blocks::is_sealed(&transaction)? {
                let state = transaction.open_table(STATE)?;
                let next = state.get(kv::NEXT_ID)?.map(|next| next.value());
                return Ok(next);
            }
            if is_full { blocks::seal(&transaction, first).map(Some) } else { Ok(None) }
        });
        match ended {
            Ok(None) => {
                self.current = Some((segment, transaction));
                Ok(true)
            }
            Ok(Some(next)) => {
                segment.database.commit(transaction).map_err(failed)?;
                // Files grow by much at a time, and nothing will fill this one any more.
                segment.database.let_go();
                self.segments.get_or_create(next)?;
                if let Err(error) = self.shed() {
                    tracing::debug!(%error, "the oldest log segments go later");
                }
                Ok(false)
            }
            Err(failure) => {
                segment.database.abort(transaction);
                Err(failed(segment.database.note(failure)))
            }
        }
    }

    /// Removes the oldest segments, if all have more bytes than they may: so that they do not have
    /// much more, however fast they are written to.
    fn shed(&self) -> Result<()> {
        let Some(through) = self.keeper.surplus(&self.segments)? else { return Ok(()) };
        let firsts = self.segments.list()?;
        for (first, next) in firsts.iter().zip(firsts.iter().skip(1)) {
            if next - 1 <= through {
                self.segments.remove(*first)?;
            }
        }
        Ok(())
    }

    /// Begins another segment, where this one turns out to be damaged when it is opened anew.
    fn leave_damaged(&mut self, first: u64, wait: Duration, error: Error) -> Result<()> {
        self.segments.forget(first);
        let looked = self.segments.get_or_create(first).and_then(|segment| {
            let begun = self.turns.begin(&segment.database, wait);
            let looked = begun.and_then(|transaction| {
                let looked = guarded(|| blocks::look_at_end(&transaction, first));
                segment.database.abort(transaction);
                looked
            });
            looked.map_err(|failure| failure.at(segment.database.path(), "append"))
        });
        match looked {
            Err(found) if found.kind() == ErrorKind::Corrupted => {
                self.segments.forget(first);
                self.segments.begin_after_damaged(first)
            }
            Err(other) => Err(other),
            Ok(()) => Err(error),
        }
    }

    /// Appends in the current transaction, and answers the first number.
    fn append(&mut self, entries: &[LogEntry]) -> Result<u64> {
        let Some((segment, transaction)) = &self.current else {
            return Err(errors::closed());
        };
        guarded(|| segment.append(transaction, entries))
            .map_err(|failure| segment.database.note(failure).at(segment.database.path(), "append"))
    }

    /// Does a bit of what the retention asks for.
    fn keep(&mut self) -> Result<Task> {
        let Some((doomed, mut progress)) = self.upkeep.take() else {
            let task = self.keeper.next(&self.segments)?;
            return Ok(match task {
                Task::TakeOut(doomed) => {
                    self.upkeep = Some((doomed, Progress::default()));
                    Task::Again
                }
                // The next look finds the next.
                Task::Done if self.given_back.next(&self.segments)? => Task::Rest(UPKEEP_REST),
                task => task,
            });
        };
        match self.take_out(&doomed, &mut progress, UPKEEP_WAIT) {
            Ok(taken) if taken.done => {}
            Ok(_) => self.upkeep = Some((doomed, progress)),
            // The others can be kept to it all the same.
            Err(error) if error.kind() == ErrorKind::Corrupted => {
                tracing::debug!(%error, "a damaged log segment is left as it is");
                self.upkeep = Some((doomed, progress));
            }
            Err(error) => return Err(error),
        }
        Ok(Task::Again)
    }
}

impl Engine for LogEngine {
    type Job = Vec<LogEntry>;
    type Answer = Option<LogIds>;

    fn size(job: &Vec<LogEntry>) -> usize {
        job.iter().map(|entry| 200 + entry.message.as_ref().map_or(0, String::len)).sum()
    }

    fn begin(&mut self, wait: Duration) -> Result<()> {
        self.waits.store(true, Ordering::Release);
        let begun = self.begin_on_last(wait);
        self.waits.store(false, Ordering::Release);
        begun
    }

    fn apply(&mut self, jobs: Vec<Vec<LogEntry>>) -> Result<Vec<Result<Option<LogIds>>>> {
        let sizes: Vec<_> = jobs.iter().map(|job| job.len() as u64).collect();
        let entries: Vec<_> = jobs.into_iter().flatten().collect();
        let mut appended = self.append(&entries);
        if let Err(error) = appended {
            let damaged = self.current.as_ref().map(|(segment, _)| segment.first);
            let Some(damaged) = damaged.filter(|_| error.kind() == ErrorKind::Corrupted) else {
                return Err(error);
            };
            self.rollback();
            self.leave_damaged(damaged, self.segments.settings().deadline, error)?;
            self.begin(self.segments.settings().deadline)?;
            appended = self.append(&entries);
        }
        let mut first = appended?;
        let ids = sizes.into_iter().map(|size| {
            let ids = (size > 0).then(|| LogIds { first, last: first + size - 1 });
            first += size;
            Ok(ids)
        });
        let ids = ids.collect();
        self.given = first - 1;
        Ok(ids)
    }

    fn commit(&mut self) -> Result<()> {
        self.turns.end();
        let Some((segment, transaction)) = self.current.take() else {
            return Err(errors::closed());
        };
        segment.database.commit(transaction).map_err(|failure| {
            segment.forget();
            failure.at(segment.database.path(), "commit")
        })?;
        self.last_id = self.given;
        self.bell.ring(self.last_id);
        Ok(())
    }

    fn rollback(&mut self) {
        if let Some((segment, transaction)) = self.current.take() {
            segment.database.abort(transaction);
            segment.forget();
        }
    }

    fn upkeep(&mut self) -> Option<Duration> {
        if !self.keeper.is_needed() {
            return None;
        }
        match self.keep() {
            Ok(Task::Rest(rest)) => Some(rest),
            Ok(Task::Done) => None,
            Ok(Task::Again | Task::TakeOut(_)) => Some(Duration::ZERO),
            Err(error) => {
                tracing::debug!(%error, "the logs are kept to their retention later");
                self.upkeep = None;
                Some(UPKEEP_REST)
            }
        }
    }
}
