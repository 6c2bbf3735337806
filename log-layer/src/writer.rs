//! The thread that writes: gathers entries and hands them to the store.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use futures_util::future::{Either, select};
use threadkeep_core::{Applied, Error, ErrorKind, LogEntry, LogStore, Result, Retry};
use tokio::runtime::{Builder, Runtime};

use crate::control::Control;
use crate::entries::Entries;
use crate::layer::this_thread_writes;
use crate::losses::{Losses, queue_full};
use crate::queue::{Fate, Queued, Shared};

/// The shortest wait before a store is asked again.
const SHORTEST_PAUSE: Duration = Duration::from_millis(10);
/// How often it is looked whether those who still format an entry are done, when closing.
const CLOSING_POLL: Duration = Duration::from_millis(1);

/// When a batch is written, and how long a store that refuses is asked again.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    pub(crate) batch: usize,
    pub(crate) interval: Duration,
    pub(crate) retry_for: Duration,
}

pub(crate) struct Writer {
    pub(crate) store: Box<dyn LogStore>,
    pub(crate) receiver: Receiver<Queued>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) control: Arc<Control>,
    pub(crate) entries: Entries,
    pub(crate) pace: Pace,
}

/// What came of handing entries to the store.
enum Appended {
    Yes,
    No(Error),
    Perhaps(String),
}

/// Says that the thread has ended, however it did.
struct Ending(Arc<Control>);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.ended();
    }
}

impl Writer {
    /// Starts the thread.
    ///
    /// # Errors
    ///
    /// [`Io`](ErrorKind::Io) where the system gives no thread, or nothing to wait with.
    pub(crate) fn spawn(self) -> Result<JoinHandle<()>> {
        let failed = |error: std::io::Error| {
            Error::new(ErrorKind::Io, "the thread that writes logs did not start")
                .hint("raise the limits of this process on threads and open files")
                .with_source(error)
        };
        // Stores may need a runtime. One of our own runs whatever becomes of the caller's.
        let runtime = Builder::new_current_thread().enable_all().build().map_err(failed)?;
        std::thread::Builder::new()
            .name("threadkeep-log".into())
            .spawn(move || {
                let _ending = Ending(Arc::clone(&self.control));
                this_thread_writes();
                self.run(runtime);
            })
            .map_err(failed)
    }

    fn run(self, runtime: Runtime) {
        let mut turn = Turn {
            writer: self,
            runtime,
            batch: Vec::new(),
            since: None,
            losses: Losses::default(),
            has_news: false,
        };
        turn.serve();
        let Turn { writer, runtime, batch, .. } = turn;
        // What is left counts as lost by closing.
        drop((batch, writer));
        // A store's own work on it may take longer than there is time.
        runtime.shutdown_background();
    }
}

/// The writer at work.
struct Turn {
    writer: Writer,
    runtime: Runtime,
    batch: Vec<Queued>,
    /// When the first entry of the batch was found.
    since: Option<Instant>,
    losses: Losses,
    /// Whether there are losses that telling of was not tried yet.
    has_news: bool,
}

impl Turn {
    fn serve(&mut self) {
        loop {
            let orders = self.writer.control.orders();
            if orders.flushes || orders.end_by.is_some() {
                self.drain();
                self.writer.control.obeyed(orders);
                if orders.end_by.is_some() {
                    return;
                }
                // Others may have come meanwhile, the end among them.
                continue;
            }
            self.receive();
            if self.is_due() {
                self.write();
            } else {
                self.sleep();
            }
        }
    }

    /// Takes what waits into the batch, as far as it has room.
    fn receive(&mut self) {
        while self.batch.len() < self.writer.pace.batch
            && let Ok(queued) = self.writer.receiver.try_recv()
        {
            self.since.get_or_insert_with(Instant::now);
            self.batch.push(queued);
        }
        if self.batch.is_empty() {
            // Nobody came after the gap who would tell of it.
            self.losses.queue_full += self.news(self.writer.shared.take_gap());
        }
        self.losses.panicked += self.news(self.writer.shared.take_panics());
    }

    fn news(&mut self, entries: u64) -> u64 {
        self.has_news |= entries > 0;
        entries
    }

    fn is_due(&self) -> bool {
        self.has_news
            || self.batch.len() >= self.writer.pace.batch
            || self.since.is_some_and(|since| since.elapsed() >= self.writer.pace.interval)
    }

    /// Waits for enough entries, for the end of the interval, or for orders.
    fn sleep(&mut self) {
        let wake_at = if self.since.is_some() { self.writer.pace.batch } else { 1 };
        self.writer.shared.wake_at(wake_at);
        let before = self.batch.len();
        self.receive();
        if self.batch.len() > before || self.has_news {
            return;
        }
        match self.since {
            Some(since) => {
                let left = self.writer.pace.interval.saturating_sub(since.elapsed());
                std::thread::park_timeout(left);
            }
            None => std::thread::park(),
        }
    }

    /// Writes what waits now; at the end, all that comes until nobody has a place any more.
    fn drain(&mut self) {
        let mut left = self.writer.shared.held();
        loop {
            // The end may be asked for in the middle of a flush.
            let end_by = self.writer.control.orders().end_by;
            if end_by.is_some_and(|by| Instant::now() >= by) {
                return self.batch.clear();
            }
            self.receive();
            let taken = self.batch.len();
            if taken > 0 || self.has_news {
                self.write();
            } else if end_by.is_some() && self.writer.shared.held() > 0 {
                std::thread::park_timeout(CLOSING_POLL);
            } else {
                return;
            }
            left = left.saturating_sub(taken);
            if left == 0 && end_by.is_none() {
                return;
            }
        }
    }

    /// Writes the batch, and what is to be said of losses. A store that refuses for a while is
    /// asked again; one that failed in the middle is not, because entries would come twice.
    fn write(&mut self) {
        let mut batch = std::mem::take(&mut self.batch);
        self.since = None;
        let begun = Instant::now();
        loop {
            self.has_news = false;
            let told = std::mem::take(&mut self.losses);
            let entries = self.entries(&mut batch, &told);
            let count = batch.len() as u64;
            let appended = if entries.is_empty() { Appended::Yes } else { self.append(entries) };
            if !matches!(appended, Appended::Yes) {
                self.losses.merge(&told);
            }
            match appended {
                Appended::Yes => return settle(batch, Fate::Written),
                Appended::No(error) => {
                    if self.waits(&error, begun) {
                        continue;
                    }
                    self.losses.queue_full += gaps(&batch);
                    self.losses.refused(count, &error);
                    return settle(batch, Fate::Refused);
                }
                Appended::Perhaps(why) => {
                    self.losses.queue_full += gaps(&batch);
                    self.losses.uncertain(count, &why);
                    return settle(batch, Fate::Uncertain);
                }
            }
        }
    }

    /// The entries of the batch and those that tell of losses, each where it belongs. A record of
    /// which none can be made leaves the batch.
    fn entries(&mut self, batch: &mut Vec<Queued>, told: &Losses) -> Vec<LogEntry> {
        let mut made = Vec::with_capacity(batch.len() + 1);
        let made_by = &mut self.writer.entries;
        for notice in told.notices() {
            made.extend(guarded(|| made_by.notice(&notice)).and_then(Result::ok));
        }
        let mut kept = Vec::with_capacity(batch.len());
        for queued in batch.drain(..) {
            let gap = queued.ticket.gap();
            let fate = match guarded(|| made_by.entry(&queued.record)) {
                Some(Ok(entry)) => {
                    if gap > 0 {
                        let notice = queue_full(gap);
                        made.extend(guarded(|| made_by.notice(&notice)).and_then(Result::ok));
                    }
                    made.push(entry);
                    kept.push(queued);
                    continue;
                }
                Some(Err(error)) => {
                    self.losses.refused(1, &error);
                    Fate::Refused
                }
                None => Fate::Panicked,
            };
            self.losses.queue_full += gap;
            self.has_news = true;
            queued.ticket.settle(fate);
        }
        *batch = kept;
        made
    }

    fn append(&self, entries: Vec<LogEntry>) -> Appended {
        let control = &self.writer.control;
        let appended = guarded(|| {
            self.runtime.block_on(async {
                match select(self.writer.store.append(entries), pin!(control.overdue())).await {
                    Either::Left((appended, _)) => Some(appended),
                    Either::Right(_) => None,
                }
            })
        });
        match appended {
            Some(Some(Ok(_))) => Appended::Yes,
            Some(Some(Err(error))) if error.outcome() == Applied::NotApplied => Appended::No(error),
            Some(Some(Err(error))) => Appended::Perhaps(error.to_string()),
            Some(None) => Appended::Perhaps("the log was closed meanwhile".into()),
            None => Appended::Perhaps("the store panicked".into()),
        }
    }

    /// Waits as the error asks for; `false` where that does not help, or no time is left for it.
    fn waits(&self, error: &Error, begun: Instant) -> bool {
        let Retry::After(pause) = error.retry() else { return false };
        let pause = pause.max(SHORTEST_PAUSE);
        if begun.elapsed() + pause > self.writer.pace.retry_for {
            return false;
        }
        let control = &self.writer.control;
        self.runtime.block_on(async {
            let pause = pin!(tokio::time::sleep(pause));
            matches!(select(pause, pin!(control.overdue())).await, Either::Left(_))
        })
    }
}

/// What the closure answers; `None` where it panics, because the thread has to go on.
fn guarded<T>(work: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(work)).ok()
}

fn settle(batch: Vec<Queued>, fate: Fate) {
    for queued in batch {
        queued.ticket.settle(fate);
    }
}

/// Entries that were dropped right before those of the batch.
fn gaps(batch: &[Queued]) -> u64 {
    batch.iter().map(|queued| queued.ticket.gap()).sum()
}
