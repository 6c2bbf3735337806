//! A server that has no connection left.

use std::time::{Duration, Instant};

use sqlx::Connection as _;
use threadkeep_core::{Applied, ErrorKind, LogStore as _, Result, ThreadId, ThreadStore as _};
use threadkeep_postgres::PostgresStore;
use threadkeep_test_server::{Server, Settings, or_skip};

use crate::STALL;
use crate::common::{self, options};

/// Opens connections until the server takes no more, also after others that were closing have gone.
async fn take_all(url: &str) -> Vec<sqlx::PgConnection> {
    let mut taken = Vec::new();
    let mut refused = Instant::now();
    while refused.elapsed() < Duration::from_millis(500) {
        match sqlx::PgConnection::connect(url).await {
            Ok(connection) => {
                taken.push(connection);
                refused = Instant::now();
            }
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
    taken
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_server_out_of_connections_is_unavailable_for_a_while() {
    let test = "a_server_out_of_connections_is_unavailable_for_a_while";
    let settings = Settings { max_connections: 12, ..Settings::default() };
    let Some(server) = or_skip(test, Server::start(settings)) else { return };
    let with_limit = || options(&server.url()).deadline(Duration::from_secs(2));
    let store = PostgresStore::open_with(with_limit()).await.unwrap();
    // It has none left either.
    server.terminate_backends().unwrap();
    let taken = take_all(&server.tcp_url()).await;
    assert!(!taken.is_empty());
    let fresh = PostgresStore::open_with(with_limit());
    let read = async { store.threads(vec![ThreadId::new()]).await.map(drop) };
    let write = async { store.write(common::step(1, 0)).await.map(drop) };
    let append = async { store.append(common::entries(1, 0)).await.map(drop) };
    let opened = async { fresh.await.map(drop) };
    let begun = Instant::now();
    let answers: [Result<()>; 4] = tokio::join!(opened, read, write, append).into();
    println!("{test}: all answered after {:?}", begun.elapsed());
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    for (nth, answer) in answers.into_iter().enumerate() {
        let error = answer.expect_err(&format!("call {nth}"));
        println!("{test}: call {nth}: {error:?}");
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
        assert_eq!(error.outcome(), Applied::NotApplied, "{error:?}");
        assert!(error.is_retryable(), "{error:?}");
        assert!(error.hint_text().unwrap().contains("max_connections"), "{error:?}");
    }
    drop(taken);
    common::until("connections to be free", STALL, || {
        server.psql("select count(*) from pg_stat_activity").is_ok()
    })
    .await;
    let again = PostgresStore::open_with(with_limit()).await.unwrap();
    for store in [&store, &again] {
        let written = store.write(common::step(1, 0)).await.unwrap();
        assert_eq!(written.len(), 3);
        store.append(common::entries(1, 0)).await.unwrap();
    }
}
