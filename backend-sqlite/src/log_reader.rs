//! Reading log entries: names are resolved first, then the index says where to look.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use sqlx::query::Query;
use sqlx::sqlite::{Sqlite, SqliteArguments};
use sqlx::{AssertSqlSafe, Row, SqliteConnection};
use threadkeep_core::{Direction, LogFilter, LogRow};

use crate::log_index::{CHUNK, Kind, Places, chunk_of};
use crate::log_names::{Admitted, Names};

/// What [`Names::row`] reads.
pub(crate) const COLUMNS: &str = "id, seconds, nanos, site, thread, process, message";

/// Of so many call sites each is looked up; of more, the chunks that have any are looked through.
const FEW_SITES: usize = 64;
/// Names in chunks that are looked up in one go, at first; then in four times as many chunks, and so
/// on. Of many names most answers are near.
const WINDOW: usize = 16;
/// Entries read in one go where not each of them need match.
const CANDIDATES: usize = 512;

/// The row of `state`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct State {
    pub(crate) indexed: i64,
    pub(crate) deleted_through: i64,
    pub(crate) names: i64,
    pub(crate) prunes: i64,
    /// The greatest number that is there.
    pub(crate) last_id: i64,
}

impl State {
    pub(crate) async fn read(connection: &mut SqliteConnection) -> Result<Self, sqlx::Error> {
        let row = sqlx::query(
            "SELECT indexed, deleted_through, names, prunes,
                    coalesce((SELECT max(id) FROM entries), 0)
             FROM state",
        )
        .fetch_one(connection)
        .await?;
        Ok(Self {
            indexed: row.try_get(0)?,
            deleted_through: row.try_get(1)?,
            names: row.try_get(2)?,
            prunes: row.try_get(3)?,
            last_id: row.try_get(4)?,
        })
    }

    /// The first number without an index.
    pub(crate) fn tail(&self) -> i64 {
        self.indexed * CHUNK
    }
}

/// A search for entries, in a transaction that sees one state.
pub(crate) struct Search<'a> {
    filter: &'a LogFilter,
    names: &'a Names,
    admitted: Admitted,
    direction: Direction,
    wanted: usize,
    found: Vec<LogRow>,
}

/// Some numbers, from the first up to but without the second.
#[derive(Clone, Copy)]
struct Range(i64, i64);

/// The entries that match, at most `wanted`.
pub(crate) async fn search(
    connection: &mut SqliteConnection,
    names: &Names,
    state: State,
    filter: &LogFilter,
    direction: Direction,
    wanted: usize,
) -> Result<Vec<LogRow>, sqlx::Error> {
    let Some(admitted) = names.admit(filter) else { return Ok(Vec::new()) };
    let mut search = Search { filter, names, admitted, direction, wanted, found: Vec::new() };
    let id = |id: u64| i64::try_from(id).unwrap_or(i64::MAX);
    let first = filter.after_id.map_or(0, |after| id(after).saturating_add(1));
    let end = filter.before_id.map_or(i64::MAX, id);
    let indexed = Range(first, end.min(state.tail()));
    let tail = Range(first.max(state.tail()), end);
    match direction {
        Direction::Ascending => {
            search.indexed(connection, indexed).await?;
            search.scan(connection, tail).await?;
        }
        Direction::Descending => {
            search.scan(connection, tail).await?;
            search.indexed(connection, indexed).await?;
        }
    }
    Ok(search.found)
}

impl Search<'_> {
    fn is_done(&self) -> bool {
        self.found.len() >= self.wanted
    }

    fn is_by_name(&self) -> bool {
        self.admitted.sites.is_some()
            || self.admitted.threads.is_some()
            || self.admitted.process.is_some()
    }

    /// Whether the names alone do not decide.
    fn asks_more(&self) -> bool {
        self.filter.from.is_some() || self.filter.to.is_some() || self.filter.messages.is_some()
    }

    fn order(&self) -> &'static str {
        match self.direction {
            Direction::Ascending => "ASC",
            Direction::Descending => "DESC",
        }
    }

    /// Looks through these numbers, one after the other.
    async fn scan(
        &mut self,
        connection: &mut SqliteConnection,
        Range(first, end): Range,
    ) -> Result<(), sqlx::Error> {
        if self.is_done() || first >= end {
            return Ok(());
        }
        let mut terms = Terms::default();
        terms.add("id >= ? AND id < ?", [Value::Number(first), Value::Number(end)]);
        if let Some(sites) = &self.admitted.sites {
            terms.add("site IN (SELECT value FROM json_each(?))", [array(sites)]);
        }
        if let Some(threads) = &self.admitted.threads {
            terms.add("thread IN (SELECT value FROM json_each(?))", [array(threads)]);
        }
        if let Some(process) = self.admitted.process {
            terms.add("process = ?", [Value::Number(process)]);
        }
        self.fetch(connection, terms).await
    }

    /// Reads these entries.
    async fn pick(
        &mut self,
        connection: &mut SqliteConnection,
        ids: &[i64],
    ) -> Result<(), sqlx::Error> {
        let mut terms = Terms::default();
        terms.add("id IN (SELECT value FROM json_each(?))", [array(ids)]);
        self.fetch(connection, terms).await
    }

    async fn fetch(
        &mut self,
        connection: &mut SqliteConnection,
        mut terms: Terms,
    ) -> Result<(), sqlx::Error> {
        terms.times_and_messages(self.filter);
        let (sql, mut values) = terms.select(COLUMNS, "entries");
        let left = i64::try_from(self.wanted - self.found.len()).unwrap_or(i64::MAX);
        values.push(Value::Number(left));
        let sql = format!("{sql} ORDER BY id {} LIMIT ?", self.order());
        let rows =
            bind(sqlx::query(AssertSqlSafe(sql)), values).fetch_all(&mut *connection).await?;
        for row in &rows {
            self.found.push(self.names.row(row)?);
        }
        Ok(())
    }

    /// Looks for entries in chunks that have an index.
    async fn indexed(
        &mut self,
        connection: &mut SqliteConnection,
        range: Range,
    ) -> Result<(), sqlx::Error> {
        let Range(first, end) = range;
        if first >= end {
            return Ok(());
        }
        let has_time = self.filter.from.is_some() || self.filter.to.is_some();
        if !self.is_by_name() && !has_time {
            return self.scan(connection, range).await;
        }
        let bounds: (Option<i64>, Option<i64>) =
            sqlx::query_as("SELECT min(chunk), max(chunk) FROM chunks")
                .fetch_one(&mut *connection)
                .await?;
        let (Some(least), Some(greatest)) = bounds else { return Ok(()) };
        let mut left = Range(chunk_of(first).max(least), chunk_of(end - 1).min(greatest) + 1);
        let mut size = self.first_window();
        while left.0 < left.1 && !self.is_done() {
            let window = match self.direction {
                Direction::Ascending => Range(left.0, left.1.min(left.0 + size)),
                Direction::Descending => Range(left.0.max(left.1 - size), left.1),
            };
            match self.direction {
                Direction::Ascending => left.0 = window.1,
                Direction::Descending => left.1 = window.0,
            }
            size = size.saturating_mul(4);
            let sites = self.admitted.sites.as_ref().map_or(0, Vec::len);
            if self.is_by_name() && sites <= FEW_SITES {
                self.look_up(connection, window, range).await?;
            } else {
                self.look_through(connection, window, range).await?;
            }
        }
        Ok(())
    }

    /// How many chunks to look at first.
    fn first_window(&self) -> i64 {
        let admitted = &self.admitted;
        let count = |numbers: &Option<Vec<i64>>| numbers.as_ref().map_or(0, Vec::len);
        let names = count(&admitted.sites) + count(&admitted.threads);
        let names = names + usize::from(admitted.process.is_some());
        i64::try_from(WINDOW / names.max(1)).unwrap_or(1).max(1)
    }

    /// Looks through the chunks of a window that may have a match.
    async fn look_through(
        &mut self,
        connection: &mut SqliteConnection,
        window: Range,
        Range(first, end): Range,
    ) -> Result<(), sqlx::Error> {
        let mut terms = Terms::default();
        terms.chunks(window, self.filter);
        if let Some(sites) = &self.admitted.sites {
            let posting = "EXISTS (SELECT 1 FROM json_each(?) AS n CROSS JOIN postings AS p
                WHERE p.chunk = c.chunk AND p.kind = 0 AND p.number = n.value)";
            terms.add(posting, [array(sites)]);
        }
        let (sql, values) = terms.select("c.chunk", "chunks AS c");
        let sql = format!("{sql} ORDER BY c.chunk {}", self.order());
        let chunks =
            bind(sqlx::query(AssertSqlSafe(sql)), values).fetch_all(&mut *connection).await?;
        for row in &chunks {
            let chunk: i64 = row.try_get(0)?;
            let (from, to) = (chunk * CHUNK, (chunk + 1) * CHUNK);
            self.scan(connection, Range(from.max(first), to.min(end))).await?;
        }
        Ok(())
    }

    /// Looks the admitted names up in the index of the chunks of a window.
    async fn look_up(
        &mut self,
        connection: &mut SqliteConnection,
        window: Range,
        Range(first, end): Range,
    ) -> Result<(), sqlx::Error> {
        let mut keys = Vec::new();
        let mut kinds = 0;
        let asked = [
            (Kind::Site, self.admitted.sites.as_deref()),
            (Kind::Thread, self.admitted.threads.as_deref()),
            (Kind::Process, self.admitted.process.as_ref().map(std::slice::from_ref)),
        ];
        for (kind, numbers) in asked {
            // Kind and number in one value, so that one list holds them all.
            keys.extend(numbers.into_iter().flatten().map(|number| number << 2 | kind as i64));
            kinds += usize::from(numbers.is_some());
        }
        let mut terms = Terms::default();
        terms.chunks(window, self.filter);
        terms.add("p.chunk = c.chunk AND p.kind = n.value & 3 AND p.number = n.value >> 2", []);
        // The list is outside, so that it is taken apart once.
        let tables = "json_each(?) AS n CROSS JOIN chunks AS c CROSS JOIN postings AS p";
        let (sql, mut values) = terms.select("p.chunk, p.kind, p.ids", tables);
        values.insert(0, array(&keys));
        let rows =
            bind(sqlx::query(AssertSqlSafe(sql)), values).fetch_all(&mut *connection).await?;
        let mut chunks: BTreeMap<i64, BTreeMap<i64, Places>> = BTreeMap::new();
        for row in &rows {
            let places = chunks.entry(row.try_get(0)?).or_default();
            let places = places.entry(row.try_get(1)?).or_insert_with(Places::none);
            places.add(row.try_get(2)?)?;
        }
        let mut ids = Vec::new();
        for (chunk, places) in chunks {
            if places.len() < kinds {
                continue;
            }
            let all = places.into_values().reduce(|mut all, places| {
                all.intersect(&places);
                all
            });
            let within = |id: &i64| (first..end).contains(id);
            ids.extend(all.iter().flat_map(|places| places.ids(chunk)).filter(within));
        }
        if self.direction == Direction::Descending {
            ids.reverse();
        }
        let mut ids = ids.as_slice();
        while !ids.is_empty() && !self.is_done() {
            let left = self.wanted - self.found.len();
            let step = if self.asks_more() { left.max(CANDIDATES) } else { left };
            let (some, rest) = ids.split_at(step.min(ids.len()));
            self.pick(connection, some).await?;
            ids = rest;
        }
        Ok(())
    }
}

enum Value {
    Text(String),
    Number(i64),
}

fn bind(
    mut query: Query<'_, Sqlite, SqliteArguments>,
    values: Vec<Value>,
) -> Query<'_, Sqlite, SqliteArguments> {
    for value in values {
        query = match value {
            Value::Text(text) => query.bind(text),
            Value::Number(number) => query.bind(number),
        };
    }
    query
}

/// Numbers as a JSON array, so that a statement is the same for any number of them.
fn array(numbers: &[i64]) -> Value {
    let mut text = String::with_capacity(2 + numbers.len() * 8);
    text.push('[');
    for (nth, number) in numbers.iter().enumerate() {
        let comma = if nth == 0 { "" } else { "," };
        // Writing to a text cannot fail.
        let _ = write!(text, "{comma}{number}");
    }
    text.push(']');
    Value::Text(text)
}

/// Conditions that hold together; every value is bound.
#[derive(Default)]
struct Terms {
    sql: Vec<String>,
    values: Vec<Value>,
}

impl Terms {
    fn add(&mut self, sql: &str, values: impl IntoIterator<Item = Value>) {
        self.sql.push(sql.to_owned());
        self.values.extend(values);
    }

    /// Chunks `c` of a window whose times may match.
    fn chunks(&mut self, Range(first, end): Range, filter: &LogFilter) {
        self.add("c.chunk >= ? AND c.chunk < ?", [Value::Number(first), Value::Number(end)]);
        if let Some(from) = filter.from {
            self.add("c.to_seconds >= ?", [Value::Number(from.timestamp())]);
        }
        if let Some(to) = filter.to {
            self.add("c.from_seconds <= ?", [Value::Number(to.timestamp())]);
        }
    }

    fn times_and_messages(&mut self, filter: &LogFilter) {
        for (sql, time) in
            [("(seconds, nanos) >= (?, ?)", filter.from), ("(seconds, nanos) <= (?, ?)", filter.to)]
        {
            if let Some(time) = time {
                let nanos = i64::from(time.timestamp_subsec_nanos());
                self.add(sql, [Value::Number(time.timestamp()), Value::Number(nanos)]);
            }
        }
        if let Some(parts) = &filter.messages {
            // `lower` folds ASCII only and `instr` knows no wildcards, which is what the contract
            // wants. Without parts nothing matches.
            let one = "instr(lower(message), ?) > 0";
            let any =
                if parts.is_empty() { "0".into() } else { vec![one; parts.len()].join(" OR ") };
            let parts = parts.iter().map(|part| Value::Text(part.to_ascii_lowercase()));
            self.add(&format!("({any})"), parts);
        }
    }

    fn select(self, columns: &str, tables: &str) -> (String, Vec<Value>) {
        (format!("SELECT {columns} FROM {tables} WHERE {}", self.sql.join(" AND ")), self.values)
    }
}
