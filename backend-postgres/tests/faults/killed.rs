//! Servers and sessions that end under load.

use std::time::{Duration, Instant};

use threadkeep_core::{ErrorKind, Store as _, ThreadId, ThreadStore as _};
use threadkeep_postgres::PostgresStore;
use threadkeep_test_server::{Server, Settings, or_skip};

use crate::STALL;
use crate::common::{self, Load, Mix, factor, open, options, say};

fn milliseconds(nth: u32, step: u32) -> Duration {
    Duration::from_millis(u64::from(nth * step))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_server_that_is_killed_loses_nothing() {
    let test = "a_server_that_is_killed_loses_nothing";
    // Killing loses no more without `fsync`, it is only faster.
    let settings = if factor() > 1 { Settings::durable() } else { Settings::default() };
    let Some(server) = or_skip(test, Server::start(settings)) else { return };
    let store = open(&server.url()).await.unwrap();
    let load = Load::start(&store, Mix::default());
    let rounds = 5 * factor();
    let (mut longest, mut down_for) = (Duration::ZERO, Duration::ZERO);
    for round in 0..rounds {
        load.progress(STALL).await;
        tokio::time::sleep(milliseconds(round % 7, 30)).await;
        load.longest_stall();
        let down = Instant::now();
        server.kill().unwrap();
        tokio::time::sleep(milliseconds(round % 5, 300)).await;
        server.start_again().unwrap();
        let down = down.elapsed();
        load.progress(STALL).await;
        let stall = load.longest_stall().saturating_sub(down);
        (longest, down_for) = (longest.max(stall), down_for.max(down));
        assert!(stall < STALL, "round {round}: {stall:?} beyond the {down:?} without a server");
    }
    let verdict = load.stop().await;
    let what = format!("{rounds} rounds, down for {down_for:?} at most, stall beyond {longest:?}");
    say(test, &what, &verdict);
    verdict.assert_exact();
    verdict.assert_kinds(&["Unavailable", "Timeout"]);
    assert!(store.check().await.unwrap().is_sound());
    store.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_server_that_is_away_for_longer_than_a_call_may_last_is_said_to_be() {
    let test = "a_server_that_is_away_for_longer_than_a_call_may_last_is_said_to_be";
    let Some(server) = or_skip(test, Server::start(Settings::default())) else { return };
    let options = options(&server.url()).deadline(Duration::from_millis(700));
    let store = PostgresStore::open_with(options).await.unwrap();
    let load = Load::start(&store, Mix::default());
    let rounds = 2 * factor();
    for _ in 0..rounds {
        load.progress(STALL).await;
        server.kill().unwrap();
        let begun = Instant::now();
        let error = store.threads(vec![ThreadId::new()]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
        assert!(error.is_retryable() && error.hint_text().is_some(), "{error:?}");
        assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
        tokio::time::sleep(Duration::from_secs(2)).await;
        server.start_again().unwrap();
        load.progress(STALL).await;
    }
    let verdict = load.stop().await;
    say(test, &format!("{rounds} rounds of 2 s"), &verdict);
    verdict.assert_exact();
    verdict.assert_kinds(&["Unavailable", "Timeout"]);
    assert!(!verdict.errors.is_empty(), "nobody was told");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_server_that_hangs_for_a_while_loses_nothing() {
    let test = "a_server_that_hangs_for_a_while_loses_nothing";
    let Some(server) = or_skip(test, Server::start(Settings::default())) else { return };
    let options = options(&server.url()).deadline(Duration::from_millis(700));
    let store = PostgresStore::open_with(options).await.unwrap();
    let load = Load::start(&store, Mix::default());
    let rounds = 2 * factor();
    let mut longest = Duration::ZERO;
    for round in 0..rounds {
        load.progress(STALL).await;
        load.longest_stall();
        // Shorter than a call may last, then longer.
        let hung = milliseconds(1 + round % 3, 500) * if round % 2 == 0 { 1 } else { 2 };
        server.pause().unwrap();
        tokio::time::sleep(hung).await;
        server.resume().unwrap();
        load.progress(STALL).await;
        longest = longest.max(load.longest_stall().saturating_sub(hung));
    }
    let verdict = load.stop().await;
    say(test, &format!("{rounds} rounds, stall beyond {longest:?}"), &verdict);
    verdict.assert_exact();
    verdict.assert_kinds(&["Unavailable", "Timeout", "Busy"]);
    assert!(longest < STALL, "{longest:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sessions_that_are_terminated_lose_nothing() {
    let test = "sessions_that_are_terminated_lose_nothing";
    let Some(server) = or_skip(test, Server::start(Settings::default())) else { return };
    let store = open(&server.url()).await.unwrap();
    let load = Load::start(&store, Mix { pause: Duration::from_millis(1), ..Mix::default() });
    let rounds = 25 * factor();
    let mut terminated = 0;
    for round in 0..rounds {
        tokio::time::sleep(Duration::from_millis(u64::from(10 + round * 7 % 90))).await;
        terminated += tokio::task::block_in_place(|| server.terminate_backends()).unwrap();
    }
    load.progress(STALL).await;
    let stall = load.longest_stall();
    let verdict = load.stop().await;
    let what = format!("{rounds} rounds, {terminated} sessions ended, longest stall {stall:?}");
    say(test, &what, &verdict);
    verdict.assert_exact();
    assert!(verdict.errors.is_empty(), "{:?}", verdict.examples);
    assert!(stall < STALL, "{stall:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_dying_session_that_takes_all_others_along_loses_nothing() {
    let test = "one_dying_session_that_takes_all_others_along_loses_nothing";
    let Some(server) = or_skip(test, Server::start(Settings::default())) else { return };
    let store = open(&server.url()).await.unwrap();
    let load = Load::start(&store, Mix::default());
    let rounds = 2 * factor();
    for _ in 0..rounds {
        load.progress(STALL).await;
        // After the last time it may still recover.
        common::until("a session to kill", STALL, || server.kill_one_backend().is_ok()).await;
        load.progress(STALL).await;
    }
    let stall = load.longest_stall();
    let verdict = load.stop().await;
    say(test, &format!("{rounds} rounds, longest stall {stall:?}"), &verdict);
    verdict.assert_exact();
    verdict.assert_kinds(&["Unavailable", "Timeout"]);
    assert!(stall < STALL, "{stall:?}");
}
