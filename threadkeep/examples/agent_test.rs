//! How an agent tests the code that keeps its threads: the store in memory is the fake.
//!
//! `cargo test -p threadkeep --example agent_test`

use threadkeep::{ErrorKind, Result, Store, ThreadId, ThreadSeed, ThreadStoreExt, Timestamp};

/// The code under test: keeps a new thread, and once more when the store was busy.
async fn keep(store: &dyn Store, title: &str) -> Result<ThreadId> {
    let id = ThreadId::new();
    let path = format!("/sessions/rollout-{id}.jsonl");
    let mut row = ThreadSeed::new(id, path, Timestamp::now()).source("cli").into_metadata();
    row.title = title.to_owned();
    row.has_user_event = true;
    match store.upsert_thread(row.clone()).await {
        Err(error) if error.kind() == ErrorKind::Busy => store.upsert_thread(row).await?,
        other => other?,
    };
    Ok(id)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let store = threadkeep::open("memory:").await?;
    let id = keep(&*store, "Fix the flaky test").await?;
    println!("kept {id}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use threadkeep::hooks::{Fault, Faults, Hooked};
    use threadkeep::{MemoryStore, ThreadQuery};

    use super::*;

    #[tokio::test]
    async fn a_kept_thread_is_listed() {
        let store = MemoryStore::new();
        let id = keep(&store, "Fix the flaky test").await.unwrap();
        let page = store.list_threads(ThreadQuery::new()).await.unwrap();
        assert_eq!(page.items[0].id, id);
    }

    #[tokio::test]
    async fn a_busy_store_is_asked_once_more() {
        let faults = Arc::new(Faults::default());
        let store = Hooked::new(MemoryStore::new()).with_faults(faults.clone());
        faults.push("write", Fault::Before(ErrorKind::Busy));
        assert!(keep(&store, "Fix the flaky test").await.is_ok());

        faults.push("write", Fault::Before(ErrorKind::StorageFull));
        let error = keep(&store, "Fix the flaky test").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::StorageFull);
    }
}
