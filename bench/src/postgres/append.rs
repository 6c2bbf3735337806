//! Appending log entries from eight tasks, against a plain table of the same server.

use anyhow::Result;
use threadkeep_core::{LogEntry, LogStore, Store};
use threadkeep_test_server::Server;

use super::plain_log::PlainLog;
use super::setup;
use super::spread::Spread;
use super::usage::{Taken, Usage};
use crate::entries::Entries;
use crate::measure;

const TASKS: usize = 8;
const ROUNDS: usize = 3;
/// With one entry a batch there are so many times fewer of them.
const FEWER: u64 = 40;

/// Appends so many entries in batches of 128, and fewer in batches of 1.
pub(crate) async fn run(entries: u64) -> Result<()> {
    println!("postgres-append: {entries} entries from {TASKS} tasks (least / median / most)");
    let Some(server) = setup::server()? else { return Ok(()) };
    for (batch, entries) in [(1, entries / FEWER), (128, entries)] {
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            theirs.push(plain(&server, entries, batch).await?);
            ours.push(store(&server, entries, batch).await?);
        }
        print(batch, &ours, &theirs);
    }
    Ok(())
}

/// What appending took, and of what.
struct Appended {
    taken: Taken,
    entries: f64,
    texts: f64,
}

impl Appended {
    fn rate(&self) -> f64 {
        self.entries / self.taken.seconds
    }
}

fn print(batch: usize, ours: &[Appended], theirs: &[Appended]) {
    let row = |name: &str, figures: Spread, digits, bar| {
        measure::row(&format!("batches of {batch}: {name}"), figures.show(digits), bar);
    };
    let pairs = || ours.iter().zip(theirs);
    let times = Spread::of(pairs().map(|(one, other)| one.rate() / other.rate()));
    row("times a plain table", times, 2, "");
    for (name, all) in [("the store", ours), ("plain", theirs)] {
        let each = |pick: fn(&Appended) -> f64| Spread::of(all.iter().map(pick));
        row(&format!("entries a second, {name}"), each(Appended::rate), 0, "");
        let log = each(|it| it.taken.wal / it.texts);
        row(&format!("bytes of server log a byte of texts, {name}"), log, 2, "");
        if let Some(last) = all.last() {
            let row = |what: &str, value: String| {
                measure::row(&format!("batches of {batch}: {what}, {name}"), value, "");
            };
            row("processors busy, server and ours", last.taken.busy());
            row("µs of them an entry", last.taken.each(last.entries));
        }
    }
}

async fn store(server: &Server, entries: u64, batch: usize) -> Result<Appended> {
    let url = setup::database(server, "store")?;
    let store = setup::open(&url).await?;
    // The first append makes partitions.
    store.append(Entries::new().batch(1)).await?;
    let writing = store.clone();
    let appended = append(server, entries, batch, move |batch| {
        let store = writing.clone();
        async move {
            store.append(batch).await?;
            Ok(())
        }
    })
    .await?;
    store.close().await?;
    setup::drop_database(server, "store")?;
    Ok(appended)
}

async fn plain(server: &Server, entries: u64, batch: usize) -> Result<Appended> {
    let url = setup::database(server, "plain")?;
    let table = PlainLog::create(&url, TASKS as u32).await?;
    let writing = table.clone();
    let appended = append(server, entries, batch, move |batch| {
        let table = writing.clone();
        async move { table.insert(&batch).await }
    })
    .await?;
    table.close().await;
    setup::drop_database(server, "plain")?;
    Ok(appended)
}

async fn append<F>(
    server: &Server,
    entries: u64,
    batch: usize,
    append: impl Fn(Vec<LogEntry>) -> F + Clone + Send + 'static,
) -> Result<Appended>
where
    F: Future<Output = Result<()>> + Send,
{
    let mut made = Entries::new();
    let batches = entries as usize / batch / TASKS;
    let shares: Vec<Vec<_>> =
        (0..TASKS).map(|_| (0..batches).map(|_| made.batch(batch)).collect()).collect();
    let texts: u64 = shares.iter().flatten().flatten().map(LogEntry::text_bytes).sum();
    server.psql("checkpoint")?;
    let before = Usage::of(server)?;
    let tasks: Vec<_> = shares
        .into_iter()
        .map(|share| {
            let append = append.clone();
            tokio::spawn(async move {
                for batch in share {
                    append(batch).await?;
                }
                anyhow::Ok(())
            })
        })
        .collect();
    for task in tasks {
        task.await??;
    }
    let taken = before.taken(server)?;
    let entries = (batches * batch * TASKS) as f64;
    Ok(Appended { taken, entries, texts: texts as f64 })
}
