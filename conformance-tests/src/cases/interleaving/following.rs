//! Those who follow the logs while many append to them, or take from them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use threadkeep_core::{Follow, LogEntry, LogFilter, LogRow, LogStore as _, Retention, Store};

use super::{Task, handles, together};
use crate::cases::examples::entries::{append, entries_of, entry, rows};
use crate::cases::examples::follow::Told;
use crate::cases::{Tier, group};
use crate::lab::{Failure, Lab, Verdict};

group! { Tier::Interleaving;
    G_52: each_entry_is_told_once_however_many_append,
    G_43: appends_go_on_while_entries_are_pruned,
}

const WRITERS: usize = 6;
const ROUNDS: usize = 15;
/// How often those who follow look for what was not heard of.
const POLL: Duration = Duration::from_millis(200);
/// How long an append may take while entries are pruned.
const HELD_UP: Duration = Duration::from_millis(250);
/// Entries that are pruned.
const DOOMED: usize = 8_000;
/// How often it may take longer before that is the store's fault and not that of a busy machine.
const ATTEMPTS: u32 = 3;

/// The entries of one append, from one to four; those of even writers are of a thread.
fn entries(writer: usize, round: usize) -> Vec<LogEntry> {
    let of = |number| LogEntry {
        thread_id: writer.is_multiple_of(2).then(|| "even".into()),
        ..entry(&format!("{writer}.{round}.{number}"))
    };
    (0..=(writer + round) % 4).map(of).collect()
}

async fn each_entry_is_told_once_however_many_append(lab: &Lab) -> Verdict {
    let handles = handles(lab, 3).await?;
    let mut tasks: Vec<Task<(usize, Vec<LogRow>)>> = Vec::new();
    // Every follower knows how many entries have to come: one that comes twice takes the place of
    // another.
    let all = || (0..WRITERS).flat_map(|writer| (0..ROUNDS).map(move |round| (writer, round)));
    let count = all().flat_map(|(writer, round)| entries(writer, round)).count();
    let even = all().flat_map(|(writer, round)| entries(writer, round));
    let even = even.filter(|entry| entry.thread_id.is_some()).count();
    let filters = [LogFilter::new(), LogFilter::new().thread("even"), LogFilter::new()];
    for (place, (handle, filter)) in handles.iter().zip(filters).enumerate() {
        let (store, expected) = (Arc::clone(handle), if place == 1 { even } else { count });
        tasks.push(Box::pin(async move {
            let mut told = Told::by(&store, Follow::new(filter, 0).poll(POLL));
            let mut rows = Vec::new();
            while rows.len() < expected {
                rows.push(told.entry().await?);
            }
            Ok((place, rows))
        }));
    }
    for writer in 0..WRITERS {
        let store = Arc::clone(&handles[writer % handles.len()]);
        tasks.push(Box::pin(async move {
            for round in 0..ROUNDS {
                store.append(entries(writer, round)).await?;
            }
            Ok((usize::MAX, Vec::new()))
        }));
    }
    let told = together(tasks).await?;
    let stored = rows(&*handles[0], LogFilter::new()).await?;
    for (place, told) in told.into_iter().filter(|(place, _)| *place < handles.len()) {
        let expected = stored.iter().filter(|row| place != 1 || row.entry.thread_id.is_some());
        if !told.iter().eq(expected) {
            let numbers: Vec<_> = told.iter().map(|row| row.id).collect();
            return Err(Failure::new(format!("follower {place} was told of {numbers:?}")));
        }
    }
    Ok(())
}

async fn appends_go_on_while_entries_are_pruned(lab: &Lab) -> Verdict {
    let handles = handles(lab, 2).await?;
    let mut slowest = Duration::MAX;
    for _ in 0..ATTEMPTS {
        slowest = append_while_pruning(&handles[0], &*handles[1]).await?;
        if slowest <= HELD_UP {
            return Ok(());
        }
    }
    Err(Failure::new(format!(
        "while {DOOMED} entries were pruned, an append took {slowest:?}, and not only once"
    )))
}

/// The longest that an append on one handle took while entries were pruned on another.
async fn append_while_pruning(pruning: &Arc<dyn Store>, other: &dyn Store) -> Verdict<Duration> {
    const KEPT: u64 = 10;
    for chunk in entries_of("t", DOOMED).chunks(1_000) {
        append(other, chunk.to_vec()).await?;
    }
    let store = Arc::clone(pruning);
    let prune = tokio::spawn(async move {
        let mut gone = 0;
        while gone < DOOMED as u64 - KEPT {
            gone += store.prune(Retention::thread_rows(KEPT), Duration::from_secs(5)).await?.rows;
        }
        Ok::<_, Failure>(())
    });
    let mut slowest = Duration::ZERO;
    while !prune.is_finished() {
        let begun = Instant::now();
        append(other, vec![entry("meanwhile")]).await?;
        slowest = slowest.max(begun.elapsed());
        // Nobody logs without end, and who waits for a lock gets it in between.
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    prune.await.map_err(|error| Failure::new(error.to_string()))??;
    Ok(slowest)
}
