//! Many tasks writing little each.
//!
//! The peer is the straightforward way: a pool of five connections on the same kind of file with
//! the same durability; each write reads the row, changes it and stores all of it, in a commit of
//! its own. Both write to the same disk.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, Row, SqlitePool};
use threadkeep_core::{
    Change, FieldPatch, Store, ThreadId, ThreadMetadata, ThreadPatch, ThreadStore, Timestamp, path,
};

use crate::measure::{Figures, figures};
use crate::{measure, rows};

const TASKS: u64 = 16;

/// Runs both in turn, three times, and prints the middle ratio.
pub(crate) async fn run(writes: usize) -> Result<()> {
    println!("write: {TASKS} tasks, {writes} one-item batches each, to different threads");
    let mut rounds = Vec::new();
    for _ in 0..3 {
        let ours = threadkeep(writes).await?;
        let peer = straightforward(writes).await?;
        rounds.push((ours.rate / peer.rate, ours, peer));
    }
    rounds.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (ratio, ours, peer) = &rounds[1];
    measure::row("throughput, times the peer's", format!("{ratio:.1}"), "at least 5");
    measure::row("writes a second", format!("{:.0}", ours.rate), "");
    measure::row("writes a second, peer", format!("{:.0}", peer.rate), "");
    measure::row("median wait", format!("{:.2?}", ours.median), "");
    measure::row("worst wait", format!("{:.2?}", ours.worst), "below the peer's median");
    measure::row("median wait, peer", format!("{:.2?}", peer.median), "");
    measure::row("worst wait, peer", format!("{:.2?}", peer.worst), "");
    let folder = tempfile::tempdir()?;
    let sync = sync_time(folder.path())?;
    measure::row("one 4 KiB write and fsync of this disk, median", format!("{sync:.2?}"), "");
    Ok(())
}

async fn threadkeep(writes: usize) -> Result<Figures> {
    let folder = tempfile::tempdir()?;
    let store = rows::fill(&folder.path().join("threads.db"), 1_000).await?;
    let start = Instant::now();
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| {
            let store = store.clone();
            let id = rows::thread(task, false).id;
            tokio::spawn(async move {
                let mut waits = Vec::with_capacity(writes);
                for count in 0..writes {
                    let mut patch = ThreadPatch::default();
                    patch.tokens_used = FieldPatch::Set(count as i64 + 1);
                    patch.updated_at =
                        Some(Timestamp::from_millis(1_800_000_000_000 + count as i64));
                    let start = Instant::now();
                    store.write(Change::Patch(id, Box::new(patch)).into()).await?;
                    waits.push(start.elapsed());
                }
                anyhow::Ok(waits)
            })
        })
        .collect();
    let waits = join(tasks).await?;
    let figures = figures(start, waits);
    store.close().await?;
    Ok(figures)
}

async fn straightforward(writes: usize) -> Result<Figures> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("threads.db");
    rows::fill(&path, 1_000).await?.close().await?;
    let options = SqliteConnectOptions::new()
        .filename(&path)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(Duration::from_mins(1))
        .disable_statement_logging();
    let pool = SqlitePoolOptions::new()
        .max_connections(5)
        .acquire_timeout(Duration::from_mins(1))
        .connect_with(options)
        .await?;
    let start = Instant::now();
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| {
            let pool = pool.clone();
            let id = rows::thread(task, false).id;
            tokio::spawn(async move {
                let mut waits = Vec::with_capacity(writes);
                for count in 0..writes {
                    let start = Instant::now();
                    read_change_write(&pool, id, count as i64 + 1).await?;
                    waits.push(start.elapsed());
                }
                anyhow::Ok(waits)
            })
        })
        .collect();
    let waits = join(tasks).await?;
    let figures = figures(start, waits);
    pool.close().await;
    Ok(figures)
}

/// What agents do: two statements, the second of which stores every column of the row anew.
async fn read_change_write(pool: &SqlitePool, id: ThreadId, tokens: i64) -> Result<()> {
    let row = sqlx::query("SELECT body FROM threads WHERE id = ?1")
        .bind(&id.as_bytes()[..])
        .fetch_one(pool)
        .await?;
    let mut row: ThreadMetadata = serde_json::from_str(row.try_get(0)?)?;
    row.tokens_used = tokens;
    row.updated_at = Timestamp::from_millis(1_800_000_000_000 + tokens);
    row.revision += 1;
    sqlx::query(
        "INSERT INTO threads (id, created_at, updated_at, archived, visible, source,
             model_provider, cwd, revision, body, checksum)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
         ON CONFLICT (id) DO UPDATE SET created_at = excluded.created_at,
             updated_at = excluded.updated_at, archived = excluded.archived,
             visible = excluded.visible, source = excluded.source,
             model_provider = excluded.model_provider, cwd = excluded.cwd,
             revision = excluded.revision, body = excluded.body, checksum = excluded.checksum",
    )
    .bind(&id.as_bytes()[..])
    .bind(row.created_at.as_millis())
    .bind(row.updated_at.as_millis())
    .bind(row.is_archived())
    .bind(row.has_user_event)
    .bind(&row.source)
    .bind(&row.model_provider)
    .bind(path::to_text(&row.cwd).into_owned())
    .bind(row.revision.cast_signed())
    .bind(serde_json::to_string(&row)?)
    .bind(row.checksum().cast_signed())
    .execute(pool)
    .await?;
    Ok(())
}

async fn join(tasks: Vec<tokio::task::JoinHandle<Result<Vec<Duration>>>>) -> Result<Vec<Duration>> {
    let mut waits = Vec::new();
    for task in tasks {
        waits.extend(task.await??);
    }
    Ok(waits)
}

/// What the disk takes to make one page durable: no commit can be faster.
fn sync_time(folder: &Path) -> Result<Duration> {
    use std::io::{Seek as _, Write as _};

    let file = Arc::new(std::fs::File::create(folder.join("page"))?);
    let mut failed = None;
    let time = measure::time(100, || {
        let mut file = &*file;
        let written = file
            .rewind()
            .and_then(|()| file.write_all(&[7; 4_096]))
            .and_then(|()| file.sync_data());
        failed = failed.take().or(written.err());
    });
    failed.map_or(Ok(time), |error| Err(error.into()))
}
