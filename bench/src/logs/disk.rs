//! Bytes on disk of many entries.

use anyhow::Result;
use sqlx::sqlite::SqliteSynchronous;
use threadkeep_core::Retention;

use super::plain::Plain;
use super::{Engine, log_bytes, megabytes};
use crate::entries::Entries;
use crate::measure;

const BATCH: usize = 512;

/// Stores so many entries on each engine and in the plain table.
pub(crate) async fn run(entries: u64) -> Result<()> {
    println!("logs-disk: {entries} entries in batches of {BATCH}");
    let folder = tempfile::tempdir()?;
    let plain = Plain::open(folder.path(), SqliteSynchronous::Normal).await?;
    let mut made = Entries::new();
    for _ in 0..entries as usize / BATCH {
        plain.insert(&made.batch(BATCH), None).await?;
    }
    plain.close().await;
    let of_plain = log_bytes(folder.path())?;
    measure::row("one plain table", megabytes(of_plain), "");
    for engine in Engine::ALL {
        let folder = tempfile::tempdir()?;
        let store = engine.open(folder.path(), Retention::default()).await?;
        let mut made = Entries::new();
        for _ in 0..entries as usize / BATCH {
            store.append(made.batch(BATCH)).await?;
        }
        store.close().await?;
        let bytes = log_bytes(folder.path())?;
        measure::row(&engine.to_string(), megabytes(bytes), "");
        let ratio = format!("{:.2}", bytes as f64 / of_plain as f64);
        measure::row(&format!("{engine}, of the plain table's"), ratio, "at most 0.5");
    }
    Ok(())
}
