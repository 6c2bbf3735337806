//! Pages that are read from a standby, which lags behind as it likes.

use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use threadkeep_core::{Follow, Followed, LogFilter, LogStoreExt as _};
use threadkeep_postgres::{PostgresOptions, PostgresStore};
use threadkeep_test_server::Server;

use crate::support::{all, append, entry, messages, open, or_none, own_server};

/// The URL of the primary with these standbys to read from.
fn url(primary: &Server, standbys: &[&Server], namespace: &str) -> String {
    let standbys: Vec<_> =
        standbys.iter().map(|standby| format!("127.0.0.1:{}", standby.port().unwrap())).collect();
    let url = primary.tcp_url();
    let part = if url.contains('?') { '&' } else { '?' };
    format!("{url}{part}namespace={namespace}&retention=off&replica={}", standbys.join(","))
}

async fn open_url(url: &str) -> PostgresStore {
    PostgresStore::open_with(PostgresOptions::from_url(url).unwrap()).await.unwrap()
}

/// Stops a standby from taking over what the primary did, or lets it go on.
fn lag(standby: &Server, lags: bool) {
    let call = if lags { "pg_wal_replay_pause()" } else { "pg_wal_replay_resume()" };
    standby.psql(&format!("SELECT {call}")).unwrap();
    let state = if lags { "paused" } else { "not paused" };
    while standby.psql("SELECT pg_get_wal_replay_pause_state()").unwrap() != state {
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handle_never_goes_back_behind_what_it_saw() {
    let test = "a_handle_never_goes_back_behind_what_it_saw";
    let Some(primary) = own_server(test) else { return };
    let writer = open(&primary, test).await;
    append(&writer, vec![entry("one")]).await;
    let Some(ahead) = or_none(test, primary.standby(false, "ahead")) else { return };
    let Some(behind) = or_none(test, primary.standby(false, "behind")) else { return };
    behind.catch_up_with(&primary).unwrap();
    ahead.catch_up_with(&primary).unwrap();
    lag(&behind, true);
    append(&writer, vec![entry("two")]).await;
    ahead.catch_up_with(&primary).unwrap();

    // What is stale is allowed, to who has seen nothing newer.
    let stale = open_url(&url(&primary, &[&behind], test)).await;
    assert_eq!(messages(&all(&stale).await.items), ["one"]);
    // What it made itself it sees.
    append(&stale, vec![entry("three")]).await;
    assert_eq!(messages(&all(&stale).await.items), ["one", "two", "three"]);

    // What it saw on one standby it sees although another one answers.
    let reader = open_url(&url(&primary, &[&ahead, &behind], test)).await;
    ahead.catch_up_with(&primary).unwrap();
    assert_eq!(all(&reader).await.items.len(), 3);
    ahead.kill().unwrap();
    assert_eq!(all(&reader).await.items.len(), 3);
    lag(&behind, false);
    behind.catch_up_with(&primary).unwrap();
    assert_eq!(all(&reader).await.items.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_follows_a_standby_misses_nothing() {
    let test = "who_follows_a_standby_misses_nothing";
    let Some(primary) = own_server(test) else { return };
    let writer = open(&primary, test).await;
    append(&writer, vec![entry("0")]).await;
    let Some(standby) = or_none(test, primary.standby(false, "one")) else { return };
    let reader = open_url(&url(&primary, &[&standby], test)).await;
    let writing = tokio::spawn(async move {
        let begun = Instant::now();
        for nth in 1..200 {
            append(&writer, vec![entry(&nth.to_string())]).await;
            if nth % 40 == 0 {
                // The primary answers in between.
                lag(&standby, nth % 80 == 40);
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        lag(&standby, false);
        (begun.elapsed(), standby)
    });
    let follow = Follow::new(LogFilter::new(), 0).poll(Duration::from_millis(20));
    let followed = reader.follow(follow).take(200).map(|followed| match followed.unwrap() {
        Followed::Entry(row) => *row,
        other => panic!("{other:?}"),
    });
    let rows: Vec<_> =
        tokio::time::timeout(Duration::from_mins(1), followed.collect()).await.unwrap();
    let expected: Vec<_> = (0..200).map(|nth| nth.to_string()).collect();
    assert_eq!(messages(&rows), expected);
    writing.await.unwrap();
}
