//! Which days entries are in, from the sums that are kept of each. Days are counted from 1970.

use chrono::{DateTime, Utc};
use sqlx::postgres::PgRow;

use crate::connection::{flag, number, optional_number};
use crate::errors::Failed;
use crate::sql::Sql;

/// Where entries are that have to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Days {
    /// In these days, both included.
    pub(crate) first: i64,
    pub(crate) last: i64,
    /// With numbers below this.
    pub(crate) end: i64,
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Drop this day: all its entries have to go, nobody else has any in it, and none come.
    Drop(i64),
    /// Delete entries of these days.
    Delete(Days),
}

impl Next {
    fn day(day: i64, may_drop: bool) -> Self {
        if may_drop {
            return Self::Drop(day);
        }
        Self::Delete(Days { first: day, last: day, end: i64::MAX })
    }
}

/// Whether a day is over in every time zone of its writers' clocks, and no other namespace has anything
/// in it.
const IS_FREE: &str = "d.day < (now() AT TIME ZONE 'utc')::date - 1 AND NOT EXISTS
                           (SELECT FROM threadkeep.log_days AS o
                            WHERE o.day = d.day AND o.namespace <> d.namespace)";

/// The first day after one that may have entries before a time.
pub(crate) fn next_before(
    namespace: &str,
    time: DateTime<Utc>,
    whole_days: bool,
    after: i64,
) -> Sql {
    let seconds = time.timestamp();
    let sql = Sql::new("SELECT d.day - DATE '1970-01-01', d.newest < ? AND ")
        .number(seconds)
        .then(IS_FREE)
        .then(
            " FROM threadkeep.log_days AS d
             WHERE d.namespace = ? AND d.day > DATE '1970-01-01' + ? AND d.oldest <= ?",
        )
        .text(namespace)
        .number(after)
        .number(seconds);
    let sql = if whole_days { sql.then(" AND d.newest < ?").number(seconds) } else { sql };
    sql.then(" ORDER BY d.day LIMIT 1")
}

pub(crate) fn day_or_drop(rows: &[PgRow], may_drop: bool) -> Result<Option<Next>, Failed> {
    let Some(row) = rows.first() else { return Ok(None) };
    Ok(Some(Next::day(number(row, 0)?, flag(row, 1)? && may_drop)))
}

/// The days with the lowest numbers, one more than `window`, where there are more bytes than `most`.
pub(crate) fn oldest(namespace: &str, most: u64, window: usize) -> Sql {
    Sql::new(
        "SELECT * FROM (
             SELECT d.day - DATE '1970-01-01', d.first_id, d.last_id,
                 sum(d.bytes) OVER () > ? AS is_over,
                 d.bytes < sum(d.bytes) OVER () - ? AND ",
    )
    .number(i64::try_from(most).unwrap_or(i64::MAX))
    .number(i64::try_from(most).unwrap_or(i64::MAX))
    .then(IS_FREE)
    .then(
        " FROM threadkeep.log_days AS d WHERE d.namespace = ?) AS days
         WHERE is_over ORDER BY first_id LIMIT ?",
    )
    .text(namespace)
    .number(i64::try_from(window + 1).unwrap_or(i64::MAX))
}

pub(crate) fn oldest_or_drop(
    rows: &[PgRow],
    window: usize,
    may_drop: bool,
) -> Result<Option<Next>, Failed> {
    let Some(oldest) = rows.first() else { return Ok(None) };
    let comes_first = match rows.get(1) {
        Some(next) => number(oldest, 2)? < number(next, 1)?,
        None => true,
    };
    if may_drop && comes_first && flag(oldest, 4)? {
        return Ok(Some(Next::Drop(number(oldest, 0)?)));
    }
    let mut days = Days { first: i64::MAX, last: i64::MIN, end: i64::MAX };
    for row in &rows[..rows.len().min(window)] {
        let day = number(row, 0)?;
        days.first = days.first.min(day);
        days.last = days.last.max(day);
    }
    if let Some(further) = rows.get(window) {
        days.end = number(further, 1)?;
    }
    Ok(Some(Next::Delete(days)))
}

/// The first and the last day in which these owners have anything.
pub(crate) fn of_owners(namespace: &str, owners: &[i64]) -> Sql {
    Sql::new(
        "SELECT min(day) - DATE '1970-01-01', max(day) - DATE '1970-01-01'
         FROM threadkeep.log_owners WHERE namespace = ? AND owner = ANY(?)",
    )
    .text(namespace)
    .numbers(owners.iter().copied())
}

pub(crate) fn span(rows: &[PgRow]) -> Result<Option<Next>, Failed> {
    let Some(row) = rows.first() else { return Ok(None) };
    let (Some(first), Some(last)) = (optional_number(row, 0)?, optional_number(row, 1)?) else {
        return Ok(None);
    };
    Ok(Some(Next::Delete(Days { first, last, end: i64::MAX })))
}

/// Narrows a statement to these days. As constants, so that only their partitions are opened.
pub(crate) fn within(sql: Sql, days: Days) -> Sql {
    sql.then(" day >= DATE '1970-01-01' + ? AND day <= DATE '1970-01-01' + ? ")
        .number(days.first)
        .number(days.last)
}
