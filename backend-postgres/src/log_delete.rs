//! The statements that take entries out, and keep the sums and the mark of what went.

use crate::log_append::Ticket;
use crate::log_days::{self, Days};
use crate::sql::Sql;

/// Locks what an append locks, in its order: an earlier try of this writer is over then, and nobody
/// changes the sums.
pub(crate) fn lock(ticket: Ticket<'_>) -> Sql {
    Sql::new(
        "SELECT FROM threadkeep.writers WHERE id = ? FOR UPDATE;
         SELECT FROM threadkeep.namespaces WHERE name = ? FOR NO KEY UPDATE",
    )
    .uuid(ticket.writer)
    .text(ticket.namespace)
}

/// Deletes the entries with these numbers in these days. Where there are none, no entry of these days is
/// before the second `reached`. Does nothing where an earlier try did it; the answer is how many went.
pub(crate) fn delete(numbers: Sql, ticket: Ticket<'_>, days: Days, reached: Option<i64>) -> Sql {
    let sql = Sql::new(
        "WITH w AS (
             SELECT id FROM threadkeep.writers WHERE id = ? AND number < ?
         ), doomed AS (",
    )
    .uuid(ticket.writer)
    .number(ticket.number)
    .then_all(numbers)
    .then("), gone AS (DELETE FROM threadkeep.logs WHERE namespace = ? AND ")
    .text(ticket.namespace);
    let sql = log_days::within(sql, days)
        .then(
            "AND EXISTS (SELECT FROM w) AND id = ANY(ARRAY(SELECT id FROM doomed))
             RETURNING id, day, owner, bytes
         ), by_day AS (
             SELECT day AS that, count(*) AS rows, sum(bytes)::bigint AS bytes
             FROM gone GROUP BY day
         ), by_owner AS (
             SELECT owner, day AS that, count(*) AS rows, sum(bytes)::bigint AS bytes
             FROM gone GROUP BY owner, day
         ), empty_days AS (
             DELETE FROM threadkeep.log_days AS d USING by_day AS g
             WHERE d.namespace = ? AND d.day = g.that AND d.rows <= g.rows
         ), days AS (
             UPDATE threadkeep.log_days AS d SET rows = d.rows - g.rows, bytes = d.bytes - g.bytes
             FROM by_day AS g WHERE d.namespace = ? AND d.day = g.that AND d.rows > g.rows
         ), empty_owners AS (
             DELETE FROM threadkeep.log_owners AS o USING by_owner AS g
             WHERE o.namespace = ? AND o.owner = ANY(ARRAY(SELECT owner FROM by_owner))
                 AND o.owner = g.owner AND o.day = g.that AND o.rows <= g.rows AND ",
        )
        .text(ticket.namespace)
        .text(ticket.namespace)
        .text(ticket.namespace);
    let sql = log_days::within(sql, days)
        .then(
            "), owners AS (
             UPDATE threadkeep.log_owners AS o SET rows = o.rows - g.rows, bytes = o.bytes - g.bytes
             FROM by_owner AS g
             WHERE o.namespace = ? AND o.owner = ANY(ARRAY(SELECT owner FROM by_owner))
                 AND o.owner = g.owner AND o.day = g.that AND o.rows > g.rows AND ",
        )
        .text(ticket.namespace);
    let sql = log_days::within(sql, days)
        .then(
            "), mark AS (
             UPDATE threadkeep.namespaces
             SET logs_deleted_through = greatest(logs_deleted_through, (SELECT max(id) FROM gone))
             WHERE name = ? AND EXISTS (SELECT FROM gone)
         ), mine AS (
             UPDATE threadkeep.writers
             SET number = ?, answer = (SELECT count(*) FROM gone), at = now()
             WHERE id = ? AND EXISTS (SELECT FROM w)
         )",
        )
        .text(ticket.namespace)
        .number(ticket.number)
        .uuid(ticket.writer);
    let Some(reached) = reached else { return sql.then(" SELECT") };
    let sql = sql
        .then(
            " UPDATE threadkeep.log_days SET oldest = greatest(oldest, ?) WHERE namespace = ? AND ",
        )
        .number(reached)
        .text(ticket.namespace);
    log_days::within(sql, days)
        .then("AND EXISTS (SELECT FROM w) AND NOT EXISTS (SELECT FROM doomed)")
}

/// Takes a day out of the sums where all of it has to go, which `covers` says of its row `d`. The
/// partition with its entries has to be dropped with it.
pub(crate) fn forget_day(covers: Sql, ticket: Ticket<'_>, day: i64) -> Sql {
    Sql::new(
        "WITH w AS (
             SELECT id FROM threadkeep.writers WHERE id = ? AND number < ?
         ), gone AS (
             DELETE FROM threadkeep.log_days AS d
             WHERE d.namespace = ? AND d.day = DATE '1970-01-01' + ? AND EXISTS (SELECT FROM w) AND ",
    )
    .uuid(ticket.writer)
    .number(ticket.number)
    .text(ticket.namespace)
    .number(day)
    .then_all(covers)
    .then(
        " RETURNING d.rows, d.last_id
         ), mark AS (
             UPDATE threadkeep.namespaces
             SET logs_deleted_through = greatest(logs_deleted_through, (SELECT max(last_id) FROM gone))
             WHERE name = ? AND EXISTS (SELECT FROM gone)
         )
         UPDATE threadkeep.writers
         SET number = ?, answer = coalesce((SELECT sum(rows) FROM gone), 0), at = now()
         WHERE id = ? AND EXISTS (SELECT FROM w)",
    )
    .text(ticket.namespace)
    .number(ticket.number)
    .uuid(ticket.writer)
}
