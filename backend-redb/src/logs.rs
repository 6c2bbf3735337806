//! Log entries. Reading creates no file; the first append does.

use std::future::poll_fn;
use std::path::Path;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use futures_executor::block_on;
use futures_timer::Delay;
use threadkeep_core::{
    Error, ErrorKind, LogEntry, LogFilter, LogIds, LogPage, LogQuery, LogStore, Pruned, Result,
    Retention, ThreadId,
};
use threadkeep_writer::{Writer, WriterOptions};

use crate::database::{self, Settings};
use crate::doomed::{Doomed, Taken};
use crate::log_taking::Progress;
use crate::log_writer::LogEngine;
use crate::open::OpenStore;
use crate::segments::Segments;
use crate::{RedbStore, errors};

/// The segments and, once it was needed, their writer.
pub(crate) struct Logs {
    pub(crate) segments: Arc<Segments>,
    writer_options: WriterOptions,
    retention: Retention,
    /// The writer waits for the write lock.
    waits: Arc<AtomicBool>,
    writer: Mutex<State>,
}

enum State {
    Idle,
    Writing(Arc<Writer<LogEngine>>),
    Closed,
}

impl Logs {
    pub(crate) fn beside(
        path: &Path,
        settings: Settings,
        writer_options: WriterOptions,
        retention: Retention,
    ) -> Self {
        let segments = Arc::new(Segments::beside(path, settings, retention.max_bytes));
        let writer = Mutex::new(State::Idle);
        Self { segments, writer_options, retention, waits: Arc::default(), writer }
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
                let engine = LogEngine::new(
                    Arc::clone(&self.segments),
                    Arc::clone(&self.waits),
                    self.segments.bell(),
                    self.retention,
                );
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
        let state = {
            let mut state = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *state, State::Closed)
        };
        if let State::Writing(writer) = state {
            block_on(writer.close());
        }
        self.segments.close()
    }

    /// Takes entries out step by step, so that appending goes on between them; each step waits so
    /// long for the write lock. Answers how many went, and whether none are left.
    ///
    /// Damaged segments are passed over, and are an error at the end.
    pub(crate) async fn take_out(
        &self,
        doomed: Doomed,
        wait: Duration,
        budget: Duration,
    ) -> Result<(u64, bool)> {
        let begun = Instant::now();
        let mut rows = 0;
        if self.segments.list()?.is_empty() {
            return Ok((0, true));
        }
        let writer = self.writer()?;
        let doomed = Arc::new(doomed);
        let mut progress = Progress::default();
        let mut damaged = None;
        loop {
            let doomed = Arc::clone(&doomed);
            let step = move |engine: &mut LogEngine| {
                (engine.take_out(&doomed, &mut progress, wait), progress)
            };
            // What went before is gone.
            let (taken, reached) = writer.run(step).await.map_err(|error| error.after(rows))?;
            progress = reached;
            let taken = match taken {
                Err(error) if error.kind() == ErrorKind::Corrupted => {
                    damaged = Some(damaged.unwrap_or(error));
                    Taken::default()
                }
                taken => taken.map_err(|error| error.after(rows))?,
            };
            rows += taken.rows;
            if taken.done || begun.elapsed() >= budget {
                return match damaged {
                    Some(error) => Err(error.after(rows)),
                    None => Ok((rows, taken.done)),
                };
            }
        }
    }
}

/// How long deleting a thread waits for its logs.
const PATIENCE: Duration = Duration::from_millis(50);

impl OpenStore {
    /// Deletes the log entries of deleted threads and notes that it is done; answers how many.
    pub(crate) async fn drop_logs(&self, threads: Vec<ThreadId>, wait: Duration) -> Result<u64> {
        let names = threads.iter().map(ThreadId::to_string).collect();
        let (rows, _) = self.logs.take_out(Doomed::Threads(names), wait, Duration::MAX).await?;
        self.writer()?.run(move |engine| engine.logs_dropped(&threads)).await??;
        Ok(rows)
    }

    /// The same, unless the logs are locked: what cannot be deleted now is left to `maintain`.
    pub(crate) async fn drop_logs_soon(&self, threads: Vec<ThreadId>) {
        let mut dropping = pin!(self.drop_logs(threads, PATIENCE));
        let mut patience = Delay::new(PATIENCE);
        let dropped = poll_fn(|context| {
            if let Poll::Ready(dropped) = dropping.as_mut().poll(context) {
                return Poll::Ready(dropped.err());
            }
            while Pin::new(&mut patience).poll(context).is_ready() {
                if self.logs.waits.load(Ordering::Acquire) {
                    return Poll::Ready(Some(Error::new(ErrorKind::Busy, "the logs are locked")));
                }
                patience.reset(PATIENCE);
            }
            Poll::Pending
        });
        if let Some(error) = dropped.await {
            tracing::debug!(%error, "logs of deleted threads are left for maintenance");
        }
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
        store.logs.writer()?.submit(entries).await
    }

    async fn query(&self, query: LogQuery) -> Result<LogPage> {
        query.validate()?;
        self.read_logs(move |logs| logs.query(&query)).await
    }

    async fn max_log_id(&self, filter: LogFilter) -> Result<u64> {
        self.read_logs(move |logs| logs.max_id(&filter)).await
    }

    async fn prune(&self, retention: Retention, budget: Duration) -> Result<Pruned> {
        self.store()?.writer()?;
        Ok(Pruned::rows(self.keep_to(retention, budget).await?.0))
    }

    async fn changed(&self, after: u64, wait: Duration) -> Result<()> {
        self.store()?;
        self.handle.bell.wait(after, wait).await
    }
}
