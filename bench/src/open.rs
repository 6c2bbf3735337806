//! Opening a store that is up to date.

use std::time::Instant;

use anyhow::Result;
use threadkeep_core::{Store, ThreadQuery, ThreadStore};
use threadkeep_sqlite::SqliteStore;

use crate::{measure, rows};

/// Opens a store over and over, also with its first answer.
pub(crate) async fn run(threads: usize) -> Result<()> {
    println!("open: an up-to-date store of {threads} threads");
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("threads.db");
    rows::fill(&path, threads).await?.close().await?;
    let (mut opened, mut answered) = (Vec::new(), Vec::new());
    for _ in 0..50 {
        let start = Instant::now();
        let store = SqliteStore::open(&path).await?;
        opened.push(start.elapsed());
        store.list(ThreadQuery::new()).await?;
        answered.push(start.elapsed());
        store.close().await?;
    }
    let worst = opened.iter().max().copied().unwrap_or_default();
    measure::row("open, median", format!("{:.2?}", measure::median(&mut opened)), "at most 20 ms");
    measure::row("open, worst of 50", format!("{worst:.2?}"), "");
    let answered = measure::median(&mut answered);
    measure::row("open and first page of 50, median", format!("{answered:.2?}"), "");
    Ok(())
}
