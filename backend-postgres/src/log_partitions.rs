//! The partitions of the logs: a day each, by the server's clock in UTC.

use std::time::{Duration, Instant};

use crate::connection::{Connection, number};
use crate::errors::Failed;
use crate::namespace::limits;
use crate::sql::Sql;

/// The lock of whoever makes or drops partitions: "tkeeplog".
const PARTITION_LOCK: i64 = 0x746b_6565_706c_6f67;

/// Makes the partitions of the server's today and tomorrow, and of these days, where they are
/// missing. Of many that come at once, one does it. Nobody who reads or writes waits for it, because
/// a table is made first and put into place then.
pub(crate) async fn make(
    connection: &mut Connection,
    days: &[i64],
    until: Instant,
) -> Result<(), Failed> {
    let wait = until.saturating_duration_since(Instant::now());
    let make = Sql::new(
        "DO $make$
         DECLARE
             day date;
             parent text;
             child text;
         BEGIN
             FOR day IN
                 SELECT (now() AT TIME ZONE 'utc')::date + n FROM generate_series(0, 1) AS n
                 UNION SELECT DATE '1970-01-01' + n::int FROM unnest(?) AS n
             LOOP
                 FOREACH parent IN ARRAY ARRAY['logs', 'log_owners'] LOOP
                     child := parent || to_char(day, '_YYYYMMDD');
                     IF to_regclass('threadkeep.' || child) IS NULL THEN
                         EXECUTE format(
                             'CREATE TABLE threadkeep.%1$I (LIKE threadkeep.%2$I INCLUDING ALL)',
                             child, parent);
                         EXECUTE format(
                             'ALTER TABLE threadkeep.%1$I ATTACH PARTITION threadkeep.%2$I
                              FOR VALUES FROM (%3$L) TO (%4$L)',
                             parent, child, day, day + 1);
                     END IF;
                 END LOOP;
             END LOOP;
         END $make$",
    );
    let alone = Sql::new("SELECT pg_advisory_xact_lock(?)").number(PARTITION_LOCK);
    let sql = limits(wait, wait).and(alone).and(make.numbers(days.iter().copied()));
    connection.run(sql, until).await.map(drop)
}

/// So long dropping waits for those who read: whoever comes meanwhile waits for it too.
const DROP_WAIT: Duration = Duration::from_millis(50);
/// So long it may take then.
const DROP_TIME: Duration = Duration::from_secs(10);

/// Keeps everybody from the logs until the transaction ends.
pub(crate) fn alone() -> Sql {
    limits(DROP_WAIT, DROP_TIME)
        .and(Sql::new("SELECT pg_advisory_xact_lock(?)").number(PARTITION_LOCK))
        .and(Sql::new(
            "LOCK TABLE ONLY threadkeep.logs, ONLY threadkeep.log_owners IN ACCESS EXCLUSIVE MODE",
        ))
}

/// Drops a day's partitions; fails with [`Failed::keeps_partition`] where a namespace has entries there.
pub(crate) fn drop_day(day: i64) -> Sql {
    Sql::new(
        "DO $drop$
         DECLARE
             that date := DATE '1970-01-01' + ?;
             parent text;
         BEGIN
             IF EXISTS (SELECT FROM threadkeep.log_days WHERE day = that) THEN
                 RAISE EXCEPTION 'the day has entries' USING ERRCODE = 'object_in_use';
             END IF;
             FOREACH parent IN ARRAY ARRAY['logs', 'log_owners'] LOOP
                 EXECUTE format(
                     'DROP TABLE IF EXISTS threadkeep.%I', parent || to_char(that, '_YYYYMMDD'));
             END LOOP;
         END $drop$",
    )
    .number(day)
}

/// Days before yesterday whose partitions nobody has entries in.
pub(crate) async fn empty_days(
    connection: &mut Connection,
    until: Instant,
) -> Result<Vec<i64>, Failed> {
    let sql = Sql::new(
        "SELECT p.day - DATE '1970-01-01'
         FROM (SELECT to_date(substr(c.relname, 6), 'YYYYMMDD') AS day
               FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid
               WHERE i.inhparent = 'threadkeep.logs'::regclass AND c.relname ~ '^logs_[0-9]{8}$') AS p
         WHERE p.day < (now() AT TIME ZONE 'utc')::date - 1
             AND NOT EXISTS (SELECT FROM threadkeep.log_days AS d WHERE d.day = p.day)
         ORDER BY 1",
    );
    connection.rows(sql, until).await?.iter().map(|row| number(row, 0)).collect()
}
