//! Short words for log entries.

use threadkeep_core::{Direction, LogEntry, LogFilter, LogLevel, LogQuery, LogRow, Result, Store};

use super::say::at;
use crate::lab::{Failure, Verdict};

/// An entry of no thread and no process.
pub(in crate::cases) fn entry(message: &str) -> LogEntry {
    LogEntry::new(at(1_000).to_datetime(), LogLevel::Info, "target", message)
}

/// So many entries of a thread, each with its number for a message.
pub(in crate::cases) fn entries_of(thread: &str, count: usize) -> Vec<LogEntry> {
    let entry =
        |number: usize| LogEntry { thread_id: Some(thread.into()), ..entry(&number.to_string()) };
    (0..count).map(entry).collect()
}

/// What matches, by number.
pub(in crate::cases) async fn rows(store: &dyn Store, filter: LogFilter) -> Result<Vec<LogRow>> {
    let query = LogQuery::new(filter).direction(Direction::Ascending);
    Ok(store.query(query.limit(LogQuery::MAX_LIMIT)).await?.items)
}

/// The numbers of all entries.
pub(in crate::cases) async fn numbers(store: &dyn Store) -> Result<Vec<u64>> {
    Ok(rows(store, LogFilter::new()).await?.into_iter().map(|row| row.id).collect())
}

/// Appends entries and answers the number of each.
pub(in crate::cases) async fn append(
    store: &dyn Store,
    entries: Vec<LogEntry>,
) -> Verdict<Vec<u64>> {
    let count = entries.len();
    let Some(ids) = store.append(entries).await? else {
        return Err(Failure::new("an append was given no numbers"));
    };
    let ids: Vec<_> = (ids.first..=ids.last).collect();
    assert_eq!(ids.len(), count, "an append is given a number for each entry");
    Ok(ids)
}

/// What a page says of deletions.
pub(in crate::cases) async fn deleted_through(store: &dyn Store) -> Result<u64> {
    Ok(store.query(LogQuery::new(LogFilter::new())).await?.deleted_through)
}
