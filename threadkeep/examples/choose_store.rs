//! The same code over any store: the feature puts it into the program, the URL chooses it.
//!
//! `cargo run -p threadkeep --example choose_store -- sqlite:/tmp/threads.db`

use threadkeep::{
    LogEntry, LogLevel, LogStoreExt, Result, Store, ThreadId, ThreadQuery, ThreadSeed,
    ThreadStoreExt, Timestamp,
};

/// Does not know, and need not know, where threads are kept.
async fn work(store: &dyn Store) -> Result<()> {
    let id = ThreadId::new();
    let mut row = ThreadSeed::new(id, "/sessions/a.jsonl", Timestamp::now()).into_metadata();
    row.title = "Choose a store".into();
    row.has_user_event = true;
    store.upsert_thread(row).await?;
    let time = Timestamp::now().to_datetime();
    store.insert_log(LogEntry::new(time, LogLevel::Info, "example", "kept a thread")).await?;
    for row in store.list_threads(ThreadQuery::new().limit(5)).await?.items {
        println!("{}  {}  {}", row.id, row.updated_at, row.title);
    }
    store.close().await
}

#[tokio::main]
async fn main() -> Result<()> {
    let url = std::env::args().nth(1).unwrap_or_else(|| "memory:".into());
    work(&*threadkeep::open(&url).await?).await
}
