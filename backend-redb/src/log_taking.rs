//! Taking entries out of the logs, a step at a time: whole segments with their files, of the others
//! entries out of blocks.

use std::sync::Arc;
use std::time::Duration;

use threadkeep_core::{Error, Result};

use crate::blocks;
use crate::database::guarded;
use crate::doomed::{Doomed, DoomedNumbers, Extent, Taken};
use crate::errors::Failure;
use crate::log_writer::LogEngine;
use crate::segment::Segment;
use crate::tables::HEADS;

/// How far entries were taken out.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    /// Segments from this one on are left.
    segment: u64,
    /// What is left to do in the segment before that.
    part: Option<Part>,
}

#[derive(Debug)]
struct Part {
    segment: Arc<Segment>,
    doomed: DoomedNumbers,
    /// The blocks, the last first.
    left: Vec<u64>,
}

/// What becomes of a segment of which something is doomed.
enum Taking {
    /// So many entries went with its file, if any.
    Gone(u64),
    /// It is no longer the last, so that its file can be removed.
    Ended,
    Part(Part),
}

impl LogEngine {
    /// Takes out entries of one segment, for a few milliseconds, once the write lock is there.
    pub(crate) fn take_out(
        &mut self,
        doomed: &Doomed,
        progress: &mut Progress,
        wait: Duration,
    ) -> Result<Taken> {
        if progress.part.is_none() {
            let list = self.segments.list()?;
            let Some(first) = list.iter().copied().find(|first| *first >= progress.segment) else {
                return Ok(Taken { rows: 0, done: true });
            };
            // One that cannot be read is passed over if it is gone on after the error.
            progress.segment = first + 1;
            match self.begin_to_take(&list, first, doomed, wait)? {
                Taking::Gone(rows) => return Ok(Taken { rows, done: false }),
                Taking::Ended => progress.segment = first,
                Taking::Part(part) => progress.part = Some(part),
            }
        }
        let Some(part) = &mut progress.part else { return Ok(Taken::default()) };
        let segment = Arc::clone(&part.segment);
        let taken = segment.take_out(&mut self.turns, wait, &part.doomed, &mut part.left);
        if taken.is_err() || part.left.is_empty() {
            progress.part = None;
        }
        let rows = taken.map_err(|failure| failure.at(segment.database.path(), "prune"))?;
        if progress.part.is_none() {
            self.remove_empty(&segment).map_err(|error| error.after(rows))?;
        }
        Ok(Taken { rows, done: false })
    }

    /// Removes the file of a segment that nothing is left in, unless it is the last.
    fn remove_empty(&self, segment: &Segment) -> Result<()> {
        if self.segments.list()?.last() != Some(&segment.first) && segment.count()? == 0 {
            self.segments.remove(segment.first)?;
        }
        Ok(())
    }

    /// Removes the file of a segment if every entry in it is doomed, and ends the segment if it is
    /// the last; says what is to be taken out of it if only some are.
    fn begin_to_take(
        &mut self,
        list: &[u64],
        first: u64,
        doomed: &Doomed,
        wait: Duration,
    ) -> Result<Taking> {
        let next = list.iter().copied().find(|next| *next > first);
        if let (Doomed::Through(last), Some(next)) = (doomed, next)
            && *last >= next - 1
        {
            // What is damaged can go as well, though nobody knows how many entries that are.
            let rows = self.segments.get(first).and_then(|segment| match segment {
                Some(segment) => segment.count(),
                None => Ok(0),
            });
            return self.remove(first, rows.unwrap_or(0));
        }
        let Some(segment) = self.segments.get(first)? else { return Ok(Taking::Gone(0)) };
        let (doomed, Extent { blocks: left, whole }) = segment.extent(doomed)?;
        match whole {
            _ if left.is_empty() => Ok(Taking::Gone(0)),
            Some(rows) if next.is_some() => {
                drop(segment);
                self.remove(first, rows)
            }
            Some(_) => {
                let ended = self.end_doomed(&segment, &doomed, wait);
                if ended.map_err(|failure| failure.at(segment.database.path(), "prune"))? {
                    return Ok(Taking::Ended);
                }
                Ok(Taking::Part(Part { segment, doomed, left }))
            }
            None => Ok(Taking::Part(Part { segment, doomed, left })),
        }
    }

    fn remove(&self, first: u64, rows: u64) -> Result<Taking> {
        let gone = self.segments.remove(first).map_err(Error::maybe_applied)?;
        Ok(Taking::Gone(if gone { rows } else { 0 }))
    }

    /// Ends the last segment, if every entry in it is doomed still, and begins the next.
    fn end_doomed(
        &mut self,
        segment: &Segment,
        doomed: &DoomedNumbers,
        wait: Duration,
    ) -> Result<bool, Failure> {
        let database = &segment.database;
        let transaction = self.turns.begin(database, wait)?;
        let ended = guarded(|| {
            if doomed.covers_all(&transaction.open_table(HEADS)?)? {
                blocks::seal(&transaction, segment.first).map(Some)
            } else {
                Ok(None)
            }
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
}
