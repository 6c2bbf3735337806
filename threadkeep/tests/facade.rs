//! Opening by URL, and the runtime of a home.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::Path;

use threadkeep::rollout::parse_line;
use threadkeep::rollouts::IndexOptions;
use threadkeep::{
    DynamicToolStore, ErrorKind, Runtime, ThreadId, ThreadQuery, ThreadStoreExt, Timestamp,
};

async fn kind(url: &str) -> ErrorKind {
    let error = threadkeep::open(url).await.err().expect("opened");
    assert!(error.hint_text().is_some(), "{error}");
    error.kind()
}

#[tokio::test]
async fn urls_that_name_no_store_are_refused() {
    for url in ["", "threads.db", "mysql://host/db", "memory:x", "sqlite:"] {
        assert_eq!(kind(url).await, ErrorKind::InvalidInput, "{url:?}");
    }
    assert_eq!(kind("sqlite:/no/such/folder/threads.db").await, ErrorKind::NotFound);
}

#[cfg(feature = "redb")]
#[tokio::test]
async fn urls_of_redb_stores_take_options() {
    for url in ["redb:", "redb:x.redb?sharing=all", "redb:x.redb?network=no", "redb:x.redb?fast"] {
        assert_eq!(kind(url).await, ErrorKind::InvalidInput, "{url:?}");
    }
    assert_eq!(kind("redb:/no/such/folder/threads.redb").await, ErrorKind::NotFound);
    let folder = tempfile::tempdir().unwrap();
    // A question mark of the path itself needs another at the end.
    let path = folder.path().join("threads?.redb");
    let url = format!("redb:{}?sharing=exclusive&network=allow", path.display());
    let store = threadkeep::open(&url).await.unwrap();
    assert!(!store.capabilities().has(threadkeep::Capability::MultiProcess));
    store.close().await.unwrap();
    assert!(path.exists());
}

#[cfg(not(feature = "redb"))]
#[tokio::test]
async fn a_url_whose_feature_is_off_says_so() {
    assert_eq!(kind("redb:threads.redb").await, ErrorKind::Unsupported);
}

#[cfg(feature = "postgres")]
#[tokio::test]
async fn a_routing_table_says_which_server_has_a_namespace() {
    let test = "a_routing_table_says_which_server_has_a_namespace";
    let Some(server) = threadkeep_test_server::or_skip(test, threadkeep_test_server::shared())
    else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let table = folder.path().join("routes");
    let url = server.url();
    std::fs::write(&table, format!("# where\nteam\u{e9}-a {url}\nteam-b postgres://nowhere/x\n"))
        .unwrap();
    let routed = format!("routes:{}?namespace=team%C3%A9-a&retention=off", table.display());
    let store = threadkeep::open(&routed).await.unwrap();
    let id = ThreadId::new();
    let row = threadkeep::ThreadSeed::new(id, "/a.jsonl", Timestamp::from_millis(5));
    store.upsert_thread(row.into_metadata()).await.unwrap();
    let parting = if url.contains('?') { '&' } else { '?' };
    let direct = threadkeep::open(&format!("{url}{parting}namespace=team%C3%A9-a")).await.unwrap();
    assert!(direct.get_thread(id).await.unwrap().is_some());
    let unknown = format!("routes:{}?namespace=team-c", table.display());
    assert_eq!(kind(&unknown).await, ErrorKind::NotFound);
    assert_eq!(kind("routes:/no/such/table").await, ErrorKind::NotFound);
}

#[cfg(feature = "postgres")]
#[tokio::test]
async fn urls_of_servers_are_checked() {
    for url in ["postgres://h/d?fast=yes", "postgres://h/d?namespace=", "postgres://h:port/d"] {
        assert_eq!(kind(url).await, ErrorKind::InvalidInput, "{url:?}");
    }
}

#[cfg(not(feature = "postgres"))]
#[tokio::test]
async fn a_url_of_a_server_without_the_feature_says_so() {
    assert_eq!(kind("postgres://h/d").await, ErrorKind::Unsupported);
}

fn line(text: &str) -> threadkeep::rollout::RolloutLine {
    parse_line(text.as_bytes()).unwrap().unwrap()
}

#[tokio::test]
async fn a_runtime_creates_its_home_and_keeps_threads_over_reopening() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("new/home");
    let id = ThreadId::new();
    let runtime = Runtime::builder(&home).default_provider("azure").open().await.unwrap();
    let seed = runtime.seed(id, home.join("a.jsonl"), Timestamp::from_millis(5));
    let lines = [line(
        r#"{"timestamp":"2026-03-01T09:30:00Z","type":"event_msg","payload":{"type":"user_message","message":"hello"}}"#,
    )];
    assert!(runtime.apply_rollout_items(seed.clone(), &[]).await.unwrap().is_none());
    assert!(runtime.apply_rollout_items(seed, &lines).await.unwrap().is_some());
    runtime.close().await.unwrap();

    let runtime = Runtime::open(&home).await.unwrap();
    let row = runtime.get_thread(id).await.unwrap().unwrap();
    assert_eq!((row.title.as_str(), row.model_provider.as_str()), ("hello", "azure"));
    // The history file does not exist, so the newest line tells the time.
    assert_eq!(row.updated_at.to_string(), "2026-03-01T09:30:00.000Z");
}

#[tokio::test]
async fn tools_come_from_the_store_else_from_the_file_and_are_then_stored() {
    let folder = tempfile::tempdir().unwrap();
    let runtime = Runtime::builder(folder.path()).url("memory:").open().await.unwrap();
    let id = ThreadId::new();
    let path = folder.path().join(format!("sessions/rollout-{id}.jsonl"));
    std::fs::create_dir(folder.path().join("sessions")).unwrap();
    let record = format!(
        r#"{{"timestamp":"2026-03-01T09:30:00Z","type":"session_meta","payload":{{"id":"{id}","dynamic_tools":[{{"name":"ticket","inputSchema":{{"b":1.00,"a":2}}}}]}}}}"#
    );
    std::fs::write(&path, record + "\n").unwrap();
    assert_eq!(runtime.get_dynamic_tools(id).await.unwrap(), None);

    let seed = runtime.seed(id, &path, Timestamp::from_millis(0));
    runtime.upsert_thread(seed.into_metadata()).await.unwrap();
    let tools = runtime.get_dynamic_tools(id).await.unwrap().unwrap();
    assert_eq!(tools[0].input_schema().as_deref(), Some(r#"{"b":1.00,"a":2}"#));
    assert_eq!(runtime.store().dynamic_tools(id).await.unwrap(), Some(tools.clone()));

    // From now on the file is not needed.
    std::fs::remove_file(&path).unwrap();
    assert_eq!(runtime.get_dynamic_tools(id).await.unwrap(), Some(tools));
}

#[tokio::test]
async fn a_home_is_indexed_through_its_runtime() {
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/codex-home");
    let runtime = Runtime::builder(&sample).url("memory:").open().await.unwrap();
    let report = runtime.index(IndexOptions::new()).await.unwrap();
    let page = runtime.list_threads(ThreadQuery::everything()).await.unwrap();
    assert_eq!(page.items.len() as u64, report.threads);
    assert!(report.threads > 10);
    assert!(runtime.store().get_thread(page.items[0].id).await.unwrap().is_some());
}
