//! A host that stops in the middle of a batch.

use std::time::{Duration, Instant};

use threadkeep_core::{
    Applied, Change, LogStore as _, ThreadSeed, ThreadStore as _, ThreadStoreExt as _, Timestamp,
    WriteBatch,
};
use threadkeep_postgres::PostgresStore;
use threadkeep_test_server::{Proxy, Server, Settings, or_skip};

use crate::common::{self, open, options};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_host_that_is_stuck_in_a_batch_holds_others_up_for_a_while_only() {
    let test = "a_host_that_is_stuck_in_a_batch_holds_others_up_for_a_while_only";
    let Some(server) = or_skip(test, Server::start(Settings::default())) else { return };
    let proxy = Proxy::start(server.address().unwrap()).unwrap();
    let limited = options(&proxy.url(&server.tcp_url())).deadline(Duration::from_secs(4));
    let stuck = PostgresStore::open_with(limited).await.unwrap();
    let limited = options(&server.url()).deadline(Duration::from_secs(8));
    let other = PostgresStore::open_with(limited).await.unwrap();
    let third = open(&server.url()).await.unwrap();
    let own = |title: &str, at: u32| {
        let at = Timestamp::from_millis(i64::from(at));
        let mut row = ThreadSeed::new(common::thread(0, 0), "/a.jsonl", at).into_metadata();
        row.title = title.to_owned();
        WriteBatch::from(Change::Put(Box::new(row)))
    };
    stuck.write(own("before", 1)).await.unwrap();
    other.write(common::step(5, 0)).await.unwrap();
    third.write(common::step(6, 0)).await.unwrap();
    // It takes its locks after 0.4 s, would hear of them after 0.8 s and commit after 1.2 s.
    proxy.set_latency(Duration::from_millis(400));
    let writing = tokio::spawn({
        let stuck = stuck.clone();
        let batch = own("stuck", 2);
        async move { stuck.write(batch).await }
    });
    let holds = || {
        let sql = "select count(*) from pg_stat_activity where state like 'idle in transaction%'
                   and query like '%FOR UPDATE%'";
        server.psql(sql).unwrap() == "1"
    };
    common::until("its locks", Duration::from_secs(3), holds).await;
    proxy.black_hole(true);
    assert!(holds(), "it was too fast to be stuck");

    let begun = Instant::now();
    let same = tokio::spawn({
        let other = other.clone();
        let batch = own("other", 3);
        async move { other.write(batch).await.map(|_| begun.elapsed()) }
    });
    // Others, on another host and on the same, are to write meanwhile.
    let (mut elsewhere, mut beside) = (Duration::ZERO, Duration::ZERO);
    for step in 1..=10 {
        let begun = Instant::now();
        third.write(common::step(6, step)).await.unwrap();
        elsewhere = elsewhere.max(begun.elapsed());
        third.append(common::entries(6, step)).await.unwrap();
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let begun = Instant::now();
    other.write(common::step(5, 1)).await.unwrap();
    beside = beside.max(begun.elapsed());
    let waited = same.await.unwrap().unwrap();
    // The server ends the stuck session at its deadline, 4 s.
    assert!(waited < Duration::from_secs(5), "{waited:?}");
    assert!(elsewhere < Duration::from_secs(1), "{elsewhere:?}");
    proxy.black_hole(false);
    proxy.set_latency(Duration::ZERO);
    let answer = writing.await.unwrap();
    let title = other.get_thread(common::thread(0, 0)).await.unwrap().unwrap().title;
    println!(
        "{test}: the same thread waited {waited:?}, others on another host at most {elsewhere:?}, \
         on the same host {beside:?}; the stuck one was answered {answer:?}, the title is {title:?}"
    );
    match answer {
        // It was tried again, after the other.
        Ok(_) => assert_eq!(title, "stuck"),
        Err(error) => {
            assert_eq!(error.outcome(), Applied::NotApplied, "{error:?}");
            assert_eq!(title, "other");
        }
    }
}
