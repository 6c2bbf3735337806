//! Figures and how they are taken.

use std::time::{Duration, Instant};

/// The middle of some times.
pub(crate) fn median(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

/// Writes a second, and how long each took.
pub(crate) struct Figures {
    pub(crate) rate: f64,
    pub(crate) median: Duration,
    pub(crate) worst: Duration,
}

/// The figures of writes that were begun at this time and have just ended.
pub(crate) fn figures(begun: Instant, mut waits: Vec<Duration>) -> Figures {
    let rate = waits.len() as f64 / begun.elapsed().as_secs_f64();
    let worst = waits.iter().max().copied().unwrap_or_default();
    Figures { rate, median: median(&mut waits), worst }
}

/// The median time of something, after a tenth of the rounds to warm up.
pub(crate) fn time<T>(rounds: usize, mut work: impl FnMut() -> T) -> Duration {
    for _ in 0..rounds / 10 {
        work();
    }
    let mut times: Vec<_> = (0..rounds)
        .map(|_| {
            let start = Instant::now();
            work();
            start.elapsed()
        })
        .collect();
    median(&mut times)
}

/// The same for a future.
pub(crate) async fn time_async<F: Future>(rounds: usize, mut work: impl FnMut() -> F) -> Duration {
    for _ in 0..rounds / 10 {
        work().await;
    }
    let mut times = Vec::with_capacity(rounds);
    for _ in 0..rounds {
        let start = Instant::now();
        work().await;
        times.push(start.elapsed());
    }
    median(&mut times)
}

/// How many times longer one took than the other.
pub(crate) fn ratio(one: Duration, other: Duration) -> f64 {
    one.as_secs_f64() / other.as_secs_f64().max(1e-9)
}

/// The most memory this process ever held, in MB; `None` where the system does not tell.
pub(crate) fn peak_megabytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    Some(line.split_whitespace().nth(1)?.parse::<u64>().ok()? / 1_000)
}

/// A line of a table of figures.
pub(crate) fn row(name: &str, value: impl std::fmt::Display, bar: &str) {
    println!("  {name:<58} {value:>14}   {bar}");
}

/// Bytes that this process has handed to the system to be written; `None` where it does not tell.
pub(crate) fn written_bytes() -> Option<u64> {
    let io = std::fs::read_to_string("/proc/self/io").ok()?;
    io.lines().find_map(|line| line.strip_prefix("wchar: "))?.parse().ok()
}

/// Bytes of all files below a folder.
pub(crate) fn folder_bytes(folder: &std::path::Path) -> std::io::Result<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        bytes += if metadata.is_dir() { folder_bytes(&entry.path())? } else { metadata.len() };
    }
    Ok(bytes)
}
