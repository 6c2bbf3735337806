//! Questions about the logs, at few and at many entries.

use std::time::{Duration, Instant};

use anyhow::Result;
use threadkeep_core::{LogEntry, LogFilter, LogLevel, LogQuery, Retention};

use super::Engine;
use crate::entries::Entries;
use crate::measure;

const FEW: u64 = 10_000;
const BATCH: u64 = 500;
/// Entries of the rare module.
const RARE: u64 = 100;
const THREAD: &str = "019d2308-c368-7ca0-8331-65a7d4703507";

/// Asks each engine at 10,000 entries and at so many.
pub(crate) async fn run(entries: u64) -> Result<()> {
    for engine in Engine::ALL {
        println!("logs-query: {engine}, {FEW} entries and {entries}");
        let few = times(engine, FEW).await?;
        let many = times(engine, entries).await?;
        for ((name, few), (_, many)) in few.into_iter().zip(many) {
            let ratio = measure::ratio(many, few);
            let value = format!("{few:.0?} {many:.0?} {ratio:.1}x");
            measure::row(name, value, "at most 2 ms, 2x");
        }
    }
    Ok(())
}

async fn times(engine: Engine, entries: u64) -> Result<Vec<(&'static str, Duration)>> {
    let folder = tempfile::tempdir()?;
    let store = engine.open(folder.path(), Retention::default()).await?;
    let mut made = Entries::new();
    for batch in 0..entries / BATCH {
        let mut batch_of: Vec<LogEntry> = made.batch(BATCH as usize);
        for (place, entry) in (batch * BATCH..).zip(&mut batch_of) {
            if place % (entries / RARE) == 0 {
                entry.level = LogLevel::Warn;
                entry.target = "codex_core::seldom".into();
                entry.module_path = Some(entry.target.clone());
                entry.file = Some("core/src/seldom.rs".into());
                entry.line = Some(7);
            }
        }
        store.append(batch_of).await?;
    }
    store.close().await?;
    let store = engine.open(folder.path(), Retention::default()).await?;
    let all = LogFilter::new;
    let module = |name: &str| {
        let mut filter = all();
        filter.modules = Some([name.to_owned()].into());
        filter
    };
    let last = store.max_log_id(all()).await?;
    let mut three = all().threadless();
    for number in [7, 21, 42] {
        three = three.thread(format!("019d2308-c368-7ca0-8331-65a7d47035{number:02}"));
    }
    let begun = Instant::now();
    store.query(LogQuery::new(module("codex_core::seldom"))).await?;
    measure::row(
        &format!("the first question to {entries}"),
        format!("{:.1?}", begun.elapsed()),
        "",
    );
    let mut times = Vec::new();
    for (name, filter) in [
        ("the last 100", all()),
        ("the last 100 of a thread", all().thread(THREAD)),
        ("the last 100 errors", all().min_level(LogLevel::Error)),
        ("the last 100 of a module", module("codex_core::part_39")),
        ("the last 100 of a module with 100 entries", module("codex_core::seldom")),
        ("of a module that is not there", module("no such module")),
        ("of a thread that is not there", all().thread("no such thread")),
        ("the last 100 of three threads and of none", three),
        ("nothing new after the last", all().after_id(last)),
    ] {
        let query = LogQuery::new(filter);
        times.push((name, measure::time_async(100, || store.query(query.clone())).await));
    }
    let time = measure::time_async(100, || store.max_log_id(all())).await;
    times.push(("the number of the last", time));
    store.close().await?;
    Ok(times)
}
