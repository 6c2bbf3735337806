//! A home that a test writes and indexes.
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use threadkeep_core::{
    Page, Result, Store, ThreadId, ThreadMetadata, ThreadQuery, ThreadStore, ThreadStoreExt as _,
};
use threadkeep_memory::MemoryStore;
use threadkeep_rollouts::{Home, IndexOptions, IndexReport, index};

/// A home in a folder that goes with it, and a store.
pub(crate) struct Fixture {
    folder: tempfile::TempDir,
    pub(crate) store: MemoryStore,
}

/// The n-th thread.
pub(crate) fn id(n: u8) -> ThreadId {
    let mut bytes = [n; 16];
    bytes[6] = 0x70;
    bytes[8] = 0x80;
    ThreadId::from_bytes(bytes)
}

/// The name of a file of the n-th thread.
pub(crate) fn name(n: u8) -> String {
    format!("rollout-2026-03-01T09-30-{n:02}-{}.jsonl", id(n))
}

/// The name of a later file of the n-th thread.
pub(crate) fn segment(n: u8, segment: u8) -> String {
    format!("rollout-2026-03-02T09-30-{segment:02}-{}_{}.jsonl", id(n), id(segment))
}

pub(crate) fn line(second: u32, kind: &str, payload: &str) -> String {
    let (minute, second) = (second / 60, second % 60);
    format!(
        "{{\"timestamp\":\"2026-03-01T09:{minute:02}:{second:02}.000Z\",\"type\":\"{kind}\",\
         \"payload\":{payload}}}\n"
    )
}

pub(crate) fn meta(n: u8, second: u32) -> String {
    let payload = format!(
        r#"{{"id":"{}","timestamp":"2026-03-01T09:00:00.000Z","cwd":"/work","source":"cli","cli_version":"1.0"}}"#,
        id(n)
    );
    line(second, "session_meta", &payload)
}

pub(crate) fn said(second: u32, words: &str) -> String {
    let words = format!(r#"{{"type":"user_message","message":"{words}"}}"#);
    line(second, "event_msg", &words)
}

pub(crate) fn tokens(second: u32, total: i64) -> String {
    let payload = format!(
        r#"{{"type":"token_count","info":{{"total_token_usage":{{"total_tokens":{total}}}}}}}"#
    );
    line(second, "event_msg", &payload)
}

pub(crate) fn reply(second: u32, words: &str) -> String {
    let payload = format!(
        r#"{{"type":"message","role":"assistant","content":[{{"type":"output_text","text":"{words}"}}]}}"#
    );
    line(second, "response_item", &payload)
}

/// A thread of four lines.
pub(crate) fn thread(n: u8) -> String {
    [meta(n, 0), said(1, &format!("words {n}")), reply(2, "done"), tokens(3, i64::from(n))].concat()
}

pub(crate) fn rename(from: &Path, to: &Path) {
    fs::create_dir_all(to.parent().unwrap()).unwrap();
    fs::rename(from, to).unwrap();
}

/// Writes a file, as if `age` seconds ago.
pub(crate) fn write(path: &Path, text: impl AsRef<[u8]>, age: u64) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
    let time = UNIX_EPOCH + Duration::from_secs(1_800_000_000 - age);
    fs::File::options().append(true).open(path).unwrap().set_modified(time).unwrap();
}

pub(crate) fn append(path: &Path, text: impl AsRef<[u8]>, age: u64) {
    let mut whole = fs::read(path).unwrap_or_default();
    whole.extend(text.as_ref());
    write(path, whole, age);
}

impl Fixture {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), store: MemoryStore::new() }
    }

    pub(crate) fn home(&self) -> Home {
        Home::new(self.folder.path())
    }

    pub(crate) fn active(&self, name: &str) -> PathBuf {
        self.home().root().join("sessions/2026/03/01").join(name)
    }

    pub(crate) fn archived(&self, name: &str) -> PathBuf {
        self.home().root().join("archived_sessions").join(name)
    }

    pub(crate) async fn index(&self) -> IndexReport {
        self.try_index(&self.store, IndexOptions::new()).await.unwrap()
    }

    pub(crate) async fn full(&self) -> IndexReport {
        self.try_index(&self.store, IndexOptions::new().full(true)).await.unwrap()
    }

    pub(crate) async fn try_index(
        &self,
        store: &dyn Store,
        options: IndexOptions,
    ) -> Result<IndexReport> {
        index(store, &self.home(), options.workers(2)).await
    }

    pub(crate) async fn row(&self, n: u8) -> Option<ThreadMetadata> {
        self.store.get_thread(id(n)).await.unwrap()
    }

    /// Every row, without what counts the changes.
    pub(crate) async fn rows(&self) -> Vec<ThreadMetadata> {
        rows(&self.store).await
    }

    /// What one run makes of the home as it is.
    pub(crate) async fn fresh_rows(&self) -> Vec<ThreadMetadata> {
        let store = MemoryStore::new();
        self.try_index(&store, IndexOptions::new()).await.unwrap();
        rows(&store).await
    }
}

async fn rows(store: &MemoryStore) -> Vec<ThreadMetadata> {
    let Page { mut items, next, .. } =
        store.list(ThreadQuery::everything().limit(1_000)).await.unwrap();
    assert!(next.is_none(), "more threads than a page holds");
    for row in &mut items {
        row.revision = 0;
    }
    items.sort_unstable_by_key(|row| row.id);
    items
}
