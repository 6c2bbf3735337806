//! Many who append to the logs, and those who follow.

use std::sync::Arc;

use threadkeep_core::{
    Direction, LogEntry, LogFilter, LogLevel, LogQuery, LogRow, LogStore, Store,
};

use super::{Clock, Given, Task, While, handles, must_grow, together};
use crate::cases::examples::say::at;
use crate::cases::{Tier, group};
use crate::lab::{Failure, Lab, Verdict};

group! { Tier::Interleaving;
    P_14: later_appends_get_greater_numbers,
    P_14: the_numbers_of_an_append_hold_its_entries_in_order,
    P_14: whoever_follows_by_number_misses_nothing,
}

const WRITERS: usize = 6;
const ROUNDS: usize = 25;

/// The entries of one append, from one to four.
fn entries(writer: usize, round: usize) -> Vec<LogEntry> {
    let entry = |number| {
        let message = format!("{writer}.{round}.{number}");
        LogEntry::new(at(0).to_datetime(), LogLevel::Info, "target", message)
    };
    (0..=(writer + round) % 4).map(entry).collect()
}

/// Appends all entries of a writer and answers the numbers they got.
async fn append(store: &dyn Store, clock: &Clock, writer: usize) -> Verdict<Vec<Given>> {
    let mut given = Vec::new();
    for round in 0..ROUNDS {
        let entries = entries(writer, round);
        let count = entries.len() as u64;
        let called = clock.now();
        let ids = store.append(entries).await?;
        let returned = clock.now();
        match ids {
            Some(ids) if ids.first + count <= ids.last + 1 => {
                given.push(Given { called, returned, first: ids.first, last: ids.last });
            }
            other => {
                return Err(Failure::new(format!("{count} entries got the numbers {other:?}")));
            }
        }
    }
    Ok(given)
}

/// The entries above a number, by number.
async fn page(store: &dyn Store, after: u64, limit: usize) -> Verdict<Vec<LogRow>> {
    let query = LogQuery::new(LogFilter::new().after_id(after));
    Ok(store.query(query.direction(Direction::Ascending).limit(limit)).await?.items)
}

async fn later_appends_get_greater_numbers(lab: &Lab) -> Verdict {
    let handles = handles(lab, 3).await?;
    let clock = Clock::default();
    let tasks = (0..WRITERS).map(|writer| {
        let (store, clock) = (Arc::clone(&handles[writer % handles.len()]), clock.clone());
        async move { append(&*store, &clock, writer).await }
    });
    must_grow("appends", together(tasks).await?.concat())
}

async fn the_numbers_of_an_append_hold_its_entries_in_order(lab: &Lab) -> Verdict {
    let handles = handles(lab, 3).await?;
    let tasks = (0..WRITERS).map(|writer| {
        let store = Arc::clone(&handles[writer % handles.len()]);
        let other = Arc::clone(&handles[(writer + 1) % handles.len()]);
        async move {
            let mut all = Vec::new();
            for round in 0..ROUNDS {
                let expected = entries(writer, round);
                let Some(ids) = store.append(expected.clone()).await? else {
                    return Err(Failure::new("an append was given no numbers"));
                };
                let mut filter = LogFilter::new().after_id(ids.first - 1);
                filter.before_id = Some(ids.last + 1);
                let query = LogQuery::new(filter).direction(Direction::Ascending);
                let between = other.query(query).await?.items;
                must_hold(ids.first, ids.last, &expected, &between)?;
                all.push((ids.first, ids.last, expected));
            }
            Ok(all)
        }
    });
    let appended = together(tasks).await?.concat();
    let stored = page(&*handles[0], 0, LogQuery::MAX_LIMIT).await?;
    for (first, last, expected) in &appended {
        let between = stored.iter().filter(|row| (*first..=*last).contains(&row.id));
        must_hold(*first, *last, expected, &between.cloned().collect::<Vec<_>>())?;
    }
    let count: usize = appended.iter().map(|(_, _, entries)| entries.len()).sum();
    if stored.len() != count {
        return Err(Failure::new(format!("of {count} entries {} are there", stored.len())));
    }
    Ok(())
}

fn must_hold(first: u64, last: u64, expected: &[LogEntry], stored: &[LogRow]) -> Verdict {
    if stored.iter().map(|row| &row.entry).eq(expected) {
        return Ok(());
    }
    let stored: Vec<_> = stored.iter().map(|row| (row.id, &row.entry.message)).collect();
    let expected: Vec<_> = expected.iter().map(|entry| &entry.message).collect();
    Err(Failure::new(format!(
        "an append was given the numbers {first} to {last}\n  for {expected:?}\n  which hold \
         {stored:?}"
    )))
}

async fn whoever_follows_by_number_misses_nothing(lab: &Lab) -> Verdict {
    let handles = handles(lab, 3).await?;
    let (clock, writing) = (Clock::default(), While::new(WRITERS));
    let mut tasks = Vec::new();
    for writer in 0..WRITERS {
        let (store, clock) = (Arc::clone(&handles[writer % handles.len()]), clock.clone());
        let writing = writing.clone();
        tasks.push(Box::pin(async move {
            append(&*store, &clock, writer).await?;
            writing.one_ended();
            Ok(Vec::new())
        }) as Task<Vec<LogRow>>);
    }
    for handle in &handles {
        let (store, writing) = (Arc::clone(handle), writing.clone());
        tasks.push(Box::pin(async move { follow(&*store, &writing).await }));
    }
    let followed = together(tasks).await?;
    let stored = page(&*handles[0], 0, LogQuery::MAX_LIMIT).await?;
    for rows in followed.into_iter().filter(|rows| !rows.is_empty()) {
        let differs = stored.iter().zip(&rows).find(|(stored, row)| stored != row);
        if let Some((stored, row)) = differs {
            return Err(Failure::new(format!(
                "a follower met {row:?}\n  where in the end there is {stored:?}"
            )));
        }
        if rows.len() != stored.len() {
            return Err(Failure::new(format!(
                "a follower met {} of {} entries",
                rows.len(),
                stored.len()
            )));
        }
    }
    Ok(())
}

/// Every entry, in pages, until nobody writes any more.
async fn follow(store: &dyn Store, writing: &While) -> Verdict<Vec<LogRow>> {
    let mut rows: Vec<LogRow> = Vec::new();
    loop {
        // Whether anybody still writes is asked first, so that the last page is not missed.
        let goes_on = writing.goes_on().await;
        let last = rows.last().map_or(0, |row| row.id);
        let next = page(store, last, 7).await?;
        if let Some(row) = next.first()
            && row.id <= last
        {
            return Err(Failure::new(format!("after number {last} came {}", row.id)));
        }
        if next.is_empty() && !goes_on {
            return Ok(rows);
        }
        rows.extend(next);
    }
}
