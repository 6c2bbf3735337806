//! Indexing a home, against only reading the same bytes and counting lines on one core.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Result;
use threadkeep_core::Store;
use threadkeep_rollouts::{Home, IndexOptions, index};
use threadkeep_sqlite::SqliteStore;

use crate::{home, measure};

/// Indexes a home three times from nothing, each beside a plain reading, then twice unchanged.
pub(crate) async fn run(given: Option<PathBuf>, megabytes: u64, files: u64) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let root = if let Some(root) = given {
        root
    } else {
        let root = folder.path().join("home");
        home::write(&root, files, megabytes * 1_000_000)?;
        root
    };
    let codex = Home::new(&root);
    // Once without counting, so that all bytes are in memory.
    let (bytes, _) = read(&codex)?;
    let found = codex.scan().files.len();
    println!("index: {found} files, {:.2} GB", bytes as f64 / 1e9);
    let mut rounds = Vec::new();
    for round in 0..3 {
        let (_, reading) = read(&codex)?;
        let store = SqliteStore::open(folder.path().join(format!("{round}.db"))).await?;
        let start = Instant::now();
        let report = index(&store, &codex, IndexOptions::new()).await?;
        let indexing = start.elapsed();
        rounds.push((measure::ratio(indexing, reading), indexing, reading, report.threads));
        if round < 2 {
            store.close().await?;
            continue;
        }
        let start = Instant::now();
        let again = index(&store, &codex, IndexOptions::new()).await?;
        let unchanged = start.elapsed();
        rounds.sort_by(|a, b| a.0.total_cmp(&b.0));
        let (ratio, indexing, reading, threads) = rounds[1];
        measure::row(
            "cold index, times plain reading on one core",
            format!("{ratio:.2}"),
            "at most 3",
        );
        measure::row("cold index", format!("{indexing:.2?}"), &rate(bytes, indexing));
        measure::row(
            "plain reading and counting lines",
            format!("{reading:.2?}"),
            &rate(bytes, reading),
        );
        measure::row("threads", threads, "");
        measure::row(
            "second run, nothing changed",
            format!("{unchanged:.2?}"),
            "at most 500 ms for 10,000 files",
        );
        measure::row("files opened by it", again.files_opened, "0");
        store.close().await?;
    }
    if let Some(peak) = measure::peak_megabytes() {
        measure::row("peak memory of this process", format!("{peak} MB"), "at most 200 MB");
    }
    Ok(())
}

fn rate(bytes: u64, time: Duration) -> String {
    format!("{:.2} GB/s", bytes as f64 / 1e9 / time.as_secs_f64())
}

/// Reads every file through one buffer and counts its lines.
fn read(codex: &Home) -> Result<(u64, Duration)> {
    let files = codex.scan().files;
    let mut buffer = vec![0; 256 * 1024];
    let (mut bytes, mut lines) = (0, 0);
    let start = Instant::now();
    for file in &files {
        let (read, found) = count(&file.path, &mut buffer)?;
        bytes += read;
        lines += found;
    }
    let time = start.elapsed();
    std::hint::black_box(lines);
    Ok((bytes, time))
}

fn count(path: &Path, buffer: &mut [u8]) -> Result<(u64, usize)> {
    let mut file = std::fs::File::open(path)?;
    let (mut bytes, mut lines) = (0, 0);
    loop {
        let read = file.read(buffer)?;
        if read == 0 {
            return Ok((bytes, lines));
        }
        bytes += read as u64;
        lines += memchr::memchr_iter(b'\n', &buffer[..read]).count();
    }
}
