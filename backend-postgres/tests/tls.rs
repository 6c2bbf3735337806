//! TLS: the way to the server is encrypted where the URL says so, and the server is who it should be.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::time::{Duration, Instant};

use common::open;
use threadkeep_core::{ErrorKind, LogStore as _, ThreadStore as _};
use threadkeep_test_server::{Server, Settings, or_skip};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_way_is_encrypted_and_the_server_is_checked() {
    let test = "the_way_is_encrypted_and_the_server_is_checked";
    let settings = Settings { tls: true, ..Settings::default() }
        .line("listen_addresses = '127.0.0.1,127.0.0.2'");
    let Some(server) = or_skip(test, Server::start(settings)) else { return };
    let port = server.port().unwrap();
    let root = server.root_certificate().unwrap();
    let root = root.display();
    let good = [
        format!("postgres://threadkeep@127.0.0.1:{port}/postgres?sslmode=require"),
        format!("postgres://threadkeep@127.0.0.1:{port}/postgres"),
        format!(
            "postgres://threadkeep@localhost:{port}/postgres?sslmode=verify-full&sslrootcert={root}"
        ),
        format!(
            "postgres://threadkeep@127.0.0.1:{port}/postgres?sslmode=verify-full&sslrootcert={root}"
        ),
        format!(
            "postgres://threadkeep@127.0.0.2:{port}/postgres?sslmode=verify-ca&sslrootcert={root}"
        ),
    ];
    for url in good {
        let store = open(&url).await.unwrap_or_else(|error| panic!("{url}: {error:?}"));
        store.write(common::step(1, 0)).await.unwrap();
        store.append(common::entries(1, 0)).await.unwrap();
        store.threads(vec![common::thread(1, 0)]).await.unwrap();
        let plain = server
            .psql(
                "select count(*) filter (where ssl), count(*) filter (where not ssl)
                 from pg_stat_ssl join pg_stat_activity using (pid)
                 where client_addr is not null and backend_type = 'client backend'",
            )
            .unwrap();
        let (encrypted, plain) = plain.split_once('|').unwrap();
        assert!(encrypted.parse::<u32>().unwrap() >= 2, "{url}: {encrypted}");
        assert_eq!(plain, "0", "{url}");
    }

    let refused = [
        (
            "another name",
            format!("127.0.0.2:{port}/postgres?sslmode=verify-full&sslrootcert={root}"),
        ),
        ("an unknown root", format!("localhost:{port}/postgres?sslmode=verify-full")),
        ("an unknown root", format!("localhost:{port}/postgres?sslmode=verify-ca")),
        (
            "no such root",
            format!("localhost:{port}/postgres?sslmode=verify-ca&sslrootcert=/no/file"),
        ),
        ("no TLS", format!("127.0.0.1:{port}/postgres?sslmode=disable")),
    ];
    let begun = Instant::now();
    let tries = refused.map(|(what, rest)| async move {
        (what, open(&format!("postgres://threadkeep@{rest}")).await.map(drop).unwrap_err())
    });
    for (what, error) in futures_util::future::join_all(tries).await {
        println!("{test}: {what}: {error:?} after {:?}", begun.elapsed());
        assert!(begun.elapsed() < Duration::from_secs(4), "{what}: {:?}", begun.elapsed());
        assert!(
            matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::InvalidInput),
            "{what}: {error:?}"
        );
        let hint = error.hint_text().unwrap();
        let said = match what {
            "no TLS" => true,
            "no such root" => error.message().contains("/no/file"),
            _ => hint.contains("ssl"),
        };
        assert!(said, "{what}: {error:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_server_without_tls_is_refused_where_it_is_required() {
    let test = "a_server_without_tls_is_refused_where_it_is_required";
    let Some(server) = or_skip(test, Server::start(Settings::default())) else { return };
    let begun = Instant::now();
    let url = format!("{}?sslmode=require", server.tcp_url());
    let error = open(&url).await.map(drop).unwrap_err();
    println!("{test}: {error:?} after {:?}", begun.elapsed());
    assert!(error.hint_text().unwrap().contains("ssl"), "{error:?}");
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
}
