//! Appenders of log entries, two at a time, each with a message that no other has.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use threadkeep_core::{LogEntry, LogIds, LogLevel, LogStore as _};
use threadkeep_postgres::PostgresStore;

use super::beat::Beat;
use super::writer::{Fate, Problem};

/// What an appender was answered.
#[derive(Clone, Debug, Default)]
pub(crate) struct Appends {
    pub(crate) number: u32,
    pub(crate) fates: Vec<Fate<LogIds>>,
    pub(crate) errors: Vec<Problem>,
}

/// The messages of an append.
pub(crate) fn messages(appender: u32, nth: usize) -> [String; 2] {
    [format!("{appender}/{nth}/first"), format!("{appender}/{nth}/second")]
}

/// The entries of an append.
pub(crate) fn entries(appender: u32, nth: usize) -> Vec<LogEntry> {
    let entry =
        |message: String| LogEntry::new(SystemTime::now().into(), LogLevel::Info, "load", message);
    messages(appender, nth).map(entry).into()
}

/// Appends until it is told to stop.
pub(crate) async fn append(
    store: PostgresStore,
    number: u32,
    pause: Duration,
    stop: Arc<AtomicBool>,
    beat: Arc<Beat>,
) -> Appends {
    let mut appends = Appends { number, ..Appends::default() };
    while !stop.load(Ordering::Relaxed) {
        let nth = appends.fates.len();
        let fate = match store.append(entries(number, nth)).await {
            Ok(ids) => {
                beat.tick();
                Fate::Acknowledged { at: Instant::now(), answer: ids.unwrap() }
            }
            Err(error) => {
                appends.errors.push(Problem::of(&error));
                tokio::time::sleep(Duration::from_millis(50)).await;
                Fate::Failed { kind: error.kind(), outcome: error.outcome() }
            }
        };
        appends.fates.push(fate);
        tokio::time::sleep(pause).await;
    }
    appends
}
