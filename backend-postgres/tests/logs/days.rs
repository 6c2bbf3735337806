//! A partition a day: made when it is needed, searched where it matters, dropped when all of it goes.

use std::fmt::Write as _;
use std::time::Duration;

use threadkeep_core::{Direction, LogFilter, LogQuery, LogStore as _, Retention, Store as _};
use threadkeep_postgres::PostgresStore;
use threadkeep_test_server::Server;

use crate::support::{all, append, entry, found, messages, now, old, open, options, own_server};

const LONG: Duration = Duration::MAX;

/// Makes what a namespace appended today what it appended so many days ago.
fn move_back(server: &Server, namespace: &str, days: i64) {
    let today = "(now() AT TIME ZONE 'utc')::date";
    let mut sql = format!(
        "DO $$ DECLARE day date := {today} - {days}; parent text; BEGIN
             FOREACH parent IN ARRAY ARRAY['logs', 'log_owners'] LOOP
                 EXECUTE format('CREATE TABLE IF NOT EXISTS threadkeep.%I PARTITION OF threadkeep.%I
                     FOR VALUES FROM (%L) TO (%L)',
                     parent || to_char(day, '_YYYYMMDD'), parent, day, day + 1);
             END LOOP;
         END $$;"
    );
    // The sums are made anew.
    let _ = write!(
        sql,
        "UPDATE threadkeep.logs SET day = day - {days} WHERE namespace = '{namespace}' AND day = {today};
         DELETE FROM threadkeep.log_days WHERE namespace = '{namespace}';
         INSERT INTO threadkeep.log_days
         SELECT namespace, day, count(*), sum(bytes), min(id), max(id), min(seconds), max(seconds)
         FROM threadkeep.logs WHERE namespace = '{namespace}' GROUP BY namespace, day;
         DELETE FROM threadkeep.log_owners WHERE namespace = '{namespace}';
         INSERT INTO threadkeep.log_owners
         SELECT namespace, owner, day, count(*), sum(bytes)
         FROM threadkeep.logs WHERE namespace = '{namespace}' GROUP BY namespace, owner, day"
    );
    server.psql(&sql).unwrap();
}

/// Days before today that have a partition.
fn days_back(server: &Server) -> Vec<i64> {
    let sql = "SELECT (now() AT TIME ZONE 'utc')::date - to_date(substr(c.relname, 6), 'YYYYMMDD')
               FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
               WHERE i.inhparent = 'threadkeep.logs'::regclass ORDER BY c.relname";
    let days = server.psql(sql).unwrap();
    days.lines().map(|day| day.parse().unwrap()).filter(|day| *day > 0).collect()
}

/// The sums are those of the entries there are.
fn assert_sums(server: &Server) {
    for (table, key) in [("log_days", ""), ("log_owners", "owner,")] {
        let wrong = server.psql(&format!(
            "SELECT * FROM (SELECT namespace, day, {key} rows, bytes FROM threadkeep.{table}) s
             FULL JOIN (SELECT namespace, day, {key} count(*) AS rows, sum(bytes) AS bytes
                        FROM threadkeep.logs GROUP BY namespace, {key} day) l
             USING (namespace, {key} day)
             WHERE s.rows IS DISTINCT FROM l.rows OR s.bytes IS DISTINCT FROM l.bytes"
        ));
        assert_eq!(wrong.unwrap(), "", "{table}");
    }
}

/// A store with entries of 9, 5, 2, 1 and 0 days ago, numbered 1 to 10.
async fn filled(server: &Server, namespace: &str) -> PostgresStore {
    let store = open(server, namespace).await;
    for days in [9, 5, 2, 1, 0] {
        let thread = format!("thread {days}");
        append(
            &store,
            vec![old(days, &thread, &format!("{days} a")), old(days, "all", &format!("{days} b"))],
        )
        .await;
        if days > 0 {
            move_back(server, namespace, days);
        }
    }
    store
}

#[tokio::test(flavor = "multi_thread")]
async fn days_that_are_too_old_are_dropped_whole() {
    let Some(server) = own_server("days_that_are_too_old_are_dropped_whole") else { return };
    let store = filled(&server, "one").await;
    let other = filled(&server, "two").await;
    assert_eq!(days_back(&server), [9, 5, 2, 1]);
    let before = |days: i64| Retention::before(now() - chrono::TimeDelta::days(days));

    // The other has entries in these days: they stay, and so do its entries.
    assert_eq!(store.prune(before(4), LONG).await.unwrap().rows, 4);
    assert_eq!(days_back(&server), [9, 5, 2, 1]);
    assert_eq!(all(&store).await.items.len(), 6);
    assert_eq!(all(&store).await.deleted_through, 4);
    assert_eq!(all(&other).await.items.len(), 10);
    assert_eq!(all(&other).await.deleted_through, 0);
    assert_sums(&server);

    // Once it lets go of them too, they are dropped.
    assert_eq!(other.prune(before(8), LONG).await.unwrap().rows, 2);
    assert_eq!(days_back(&server), [5, 2, 1]);
    assert_eq!(other.prune(before(4), LONG).await.unwrap().rows, 2);
    assert_eq!(days_back(&server), [2, 1]);
    assert_eq!(all(&other).await.deleted_through, 4);
    assert_sums(&server);

    // Yesterday's partition stays, because clocks differ.
    store.prune(before(-1), LONG).await.unwrap();
    other.prune(before(-1), LONG).await.unwrap();
    assert_eq!(days_back(&server), [1]);
    assert!(all(&store).await.items.is_empty());
    assert_sums(&server);
    assert_eq!(append(&store, vec![entry("next")]).await.first, 11);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_oldest_days_go_where_there_is_too_much() {
    let Some(server) = own_server("the_oldest_days_go_where_there_is_too_much") else { return };
    let store = filled(&server, "one").await;
    let bytes: u64 = all(&store).await.items.iter().map(|row| row.entry.text_bytes()).sum();
    let first: Vec<_> = all(&store).await.items.iter().map(|row| row.entry.text_bytes()).collect();
    // The first day, and one entry of the second.
    let most = bytes - first[0] - first[1] - 1;
    assert_eq!(store.prune(Retention::max_bytes(most), LONG).await.unwrap().rows, 3);
    assert_eq!(days_back(&server), [5, 2, 1]);
    assert_eq!(all(&store).await.items[0].id, 4);
    assert_sums(&server);
    assert_eq!(store.prune(Retention::max_bytes(most), LONG).await.unwrap().rows, 0);
    assert_eq!(store.prune(Retention::max_bytes(0), LONG).await.unwrap().rows, 7);
    assert_eq!(all(&store).await.deleted_through, 10);
    assert_eq!(days_back(&server), [1]);
    assert_sums(&server);
}

#[tokio::test(flavor = "multi_thread")]
async fn threads_keep_their_newest_over_days() {
    let Some(server) = own_server("threads_keep_their_newest_over_days") else { return };
    let store = filled(&server, "one").await;
    assert_eq!(store.prune(Retention::thread_rows(2), LONG).await.unwrap().rows, 3);
    let page = all(&store).await;
    assert_eq!(
        messages(&page.items),
        ["9 a", "5 a", "2 a", "1 a", "1 b", "0 a", "0 b"],
        "those of `all` go, the oldest first"
    );
    assert_eq!(page.deleted_through, 6);
    assert_sums(&server);
    // Bytes of texts: of each the newest fits.
    let most = page.items[6].entry.text_bytes();
    assert_eq!(store.prune(Retention::thread_bytes(most), LONG).await.unwrap().rows, 6);
    assert_sums(&server);
}

/// Somebody who reads for long keeps a day from being dropped; its entries go all the same.
#[tokio::test(flavor = "multi_thread")]
async fn a_day_that_is_read_is_emptied_and_dropped_later() {
    let Some(server) = own_server("a_day_that_is_read_is_emptied_and_dropped_later") else {
        return;
    };
    let store = filled(&server, "one").await;
    let url = server.url();
    let reading = std::thread::spawn(move || {
        let sql = "BEGIN; SELECT count(*) FROM threadkeep.logs; SELECT pg_sleep(2); COMMIT";
        Server::given(url).psql(sql).unwrap();
    });
    while server.psql("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'").unwrap()
        == "0"
    {}
    let retention = Retention::before(now() - chrono::TimeDelta::days(4));
    assert_eq!(store.prune(retention, LONG).await.unwrap().rows, 4);
    assert_eq!(days_back(&server), [9, 5, 2, 1]);
    append(&store, vec![entry("on it goes")]).await;
    reading.join().unwrap();
    assert_eq!(store.prune(retention, LONG).await.unwrap().rows, 0);
    assert_eq!(days_back(&server), [2, 1]);
    assert_sums(&server);
}

/// A role that may write but owns nothing deletes what it cannot drop.
#[tokio::test(flavor = "multi_thread")]
async fn who_owns_no_table_deletes_from_it() {
    let Some(server) = own_server("who_owns_no_table_deletes_from_it") else { return };
    filled(&server, "one").await.close().await.unwrap();
    server
        .psql(
            "CREATE ROLE guest LOGIN;
             GRANT USAGE ON SCHEMA threadkeep TO guest;
             GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA threadkeep TO guest",
        )
        .unwrap();
    let url = server.url();
    let part = if url.contains('?') { '&' } else { '?' };
    let options = options(&format!("{url}{part}user=guest"), "one");
    let store = PostgresStore::open_with(options).await.unwrap();
    append(&store, vec![entry("mine")]).await;
    let retention = Retention::before(now() - chrono::TimeDelta::days(4));
    assert_eq!(store.prune(retention, LONG).await.unwrap().rows, 4);
    assert_eq!(days_back(&server), [9, 5, 2, 1]);
    assert_eq!(all(&store).await.items.len(), 7);
    assert_sums(&server);
}

/// The clock of the server was set back: later numbers are in an earlier day.
#[tokio::test(flavor = "multi_thread")]
async fn days_out_of_order_are_read_and_pruned_in_order() {
    let Some(server) = own_server("days_out_of_order_are_read_and_pruned_in_order") else { return };
    let store = open(&server, "one").await;
    let reader = open(&server, "one").await;
    let mut expected = Vec::new();
    for (nth, days) in [3, 4, 3, 20, 4, 0, 3].into_iter().enumerate() {
        append(&store, vec![entry(&nth.to_string())]).await;
        if days > 0 {
            move_back(&server, "one", days);
        }
        expected.push(nth.to_string());
        assert_eq!(messages(&all(&reader).await.items), expected);
        assert_eq!(reader.max_log_id(LogFilter::new()).await.unwrap(), nth as u64 + 1);
        let page = found(&reader, LogFilter::new().after_id(nth as u64)).await;
        assert_eq!(messages(&page.items), [expected[nth].as_str()]);
    }
    let bytes: u64 = all(&store).await.items.iter().map(|row| row.entry.text_bytes()).sum();
    let one = bytes / 7;
    for left in (0..7).rev() {
        let retention = Retention::max_bytes(one * left);
        assert_eq!(store.prune(retention, LONG).await.unwrap().rows, 1);
        let left = usize::try_from(left).unwrap();
        assert_eq!(messages(&all(&reader).await.items), expected[7 - left..]);
    }
}

/// However many days there are, a page opens few of their partitions.
#[tokio::test(flavor = "multi_thread")]
async fn many_days_are_read_a_few_at_a_time() {
    const DAYS: i64 = 40;

    let Some(server) = own_server("many_days_are_read_a_few_at_a_time") else { return };
    let store = open(&server, "one").await;
    for days in (0..DAYS).rev() {
        append(&store, vec![entry(&format!("{days} a")), entry(&format!("{days} b"))]).await;
        if days > 0 {
            move_back(&server, "one", days);
        }
    }
    let reader = open(&server, "one").await;
    let rows = all(&reader).await.items;
    assert_eq!(i64::try_from(rows.len()).unwrap(), 2 * DAYS);
    let mut query = LogQuery::new(LogFilter::new()).limit(7);
    let mut read = Vec::new();
    loop {
        let page = reader.query(query.clone()).await.unwrap();
        query.filter.before_id = page.items.last().map(|row| row.id);
        read.extend(page.items);
        if !page.more {
            break;
        }
    }
    read.reverse();
    assert_eq!(read, rows);
    for nth in [0, 1, 50, 78, 79] {
        let filter = LogFilter::new().message(rows[nth].entry.message.clone().unwrap());
        assert_eq!(reader.max_log_id(filter).await.unwrap(), nth as u64 + 1);
    }
    let query = LogQuery::new(LogFilter::new().after_id(30)).direction(Direction::Ascending);
    assert_eq!(reader.query(query.limit(3)).await.unwrap().items, rows[30..33]);
}

/// Maintenance keeps to the limits, and upkeep drops old days while entries come.
#[tokio::test(flavor = "multi_thread")]
async fn old_days_go_while_entries_come() {
    let Some(server) = own_server("old_days_go_while_entries_come") else { return };
    filled(&server, "one").await.close().await.unwrap();
    let mut retention = Retention::default();
    retention.max_age = Some(Duration::from_hours(4 * 24));
    let options = options(&server.url(), "one").retention(retention);
    let store = PostgresStore::open_with(options).await.unwrap();
    let begun = std::time::Instant::now();
    while days_back(&server) != [2, 1] {
        append(&store, vec![entry("more")]).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", days_back(&server));
    }
    assert_eq!(all(&store).await.items[0].id, 5);
    assert_sums(&server);
}
