//! Taking entries out, some in each transaction, so that none holds up appending for long.
//!
//! What has to go is decided within the transaction that takes it out, so that several who prune at once
//! take no more than one would.

use std::time::Instant;

use chrono::{DateTime, Utc};
use threadkeep_core::{Result, Retention};

use crate::connection::{Connection, number};
use crate::errors::Failed;
use crate::log_days::{self, Days, Next};
use crate::log_delete;
use crate::log_partitions;
use crate::log_writer::LogEngine;
use crate::namespace::limits;
use crate::sql::Sql;

/// Entries taken out in one transaction.
const STEP: i64 = 1_000;
/// Entries looked at of an owner that has too many bytes.
const BYTES_STEP: i64 = 100;
/// Owners in one.
const OWNERS: usize = 200;
/// A day before all others.
const LONG_AGO: i64 = -700_000;

/// Which entries go.
#[derive(Debug)]
pub(crate) enum Doomed {
    /// Those before a time; only of days of which all have to go, or of all.
    Before { time: DateTime<Utc>, whole_days: bool },
    /// The oldest, until the rest has at most so many bytes.
    Bytes { most: u64 },
    /// Those of these threads.
    Threads { owners: Vec<i64>, threads: Vec<String> },
    /// Of each of these owners the oldest, until it keeps to its limits.
    Surplus { owners: Vec<i64>, retention: Retention },
}

/// Entries on their way out.
#[derive(Debug)]
pub(crate) struct Pruning {
    doomed: Doomed,
    /// Days up to this one are done with.
    done_through: Option<i64>,
    /// Of so many days entries are taken together.
    window: usize,
    /// Whether dropping partitions is worth trying.
    may_drop: bool,
}

/// What one step did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// So many entries went, and more may have to.
    Took(u64),
    /// Nothing is left to go.
    Done,
}

/// Without progress in so many days something is wrong with the sums.
const WIDEST: usize = 10_000;

impl Pruning {
    pub(crate) fn new(doomed: Doomed) -> Self {
        Self { doomed, done_through: None, window: 2, may_drop: true }
    }

    /// Where to go on; `None` where nothing is left.
    async fn next(
        &mut self,
        connection: &mut Connection,
        namespace: &str,
        until: Instant,
    ) -> Result<Option<Next>, Failed> {
        let (window, may_drop) = (self.window, self.may_drop);
        match &mut self.doomed {
            Doomed::Before { time, whole_days } => {
                let after = self.done_through.unwrap_or(LONG_AGO);
                let sql = log_days::next_before(namespace, *time, *whole_days, after);
                log_days::day_or_drop(&connection.rows(sql, until).await?, may_drop)
            }
            Doomed::Bytes { .. } if window > WIDEST => Ok(None),
            Doomed::Bytes { most } => {
                let sql = log_days::oldest(namespace, *most, window);
                log_days::oldest_or_drop(&connection.rows(sql, until).await?, window, may_drop)
            }
            Doomed::Threads { owners, .. } | Doomed::Surplus { owners, .. } => {
                while !owners.is_empty() {
                    let sql = log_days::of_owners(namespace, some(owners));
                    let next = log_days::span(&connection.rows(sql, until).await?)?;
                    if next.is_some() {
                        return Ok(next);
                    }
                    owners.drain(..some(owners).len());
                }
                Ok(None)
            }
        }
    }

    /// Takes note that nothing was found in these days.
    fn nothing_left(&mut self, days: Days) {
        match &mut self.doomed {
            Doomed::Before { .. } => self.done_through = Some(days.last),
            Doomed::Bytes { .. } => self.window *= 2,
            Doomed::Threads { owners, .. } | Doomed::Surplus { owners, .. } => {
                owners.drain(..some(owners).len());
            }
        }
    }

    /// A query for the numbers of the next entries that go, of these days.
    fn numbers(&self, namespace: &str, days: Days) -> Sql {
        let entries = |sql: Sql, columns: &'static str| {
            let sql = sql.then("SELECT ").then(columns).then(" FROM threadkeep.logs WHERE ");
            log_days::within(sql, days).then("AND namespace = ?").text(namespace)
        };
        let step = |sql: Sql, step: i64| sql.then(" ORDER BY id LIMIT ?").number(step);
        match &self.doomed {
            Doomed::Before { time, .. } => {
                // What a row comparison says of the seconds alone is said too: there is an index for it.
                let sql = entries(Sql::default(), "id")
                    .then(" AND seconds <= ? AND (seconds, nanos) < (?, ?) LIMIT ?");
                let (seconds, nanos) = (time.timestamp(), time.timestamp_subsec_nanos());
                sql.number(seconds).number(seconds).number(nanos.into()).number(STEP)
            }
            Doomed::Bytes { most } => {
                let sql = Sql::new(
                    "SELECT id FROM (SELECT id, sum(bytes) OVER (ORDER BY id) - bytes AS before FROM (",
                );
                let sql = entries(sql, "id, bytes").then(" AND id < ?").number(days.end);
                step(sql, STEP)
                    .then(
                        ") AS oldest) AS summed WHERE before <
                         (SELECT sum(bytes) - ? FROM threadkeep.log_days WHERE namespace = ?)",
                    )
                    .number(self::most(Some(*most)))
                    .text(namespace)
            }
            Doomed::Threads { owners, threads } => {
                let sql = Sql::new("SELECT found.id FROM unnest(?) AS own (owner), LATERAL (")
                    .numbers(some(owners).iter().copied());
                let sql = entries(sql, "id")
                    .then(" AND logs.owner = own.owner AND thread_id = ANY(?)")
                    .texts(threads.iter().map(String::as_str));
                step(sql, STEP).then(") AS found LIMIT ?").number(STEP)
            }
            Doomed::Surplus { owners, retention } => {
                // Of each, no more than its surplus is looked at, as far as it is known in entries.
                let sql = Sql::new(
                    "SELECT id FROM (
                         SELECT over.owner, found.id, over.rows, over.bytes,
                             row_number() OVER oldest - 1 AS rows_before,
                             sum(found.bytes) OVER oldest - found.bytes AS bytes_before
                         FROM (SELECT owner, sum(rows) - ? AS rows, sum(bytes) - ? AS bytes
                               FROM threadkeep.log_owners WHERE namespace = ? AND owner = ANY(?)
                               GROUP BY owner) AS over, LATERAL (",
                )
                .number(most(retention.thread_rows))
                .number(most(retention.thread_bytes))
                .text(namespace)
                .numbers(some(owners).iter().copied());
                let sql = entries(sql, "id, bytes").then(" AND logs.owner = over.owner");
                sql.then(
                    " ORDER BY id LIMIT least(?, CASE WHEN over.bytes > 0 THEN ? ELSE over.rows END)::bigint
                     ) AS found WHERE over.rows > 0 OR over.bytes > 0
                     WINDOW oldest AS (PARTITION BY over.owner ORDER BY found.id)) AS summed
                     WHERE rows_before < rows OR bytes_before < bytes ORDER BY owner, id LIMIT ?",
                )
                .number(STEP)
                .number(BYTES_STEP)
                .number(STEP)
            }
        }
    }

    /// What is true of a row `d` of `log_days` where all entries of the day go.
    fn covers(&self, namespace: &str) -> Sql {
        match &self.doomed {
            Doomed::Before { time, .. } => Sql::new("d.newest < ?").number(time.timestamp()),
            Doomed::Bytes { most } => Sql::new(
                "d.bytes < (SELECT sum(bytes) - ? FROM threadkeep.log_days WHERE namespace = ?)
                 AND NOT EXISTS (SELECT FROM threadkeep.log_days AS o WHERE o.namespace = d.namespace
                                 AND o.day <> d.day AND o.first_id <= d.last_id)",
            )
            .number(self::most(Some(*most)))
            .text(namespace),
            Doomed::Threads { .. } | Doomed::Surplus { .. } => Sql::new("false"),
        }
    }

    /// The second before which a day has no entries any more, where none were found.
    fn reached(&self) -> Option<i64> {
        match &self.doomed {
            Doomed::Before { time, .. } => Some(time.timestamp()),
            _ => None,
        }
    }
}

/// A limit as a number of SQL. What is absent limits nothing.
fn most(limit: Option<u64>) -> i64 {
    limit.map_or(i64::MAX, |limit| i64::try_from(limit).unwrap_or(i64::MAX))
}

/// Those whose turn it is.
fn some(owners: &[i64]) -> &[i64] {
    &owners[..owners.len().min(OWNERS)]
}

impl LogEngine {
    /// Takes some of the entries out that go.
    pub(crate) fn prune_step(&mut self, pruning: &mut Pruning, until: Instant) -> Result<Step> {
        let namespace = self.namespace.clone();
        let next = self.read("prune", until, async |connection| {
            pruning.next(connection, &namespace, until).await
        })?;
        match next {
            None => Ok(Step::Done),
            Some(Next::Drop(day)) => {
                let dropped = self.drop_day(pruning, day, until)?;
                // Somebody uses them, or came in between: its entries are deleted like others.
                pruning.may_drop &= dropped.is_some();
                Ok(Step::Took(dropped.unwrap_or(0)))
            }
            Some(Next::Delete(days)) => {
                let took = self.delete_some(pruning, days, until)?;
                if took == 0 {
                    pruning.nothing_left(days);
                }
                Ok(Step::Took(took))
            }
        }
    }

    fn delete_some(&mut self, pruning: &Pruning, days: Days, until: Instant) -> Result<u64> {
        self.once("prune", until, &async |connection, ticket| {
            let wait = until.saturating_duration_since(Instant::now());
            let numbers = pruning.numbers(ticket.namespace, days);
            let sql = limits(wait, wait)
                .and(log_delete::lock(ticket))
                .and(log_delete::delete(numbers, ticket, days, pruning.reached()))
                .and(ticket.answer());
            let rows = connection.rows(sql, until).await?;
            rows.first().map(|row| number(row, 0).map(i64::cast_unsigned)).transpose()
        })
    }

    /// Drops a day's partitions where still all of it has to go; `None` where that did not work out.
    fn drop_day(&mut self, pruning: &Pruning, day: i64, until: Instant) -> Result<Option<u64>> {
        self.once("prune", until, &async |connection, ticket| {
            let sql = log_partitions::alone()
                .and(log_delete::lock(ticket))
                .and(log_delete::forget_day(pruning.covers(ticket.namespace), ticket, day))
                .and(log_partitions::drop_day(day))
                .and(ticket.answer());
            match connection.rows(sql, until).await {
                Ok(rows) => {
                    let answer = rows.first().map(|row| number(row, 0)).transpose()?;
                    Ok(answer.map(|rows| Some(rows.cast_unsigned())))
                }
                Err(error) if error.keeps_partition() => Ok(Some(None)),
                Err(error) => Err(error),
            }
        })
    }

    /// Drops partitions of days that nobody has entries in.
    pub(crate) fn drop_empty_days(&mut self, until: Instant) -> Result<()> {
        self.read("prune", until, async |connection| {
            for day in log_partitions::empty_days(connection, until).await? {
                let sql = log_partitions::alone().and(log_partitions::drop_day(day));
                match connection.run(sql, until).await {
                    Err(error) if error.keeps_partition() => break,
                    dropped => dropped.map(drop)?,
                }
            }
            Ok(())
        })
    }
}

/// A query for owners that have more than they may, with their entries and bytes; of these, or of all.
pub(crate) fn over_limit(
    namespace: &str,
    retention: &Retention,
    owners: Option<impl IntoIterator<Item = i64>>,
) -> Sql {
    let sql = Sql::new(
        "SELECT owner, sum(rows)::bigint, sum(bytes)::bigint FROM threadkeep.log_owners
         WHERE namespace = ?",
    )
    .text(namespace);
    let sql = match owners {
        Some(owners) => sql.then(" AND owner = ANY(?)").numbers(owners),
        None => sql,
    };
    sql.then(" GROUP BY owner HAVING sum(rows) > ? OR sum(bytes) > ? LIMIT 10000")
        .number(most(retention.thread_rows))
        .number(most(retention.thread_bytes))
}
