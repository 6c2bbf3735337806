//! Keeping the logs exactly to a retention.

use std::sync::Arc;
use std::time::{Duration, Instant};

use threadkeep_core::{Result, Retention, Thrift};

use crate::RedbStore;
use crate::doomed::Doomed;
use crate::keep::Look;
use crate::log_writer::LogEngine;
use crate::logs::Logs;

/// Of the room that one file is to have, the part that entries may fill: the rest is for pages that
/// are not full.
const ROOM: f64 = 0.8;

impl RedbStore {
    /// Keeps the logs exactly to this. Answers how many entries went, and whether nothing is left
    /// to do.
    pub(crate) async fn keep_to(
        &self,
        retention: Retention,
        budget: Duration,
    ) -> Result<(u64, bool)> {
        let begun = Instant::now();
        let left = || budget.saturating_sub(begun.elapsed());
        let logs = &self.store()?.logs;
        let wait = logs.segments.settings().deadline;
        let (mut rows, mut done) = (0, true);
        let mut add = |taken: Result<(u64, bool)>| {
            let (gone, all) = taken.map_err(|error| error.after(rows))?;
            rows += gone;
            done &= all;
            Result::Ok(())
        };
        if let Some(before) = retention.oldest() {
            let before = (before.timestamp(), before.timestamp_subsec_nanos());
            add(logs.take_out(Doomed::Before(before), wait, budget).await)?;
        }
        if retention.limits_threads() {
            let mut look = Look::new(retention, Thrift::Exact);
            let looked = self.read_logs(move |logs| {
                let until = Instant::now() + Duration::from_hours(1);
                look.go_on(&logs.segments, until)
            });
            match looked.await {
                Ok(Some(doomed)) => add(logs.take_out(doomed, wait, left()).await)?,
                Ok(None) => {}
                Err(error) => add(Err(error))?,
            }
        }
        if let Some(bytes) = retention.max_bytes {
            add(logs.keep_newest(bytes, left()).await)?;
        }
        Ok((rows, done))
    }
}

impl Logs {
    /// Takes the oldest entries out until the files have at most so many bytes: whole segments, and
    /// of the last, where that alone is too large, blocks, after which it is compacted. Answers how
    /// many went, and whether nothing more can be done.
    async fn keep_newest(&self, max_bytes: u64, budget: Duration) -> Result<(u64, bool)> {
        let mut rows = 0;
        let kept = self.take_surplus(max_bytes, budget, &mut rows).await;
        let done = kept.map_err(|error| error.after(rows))?;
        Ok((rows, done))
    }

    async fn take_surplus(&self, max_bytes: u64, budget: Duration, rows: &mut u64) -> Result<bool> {
        let begun = Instant::now();
        let wait = self.segments.settings().deadline;
        loop {
            let left = budget.saturating_sub(begun.elapsed());
            let firsts = self.segments.list()?;
            let bytes = self.segments.all_bytes()?;
            if bytes <= max_bytes {
                return Ok(true);
            }
            if left.is_zero() && *rows > 0 {
                return Ok(false);
            }
            // The number before the second segment is the last of the first.
            if let Some(second) = firsts.get(1) {
                let taken = self.take_out(Doomed::Through(second - 1), wait, left).await?;
                *rows += taken.0;
                continue;
            }
            let Some(first) = firsts.first().copied() else { return Ok(true) };
            #[allow(clippy::cast_precision_loss, reason = "a part of a file need not be exact")]
            let part = max_bytes as f64 / bytes as f64;
            let (segments, writer) = (Arc::clone(&self.segments), self.writer()?);
            let look = move |_: &mut LogEngine| {
                let segment = segments.get(first)?;
                segment.map_or(Ok(None), |segment| segment.last_of_surplus(part * ROOM))
            };
            let surplus = writer.run(look).await??;
            if let Some(last) = surplus {
                *rows += self.take_out(Doomed::Through(last), wait, left).await?.0;
            }
            let segments = Arc::clone(&self.segments);
            let compact = move |_: &mut LogEngine| match segments.get(first)? {
                Some(segment) => segment
                    .database
                    .compact()
                    .map(drop)
                    .map_err(|failure| failure.at(segment.database.path(), "prune")),
                None => Ok(()),
            };
            writer.run(compact).await??;
            // An empty file has a size too.
            if surplus.is_none() || self.segments.all_bytes()? >= bytes {
                return Ok(true);
            }
        }
    }
}
