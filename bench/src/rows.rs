//! Stores full of threads.

use std::path::Path;

use anyhow::Result;
use threadkeep_core::Store;
use threadkeep_core::{Change, ThreadId, ThreadMetadata, ThreadSeed, Timestamp, WriteBatch};
use threadkeep_sqlite::SqliteStore;

/// The source and provider that five threads have.
pub(crate) const RARE: &str = "rare";

/// A thread like those of real homes, about 900 bytes of metadata.
pub(crate) fn thread(number: u64, rare: bool) -> ThreadMetadata {
    let mut bytes = [0; 16];
    // Spread over the key space, as random ids are.
    bytes[..8].copy_from_slice(&number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
    bytes[8..].copy_from_slice(&number.to_be_bytes());
    let id = ThreadId::from_bytes(bytes);
    let time = |spread: u64| {
        let offset = i64::try_from(number * spread % 40_000_000_000).unwrap_or(0);
        Timestamp::from_millis(1_750_000_000_000 + offset)
    };
    let path =
        format!("/home/ann/.codex/sessions/2026/03/01/rollout-2026-03-01T09-30-00-{id}.jsonl");
    let mut row = ThreadSeed::new(id, path, time(7_919)).into_metadata();
    row.updated_at = time(104_729).max(row.created_at);
    row.has_user_event = true;
    row.source =
        if rare { RARE } else { ["vscode", "vscode", "cli", "exec"][number as usize % 4] }.into();
    row.model_provider =
        if rare { RARE } else { ["openai", "openai", "azure"][number as usize % 3] }.into();
    row.model = Some("gpt-5.3-codex".into());
    row.cli_version = Some("0.104.0".into());
    row.cwd = format!("/home/ann/src/project-{}", number % 100).into();
    row.title =
        format!("Please look at issue {number} and tell me why the build fails on the second run");
    row.preview = Some(format!("{} {}", row.title, "It worked yesterday. ".repeat(8)));
    row.sandbox_policy = r#"{"type":"workspace-write","network_access":false}"#.into();
    row.git_sha = Some("f4685d03ac5c8de5c436792724b5bb4aca382364".into());
    row.git_branch = Some("main".into());
    row.git_origin_url = Some("https://example.com/ann/project.git".into());
    row
}

/// Creates a store with this many threads, five of them rare, its write-ahead file emptied.
pub(crate) async fn fill(path: &Path, threads: usize) -> Result<SqliteStore> {
    let store = SqliteStore::open(path).await?;
    put_all(&store, threads).await?;
    store.maintain(std::time::Duration::from_mins(1)).await?;
    Ok(store)
}

/// Puts this many threads, five of them rare, into a store.
pub(crate) async fn put_all(store: &dyn Store, threads: usize) -> Result<()> {
    let every = (threads / 5).max(1);
    for start in (0..threads).step_by(5_000) {
        let mut batch = WriteBatch::new();
        for number in start..(start + 5_000).min(threads) {
            let row = thread(number as u64, number % every == every / 2);
            batch.push(Change::Put(Box::new(row)));
        }
        store.write(batch).await?;
    }
    Ok(())
}
