//! Many tasks writing little each, to a server that is far away.
//!
//! The peer is the straightforward way: a transaction a call, which begins, reads and locks the row,
//! stores it changed, and commits. It has as many connections as the store writes with, one, and in
//! a second line eight.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use threadkeep_core::{Change, FieldPatch, Store, ThreadId, ThreadPatch, ThreadStore};
use threadkeep_test_server::Proxy;

use super::spread::Spread;
use super::{plain_threads, setup};
use crate::measure::{self, Figures, figures};
use crate::rows;

const TASKS: u64 = 64;
const ROUNDS: usize = 3;
/// Connections of the second peer.
const POOL: u32 = 8;
/// Added to each way, so that a round trip takes 1 ms more.
const EACH_WAY: Duration = Duration::from_micros(500);

/// Writes for so many seconds in each round, with and without latency.
pub(crate) async fn run(seconds: u64) -> Result<()> {
    println!("postgres-latency: {TASKS} tasks of one-item batches, {seconds} s a round");
    let Some(server) = setup::server()? else { return Ok(()) };
    let proxy = Proxy::start(server.address().context("the server has no address")?)?;
    proxy.set_latency(EACH_WAY);
    let near = setup::database(&server, "latency")?;
    let store = setup::open(&near).await?;
    rows::put_all(&store, 1_000).await?;
    store.close().await?;
    let time = Duration::from_secs(seconds);
    for (place, url, bar) in
        [("1 ms away", proxy.url(&near), "at least 10"), ("next to it", near, "")]
    {
        let rounds = rounds(&url, time).await?;
        print(place, &rounds, bar);
        let round_trip = setup::round_trip(&mut setup::connect(&url).await?).await?;
        let name = format!("{place}: one round trip, median");
        measure::row(&name, format!("{round_trip:.2?}"), "");
    }
    let sync = sync_time()?;
    measure::row("one 8 KiB write and sync of this disk, median", format!("{sync:.2?}"), "");
    Ok(())
}

/// The figures of the store, of the one connection, and of the pool.
type Round = [Figures; 3];

async fn rounds(url: &str, time: Duration) -> Result<Vec<Round>> {
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        rounds.push([
            grouped(url, time).await?,
            a_transaction_each(url, 1, time).await?,
            a_transaction_each(url, POOL, time).await?,
        ]);
    }
    Ok(rounds)
}

fn print(place: &str, rounds: &[Round], bar: &str) {
    let row = |name: &str, figures: Spread, digits, bar| {
        measure::row(&format!("{place}: {name}"), figures.show(digits), bar);
    };
    let times = |peer: usize| Spread::of(rounds.iter().map(|it| it[0].rate / it[peer].rate));
    row("throughput, times a transaction a call", times(1), 1, bar);
    row("throughput, times the same from 8 connections", times(2), 1, "");
    for (nth, name) in ["the store", "one connection", "8 connections"].into_iter().enumerate() {
        let each = |pick: fn(&Figures) -> f64| Spread::of(rounds.iter().map(|it| pick(&it[nth])));
        row(&format!("writes a second, {name}"), each(|it| it.rate), 0, "");
        row(&format!("median wait in ms, {name}"), each(|it| ms(it.median)), 1, "");
        row(&format!("worst wait in ms, {name}"), each(|it| ms(it.worst)), 1, "");
    }
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

async fn grouped(url: &str, time: Duration) -> Result<Figures> {
    let store = setup::open(url).await?;
    let writing = store.clone();
    let figures = from_tasks(time, move |id, count| {
        let store = writing.clone();
        async move {
            let mut patch = ThreadPatch::default();
            patch.tokens_used = FieldPatch::Set(count as i64 + 1);
            patch.updated_at = Some(plain_threads::time(count));
            store.write(Change::Patch(id, Box::new(patch)).into()).await?;
            Ok(())
        }
    })
    .await?;
    store.close().await?;
    Ok(figures)
}

async fn a_transaction_each(url: &str, connections: u32, time: Duration) -> Result<Figures> {
    let pool = setup::pool(url, connections).await?;
    let writing = pool.clone();
    let figures = from_tasks(time, move |id, count| {
        let pool = writing.clone();
        async move { plain_threads::change(&pool, id, count).await }
    })
    .await?;
    pool.close().await;
    Ok(figures)
}

/// Lets every task write in turn to its own thread, once to warm up and then for so long.
async fn from_tasks<W, F>(time: Duration, write: W) -> Result<Figures>
where
    W: Fn(ThreadId, u64) -> F + Clone + Send + 'static,
    F: Future<Output = Result<()>> + Send + 'static,
{
    write(rows::thread(0, false).id, 0).await?;
    let all = Instant::now();
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| {
            let write = write.clone();
            let id = rows::thread(task, false).id;
            tokio::spawn(async move {
                let mut waits = Vec::new();
                while all.elapsed() < time {
                    let begun = Instant::now();
                    write(id, waits.len() as u64).await?;
                    waits.push(begun.elapsed());
                }
                anyhow::Ok(waits)
            })
        })
        .collect();
    let mut waits = Vec::new();
    for task in tasks {
        waits.extend(task.await??);
    }
    Ok(figures(all, waits))
}

/// What the disk takes to make one page of the server's log durable: no commit can be faster.
fn sync_time() -> Result<Duration> {
    use std::io::{Seek as _, Write as _};

    let folder = tempfile::tempdir()?;
    let mut file = std::fs::File::create(folder.path().join("page"))?;
    let mut times = Vec::new();
    for _ in 0..100 {
        let begun = Instant::now();
        file.rewind()?;
        file.write_all(&[7; 8_192])?;
        file.sync_data()?;
        times.push(begun.elapsed());
    }
    Ok(measure::median(&mut times))
}
