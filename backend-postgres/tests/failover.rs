//! Several servers: a new primary under load, standbys that are read, hosts that are not there.
//!
//! `THREADKEEP_FAULT_ROUNDS=10` makes everything ten times as long.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::time::{Duration, Instant};

use common::{Load, Mix, Verdict, factor, open, options, say};
use futures_util::StreamExt as _;
use threadkeep_core::{
    Applied, BatchId, ErrorKind, Follow, Followed, LogFilter, LogQuery, LogStore as _,
    LogStoreExt as _, Store as _, ThreadQuery, ThreadStore as _,
};
use threadkeep_postgres::PostgresStore;
use threadkeep_test_server::{Proxy, Server, Settings, or_skip};

/// Beyond the time without a primary, nothing takes longer than this.
const STALL: Duration = Duration::from_secs(6);

/// A URL of several hosts.
fn of_hosts(servers: &[&Server]) -> String {
    let hosts: Vec<_> = servers.iter().map(|it| it.address().unwrap().to_string()).collect();
    format!("postgres://threadkeep@{}/postgres", hosts.join(","))
}

/// A port of this machine that nobody listens on.
fn dead() -> std::net::SocketAddr {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    listener.local_addr().unwrap()
}

/// A primary dies under load, and its standby takes over.
async fn fail_over(
    primary: &Server,
    standby: &Server,
    base: u32,
    lag: Option<Duration>,
) -> (Verdict, Duration, Instant) {
    let store = open(&of_hosts(&[primary, standby])).await.unwrap();
    let load = Load::start(&store, Mix { base, follows: lag.is_none(), ..Mix::default() });
    load.progress(STALL).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    if let Some(lag) = lag {
        standby.catch_up_with(primary).unwrap();
        if !lag.is_zero() {
            // The standby gets nothing of what follows.
            standby.kill().unwrap();
            tokio::time::sleep(lag).await;
        }
    }
    load.longest_stall();
    let killed = Instant::now();
    primary.kill().unwrap();
    if lag.is_some_and(|lag| !lag.is_zero()) {
        standby.start_again().unwrap();
    }
    standby.promote().unwrap();
    let down = killed.elapsed();
    load.progress(STALL).await;
    let stall = load.longest_stall().saturating_sub(down);
    tokio::time::sleep(Duration::from_millis(100)).await;
    let verdict = load.stop_after(lag.map(|_| killed)).await;
    store.query(LogQuery::new(LogFilter::new())).await.unwrap();
    assert!(store.check().await.unwrap().is_sound());
    store.close().await.unwrap();
    assert!(stall < STALL, "{stall:?} beyond the {down:?} without a primary");
    (verdict, stall, killed)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_synchronous_standby_takes_over_with_everything() {
    let test = "a_synchronous_standby_takes_over_with_everything";
    let Some(mut primary) = or_skip(test, Server::start(Settings::default())) else { return };
    let rounds = 2 * factor();
    for round in 0..rounds {
        let standby = primary.standby(true, "second").unwrap();
        let (verdict, stall, _) = fail_over(&primary, &standby, round * 10, None).await;
        say(test, &format!("round {round}, stall beyond the failover {stall:?}"), &verdict);
        verdict.assert_exact();
        verdict.assert_kinds(&["Unavailable", "Timeout"]);
        primary = standby;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_asynchronous_standby_takes_over_without_the_newest() {
    let test = "an_asynchronous_standby_takes_over_without_the_newest";
    let Some(mut primary) = or_skip(test, Server::start(Settings::default())) else { return };
    let rounds = 2 * factor();
    for round in 0..rounds {
        // The first time as it comes, then with a standby that lags.
        let lag = Duration::from_millis(u64::from(round % 3) * 200);
        let standby = primary.standby(false, "second").unwrap();
        let (verdict, stall, killed) = fail_over(&primary, &standby, round * 10, Some(lag)).await;
        let window = verdict.lost.iter().map(|(_, at)| killed.saturating_duration_since(*at)).max();
        let window = window.unwrap_or_default();
        let what = format!(
            "round {round}, the standby {lag:?} behind, the loss goes back {window:?}, stall beyond \
             the failover {stall:?}"
        );
        say(test, &what, &verdict);
        verdict.assert_nothing_wrong();
        assert!(verdict.holes.is_empty(), "{:?}", verdict.holes);
        assert!(window < lag + Duration::from_millis(500), "{window:?}");
        primary = standby;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_commit_that_no_standby_has_is_not_acknowledged() {
    let test = "a_commit_that_no_standby_has_is_not_acknowledged";
    let Some(primary) = or_skip(test, Server::start(Settings::default())) else { return };
    let standby = primary.standby(true, "second").unwrap();
    let options = options(&of_hosts(&[&primary, &standby])).deadline(Duration::from_millis(700));
    let store = PostgresStore::open_with(options).await.unwrap();
    store.write(common::step(1, 0)).await.unwrap();
    store.append(common::entries(1, 0)).await.unwrap();
    standby.catch_up_with(&primary).unwrap();
    // From here on it gets nothing.
    standby.kill().unwrap();
    let batch = common::step(1, 1).with_id(BatchId::new());
    let writing = tokio::spawn({
        let (store, batch) = (store.clone(), batch.clone());
        async move { store.write(batch).await }
    });
    let appending = tokio::spawn({
        let store = store.clone();
        async move { store.append(common::entries(1, 1)).await }
    });
    tokio::time::sleep(Duration::from_millis(300)).await;
    // Their sessions end while they wait for the standby: what they did is to be seen from now on,
    // on the primary alone.
    let ended = primary.terminate_backends().unwrap();
    let answers = [writing.await.unwrap().map(drop), appending.await.unwrap().map(drop)];
    println!("{test}: {ended} sessions ended, answered {answers:?}");
    if factor() > 1 {
        let again = store.write(batch.clone()).await;
        assert!(again.is_err(), "acknowledged what no standby has: {again:?}");
    }
    for answer in answers {
        let error = answer.expect_err("acknowledged what no standby has");
        assert_eq!(error.outcome(), Applied::Unknown, "{error:?}");
    }
    primary.kill().unwrap();
    standby.start_again().unwrap();
    standby.promote().unwrap();
    common::until("the new primary", STALL, || standby.psql("select 1").is_ok()).await;
    let outcomes = store.write(batch).await.unwrap();
    assert_eq!(outcomes[2].revision, 4, "{outcomes:?}");
    assert_eq!(store.max_log_id(LogFilter::new()).await.unwrap(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_primary_that_became_read_only_is_left() {
    let test = "a_primary_that_became_read_only_is_left";
    let Some(primary) = or_skip(test, Server::start(Settings::default())) else { return };
    let standby = primary.standby(true, "second").unwrap();
    let store = open(&of_hosts(&[&primary, &standby])).await.unwrap();
    let load = Load::start(&store, Mix::default());
    load.progress(STALL).await;
    load.longest_stall();
    // Connections stay, and refuse writes.
    let begun = Instant::now();
    primary.psql("alter system set default_transaction_read_only = on").unwrap();
    primary.psql("select pg_reload_conf()").unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    standby.catch_up_with(&primary).unwrap();
    standby.promote().unwrap();
    let down = begun.elapsed();
    load.progress(STALL).await;
    let stall = load.longest_stall().saturating_sub(down);
    let verdict = load.stop().await;
    say(test, &format!("stall beyond the {down:?} of the switch {stall:?}"), &verdict);
    verdict.assert_exact();
    assert!(verdict.errors.is_empty(), "{:?}", verdict.examples);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_standby_alone_is_for_reading() {
    let test = "a_standby_alone_is_for_reading";
    let Some(primary) = or_skip(test, Server::start(Settings::default())) else { return };
    let store = open(&primary.url()).await.unwrap();
    store.write(common::step(1, 0)).await.unwrap();
    store.append(common::entries(1, 0)).await.unwrap();
    let standby = primary.standby(false, "second").unwrap();
    standby.catch_up_with(&primary).unwrap();

    let begun = Instant::now();
    let error = open(&standby.url()).await.map(drop).unwrap_err();
    println!("{test}: {error:?} after {:?}", begun.elapsed());
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
    assert!(matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::ReadOnly), "{error:?}");
    let hint = error.hint_text().unwrap();
    assert!(hint.contains("primary"), "{hint:?} does not say what to do");

    let reading = PostgresStore::open_with(options(&standby.url()).read_only(true)).await.unwrap();
    assert!(reading.threads(vec![common::thread(1, 0)]).await.unwrap()[0].is_some());
    assert_eq!(reading.list(ThreadQuery::everything()).await.unwrap().items.len(), 1);
    let error = reading.write(common::step(1, 1)).await.unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::ReadOnly, Applied::NotApplied));
    // It follows what the primary logs.
    let mut following = std::pin::pin!(reading.follow(Follow::new(LogFilter::new(), 0)));
    let mut told = Vec::new();
    let mut slowest = Duration::ZERO;
    for nth in 1..=10 {
        let ids = store.append(common::entries(1, nth)).await.unwrap().unwrap();
        let begun = Instant::now();
        while told.last().is_none_or(|last| *last < ids.last) {
            let next = tokio::time::timeout(STALL, following.next()).await.unwrap().unwrap();
            let Followed::Entry(row) = next.unwrap() else { panic!("a gap") };
            told.push(row.id);
        }
        slowest = slowest.max(begun.elapsed());
    }
    assert_eq!(told, (1..=22).collect::<Vec<_>>());
    println!("{test}: followed within {slowest:?}");
    assert!(slowest < Duration::from_secs(2), "{slowest:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn lists_may_come_from_a_replica() {
    let test = "lists_may_come_from_a_replica";
    let Some(primary) = or_skip(test, Server::start(Settings::default())) else { return };
    let store = open(&primary.url()).await.unwrap();
    store.write(common::step(1, 0)).await.unwrap();
    let replica = primary.standby(false, "second").unwrap();
    replica.catch_up_with(&primary).unwrap();
    let url = format!("{}?replica={}", of_hosts(&[&primary]), replica.address().unwrap());
    let store = open(&url).await.unwrap();
    let listed = async || store.list(ThreadQuery::everything()).await.unwrap().items.len();
    assert_eq!(listed().await, 1);

    replica.psql("select pg_wal_replay_pause()").unwrap();
    store.write(common::step(1, 1)).await.unwrap();
    let ids = store.append(common::entries(1, 0)).await.unwrap().unwrap();
    assert_eq!(listed().await, 1, "the list is not the replica's");
    assert!(store.threads(vec![common::thread(1, 1)]).await.unwrap()[0].is_some());
    // Logs are no older than what this handle knows of.
    assert_eq!(store.max_log_id(LogFilter::new()).await.unwrap(), ids.last);

    replica.psql("select pg_wal_replay_resume()").unwrap();
    replica.catch_up_with(&primary).unwrap();
    assert_eq!(listed().await, 2);

    replica.kill().unwrap();
    let begun = Instant::now();
    assert_eq!(listed().await, 2, "the list is not the primary's");
    println!("{test}: without the replica a list took {:?}", begun.elapsed());
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
    store.write(common::step(1, 2)).await.unwrap();
    assert_eq!(listed().await, 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_replica_that_does_not_answer_does_not_stop_lists() {
    let test = "a_replica_that_does_not_answer_does_not_stop_lists";
    let Some(primary) = or_skip(test, Server::start(Settings::default())) else { return };
    let store = open(&primary.url()).await.unwrap();
    store.write(common::step(1, 0)).await.unwrap();
    let replica = primary.standby(false, "second").unwrap();
    let url = format!("{}?replica={}", of_hosts(&[&primary]), replica.address().unwrap());
    let store = open(&url).await.unwrap();
    replica.pause().unwrap();
    let mut took = Vec::new();
    for _ in 0..3 {
        let begun = Instant::now();
        let page = store.list(ThreadQuery::everything()).await;
        took.push(begun.elapsed());
        assert_eq!(page.unwrap().items.len(), 1);
    }
    replica.resume().unwrap();
    println!("{test}: lists took {took:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn hosts_that_are_not_there_are_passed_over() {
    let test = "hosts_that_are_not_there_are_passed_over";
    let Some(primary) = or_skip(test, Server::start(Settings::default())) else { return };
    let standby = primary.standby(false, "second").unwrap();
    let silent = Proxy::start(primary.address().unwrap()).unwrap();
    silent.black_hole(true);
    let address = |server: &Server| server.address().unwrap();
    let firsts = [
        ("dead", dead(), Duration::from_secs(2)),
        ("standby", address(&standby), Duration::from_secs(2)),
        ("silent", silent.address(), Duration::from_secs(3)),
    ];
    for (what, first, limit) in firsts {
        let url = format!("postgres://threadkeep@{first},{}/postgres", address(&primary));
        let begun = Instant::now();
        let store = open(&url).await;
        let opened = begun.elapsed();
        println!("{test}: {what} first: opened in {opened:?}: {:?}", store.as_ref().err());
        let store = store.unwrap();
        store.write(common::step(1, 0)).await.unwrap();
        store.append(common::entries(1, 0)).await.unwrap();
        println!("{test}: {what} first: written after {:?}", begun.elapsed());
        assert!(opened < limit, "{what} first: {opened:?}");
    }
    for hosts in [vec![dead(), dead()], vec![dead(), silent.address()]] {
        let hosts: Vec<_> = hosts.iter().map(ToString::to_string).collect();
        let url = format!("postgres://threadkeep@{}/postgres", hosts.join(","));
        let begun = Instant::now();
        let error = open(&url).await.map(drop).unwrap_err();
        println!("{test}: none there: {error:?} after {:?}", begun.elapsed());
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
        assert!(error.is_retryable() && error.hint_text().is_some(), "{error:?}");
        assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_two_primaries_the_later_one_is_found() {
    let test = "of_two_primaries_the_later_one_is_found";
    let Some(old) = or_skip(test, Server::start(Settings::default())) else { return };
    let new = old.standby(false, "second").unwrap();
    open(&of_hosts(&[&old])).await.unwrap().close().await.unwrap();
    new.catch_up_with(&old).unwrap();
    // Nobody stopped the old one.
    new.promote().unwrap();
    let id = threadkeep_core::ThreadId::new();
    for (hosts, key) in [([&old, &new], "one"), ([&new, &old], "two")] {
        let store = open(&of_hosts(&hosts)).await.unwrap();
        let seed = threadkeep_core::ThreadSeed::new(
            threadkeep_core::ThreadId::new(),
            format!("/{key}.jsonl"),
            threadkeep_core::Timestamp::from_millis(1),
        );
        threadkeep_core::ThreadStoreExt::upsert_thread(&store, seed.into_metadata()).await.unwrap();
        store.close().await.unwrap();
    }
    let count = "SELECT count(*) FROM threadkeep.threads";
    assert_eq!((old.psql(count).unwrap(), new.psql(count).unwrap()), ("0".into(), "2".into()));
    assert!(open(&of_hosts(&[&new])).await.unwrap().threads(vec![id]).await.unwrap()[0].is_none());
}
