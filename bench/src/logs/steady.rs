//! Bytes written once the logs are as large as they may be, against inserting and pruning in one
//! transaction.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use sqlx::sqlite::SqliteSynchronous;
use threadkeep_core::{LogEntry, Retention};

use super::plain::Plain;
use super::{Engine, log_bytes, megabytes};
use crate::entries::Entries;
use crate::measure;

/// Entries of a batch: what a layer hands over four times a second at 1,000 entries a second.
const BATCH: usize = 250;
/// Between batches, so that there is time for upkeep.
const PAUSE: Duration = Duration::from_millis(5);
/// Bytes that an entry takes in the plain table, about.
const PLAIN_ROW: u64 = 400;

/// Appends texts of four times the cap, in MB, and counts what is written for the last half.
pub(crate) async fn run(cap: u64) -> Result<()> {
    println!("logs-steady: a cap of {cap} MB, batches of {BATCH}");
    let cap = cap * 1_000_000;
    let folder = tempfile::tempdir()?;
    let plain = Plain::open(folder.path(), SqliteSynchronous::Normal).await?;
    let keep = (cap / PLAIN_ROW) as i64;
    let figures = load(cap, async |batch| plain.insert(&batch, Some(keep)).await).await?;
    plain.close().await;
    figures.print("plain, insert then prune", "");
    measure::row("plain: files at the end", megabytes(log_bytes(folder.path())?), "");
    let mut standard = Retention::standard();
    // The entries have made-up times.
    standard.max_age = None;
    for engine in Engine::ALL {
        for (name, retention) in
            [("by bytes", Retention::max_bytes(cap)), ("1,000 a thread", standard)]
        {
            let folder = tempfile::tempdir()?;
            let store = engine.open(folder.path(), retention).await?;
            let figures = load(cap, async |batch| {
                store.append(batch).await?;
                Ok(())
            })
            .await?;
            figures.print(&format!("{engine}, {name}"), "at most 3");
            store.close().await?;
            let bytes = megabytes(log_bytes(folder.path())?);
            measure::row(&format!("{engine}, {name}: files at the end"), bytes, "");
        }
    }
    Ok(())
}

struct Figures {
    slowest: Duration,
    written: u64,
    texts: u64,
    messages: u64,
}

impl Figures {
    fn print(&self, name: &str, bar: &str) {
        let per = |bytes: u64| format!("{:.2}", self.written as f64 / bytes as f64);
        measure::row(&format!("{name}: written per byte of texts"), per(self.texts), bar);
        measure::row(&format!("{name}: written per byte of messages"), per(self.messages), "");
        measure::row(&format!("{name}: the slowest append"), format!("{:.0?}", self.slowest), "");
    }
}

async fn load(
    cap: u64,
    mut append: impl AsyncFnMut(Vec<LogEntry>) -> Result<()>,
) -> Result<Figures> {
    let mut made = Entries::new();
    let (mut texts, mut messages, mut slowest) = (0, 0, Duration::ZERO);
    let mut middle: Option<(u64, u64, u64)> = None;
    while texts < 4 * cap {
        let batch = made.batch(BATCH);
        texts += batch.iter().map(LogEntry::text_bytes).sum::<u64>();
        let of = |entry: &LogEntry| entry.message.as_ref().map_or(0, String::len) as u64;
        messages += batch.iter().map(of).sum::<u64>();
        let begun = Instant::now();
        append(batch).await?;
        slowest = slowest.max(begun.elapsed());
        tokio::time::sleep(PAUSE).await;
        if middle.is_none() && texts >= 2 * cap {
            let written = measure::written_bytes().context("the system does not count writes")?;
            middle = Some((written, texts, messages));
        }
    }
    // What is still to be written belongs to it.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let (written, texts_before, messages_before) = middle.unwrap_or_default();
    Ok(Figures {
        slowest,
        written: measure::written_bytes().unwrap_or(written) - written,
        texts: texts - texts_before,
        messages: messages - messages_before,
    })
}
