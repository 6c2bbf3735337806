//! What an event costs the code that logs it, with the layer in front of a store.

use std::hint::black_box;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Result;
use async_trait::async_trait;
use threadkeep_core::{
    LogEntry, LogFilter, LogIds, LogPage, LogQuery, LogStore, Pruned, Retention,
};
use threadkeep_tracing::LogLayer;
use tracing_subscriber::layer::SubscriberExt as _;

use crate::measure;

/// A store whose appends wait until it is let go.
#[derive(Clone, Default)]
struct Stuck(Arc<(Mutex<bool>, Condvar)>);

impl Stuck {
    fn let_go(&self) {
        *self.0.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.0.1.notify_all();
    }
}

#[async_trait]
impl LogStore for Stuck {
    async fn append(&self, _entries: Vec<LogEntry>) -> threadkeep_core::Result<Option<LogIds>> {
        let mut free = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        while !*free {
            free = self.0.1.wait(free).unwrap_or_else(PoisonError::into_inner);
        }
        Ok(None)
    }

    async fn query(&self, _query: LogQuery) -> threadkeep_core::Result<LogPage> {
        Ok(LogPage::default())
    }

    async fn max_log_id(&self, _filter: LogFilter) -> threadkeep_core::Result<u64> {
        Ok(0)
    }

    async fn prune(
        &self,
        _retention: Retention,
        _budget: Duration,
    ) -> threadkeep_core::Result<Pruned> {
        Ok(Pruned::default())
    }

    async fn changed(&self, _after: u64, _wait: Duration) -> threadkeep_core::Result<()> {
        Ok(())
    }
}

/// Logs so many events of each kind.
pub(crate) fn run(events: u64) -> Result<()> {
    println!("logs-layer: {events} events of each kind");
    let store = Stuck::default();
    let (layer, guard) = LogLayer::builder(store.clone()).queue(1_000).build()?;
    let subscriber = tracing_subscriber::registry().with(layer);
    tracing::subscriber::with_default(subscriber, || {
        let below = nanoseconds(events, |number| tracing::debug!(number, "asked the model"));
        measure::row("below the level", format!("{below:.1} ns"), "at most 20 ns");
        let formatted = nanoseconds(events, |number| {
            black_box(format!(
                "asked the model number={number} tokens={} kind=\"a b\"",
                number * 3
            ));
        });
        measure::row("formatting alone", format!("{formatted:.0} ns"), "");
        let full = nanoseconds(events, |number| {
            tracing::info!(number, tokens = number * 3, kind = "a b", "asked the model");
        });
        measure::row("with a full queue", format!("{full:.0} ns"), "");
        let ratio = format!("{:.2}", full / formatted);
        measure::row("with a full queue, times formatting", ratio, "at most 1.5");
    });
    store.let_go();
    drop(guard);
    Ok(())
}

/// The middle of eleven rounds, per event.
fn nanoseconds(events: u64, log: impl Fn(u64)) -> f64 {
    let mut times: Vec<_> = (0..11)
        .map(|_| {
            let begun = Instant::now();
            for number in 0..events / 10 {
                log(black_box(number));
            }
            begun.elapsed()
        })
        .collect();
    measure::median(&mut times).as_nanos() as f64 / (events / 10) as f64
}
