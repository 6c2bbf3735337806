//! Numbers follow the order of commits, and whoever follows the logs hears of other processes.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use sqlx::Connection as _;
use threadkeep_core::{Follow, Followed, LogFilter, LogStore as _, LogStoreExt as _, Store as _};
use threadkeep_postgres::PostgresStore;

use crate::support::{all, append, entry, messages, open, options, server};

/// An append that is not committed holds up a later one: nobody sees the later one first. A tail of a
/// table whose numbers come from a sequence misses the entry that commits late.
#[tokio::test(flavor = "multi_thread")]
async fn an_entry_that_commits_late_is_missed_by_nobody() {
    let test = "an_entry_that_commits_late_is_missed_by_nobody";
    let Some(server) = server(test) else { return };
    let store = open(server, test).await;
    append(&store, vec![entry("first")]).await;
    server.psql("CREATE TABLE control (id bigserial PRIMARY KEY, message text)").unwrap();

    // What an append does, in a session that stops before its commit until the gate is opened.
    let url = server.url();
    let mut gate = sqlx::PgConnection::connect(&url).await.unwrap();
    sqlx::raw_sql("SELECT pg_advisory_lock(77)").execute(&mut gate).await.unwrap();
    let mut gate = Some(gate);
    let slow = std::thread::spawn(move || {
        let sql = format!(
            "BEGIN;
             UPDATE threadkeep.namespaces SET last_log_id = last_log_id + 1 WHERE name = '{test}';
             INSERT INTO threadkeep.logs (namespace, id, day, seconds, owner, nanos, bytes, level, target, message)
             SELECT name, last_log_id, (now() AT TIME ZONE 'utc')::date, 0, 0, 0, 0, 3, 'target', 'slow'
             FROM threadkeep.namespaces WHERE name = '{test}';
             UPDATE threadkeep.log_days SET last_id = last_id + 1, rows = rows + 1 WHERE namespace = '{test}';
             INSERT INTO control (message) VALUES ('slow');
             SELECT pg_advisory_xact_lock(77);
             COMMIT"
        );
        threadkeep_test_server::Server::given(url).psql(&sql).unwrap();
    });
    let begun = Instant::now();
    let waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 77
         AND NOT granted";
    while server.psql(waiting).unwrap() == "0" {
        assert!(begun.elapsed() < Duration::from_secs(10));
    }
    server.psql("INSERT INTO control (message) VALUES ('quick')").unwrap();
    let quick = {
        let store = store.clone();
        tokio::spawn(async move { append(&store, vec![entry("quick")]).await })
    };

    // Two tails by the highest number, looking all the time.
    let (mut seen, mut position) = (Vec::new(), 0);
    let (mut control, mut control_position) = (String::new(), 0);
    let mut left = 3;
    while left > 0 {
        // Once more after all was committed.
        if quick.is_finished() {
            left -= 1;
        }
        let mut filter = LogFilter::new();
        filter.after_id = Some(position);
        let page = crate::support::found(&store, filter).await;
        if let Some(last) = page.items.last() {
            position = last.id;
        }
        seen.extend(messages(&page.items).into_iter().map(str::to_owned));
        let sql =
            format!("SELECT id, message FROM control WHERE id > {control_position} ORDER BY id");
        for line in server.psql(&sql).unwrap().lines() {
            let (id, message) = line.split_once('|').unwrap();
            control_position = id.parse().unwrap();
            control.push_str(message);
        }
        if control == "quick"
            && let Some(gate) = gate.take()
        {
            gate.close().await.unwrap();
        }
    }
    assert_eq!(quick.await.unwrap().last, 3);
    slow.join().unwrap();
    assert_eq!(seen, ["first", "slow", "quick"]);
    assert_eq!(control, "quick", "the tail that is wrong has to be seen to be wrong");
}

/// Several handles, of one process and of others as far as they can tell, append at once.
#[tokio::test(flavor = "multi_thread")]
async fn each_entry_of_many_handles_is_told_once_and_in_order() {
    const HANDLES: usize = 6;
    const EACH: usize = 60;

    let test = "each_entry_of_many_handles_is_told_once_and_in_order";
    let Some(server) = server(test) else { return };
    let reader = open(server, test).await;
    let mut writing = Vec::new();
    for handle in 0..HANDLES {
        let url = if handle % 2 == 0 { server.url() } else { server.tcp_url() };
        let store = PostgresStore::open_with(options(&url, test)).await.unwrap();
        writing.push(tokio::spawn(async move {
            for nth in 0..EACH {
                let entries = (0..=nth % 3).map(|part| entry(&format!("{handle} {nth} {part}")));
                append(&store, entries.collect()).await;
            }
            store.close().await.unwrap();
        }));
    }
    let each: usize = (0..EACH).map(|nth| 1 + nth % 3).sum();
    let follow = Follow::new(LogFilter::new(), 0).poll(Duration::from_millis(50));
    let followed =
        reader.follow(follow).take(HANDLES * each).map(|followed| match followed.unwrap() {
            Followed::Entry(row) => *row,
            other => panic!("{other:?}"),
        });
    let rows: Vec<_> =
        tokio::time::timeout(Duration::from_mins(1), followed.collect()).await.unwrap();
    for handle in writing {
        handle.await.unwrap();
    }
    assert!(rows.is_sorted_by(|one, other| one.id + 1 == other.id), "in order, with no hole");
    let mut of_handles: BTreeMap<String, Vec<(usize, usize)>> = BTreeMap::new();
    for message in messages(&rows) {
        let parts: Vec<_> = message.split(' ').collect();
        let place = (parts[1].parse().unwrap(), parts[2].parse().unwrap());
        of_handles.entry(parts[0].to_owned()).or_default().push(place);
    }
    assert_eq!(of_handles.len(), HANDLES);
    for places in of_handles.values() {
        let expected: Vec<_> =
            (0..EACH).flat_map(|nth| (0..=nth % 3).map(move |part| (nth, part))).collect();
        assert_eq!(places, &expected);
    }
    assert_eq!(all(&reader).await.items.len(), rows.len());
}

/// Another address is another store to the bells within a process, like one of another process.
#[tokio::test(flavor = "multi_thread")]
async fn who_waits_is_woken_by_other_processes() {
    let test = "who_waits_is_woken_by_other_processes";
    let Some(server) = server(test) else { return };
    if !server.is_private() {
        return;
    }
    let here = open(server, test).await;
    let there = PostgresStore::open_with(options(&server.tcp_url(), test)).await.unwrap();
    let other = open(server, &format!("{test}, another")).await;
    // Listening begins with the first waiting.
    here.changed(0, Duration::from_millis(500)).await.unwrap();
    let mut last = 0;
    let mut longest = Duration::ZERO;
    for round in 0..5 {
        let waiting = {
            let here = here.clone();
            tokio::spawn(async move {
                here.changed(last, Duration::from_secs(10)).await.unwrap();
                Instant::now()
            })
        };
        // Nobody is woken by what others log.
        append(&other, vec![entry("not for you")]).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert!(!waiting.is_finished());
        // Of a burst the last ones are told too, although each does not come with a notice of its own.
        let mut ids = append(&there, vec![entry("one")]).await;
        for _ in 0..round {
            ids = append(&there, vec![entry("more")]).await;
        }
        let appended = Instant::now();
        last = ids.first;
        longest = longest.max(waiting.await.unwrap().saturating_duration_since(appended));
        let begun = Instant::now();
        here.changed(last - 1, Duration::from_secs(10)).await.unwrap();
        longest = longest.max(begun.elapsed());
    }
    assert!(longest < Duration::from_millis(500), "{longest:?}");

    // A lost connection is made anew.
    server
        .psql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query ILIKE 'LISTEN%'")
        .unwrap();
    let begun = Instant::now();
    loop {
        let waiting = {
            let here = here.clone();
            tokio::spawn(async move {
                let begun = Instant::now();
                here.changed(last, Duration::from_secs(1)).await.unwrap();
                begun.elapsed()
            })
        };
        tokio::time::sleep(Duration::from_millis(50)).await;
        last = append(&there, vec![entry("again")]).await.last;
        if waiting.await.unwrap() < Duration::from_millis(900) {
            break;
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "nothing is heard any more");
    }
    here.close().await.unwrap();
    let listening = "SELECT count(*) FROM pg_stat_activity WHERE query ILIKE 'LISTEN%'";
    let begun = Instant::now();
    while server.psql(listening).unwrap() != "0" {
        assert!(begun.elapsed() < Duration::from_secs(5), "the connection that listens is left");
    }
}
