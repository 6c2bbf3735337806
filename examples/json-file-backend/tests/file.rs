//! What the suite cannot know of: the file itself.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fs;

use threadkeep_core::{ErrorKind, Store, ThreadId, ThreadSeed, ThreadStoreExt, Timestamp};
use threadkeep_json_file::JsonFileStore;

async fn refused(contents: &str) -> ErrorKind {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.json");
    fs::write(&path, contents).unwrap();
    let error = JsonFileStore::open(folder.path()).await.err().expect("opened");
    assert_eq!(fs::read_to_string(&path).unwrap(), contents, "bytes changed");
    assert!(error.hint_text().is_some() && error.to_string().contains("store.json"), "{error}");
    error.kind()
}

#[tokio::test]
async fn another_format_or_no_store_is_refused_untouched() {
    let newer = r#"{"format":2,"rows":"told in another way"}"#;
    assert_eq!(refused(newer).await, ErrorKind::SchemaTooNew);
    for contents in ["", "dear Ann", "[]", r#"{"songs":[]}"#, r#"{"format":1,"rows":{}}"#] {
        assert_eq!(refused(contents).await, ErrorKind::Corrupted, "{contents:?}");
    }
}

#[tokio::test]
async fn a_folder_that_is_not_there_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let error = JsonFileStore::open(folder.path().join("no")).await.err().expect("opened");
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

/// What is worst: nothing tells where in a listing it belongs.
#[tokio::test]
async fn a_row_of_which_nothing_can_be_read_is_met_all_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let store = JsonFileStore::open(folder.path()).await.unwrap();
    let ids = [ThreadId::new(), ThreadId::new()];
    for id in ids {
        let row = ThreadSeed::new(id, "/a.jsonl", Timestamp::from_millis(0)).into_metadata();
        store.upsert_thread(row).await.unwrap();
    }
    let path = folder.path().join("store.json");
    let damaged = fs::read_to_string(&path).unwrap().replacen("\\\"id\\\":", "\\\"di\\\":", 1);
    fs::write(&path, damaged).unwrap();
    // The handle that was open notices, too.
    let query = threadkeep_core::ThreadQuery::everything();
    let page = store.list_threads(query.clone()).await.unwrap();
    assert_eq!((page.items.len(), page.skipped.len(), page.next), (1, 1, None));
    assert_eq!(store.list_thread_ids(query).await.unwrap().items.len(), 2);
    assert_eq!(store.check().await.unwrap().damaged.len(), 1);
    assert_eq!(store.delete_threads(ids.to_vec()).await.unwrap(), ids);
    assert!(store.check().await.unwrap().is_sound());
}

#[cfg(unix)]
#[tokio::test]
async fn files_are_private() {
    use std::os::unix::fs::PermissionsExt as _;

    let folder = tempfile::tempdir().unwrap();
    let store = JsonFileStore::open(folder.path()).await.unwrap();
    store.rename(ThreadId::new(), None).await.unwrap();
    store.backup(folder.path().join("copy")).await.unwrap();
    for file in ["store.json", "store.lock", "copy/store.json"] {
        let mode = fs::metadata(folder.path().join(file)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
}
