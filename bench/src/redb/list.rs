//! Pages of 50 at few and at many threads, and single threads.

use std::time::Instant;

use anyhow::Result;
use threadkeep_core::{Store, ThreadStore};
use threadkeep_redb::RedbStore;

use crate::{list, measure, rows};

/// Compares each shape, first page and deep, at 1,000 and at many threads.
pub(crate) async fn run(many: usize) -> Result<()> {
    println!("redb-list: pages of {}, {many} threads against 1,000", list::PAGE);
    let folder = tempfile::tempdir()?;
    let few = RedbStore::open(folder.path().join("few.redb")).await?;
    rows::put_all(&few, 1_000).await?;
    let path = folder.path().join("many.redb");
    let store = RedbStore::open(&path).await?;
    let begun = Instant::now();
    rows::put_all(&store, many).await?;
    measure::row("filling the large one", format!("{:.1?}", begun.elapsed()), "");
    let megabytes = path.metadata()?.len() / 1_000_000;
    measure::row("its file", format!("{megabytes} MB"), "");
    list::compare(&few, &store).await?;
    let id = rows::thread(many as u64 / 3, false).id;
    let one = measure::time_async(2_000, || store.threads(vec![id])).await;
    measure::row("a thread by id, warm, median", format!("{one:.1?}"), "at most 20 µs");
    // What is left of it where nothing is read: the way to a thread for blocking work and back.
    let nothing = measure::time_async(2_000, || tokio::task::spawn_blocking(|| ())).await;
    measure::row("  of that: the way to a blocking thread and back", format!("{nothing:.1?}"), "");
    few.close().await?;
    store.close().await?;
    Ok(())
}
