//! Stores of one server, and their entries.

use std::collections::BTreeSet;
use std::time::SystemTime;

use chrono::{DateTime, Utc};
use threadkeep_core::{
    Direction, LogEntry, LogFilter, LogIds, LogLevel, LogPage, LogQuery, LogRow, LogStore as _,
    Retention,
};
use threadkeep_postgres::{PostgresOptions, PostgresStore};
use threadkeep_test_server::{Server, Settings, or_skip, shared};

/// The server of this process, or a skipped test.
pub(crate) fn server(test: &str) -> Option<&'static Server> {
    or_skip(test, shared())
}

/// A server that nobody else's partitions are on.
pub(crate) fn own_server(test: &str) -> Option<Server> {
    or_skip(test, Server::start(Settings::default()))
}

pub(crate) fn options(url: &str, namespace: &str) -> PostgresOptions {
    let options = PostgresOptions::from_url(url).unwrap();
    options.namespace(namespace).unwrap().retention(Retention::default())
}

pub(crate) async fn open(server: &Server, namespace: &str) -> PostgresStore {
    PostgresStore::open_with(options(&server.url(), namespace)).await.unwrap()
}

pub(crate) fn now() -> DateTime<Utc> {
    SystemTime::now().into()
}

pub(crate) fn entry(message: &str) -> LogEntry {
    LogEntry::new(now(), LogLevel::Info, "target", message)
}

/// An entry of a thread, as if it were so many days old.
pub(crate) fn old(days: i64, thread: &str, message: &str) -> LogEntry {
    let mut entry = entry(message);
    entry.time -= chrono::TimeDelta::days(days);
    entry.thread_id = Some(thread.to_owned());
    entry
}

pub(crate) async fn append(store: &PostgresStore, entries: Vec<LogEntry>) -> LogIds {
    store.append(entries).await.unwrap().unwrap()
}

/// All of them, the oldest first.
pub(crate) async fn all(store: &PostgresStore) -> LogPage {
    found(store, LogFilter::new()).await
}

pub(crate) async fn found(store: &PostgresStore, filter: LogFilter) -> LogPage {
    let query = LogQuery::new(filter).direction(Direction::Ascending).limit(LogQuery::MAX_LIMIT);
    store.query(query).await.unwrap()
}

pub(crate) fn messages(rows: &[LogRow]) -> Vec<&str> {
    rows.iter().map(|row| row.entry.message.as_deref().unwrap_or("")).collect()
}

pub(crate) fn distinct<'a>(messages: &[&'a str]) -> BTreeSet<&'a str> {
    messages.iter().copied().collect()
}

pub(crate) fn or_none(
    test: &str,
    server: threadkeep_test_server::Result<Server>,
) -> Option<Server> {
    or_skip(test, server)
}
