//! Connections that are lost in the middle of an append.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use threadkeep_core::{LogStore as _, Retention};
use threadkeep_postgres::PostgresStore;
use threadkeep_test_server::Proxy;

use crate::support::{all, append, distinct, entry, messages, options, own_server, server};

/// What was committed is not appended again, and what was not is.
#[tokio::test(flavor = "multi_thread")]
async fn an_append_whose_answer_is_lost_happens_once() {
    let test = "an_append_whose_answer_is_lost_happens_once";
    let Some(server) = server(test) else { return };
    let Some(address) = server.address() else { return };
    let proxy = Proxy::start(address).unwrap();
    let url = proxy.url(&server.tcp_url());
    let store = PostgresStore::open_with(options(&url, test)).await.unwrap();
    let mut last = append(&store, vec![entry("first")]).await.last;
    for nth in 0..20_u64 {
        if nth % 2 == 0 {
            proxy.cut_before_reply_to("INSERT INTO threadkeep.logs");
        } else {
            proxy.cut_after_bytes(200 + 97 * nth);
        }
        let ids =
            append(&store, vec![entry(&format!("{nth} a")), entry(&format!("{nth} b"))]).await;
        assert_eq!((ids.first, ids.last), (last + 1, last + 2));
        last = ids.last;
    }
    // More than one statement: cut between the pieces too.
    let many = || (0..60_000).map(|nth| entry(&format!("many {nth}"))).collect::<Vec<_>>();
    for words in ["INSERT INTO threadkeep.logs", "COMMIT"] {
        proxy.cut_before_reply_to(words);
        let ids = append(&store, many()).await;
        assert_eq!((ids.first, ids.last), (last + 1, last + 60_000));
        last = ids.last;
        assert!(!proxy.is_cut_pending());
    }
    let count = server.psql(&format!(
        "SELECT count(*), count(DISTINCT id), max(id) FROM threadkeep.logs WHERE namespace = '{test}'"
    ));
    assert_eq!(count.unwrap(), format!("{last}|{last}|{last}"));

    // Likewise for what is deleted: the number that is told is right.
    proxy.cut_before_reply_to("DELETE FROM threadkeep.logs");
    let pruned = store.prune(Retention::thread_rows(last - 1_000), Duration::MAX).await.unwrap();
    assert_eq!(pruned.rows, 1_000);
    assert!(!proxy.is_cut_pending());
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_or_there_twice_while_connections_are_ended() {
    const TASKS: usize = 4;
    const EACH: usize = 50;

    let test = "nothing_is_lost_or_there_twice_while_connections_are_ended";
    // Whose connections nobody else uses.
    let Some(server) = own_server(test).map(Arc::new) else { return };
    let store = Arc::new(PostgresStore::open_with(options(&server.url(), test)).await.unwrap());
    let done = Arc::new(AtomicBool::new(false));
    let ending = {
        let (done, server) = (Arc::clone(&done), Arc::clone(&server));
        std::thread::spawn(move || {
            let mut ended = 0;
            while !done.load(Ordering::Relaxed) {
                let sql = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
                           WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'";
                ended += server.psql(sql).unwrap().parse::<u32>().unwrap();
                std::thread::sleep(Duration::from_millis(20));
            }
            ended
        })
    };
    let tasks = (0..TASKS).map(|task| {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            for nth in 0..EACH {
                append(&store, vec![entry(&format!("{task} {nth}"))]).await;
                if nth % 10 == 0 {
                    all(&store).await;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    done.store(true, Ordering::Relaxed);
    let ended = ending.join().unwrap();
    assert!(ended > 5, "only {ended} connections were ended");
    let page = all(&store).await;
    let messages = messages(&page.items);
    assert_eq!((messages.len(), distinct(&messages).len()), (TASKS * EACH, TASKS * EACH));
    assert!(page.items.is_sorted_by(|one, other| one.id + 1 == other.id), "a hole");
}

/// A handle that wrote nothing for so long that its row was tidied away goes on.
#[tokio::test]
async fn a_writer_that_was_forgotten_goes_on() {
    let test = "a_writer_that_was_forgotten_goes_on";
    let Some(server) = own_server(test) else { return };
    let store = PostgresStore::open_with(options(&server.url(), test)).await.unwrap();
    append(&store, vec![entry("one")]).await;
    server.psql("DELETE FROM threadkeep.writers").unwrap();
    append(&store, vec![entry("two")]).await;
    assert_eq!(messages(&all(&store).await.items), ["one", "two"]);
}
