//! The way to the server, cut at each step of a write.

use std::time::{Duration, Instant};

use threadkeep_core::{BatchId, Effect, LogFilter, LogStore as _, ThreadStore as _};
use threadkeep_postgres::PostgresStore;
use threadkeep_test_server::{Proxy, Server, Settings, or_skip};

use crate::STALL;
use crate::common::{self, Load, Mix, factor, open, say};

/// A server behind a proxy, and a store that goes through it.
struct Behind {
    server: Server,
    proxy: Proxy,
    store: PostgresStore,
}

impl Behind {
    async fn start(test: &str) -> Option<Self> {
        let server = or_skip(test, Server::start(Settings::default()))?;
        let proxy = Proxy::start(server.address().unwrap()).unwrap();
        let store = open(&proxy.url(&server.tcp_url())).await.unwrap();
        Some(Self { server, proxy, store })
    }

    /// Writes once in which a cut happens, named or not, and looks that it is there once.
    async fn write_once(&self, writer: u32, step: usize, named: bool) {
        let batch = common::step(writer, step);
        let batch = if named { batch.with_id(BatchId::new()) } else { batch };
        let outcomes = self.store.write(batch.clone()).await.unwrap();
        assert_eq!(outcomes[0].effect, Effect::Created, "step {step}");
        let revision = 2 * (step as u64 + 1);
        assert_eq!(outcomes[2].revision, revision, "step {step}");
        let found = self.store.checkpoints(common::checkpoint(writer), None, 1).await.unwrap();
        assert_eq!(found[0].revision, revision, "step {step}");
        if named {
            assert_eq!(self.store.write(batch).await.unwrap(), outcomes, "step {step}, repeated");
        }
    }

    /// Appends once in which a cut happens, and looks that it is there once.
    async fn append_once(&self, nth: usize, last: &mut u64) {
        let ids = self.store.append(common::entries(1, nth)).await.unwrap().unwrap();
        assert_eq!((ids.first, ids.last), (*last + 1, *last + 2), "append {nth}");
        *last = ids.last;
        assert_eq!(self.store.max_log_id(LogFilter::new()).await.unwrap(), *last, "append {nth}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_batch_cut_anywhere_is_applied_once() {
    let test = "a_batch_cut_anywhere_is_applied_once";
    let Some(behind) = Behind::start(test).await else { return };
    let Behind { proxy, .. } = &behind;
    let (mut step, mut cuts, mut longest) = (0, 0, Duration::ZERO);
    let stride = if factor() > 1 { 11 } else { 97 };
    for named in [false, true] {
        let writer = u32::from(named);
        step = 0;
        behind.write_once(writer, step, named).await;
        // Before its first byte.
        step += 1;
        proxy.cut_all();
        behind.write_once(writer, step, named).await;
        // After any of its bytes, the last of which belong to the commit.
        let mut bytes = 1;
        loop {
            step += 1;
            proxy.cut_after_bytes(bytes);
            let begun = Instant::now();
            behind.write_once(writer, step, named).await;
            longest = longest.max(begun.elapsed());
            if proxy.is_cut_pending() || bytes > 20_000 {
                break;
            }
            (bytes, cuts) = (bytes + stride, cuts + 1);
        }
        // Done by the server, and its answer lost: of the load, of the commit.
        for request in 1..=2 {
            step += 1;
            proxy.cut_before_reply(request);
            behind.write_once(writer, step, named).await;
            assert!(!proxy.is_cut_pending(), "request {request}");
            cuts += 1;
        }
        // The same again while it connects, sets up, looks whether it was done, and does it.
        for words in ["pg_is_in_recovery", "threadkeep.writers (id", "FOR UPDATE", "COMMIT"] {
            for before in ["FOR UPDATE", "COMMIT"] {
                step += 1;
                proxy.cut_before_reply_to(before);
                let (written, ()) = tokio::join!(behind.write_once(writer, step, named), async {
                    common::until("the first cut", STALL, || !proxy.is_cut_pending()).await;
                    proxy.cut_before_reply_to(words);
                });
                let () = written;
                cuts += 2;
            }
        }
    }
    println!("{test}: {cuts} cuts, {} batches, longest {longest:?}", 2 * step);
    let _ = &behind.server;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_append_cut_anywhere_is_done_once() {
    let test = "an_append_cut_anywhere_is_done_once";
    let Some(behind) = Behind::start(test).await else { return };
    let Behind { proxy, store, .. } = &behind;
    let (mut nth, mut last, mut cuts) = (0, 0, 0);
    behind.append_once(nth, &mut last).await;
    nth += 1;
    proxy.cut_all();
    behind.append_once(nth, &mut last).await;
    let stride = if factor() > 1 { 23 } else { 197 };
    let mut bytes = 1;
    loop {
        nth += 1;
        proxy.cut_after_bytes(bytes);
        behind.append_once(nth, &mut last).await;
        if proxy.is_cut_pending() || bytes > 40_000 {
            break;
        }
        (bytes, cuts) = (bytes + stride, cuts + 1);
    }
    for words in ["threadkeep.logs (namespace", "unnest", "last_log_id"] {
        nth += 1;
        proxy.cut_before_reply_to(words);
        behind.append_once(nth, &mut last).await;
        assert!(!proxy.is_cut_pending(), "{words}");
        cuts += 1;
    }
    for words in ["pg_is_in_recovery", "threadkeep.writers (id", "last_log_id"] {
        nth += 1;
        proxy.cut_before_reply_to("last_log_id");
        tokio::join!(behind.append_once(nth, &mut last), async {
            common::until("the first cut", STALL, || !proxy.is_cut_pending()).await;
            proxy.cut_before_reply_to(words);
        });
        cuts += 2;
    }
    let rows = common::all_logs(store).await;
    let expected: Vec<_> = (0..=nth)
        .flat_map(|nth| common::entries(1, nth))
        .map(|entry| entry.message.unwrap())
        .collect();
    let found: Vec<_> = rows.into_iter().map(|(_, message)| message).collect();
    assert_eq!(found, expected);
    println!("{test}: {cuts} cuts, {} appends", nth + 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_way_that_is_cut_all_the_time_loses_nothing() {
    let test = "a_way_that_is_cut_all_the_time_loses_nothing";
    let Some(behind) = Behind::start(test).await else { return };
    let load = Load::start(&behind.store, Mix { pause: Duration::ZERO, ..Mix::default() });
    let rounds = 60 * factor();
    for round in 0..rounds {
        tokio::time::sleep(Duration::from_millis(u64::from(15 + round * 13 % 40))).await;
        match round % 4 {
            0 => behind.proxy.cut_all(),
            1 => behind.proxy.cut_before_reply(u64::from(1 + round % 5)),
            2 => behind.proxy.cut_before_reply_to("COMMIT"),
            _ => behind.proxy.cut_after_bytes(u64::from(100 + round * 17 % 3_000)),
        }
    }
    load.progress(STALL).await;
    let stall = load.longest_stall();
    let verdict = load.stop().await;
    say(test, &format!("{rounds} cuts, longest stall {stall:?}"), &verdict);
    verdict.assert_exact();
    assert!(verdict.errors.is_empty(), "{:?}", verdict.examples);
    assert!(stall < STALL, "{stall:?}");
}
