//! Somebody who follows the logs all the time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::StreamExt as _;
use threadkeep_core::{Follow, Followed, LogFilter, LogStoreExt as _};
use threadkeep_postgres::PostgresStore;

use super::writer::Problem;

/// What was told.
#[derive(Default)]
pub(crate) struct Told {
    pub(crate) entries: Vec<(u64, String)>,
    pub(crate) gaps: usize,
    pub(crate) errors: Vec<Problem>,
}

/// Follows from the first entry on, through errors, until the number of the last entry is set and
/// was reached.
pub(crate) async fn follow(store: PostgresStore, last: Arc<AtomicU64>) -> Told {
    let mut told = Told::default();
    let follow = Follow::new(LogFilter::new(), 0).poll(Duration::from_millis(100));
    let mut stream = std::pin::pin!(store.follow(follow));
    loop {
        let reached = told.entries.last().map_or(0, |(id, _)| *id);
        if reached >= last.load(Ordering::Relaxed) {
            return told;
        }
        let next = tokio::time::timeout(Duration::from_millis(300), stream.next()).await;
        match next {
            Err(_) => {}
            Ok(None) => return told,
            Ok(Some(Ok(Followed::Entry(row)))) => {
                told.entries.push((row.id, row.entry.message.unwrap_or_default()));
            }
            Ok(Some(Ok(_))) => told.gaps += 1,
            Ok(Some(Err(error))) => told.errors.push(Problem::of(&error)),
        }
    }
}
