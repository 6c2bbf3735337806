//! What PostgreSQL makes difficult: namespaces side by side, hostile names, odd and long texts, and
//! writers that come at the same moment.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use threadkeep_core::{
    BatchId, Change, DynamicToolSpec, DynamicToolStore as _, Effect, ErrorKind, Expect, FieldPatch,
    LogEntry, LogFilter, LogLevel, LogQuery, LogStore as _, Store as _, ThreadId, ThreadMetadata,
    ThreadPatch, ThreadQuery, ThreadSeed, ThreadStore as _, ThreadStoreExt as _, Timestamp,
    WriteBatch, limits,
};
use threadkeep_postgres::{PostgresOptions, PostgresStore};
use threadkeep_test_server::{or_skip, shared};

const ODD: [&str; 9] = [
    "",
    "\0",
    "\u{1}",
    "\u{1}\u{2}\0\u{1}",
    r"quotes ' '' \' \\' $$ $1 ? :name %s %% E'\x41'",
    r#"{"a":"\u0000"},NULL,"NULL",{}\"#,
    "'; DROP SCHEMA threadkeep CASCADE; --",
    "line\nend\r\n\ttab /* comment */",
    "\u{10ffff}\u{fffd}é\u{202e}\u{feff}",
];

/// A namespace that no earlier run on the same server used.
fn namespace(name: &str) -> String {
    static RUN: OnceLock<BatchId> = OnceLock::new();
    format!("{}{name}", RUN.get_or_init(BatchId::new))
}

fn options(name: &str) -> PostgresOptions {
    let url = shared().unwrap().url();
    PostgresOptions::from_url(&url).unwrap().namespace(namespace(name)).unwrap()
}

/// A handle onto a namespace of its own, or a skipped test.
async fn open(test: &str, name: &str) -> Option<PostgresStore> {
    or_skip(test, shared())?;
    Some(PostgresStore::open_with(options(name)).await.unwrap())
}

fn id(number: u32) -> ThreadId {
    let mut bytes = [7; 16];
    bytes[12..].copy_from_slice(&number.to_be_bytes());
    ThreadId::from_bytes(bytes)
}

fn row(number: u32) -> ThreadMetadata {
    let at = Timestamp::from_millis(i64::from(number));
    let mut row = ThreadSeed::new(id(number), "/sessions/a.jsonl", at).into_metadata();
    row.has_user_event = true;
    row
}

fn put(row: ThreadMetadata) -> Change {
    Change::Put(Box::new(row))
}

fn titled(number: u32, title: &str) -> Change {
    let mut patch = ThreadPatch::default();
    patch.title = FieldPatch::Set(title.into());
    Change::Patch(id(number), Box::new(patch))
}

fn checkpoint(key: &str, value: &str) -> Change {
    Change::SetCheckpoint { key: key.into(), value: Some(value.into()) }
}

#[tokio::test]
async fn namespaces_never_see_each_other() {
    let test = "namespaces_never_see_each_other";
    let mut names: Vec<String> = ODD[1..].iter().map(|name| format!("{test}{name}")).collect();
    names.push(format!("{test}A"));
    names.push(format!("{test}a"));
    names.push(format!("{test}{}", "n".repeat(200 - namespace(test).len())));
    let mut stores = Vec::new();
    for name in &names {
        let Some(store) = open(test, name).await else { return };
        stores.push(store);
    }
    for (store, name) in stores.iter().zip(&names) {
        let mut mine = row(1);
        mine.title.clone_from(name);
        store
            .write(WriteBatch::new().and(put(mine)).and(put(row(2))).and(checkpoint("key", name)))
            .await
            .unwrap();
        let now = SystemTime::now().into();
        let mut entry = LogEntry::new(now, LogLevel::Info, name.as_str(), "message");
        entry.thread_id = Some(id(1).to_string());
        store.append(vec![entry]).await.unwrap();
    }
    let (last, others) = stores.split_last().unwrap();
    last.write(
        WriteBatch::new()
            .and(Change::Delete { id: id(1), at: Timestamp::now() })
            .and(Change::Delete { id: id(2), at: Timestamp::now() })
            .and(Change::SetCheckpoint { key: "key".into(), value: None }),
    )
    .await
    .unwrap();
    last.maintain(Duration::from_secs(5)).await.unwrap();
    let stats = last.stats().await.unwrap();
    assert_eq!((stats.threads, stats.tombstones, stats.log_entries), (0, 2, 0));
    for (store, name) in others.iter().zip(&names) {
        let expected = limits::cut(name, limits::TITLE_BYTES);
        assert_eq!(store.get_thread(id(1)).await.unwrap().unwrap().title, expected);
        let page = store.list(ThreadQuery::everything()).await.unwrap();
        assert_eq!(page.items.len(), 2, "{name:?}");
        let query = ThreadQuery::everything().text(name.as_str());
        assert_eq!(store.list_ids(query).await.unwrap().items, [id(1)], "{name:?}");
        let checkpoints = store.checkpoints(String::new(), None, 10).await.unwrap();
        assert_eq!(checkpoints.len(), 1);
        assert_eq!(checkpoints[0].value, *name);
        let logs = store.query(LogQuery::new(LogFilter::new())).await.unwrap();
        let targets: Vec<_> = logs.items.iter().map(|row| row.entry.target.as_str()).collect();
        assert_eq!(targets, [name.as_str()]);
        assert!(store.check().await.unwrap().is_sound());
        assert_eq!(store.stats().await.unwrap().tombstones, 0);
    }
}

#[tokio::test]
async fn odd_texts_return_unchanged_from_every_field() {
    let name = "odd_texts_return_unchanged_from_every_field";
    let Some(store) = open(name, name).await else { return };
    for (number, odd) in (1..).zip(ODD) {
        let text = odd.to_owned();
        let mut wanted = row(number);
        wanted.source.clone_from(&text);
        wanted.model_provider.clone_from(&text);
        wanted.model = Some(text.clone());
        wanted.cli_version = Some(text.clone());
        wanted.cwd = text.clone().into();
        wanted.title.clone_from(&text);
        wanted.preview = Some(text.clone());
        wanted.name = Some(text.clone());
        wanted.sandbox_policy.clone_from(&text);
        wanted.approval_mode.clone_from(&text);
        wanted.git_branch = Some(text.clone());
        let quoted = serde_json::to_string(&text).unwrap();
        let tool = DynamicToolSpec::from_json(format!(r#"{{"name":"a","x":{quoted}}}"#)).unwrap();
        let tools = Change::SetTools { id: wanted.id, tools: vec![tool.clone()], replace: true };
        let batch = WriteBatch::new().and(put(wanted.clone())).and(tools);
        let outcomes = store.write(batch.and(checkpoint(&text, &text))).await.unwrap();
        wanted.revision = outcomes[1].revision;
        assert_eq!(store.get_thread(wanted.id).await.unwrap(), Some(wanted.clone()));
        assert_eq!(store.dynamic_tools(wanted.id).await.unwrap(), Some(vec![tool]));
        let query = ThreadQuery::everything;
        for query in [
            query().source(&text),
            query().provider(&text),
            query().source(&text).provider(&text),
            query().cwd(&text),
        ] {
            let page = store.list(query.clone()).await.unwrap();
            assert_eq!(page.items, [wanted.clone()], "{text:?}");
            assert_eq!(store.list_ids(query).await.unwrap().items, [wanted.id]);
        }
        let found = store.checkpoints(text.clone(), None, 100).await.unwrap();
        assert!(found.iter().all(|found| found.key.starts_with(&text)));
        assert!(found.iter().any(|found| found.key == text && found.value == text), "{text:?}");
    }
    let all = store.checkpoints(String::new(), None, 100).await.unwrap();
    assert_eq!(all.len(), ODD.len());
    assert!(all.is_sorted_by(|one, other| one.key < other.key));
    for (nth, checkpoint) in all.iter().enumerate() {
        let rest =
            store.checkpoints(String::new(), Some(checkpoint.key.clone()), 100).await.unwrap();
        assert_eq!(rest, all[nth + 1..]);
    }
    assert!(store.check().await.unwrap().is_sound());
}

#[tokio::test]
async fn texts_longer_than_an_index_takes_are_found() {
    let test = "texts_longer_than_an_index_takes_are_found";
    let Some(store) = open(test, test).await else { return };
    // It does not compress, since compressed it might fit.
    let mut state = 1_u64;
    let long: String = (0..1 << 20)
        .map(|_| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            char::from(b'!' + u8::try_from((state >> 33) % 90).unwrap())
        })
        .collect();
    for (number, end) in (1..).zip(["", "a", "b"]) {
        let mut wanted = row(number);
        wanted.source = format!("{long}{end}");
        wanted.model_provider = format!("{long}{end}");
        wanted.cwd = format!("/{long}{end}").into();
        store.upsert_thread(wanted).await.unwrap();
        let key = &long[..limits::PREVIEW_BYTES - 1];
        store.write(checkpoint(&format!("{key}{end}"), end).into()).await.unwrap();
    }
    let query = ThreadQuery::everything;
    for query in [
        query().source(format!("{long}a")),
        query().provider(format!("{long}a")).source(format!("{long}a")),
        query().cwd(format!("/{long}a")),
    ] {
        assert_eq!(store.list_ids(query).await.unwrap().items, [id(2)]);
    }
    let key = &long[..limits::PREVIEW_BYTES - 1];
    let found = store.checkpoints(key.to_owned(), None, 10).await.unwrap();
    let values: Vec<_> = found.iter().map(|found| found.value.as_str()).collect();
    assert_eq!(values, ["", "a", "b"]);
    let found = store.checkpoints(key.to_owned(), Some(format!("{key}a")), 10).await.unwrap();
    assert_eq!(found.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_who_create_a_thread_at_once_one_wins() {
    let test = "of_two_who_create_a_thread_at_once_one_wins";
    let Some(one) = open(test, test).await else { return };
    let Some(other) = open(test, test).await else { return };
    for number in 1..=200 {
        let create = |store: &PostgresStore| {
            let store = store.clone();
            let batch = WriteBatch::new().and_if(Expect::Absent, put(row(number)));
            tokio::spawn(async move { store.write(batch).await })
        };
        let (first, second) = (create(&one), create(&other));
        let answers = [first.await.unwrap(), second.await.unwrap()];
        let won = answers.iter().filter(|answer| answer.is_ok()).count();
        assert_eq!(won, 1, "{answers:?}");
        let lost = answers.into_iter().find_map(Result::err).unwrap();
        assert_eq!(lost.kind(), ErrorKind::AlreadyExists);
        assert_eq!(one.get_thread(id(number)).await.unwrap().unwrap().revision, 1);
    }
}

/// Each of two batches creates a thread unless the other's is there: one of them has to see the
/// other's, whichever comes first.
#[tokio::test(flavor = "multi_thread")]
async fn of_two_batches_one_sees_what_the_other_creates() {
    let test = "of_two_batches_one_sees_what_the_other_creates";
    let Some(one) = open(test, test).await else { return };
    let Some(other) = open(test, test).await else { return };
    for number in (1..200).step_by(2) {
        let create = |store: &PostgresStore, mine: u32, theirs: u32| {
            let store = store.clone();
            let batch = WriteBatch::new().and(titled(theirs, "seen")).and(put(row(mine)));
            tokio::spawn(async move { store.write(batch).await.unwrap()[0].effect })
        };
        let (first, second) =
            (create(&one, number, number + 1), create(&other, number + 1, number));
        let effects = [first.await.unwrap(), second.await.unwrap()];
        let seen = effects.iter().filter(|effect| **effect == Effect::Updated).count();
        assert_eq!(seen, 1, "{effects:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thread_created_and_deleted_meanwhile_keeps_its_tombstone() {
    let test = "a_thread_created_and_deleted_meanwhile_keeps_its_tombstone";
    let Some(one) = open(test, test).await else { return };
    let Some(other) = open(test, test).await else { return };
    for number in 1..=200 {
        let creating = {
            let store = one.clone();
            tokio::spawn(async move { store.write(put(row(number)).into()).await.unwrap()[0] })
        };
        let mut revisions = Vec::new();
        let batch = WriteBatch::new()
            .and(put(row(number)))
            .and(Change::Delete { id: id(number), at: Timestamp::from_millis(1) });
        for _ in 0..3 {
            let outcomes = other.write(batch.clone()).await.unwrap();
            revisions.extend(outcomes.iter().map(|outcome| outcome.revision));
        }
        let created = creating.await.unwrap();
        revisions.sort_unstable();
        revisions.dedup();
        let last = other.write(titled(number, "last").into()).await.unwrap()[0].revision;
        let own = revisions.last().copied().unwrap();
        assert!(created.revision <= own + 1 && last >= own, "{created:?} {revisions:?} {last}");
    }
    assert!(one.check().await.unwrap().is_sound());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_named_batch_is_applied_once_by_whatever_handle() {
    let test = "a_named_batch_is_applied_once_by_whatever_handle";
    let Some(one) = open(test, test).await else { return };
    let Some(other) = open(test, test).await else { return };
    one.upsert_thread(row(1)).await.unwrap();
    for number in 0..100 {
        let batch = WriteBatch::new().with_id(BatchId::new()).and(titled(1, &number.to_string()));
        let write = |store: &PostgresStore| {
            let (store, batch) = (store.clone(), batch.clone());
            tokio::spawn(async move { store.write(batch).await.unwrap() })
        };
        let (first, second) = (write(&one), write(&other));
        let outcomes = first.await.unwrap();
        assert_eq!(outcomes, second.await.unwrap());
        assert_eq!(outcomes, other.write(batch).await.unwrap());
        assert_eq!(outcomes[0].revision, number + 2);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn eight_handles_on_one_row_lose_no_update() {
    const EACH: u64 = 50;
    let test = "eight_handles_on_one_row_lose_no_update";
    let Some(first) = open(test, test).await else { return };
    first.write(WriteBatch::new().and(put(row(1))).and(put(row(2)))).await.unwrap();
    let mut writers = Vec::new();
    for writer in 0..8_u64 {
        let Some(store) = open(test, test).await else { return };
        writers.push(tokio::spawn(async move {
            for nth in 0..EACH {
                let title = format!("{writer}.{nth}");
                // Rows are named in either order: locks have one of their own.
                let (one, two) = if nth % 2 == writer % 2 { (1, 2) } else { (2, 1) };
                let batch = WriteBatch::new().and(titled(one, &title)).and(titled(two, &title));
                store.write(batch).await.unwrap();
            }
        }));
    }
    for writer in writers {
        writer.await.unwrap();
    }
    for number in [1, 2] {
        let row = first.get_thread(id(number)).await.unwrap().unwrap();
        assert_eq!(row.revision, 1 + 8 * EACH);
    }
}

/// What somebody else holds fails only those batches that need it.
#[tokio::test(flavor = "multi_thread")]
async fn a_held_row_stops_nobody_else() {
    use sqlx::Connection as _;

    let test = "a_held_row_stops_nobody_else";
    let Some(first) = open(test, test).await else { return };
    first.write(WriteBatch::new().and(put(row(1))).and(put(row(2)))).await.unwrap();
    let options = options(test).deadline(Duration::from_secs(1));
    let store = Arc::new(PostgresStore::open_with(options).await.unwrap());
    let mut holder = sqlx::PgConnection::connect(&shared().unwrap().url()).await.unwrap();
    sqlx::raw_sql("BEGIN").execute(&mut holder).await.unwrap();
    sqlx::query(
        "SELECT 1 FROM threadkeep.threads WHERE namespace = $1 AND id = $2::uuid FOR UPDATE",
    )
    .bind(namespace(test))
    .bind(id(1).to_string())
    .execute(&mut holder)
    .await
    .unwrap();
    let write = |number: u32| {
        let store = Arc::clone(&store);
        tokio::spawn(async move { store.write(titled(number, "new").into()).await })
    };
    // The first is a group of its own, the others wait for it and become another.
    let writes: Vec<_> = [1, 2, 1, 2, 2].map(write).into_iter().collect();
    for (nth, answer) in writes.into_iter().enumerate() {
        let answer = answer.await.unwrap();
        if nth % 2 == 0 && nth < 4 {
            let error = answer.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Busy, "{nth}: {error:?}");
            assert!(error.is_retryable());
        } else {
            assert!(answer.is_ok(), "{nth}: {answer:?}");
        }
    }
    holder.close().await.unwrap();
    assert_eq!(store.write(titled(1, "new").into()).await.unwrap()[0].revision, 2);
}
