//! Ten minutes at 1,000 entries a second under a cap, and the same while somebody keeps a
//! transaction open.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Result;
use sqlx::{Connection, SqliteConnection};
use threadkeep_core::{ErrorKind, Retention};

use super::{Engine, log_bytes, megabytes};
use crate::entries::Entries;
use crate::measure;

const BATCH: usize = 250;
/// A batch each: 1,000 entries a second.
const TICK: Duration = Duration::from_millis(250);

/// Runs all three at once: SQLite, SQLite with a reader, redb.
pub(crate) async fn run(seconds: u64, cap: u64) -> Result<()> {
    println!("logs-cap: {seconds} s at 1,000 entries a second, a cap of {cap} MiB");
    let (time, cap) = (Duration::from_secs(seconds), cap * 1024 * 1024);
    let runs = tokio::join!(
        one(Engine::Sqlite, time, cap, false),
        one(Engine::Sqlite, time, cap, true),
        one(Engine::Redb, time, cap, false),
    );
    for (name, run) in [("sqlite", runs.0), ("sqlite, with a reader", runs.1), ("redb", runs.2)] {
        let Figures { most, end, appended, shed, slowest } = run?;
        let of_cap = |bytes: u64| format!("{:.2}", bytes as f64 / cap as f64);
        measure::row(&format!("{name}: at most"), megabytes(most), "");
        measure::row(&format!("{name}: at most, of the cap"), of_cap(most), "at most 2");
        measure::row(&format!("{name}: after closing, of the cap"), of_cap(end), "at most 1.25");
        measure::row(&format!("{name}: entries appended"), appended, "");
        measure::row(&format!("{name}: entries shed"), shed, "");
        measure::row(&format!("{name}: the slowest append"), format!("{slowest:.0?}"), "");
    }
    Ok(())
}

struct Figures {
    most: u64,
    end: u64,
    appended: usize,
    shed: usize,
    slowest: Duration,
}

async fn one(engine: Engine, time: Duration, cap: u64, with_reader: bool) -> Result<Figures> {
    let folder = tempfile::tempdir()?;
    let store = engine.open(folder.path(), Retention::max_bytes(cap)).await?;
    let mut made = Entries::new();
    store.append(made.batch(BATCH)).await?;
    let reader = if with_reader { Some(reader(folder.path()).await?) } else { None };
    let mut figures =
        Figures { most: 0, end: 0, appended: BATCH, shed: 0, slowest: Duration::ZERO };
    let begun = Instant::now();
    let mut ticks = tokio::time::interval(TICK);
    while begun.elapsed() < time {
        ticks.tick().await;
        let appending = Instant::now();
        match store.append(made.batch(BATCH)).await {
            Ok(_) => figures.appended += BATCH,
            Err(error) if error.kind() == ErrorKind::StorageFull => figures.shed += BATCH,
            Err(error) => return Err(error.into()),
        }
        figures.slowest = figures.slowest.max(appending.elapsed());
        figures.most = figures.most.max(log_bytes(folder.path())?);
    }
    drop(reader);
    store.close().await?;
    figures.end = log_bytes(folder.path())?;
    Ok(figures)
}

/// A connection in the middle of a transaction that has read something.
async fn reader(folder: &Path) -> Result<SqliteConnection> {
    let url = folder.join("threads-logs.db").display().to_string();
    let mut connection = SqliteConnection::connect(&url).await?;
    sqlx::query("BEGIN").execute(&mut connection).await?;
    sqlx::query("SELECT count(*) FROM entries").execute(&mut connection).await?;
    Ok(connection)
}
