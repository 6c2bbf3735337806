//! Searching log entries.
//!
//! A page is one way to the server and back, for numbers in one range and days in another: days as
//! constants, so that only their partitions are opened, however many there are. Which days are to be
//! looked at is remembered from the search before; the answer comes with what they are by now, of the
//! same moment, and where others are among them, the search is made again.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use threadkeep_core::{Direction, LogFilter, LogRow};

use crate::connection::{flag, number, optional_number};
use crate::errors::Failed;
use crate::log_filter::{conditions, owners};
use crate::log_row::{self, COLUMNS};
use crate::readers::Lent;
use crate::sql::Sql;

/// Days that are searched at once, at first and at most; twice as many each time. Planning opens the
/// partition of each, and most answers are near.
const FEW: usize = 2;
const MANY: usize = 16;
/// Days before and after all.
const LONG_AGO: i64 = -700_000;
const FAR_AHEAD: i64 = 1_000_000;

/// One day's entries: the day, and between which numbers they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Day {
    number: i64,
    first_id: i64,
    last_id: i64,
}

/// What a handle has seen of the logs.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// The days that had entries; `None` where they are to be looked up.
    days: Mutex<Option<Vec<Day>>>,
    /// The greatest number that a state had which was answered from.
    last_id: AtomicU64,
}

impl Seen {
    /// Takes note that a state with this number was answered from, or made. Whether it is no older
    /// than all before.
    pub(crate) fn note(&self, last_id: u64) -> bool {
        self.last_id.fetch_max(last_id, Ordering::AcqRel) <= last_id
    }

    fn days(&self) -> MutexGuard<'_, Option<Vec<Day>>> {
        self.days.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is searched.
#[derive(Clone, Debug)]
pub(crate) struct Search {
    pub(crate) namespace: String,
    pub(crate) filter: LogFilter,
    pub(crate) direction: Direction,
    pub(crate) wanted: usize,
}

/// What was found, and the state that was seen last.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) rows: Vec<LogRow>,
    pub(crate) deleted_through: u64,
    /// The greatest number that was given out.
    pub(crate) last_id: u64,
}

/// A part of a search: numbers above the one and below the other, and the days they are in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Window {
    after: i64,
    before: i64,
    first_day: i64,
    last_day: i64,
}

impl Window {
    /// The part that is to be searched first, as far as these days are all there are.
    fn new(days: &[Day], after: i64, before: i64, direction: Direction, width: usize) -> Self {
        // More may have come to the newest, and to later ones.
        let newest = days.iter().map(|day| day.last_id).max();
        let is_newest = |day: &Day| Some(day.last_id) == newest;
        let may_have =
            |day: &&Day| day.first_id < before && (day.last_id > after || is_newest(day));
        let mut days: Vec<_> = days.iter().filter(may_have).copied().collect();
        let mut window = Self { after, before, first_day: FAR_AHEAD, last_day: LONG_AGO };
        match direction {
            Direction::Ascending => {
                days.sort_by_key(|day| day.first_id);
                if let Some(further) = days.get(width)
                    && further.first_id > after + 1
                {
                    window.before = further.first_id;
                    days.truncate(width);
                }
            }
            Direction::Descending => {
                days.sort_by_key(|day| std::cmp::Reverse(day.last_id));
                if let Some(further) = days.get(width)
                    && further.last_id < before - 1
                {
                    window.after = further.last_id;
                    days.truncate(width);
                }
            }
        }
        for day in &days {
            window.first_day = window.first_day.min(day.number);
            window.last_day =
                window.last_day.max(if is_newest(day) { FAR_AHEAD } else { day.number });
        }
        window
    }
}

/// The entries that match, at most `wanted`.
pub(crate) async fn search(
    mut lent: Lent,
    seen: Arc<Seen>,
    search: Search,
) -> Result<(Lent, Found), Failed> {
    let Search { filter, direction, wanted, .. } = &search;
    let number_of = |id: u64| i64::try_from(id).unwrap_or(i64::MAX);
    let mut after = filter.after_id.map_or(0, number_of);
    let mut before = filter.before_id.map_or(i64::MAX, number_of);
    let mut found = Found::default();
    let mut width = FEW;
    loop {
        let known = seen.days().clone();
        let days = if let Some(days) = known {
            days
        } else {
            let days = days(&mut lent, &search.namespace).await?;
            *seen.days() = Some(days.clone());
            days
        };
        let window = Window::new(&days, after, before, *direction, width);
        let missing = wanted - found.rows.len();
        let page = page(&mut lent, &search, window, missing).await?;
        if page.is_elsewhere || page.newest_day != days.iter().map(|day| day.number).max() {
            *seen.days() = None;
        }
        if page.is_elsewhere {
            continue;
        }
        found.deleted_through = page.deleted_through;
        found.last_id = page.last_id;
        let is_full = page.rows.len() >= missing;
        let last = page.rows.last().map(|row| row.id.cast_signed());
        found.rows.extend(page.rows.into_iter().filter(|row| filter.matches(row)));
        if found.rows.len() >= *wanted {
            break;
        }
        match (direction, last) {
            (Direction::Ascending, Some(last)) if is_full => after = last,
            (Direction::Descending, Some(last)) if is_full => before = last,
            (Direction::Ascending, _) if window.before < before => after = window.before - 1,
            (Direction::Descending, _) if window.after > after => before = window.after + 1,
            _ => break,
        }
        width = (width * 2).min(MANY);
    }
    Ok((lent, found))
}

/// Days that have entries.
async fn days(lent: &mut Lent, namespace: &str) -> Result<Vec<Day>, Failed> {
    let sql = Sql::new(
        "SELECT day - DATE '1970-01-01', first_id, last_id FROM threadkeep.log_days
         WHERE namespace = ?",
    );
    let rows = lent.connection.rows(sql.text(namespace), lent.until).await?;
    let day = |row| {
        Ok(Day { number: number(row, 0)?, first_id: number(row, 1)?, last_id: number(row, 2)? })
    };
    rows.iter().map(day).collect()
}

/// Entries of a window, and the state they are of.
struct Page {
    rows: Vec<LogRow>,
    deleted_through: u64,
    last_id: u64,
    /// Days other than those of the window have entries with such numbers.
    is_elsewhere: bool,
    newest_day: Option<i64>,
}

async fn page(
    lent: &mut Lent,
    search: &Search,
    window: Window,
    wanted: usize,
) -> Result<Page, Failed> {
    let state = Sql::new(
        "SELECT n.logs_deleted_through, n.last_log_id, EXISTS (
             SELECT FROM threadkeep.log_days AS d
             WHERE d.namespace = n.name AND d.first_id < ? AND d.last_id > ?
                 AND (d.day < DATE '1970-01-01' + ? OR d.day > DATE '1970-01-01' + ?)
         ), (SELECT max(day) - DATE '1970-01-01' FROM threadkeep.log_days AS d
             WHERE d.namespace = n.name)
         FROM threadkeep.namespaces AS n WHERE n.name = ?",
    )
    .number(window.before)
    .number(window.after)
    .number(window.first_day)
    .number(window.last_day)
    .text(&search.namespace);
    let sql = Sql::new("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        .and(state)
        .and(entries(search, window, wanted))
        .and(Sql::new("COMMIT"));
    let answers = lent.connection.run(sql, lent.until).await?;
    let [_, state, rows, _] = answers.as_slice() else {
        return Err(Failed::decode("an answer is missing"));
    };
    let state = state.first().ok_or(Failed::decode("the namespace is gone"))?;
    Ok(Page {
        rows: rows.iter().map(log_row::decode).collect::<Result<_, _>>()?,
        deleted_through: number(state, 0)?.cast_unsigned(),
        last_id: number(state, 1)?.cast_unsigned(),
        is_elsewhere: flag(state, 2)?,
        newest_day: optional_number(state, 3)?,
    })
}

/// A query for the first entries of a window.
fn entries(search: &Search, window: Window, wanted: usize) -> Sql {
    let wanted = i64::try_from(wanted).unwrap_or(i64::MAX);
    let from = |sql: Sql| {
        let sql = sql
            .then(" FROM threadkeep.logs WHERE namespace = ? AND id > ? AND id < ?")
            .text(&search.namespace)
            .number(window.after)
            .number(window.before)
            .then(" AND day >= DATE '1970-01-01' + ? AND day <= DATE '1970-01-01' + ?")
            .number(window.first_day)
            .number(window.last_day);
        conditions(sql, &search.filter)
    };
    let first = |sql: Sql| {
        let sql = match search.direction {
            Direction::Ascending => sql.then(" ORDER BY id"),
            Direction::Descending => sql.then(" ORDER BY id DESC"),
        };
        sql.then(" LIMIT ?").number(wanted)
    };
    let Some(owners) = owners(&search.filter) else {
        return first(from(Sql::new("SELECT ").then(COLUMNS)));
    };
    // The first of each: a range of the index for each owner, in order.
    let sql = Sql::new("SELECT found.* FROM unnest(?) AS own (owner), LATERAL (SELECT ")
        .numbers(owners)
        .then(COLUMNS);
    first(first(from(sql).then(" AND logs.owner = own.owner")).then(") AS found"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn days(days: &[(i64, i64, i64)]) -> Vec<Day> {
        let day = |&(number, first_id, last_id)| Day { number, first_id, last_id };
        days.iter().map(day).collect()
    }

    #[test]
    fn a_tail_looks_at_the_newest_day_and_later_ones() {
        let days = days(&[(10, 1, 100), (11, 101, 200), (12, 201, 300)]);
        for after in [200, 250, 300, 1_000] {
            for direction in [Direction::Ascending, Direction::Descending] {
                let window = Window::new(&days, after, i64::MAX, direction, 2);
                let all = Window { after, before: i64::MAX, first_day: 12, last_day: FAR_AHEAD };
                assert_eq!(window, all);
            }
        }
    }

    #[test]
    fn windows_go_from_either_end_and_leave_nothing_out() {
        let days = days(&[(10, 1, 100), (11, 101, 200), (12, 201, 300), (13, 301, 400)]);
        let window = Window::new(&days, 0, i64::MAX, Direction::Ascending, 2);
        assert_eq!(window, Window { after: 0, before: 201, first_day: 10, last_day: 11 });
        let window = Window::new(&days, 0, 390, Direction::Descending, 2);
        assert_eq!(window, Window { after: 200, before: 390, first_day: 12, last_day: FAR_AHEAD });
        let window = Window::new(&days, 0, 201, Direction::Descending, 2);
        assert_eq!(window, Window { after: 0, before: 201, first_day: 10, last_day: 11 });
    }

    #[test]
    fn days_whose_numbers_overlap_are_searched_together() {
        let days = days(&[(10, 1, 300), (11, 2, 299), (12, 3, 298)]);
        let window = Window::new(&days, 5, i64::MAX, Direction::Ascending, 2);
        assert_eq!(
            window,
            Window { after: 5, before: i64::MAX, first_day: 10, last_day: FAR_AHEAD }
        );
    }

    #[test]
    fn without_days_no_partition_is_opened() {
        let window = Window::new(&[], 0, i64::MAX, Direction::Ascending, 2);
        assert!(window.first_day > window.last_day);
    }
}
