//! Many hosts: processes of their own, each with tasks that write the same and their own threads,
//! count in the same checkpoints, and log.
//!
//! `THREADKEEP_FAULT_ROUNDS=10` makes everything ten times as long.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use common::{factor, open};
use futures_util::StreamExt as _;
use threadkeep_core::{
    Change, ErrorKind, Expect, FieldPatch, Follow, Followed, LogEntry, LogFilter, LogLevel,
    LogStore as _, LogStoreExt as _, Store as _, ThreadId, ThreadPatch, ThreadSeed, ThreadStore,
    ThreadStoreExt as _, Timestamp, WriteBatch,
};
use threadkeep_test_server::{Server, Settings, or_skip};

const HOSTS: u32 = 8;
const TASKS: u32 = 8;
/// Counters and threads that all share.
const SHARED: u32 = 4;
/// Set for a process that is one of the hosts: its number, the URL, rounds and the file for its report.
const ROLE: &str = "THREADKEEP_TEST_HOST";

fn counter(nth: u32) -> String {
    format!("counter/{nth}")
}

fn shared_thread(nth: u32) -> ThreadId {
    common::thread(1_000_000, nth as usize)
}

/// Counts one up, however often others come first. Answers how often they did.
async fn count_up<S: ThreadStore>(store: &S, key: &str) -> threadkeep_core::Result<u32> {
    let mut conflicts = 0;
    loop {
        let found = store.checkpoints(key.to_owned(), None, 1).await?;
        let (expect, value) = match found.first() {
            Some(found) => (Expect::Revision(found.revision), found.value.parse().unwrap()),
            None => (Expect::Absent, 0_u64),
        };
        let change =
            Change::SetCheckpoint { key: key.to_owned(), value: Some((value + 1).to_string()) };
        match store.write(WriteBatch::new().and_if(expect, change)).await {
            Ok(_) => return Ok(conflicts),
            Err(error)
                if matches!(error.kind(), ErrorKind::Conflict | ErrorKind::AlreadyExists) =>
            {
                conflicts += 1;
            }
            Err(error) => return Err(error),
        }
    }
}

/// What one task of one host does. Answers the numbers of its entries, and counts conflicts.
async fn task(
    store: threadkeep_postgres::PostgresStore,
    number: u32,
    rounds: u32,
) -> threadkeep_core::Result<(Vec<u64>, u32)> {
    let mut conflicts = 0;
    let mut ids = Vec::new();
    for round in 0..rounds {
        conflicts += count_up(&store, &counter((number + round) % SHARED)).await?;
        // All shared threads in one batch, each host beginning with another one.
        let mut batch = WriteBatch::new();
        for nth in 0..SHARED {
            let mut patch = ThreadPatch::default();
            patch.title = FieldPatch::Set(format!("{number}/{round}"));
            batch.push(Change::Patch(shared_thread((nth + number) % SHARED), Box::new(patch)));
        }
        store.write(batch).await?;
        store.write(common::step(number, round as usize)).await?;
        let own = common::thread(number, 0);
        store.rename(own, Some(format!("round {round}"))).await?;
        let message = format!("{number}/{round}");
        let entry = LogEntry::new(SystemTime::now().into(), LogLevel::Info, "host", message);
        ids.push(store.append(vec![entry]).await?.unwrap().last);
    }
    Ok((ids, conflicts))
}

/// One of the hosts, when this program was started as one; otherwise nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_many_hosts() {
    let Ok(role) = std::env::var(ROLE) else { return };
    let parts: Vec<_> = role.splitn(4, ' ').collect();
    let [host, rounds, report, url] = parts[..] else { panic!("{role}") };
    let (host, rounds): (u32, u32) = (host.parse().unwrap(), rounds.parse().unwrap());
    let store = open(url).await.unwrap();
    let tasks: Vec<_> = (0..TASKS)
        .map(|nth| tokio::spawn(task(store.clone(), host * TASKS + nth, rounds)))
        .collect();
    let mut text = String::new();
    for task in tasks {
        match task.await.unwrap() {
            Ok((ids, conflicts)) => writeln!(text, "ok {conflicts} {ids:?}").unwrap(),
            Err(error) => writeln!(text, "error {error:?}").unwrap(),
        }
    }
    store.close().await.unwrap();
    std::fs::write(report, text).unwrap();
}

fn start_host(host: u32, rounds: u32, report: &Path, url: &str) -> std::process::Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "one_of_many_hosts"])
        .env(ROLE, format!("{host} {rounds} {} {url}", report.display()))
        .stdout(Stdio::null())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_hosts_lose_no_update() {
    let test = "many_hosts_lose_no_update";
    let Some(server) = or_skip(test, Server::start(Settings::default())) else { return };
    let url = server.url();
    let store = open(&url).await.unwrap();
    let mut batch = WriteBatch::new();
    for nth in 0..SHARED {
        let at = Timestamp::from_millis(1);
        let row = ThreadSeed::new(shared_thread(nth), "/shared.jsonl", at).into_metadata();
        batch.push(Change::Put(Box::new(row)));
    }
    store.write(batch).await.unwrap();
    let rounds = 8 * factor();
    let total = (HOSTS * TASKS * rounds) as usize;
    let following = tokio::spawn({
        let store = store.clone();
        async move {
            let mut told = Vec::with_capacity(total);
            let mut stream = std::pin::pin!(store.follow(Follow::new(LogFilter::new(), 0)));
            while told.len() < total {
                let next = tokio::time::timeout(Duration::from_mins(1), stream.next()).await;
                match next.expect("an entry was not told in a minute").unwrap().unwrap() {
                    Followed::Entry(row) => told.push((row.id, row.entry.message.unwrap())),
                    other => panic!("{other:?}"),
                }
            }
            told
        }
    });
    let folder = tempfile::tempdir().unwrap();
    let begun = Instant::now();
    let file = |host: u32| -> PathBuf { folder.path().join(host.to_string()) };
    let hosts: Vec<_> =
        (0..HOSTS).map(|host| start_host(host, rounds, &file(host), &url)).collect();
    let mut conflicts = 0;
    let mut numbers: HashMap<String, u64> = HashMap::new();
    for (host, mut process) in (0..).zip(hosts) {
        let status = tokio::task::block_in_place(|| process.wait().unwrap());
        assert!(status.success(), "host {host}: {status}");
        let report = std::fs::read_to_string(file(host)).unwrap();
        for (nth, line) in (0..).zip(report.lines()) {
            let rest = line.strip_prefix("ok ").unwrap_or_else(|| panic!("host {host}: {line}"));
            let (count, ids) = rest.split_once(' ').unwrap();
            conflicts += count.parse::<u32>().unwrap();
            let ids = ids.trim_matches(['[', ']']).split(", ").map(|id| id.parse().unwrap());
            for (round, id) in ids.enumerate() {
                numbers.insert(format!("{}/{round}", host * TASKS + nth), id);
            }
        }
    }
    let took = begun.elapsed();
    assert_eq!(numbers.len(), total);

    let counters = store.checkpoints("counter/".to_owned(), None, 100).await.unwrap();
    let sum: u64 = counters.iter().map(|it| it.value.parse::<u64>().unwrap()).sum();
    let revisions: u64 = counters.iter().map(|it| it.revision).sum();
    assert_eq!((sum, revisions), (total as u64, total as u64), "updates were lost");
    for nth in 0..SHARED {
        let row = store.get_thread(shared_thread(nth)).await.unwrap().unwrap();
        assert_eq!(row.revision, total as u64 + 1, "a patch of a shared thread was lost");
    }
    for number in 0..HOSTS * TASKS {
        let ids = (0..rounds as usize).map(|round| common::thread(number, round)).collect();
        let found = store.threads(ids).await.unwrap();
        assert!(found.iter().all(Option::is_some), "task {number}");
        let name = found[0].as_ref().unwrap().name.clone();
        assert_eq!(name, Some(format!("round {}", rounds - 1)));
    }
    let told = tokio::time::timeout(Duration::from_secs(10), following).await.unwrap().unwrap();
    assert!(told.is_sorted_by(|before, after| before.0 < after.0), "not in order");
    assert_eq!(told, common::all_logs(&store).await);
    for (id, message) in &told {
        assert_eq!(numbers.get(message), Some(id), "{message}");
    }
    assert!(store.check().await.unwrap().is_sound());
    println!(
        "{test}: {HOSTS} processes of {TASKS} tasks, {rounds} rounds: {total} counted, {conflicts} \
         conflicts, {total} entries followed in order, in {took:?}"
    );
}
