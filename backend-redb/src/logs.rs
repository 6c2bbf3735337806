//! Log entries. Reading creates no file; the first append does.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use futures_executor::block_on;
use threadkeep_core::{
    Direction, LogBell, LogEntry, LogFilter, LogIds, LogPage, LogQuery, LogRow, LogStore, Pruned,
    Result, Retention, ThreadId,
};
use threadkeep_writer::{Writer, WriterOptions};

use crate::database::{self, Settings};
use crate::doomed::Doomed;
use crate::log_writer::{LogEngine, Progress};
use crate::open::OpenStore;
use crate::segments::Segments;
use crate::{RedbStore, errors, log_reader};

/// Of the room that one file is to have, the part that entries may fill: the rest is for pages that
/// are not full.
const ROOM: f64 = 0.8;

/// The segments and, once it was needed, their writer.
pub(crate) struct Logs {
    pub(crate) segments: Arc<Segments>,
    writer_options: WriterOptions,
    writer: Mutex<State>,
    pub(crate) bell: LogBell,
}

enum State {
    Idle,
    Writing(Arc<Writer<LogEngine>>),
    Closed,
}

impl Logs {
    pub(crate) fn beside(path: &Path, settings: Settings, writer_options: WriterOptions) -> Self {
        let segments = Arc::new(Segments::beside(path, settings));
        Self { segments, writer_options, writer: Mutex::new(State::Idle), bell: LogBell::new() }
    }

    /// The writer, which opens nothing before it is given something to do.
    pub(crate) fn writer(&self) -> Result<Arc<Writer<LogEngine>>> {
        let mut state = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        match &*state {
            State::Closed => Err(errors::closed()),
            State::Writing(writer) => Ok(Arc::clone(writer)),
            State::Idle if self.segments.settings().read_only => {
                Err(database::read_only(self.segments.folder()))
            }
            State::Idle => {
                let engine = LogEngine::new(Arc::clone(&self.segments));
                let writer = Writer::spawn("threadkeep-logs", engine, self.writer_options)?;
                let writer = Arc::new(writer);
                *state = State::Writing(Arc::clone(&writer));
                Ok(writer)
            }
        }
    }

    pub(crate) async fn flush(&self) -> Result<()> {
        let writer = match &*self.writer.lock().unwrap_or_else(PoisonError::into_inner) {
            State::Writing(writer) => Arc::clone(writer),
            State::Idle => return Ok(()),
            State::Closed => return Err(errors::closed()),
        };
        writer.run(|_| ()).await
    }

    pub(crate) fn close(&self) -> Result<()> {
        self.bell.close();
        let state = {
            let mut state = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *state, State::Closed)
        };
        if let State::Writing(writer) = state {
            block_on(writer.close());
        }
        self.segments.close()
    }

    /// Takes entries out step by step, so that appending goes on between them. Answers how many
    /// went, and whether none are left.
    pub(crate) async fn take_out(&self, doomed: Doomed, budget: Duration) -> Result<(u64, bool)> {
        let begun = Instant::now();
        let mut rows = 0;
        if self.segments.list()?.is_empty() {
            return Ok((0, true));
        }
        let writer = self.writer()?;
        let doomed = Arc::new(doomed);
        let mut progress = Progress::default();
        loop {
            let doomed = Arc::clone(&doomed);
            let step = move |engine: &mut LogEngine| {
                let mut progress = progress;
                engine.take_out(&doomed, &mut progress).map(|taken| (taken, progress))
            };
            let stepped = writer.run(step).await.and_then(|stepped| stepped);
            // What went before is gone.
            let (taken, reached) = stepped.map_err(|error| error.after(rows))?;
            progress = reached;
            rows += taken.rows;
            if taken.done || begun.elapsed() >= budget {
                return Ok((rows, taken.done));
            }
        }
    }

    /// Takes the oldest entries out until the files have at most so many bytes: whole segments, and
    /// of the last, where that alone is too large, blocks, after which it is compacted.
    async fn keep_newest(&self, max_bytes: u64, budget: Duration) -> Result<u64> {
        let mut rows = 0;
        let kept = self.take_surplus(max_bytes, budget, &mut rows).await;
        kept.map_err(|error| error.after(rows))?;
        Ok(rows)
    }

    async fn take_surplus(&self, max_bytes: u64, budget: Duration, rows: &mut u64) -> Result<()> {
        let begun = Instant::now();
        loop {
            let left = budget.saturating_sub(begun.elapsed());
            let firsts = self.segments.list()?;
            let bytes = self.segments.all_bytes()?;
            if bytes <= max_bytes || left.is_zero() {
                return Ok(());
            }
            // The number before the second segment is the last of the first.
            if let Some(second) = firsts.get(1) {
                *rows += self.take_out(Doomed::Through(second - 1), left).await?.0;
                continue;
            }
            let Some(segment) =
                firsts.first().map_or(Ok(None), |first| self.segments.get(*first))?
            else {
                return Ok(());
            };
            #[allow(clippy::cast_precision_loss, reason = "a part of a file need not be exact")]
            let part = max_bytes as f64 / bytes as f64;
            let surplus = segment.last_of_surplus(part * ROOM)?;
            if let Some(last) = surplus {
                *rows += self.take_out(Doomed::Through(last), left).await?.0;
            }
            let compacted = self.writer()?.run(move |_| segment.database.compact()).await?;
            compacted.map_err(|failure| failure.at(self.segments.folder(), "prune"))?;
            // An empty file has a size too.
            if surplus.is_none() || self.segments.all_bytes()? >= bytes {
                return Ok(());
            }
        }
    }

    fn query(&self, query: &LogQuery) -> Result<LogPage> {
        // One more than asked for tells whether there are more.
        let wanted = query.limit + 1;
        let mut items = Vec::new();
        self.scan(&query.filter, query.direction, wanted, "query", &mut items)?;
        let more = items.len() > query.limit;
        items.truncate(query.limit);
        Ok(LogPage { items, more, deleted_through: 0 })
    }

    fn max_id(&self, filter: &LogFilter) -> Result<u64> {
        let mut items = Vec::new();
        self.scan(filter, Direction::Descending, 1, "max_log_id", &mut items)?;
        Ok(items.first().map_or(0, |row| row.id))
    }

    fn scan(
        &self,
        filter: &LogFilter,
        direction: Direction,
        wanted: usize,
        operation: &'static str,
        found: &mut Vec<LogRow>,
    ) -> Result<()> {
        let firsts = self.segments.list()?;
        let ends = firsts.iter().skip(1).copied().chain([u64::MAX]);
        let mut wanted_segments: Vec<_> = firsts
            .iter()
            .copied()
            .zip(ends)
            .filter(|(first, end)| {
                filter.before_id.is_none_or(|before| *first < before)
                    && filter.after_id.is_none_or(|after| after < end.saturating_sub(1))
            })
            .map(|(first, _)| first)
            .collect();
        if direction == Direction::Descending {
            wanted_segments.reverse();
        }
        for first in wanted_segments {
            let Some(segment) = self.segments.get(first)? else { continue };
            segment.database.read(operation, |transaction| {
                log_reader::collect(transaction, filter, direction, wanted, found)
            })?;
            if found.len() >= wanted {
                break;
            }
        }
        Ok(())
    }
}

impl OpenStore {
    /// Deletes the log entries of deleted threads and notes that it is done; answers how many.
    pub(crate) async fn drop_logs(&self, threads: Vec<ThreadId>) -> Result<u64> {
        let names = threads.iter().map(ThreadId::to_string).collect();
        let (rows, _) = self.logs.take_out(Doomed::Threads(names), Duration::MAX).await?;
        self.writer()?.run(move |engine| engine.logs_dropped(&threads)).await??;
        Ok(rows)
    }
}

#[async_trait]
impl LogStore for RedbStore {
    async fn append(&self, entries: Vec<LogEntry>) -> Result<Option<LogIds>> {
        let entries: Vec<_> = entries.into_iter().map(LogEntry::prepare).collect::<Result<_>>()?;
        let store = self.store()?;
        if entries.is_empty() {
            return Ok(None);
        }
        let ids = store.logs.writer()?.submit(entries).await?;
        if let Some(ids) = ids {
            store.logs.bell.ring(ids.last);
        }
        Ok(ids)
    }

    async fn query(&self, query: LogQuery) -> Result<LogPage> {
        query.validate()?;
        self.read(move |store| store.logs.query(&query)).await
    }

    async fn max_log_id(&self, filter: LogFilter) -> Result<u64> {
        self.read(move |store| store.logs.max_id(&filter)).await
    }

    async fn prune(&self, retention: Retention, budget: Duration) -> Result<Pruned> {
        let begun = Instant::now();
        let store = self.store()?;
        let mut rows = 0;
        if let Some(before) = retention.before {
            let before = (before.timestamp(), before.timestamp_subsec_nanos());
            rows += store.logs.take_out(Doomed::Before(before), budget).await?.0;
        }
        if let Some(bytes) = retention.max_bytes {
            let left = budget.saturating_sub(begun.elapsed());
            let kept = store.logs.keep_newest(bytes, left).await;
            rows += kept.map_err(|error| error.after(rows))?;
        }
        Ok(Pruned::rows(rows))
    }

    async fn changed(&self, after: u64, wait: Duration) -> Result<()> {
        self.store()?.logs.bell.wait(after, wait).await
    }
}
