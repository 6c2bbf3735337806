//! Opening a large store whose process was killed in the middle of writing.

use std::io::Read as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Result;
use threadkeep_core::{Change, Store, ThreadQuery, ThreadStore, WriteBatch};
use threadkeep_redb::RedbStore;

use crate::{measure, rows};

const ROUNDS: usize = 20;

/// Kills a writing process again and again, and opens what it left.
pub(crate) async fn run(threads: usize) -> Result<()> {
    println!("redb-reopen: a store of {threads} threads after SIGKILL");
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("threads.redb");
    let store = RedbStore::open(&path).await?;
    rows::put_all(&store, threads).await?;
    store.close().await?;
    measure::row("its file", format!("{} MB", path.metadata()?.len() / 1_000_000), "about 250 MB");
    let (mut opened, mut answered) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let mut victim = Command::new(std::env::current_exe()?)
            .arg("redb-victim")
            .arg(&path)
            .stdout(Stdio::piped())
            .spawn()?;
        // It says a byte when it begins to write.
        if let Some(output) = &mut victim.stdout {
            output.read_exact(&mut [0])?;
        }
        tokio::time::sleep(Duration::from_millis(30)).await;
        victim.kill()?;
        victim.wait()?;
        let begun = Instant::now();
        let store = RedbStore::open(&path).await?;
        opened.push(begun.elapsed());
        store.list(ThreadQuery::new()).await?;
        answered.push(begun.elapsed());
        store.close().await?;
    }
    let worst = opened.iter().max().copied().unwrap_or_default();
    measure::row("open after a kill, median", format!("{:.1?}", measure::median(&mut opened)), "");
    measure::row("open after a kill, worst of 20", format!("{worst:.1?}"), "at most 50 ms");
    let first = measure::median(&mut answered);
    measure::row("with its first page of 50, median", format!("{first:.1?}"), "");
    Ok(())
}

/// Writes rows until it is killed.
pub(crate) async fn play_victim(path: &Path) -> Result<()> {
    let store = RedbStore::open(path).await?;
    print!(".");
    std::io::Write::flush(&mut std::io::stdout())?;
    for round in 0.. {
        let mut batch = WriteBatch::new();
        for number in 0..200 {
            let mut row = rows::thread(number, false);
            row.tokens_used = round;
            batch.push(Change::Put(Box::new(row)));
        }
        store.write(batch).await?;
    }
    Ok(())
}
