//! A load of writers, appenders and one who follows, on one handle.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use threadkeep_postgres::PostgresStore;
use tokio::task::JoinHandle;

use super::appender::{self, Appends};
use super::beat::Beat;
use super::follower::{self, Told};
use super::verdict::{self, Verdict};
use super::writer::{self, Steps};

/// How many of which.
#[derive(Clone, Copy)]
pub(crate) struct Mix {
    pub(crate) named: u32,
    pub(crate) unnamed: u32,
    pub(crate) appenders: u32,
    pub(crate) follows: bool,
    /// Between two steps of one of them.
    pub(crate) pause: Duration,
    /// Added to all numbers, so that several loads work side by side.
    pub(crate) base: u32,
}

impl Default for Mix {
    fn default() -> Self {
        Self {
            named: 2,
            unnamed: 2,
            appenders: 2,
            follows: true,
            pause: Duration::from_millis(4),
            base: 0,
        }
    }
}

pub(crate) struct Load {
    store: PostgresStore,
    stop: Arc<AtomicBool>,
    /// The number of the last entry, once it is known.
    last: Arc<AtomicU64>,
    pub(crate) threads: Arc<Beat>,
    pub(crate) logs: Arc<Beat>,
    writers: Vec<JoinHandle<Steps>>,
    appenders: Vec<JoinHandle<Appends>>,
    follower: Option<JoinHandle<Told>>,
}

impl Load {
    pub(crate) fn start(store: &PostgresStore, mix: Mix) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let last = Arc::new(AtomicU64::new(u64::MAX));
        let (threads, logs) = (Arc::new(Beat::new()), Arc::new(Beat::new()));
        let writer = |nth: u32| {
            let (stop, beat) = (Arc::clone(&stop), Arc::clone(&threads));
            let named = nth < mix.named;
            tokio::spawn(writer::write(store.clone(), mix.base + nth, named, mix.pause, stop, beat))
        };
        let appender = |nth: u32| {
            let (stop, beat) = (Arc::clone(&stop), Arc::clone(&logs));
            tokio::spawn(appender::append(store.clone(), mix.base + nth, mix.pause, stop, beat))
        };
        Self {
            store: store.clone(),
            writers: (0..mix.named + mix.unnamed).map(writer).collect(),
            appenders: (0..mix.appenders).map(appender).collect(),
            follower: mix
                .follows
                .then(|| tokio::spawn(follower::follow(store.clone(), Arc::clone(&last)))),
            stop,
            last,
            threads,
            logs,
        }
    }

    /// Waits until threads were written and logs appended once more, each some times. Answers how
    /// long that took.
    pub(crate) async fn progress(&self, limit: Duration) -> Duration {
        let start = Instant::now();
        let (threads, logs) = (self.threads.count() + 5, self.logs.count() + 5);
        super::until("progress of the load", limit, || {
            (self.writers.is_empty() || self.threads.count() >= threads)
                && (self.appenders.is_empty() || self.logs.count() >= logs)
        })
        .await;
        start.elapsed()
    }

    /// The longest time without an acknowledgement of either kind since the last call.
    pub(crate) fn longest_stall(&self) -> Duration {
        let threads =
            if self.writers.is_empty() { Duration::ZERO } else { self.threads.take_longest() };
        let logs =
            if self.appenders.is_empty() { Duration::ZERO } else { self.logs.take_longest() };
        threads.max(logs)
    }

    /// Stops everybody and judges what is there.
    pub(crate) async fn stop(self) -> Verdict {
        self.stop_after(None).await
    }

    /// The same where the newest of what was acknowledged before this moment may be lost.
    pub(crate) async fn stop_after(self, loss: Option<Instant>) -> Verdict {
        self.stop.store(true, Ordering::Relaxed);
        let mut steps = Vec::new();
        for writer in self.writers {
            steps.push(writer.await.unwrap());
        }
        let mut appends = Vec::new();
        for appender in self.appenders {
            appends.push(appender.await.unwrap());
        }
        let rows = verdict::all_logs(&self.store).await;
        self.last.store(rows.last().map_or(0, |(id, _)| *id), Ordering::Relaxed);
        let told = match self.follower {
            Some(follower) => Some(
                tokio::time::timeout(Duration::from_secs(30), follower)
                    .await
                    .expect("the follower did not reach the last entry")
                    .unwrap(),
            ),
            None => None,
        };
        verdict::judge(&self.store, steps, appends, told, rows, loss).await
    }
}
