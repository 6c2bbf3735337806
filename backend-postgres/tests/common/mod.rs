//! What the tests of faults share: a load that knows what it was answered, and the judge of what is
//! there afterwards.
// Each test program uses a part of it.
#![allow(dead_code, unused_imports)]

mod appender;
mod beat;
mod follower;
mod load;
mod report;
mod verdict;
mod writer;

use std::time::{Duration, Instant};

use threadkeep_core::{Result, Retention};
use threadkeep_postgres::{PostgresOptions, PostgresStore};

pub(crate) use appender::entries;
pub(crate) use load::{Load, Mix};
pub(crate) use report::say;
pub(crate) use verdict::{Verdict, all_logs};
pub(crate) use writer::{checkpoint, step_batch as step, thread};

/// How many times as long the tests are than in CI.
pub(crate) fn factor() -> u32 {
    std::env::var("THREADKEEP_FAULT_ROUNDS").ok().and_then(|it| it.parse().ok()).unwrap_or(1)
}

/// Options that keep every log entry.
pub(crate) fn options(url: &str) -> PostgresOptions {
    PostgresOptions::from_url(url).unwrap().retention(Retention::default())
}

pub(crate) async fn open(url: &str) -> Result<PostgresStore> {
    let options = PostgresOptions::from_url(url)?.retention(Retention::default());
    PostgresStore::open_with(options).await
}

/// Waits until it is so.
pub(crate) async fn until(what: &str, limit: Duration, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < limit, "waited {limit:?} in vain for {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
