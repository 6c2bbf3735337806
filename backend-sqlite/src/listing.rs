//! The SQL of a page: a merge of short ranges of one index.
//!
//! The texts are put together from fixed parts; every value is bound. A test asks SQLite for the
//! plan of each shape and accepts neither a scan nor a sort.

use std::fmt::Write as _;
use std::path::Path;

use sqlx::{AssertSqlSafe, SqliteConnection};
use threadkeep_core::{
    Archived, Direction, SortKey, ThreadFilter, ThreadId, ThreadQuery, Timestamp, path,
};

/// Ranges in one statement; SQLite takes 500.
const RANGES: usize = 100;

/// What a row of a page holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Columns {
    /// Id and sort value, from the index alone.
    Ids,
    /// Also body and checksum.
    Rows,
}

/// Where a page goes on.
pub(crate) type Position = (Timestamp, ThreadId);

/// A query as SQLite sees it.
pub(crate) struct Listing<'a> {
    query: &'a ThreadQuery,
    columns: Columns,
    /// The index, without its sort key.
    index: &'static str,
    /// The named columns of the index.
    named: &'static [&'static str],
    /// The values of those columns, archived and visible, a range each.
    ranges: Vec<(Vec<String>, bool, bool)>,
}

/// One row of a page as SQLite hands it over.
pub(crate) struct Line<'a> {
    pub(crate) id: ThreadId,
    value: Timestamp,
    /// Zero and empty where only ids are listed.
    pub(crate) checksum: i64,
    pub(crate) body: &'a str,
}

impl<'a> Line<'a> {
    fn parse(line: &'a str) -> Result<Self, sqlx::Error> {
        let wrong = || sqlx::Error::Decode("a row of a page is not readable".into());
        let mut parts = line.splitn(4, ' ');
        let id = parts.next().and_then(|id| id.parse().ok()).ok_or_else(wrong)?;
        let value = parts.next().and_then(|value| value.parse().ok()).ok_or_else(wrong)?;
        let checksum = parts.next().map_or(Some(0), |sum| sum.parse().ok()).ok_or_else(wrong)?;
        let value = Timestamp::from_millis(value);
        Ok(Self { id, value, checksum, body: parts.next().unwrap_or_default() })
    }
}

/// The lines of a text. JSON has no line ends of its own, but a damaged body may: what does not
/// begin like a line belongs to the one before.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    let begins = |rest: &str| {
        rest.as_bytes().split_at_checked(32).is_some_and(|(id, after)| {
            id.iter().all(u8::is_ascii_hexdigit) && after.first() == Some(&b' ')
        })
    };
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let mut ends = rest.match_indices('\n').map(|(at, _)| at);
        let end = ends.find(|&at| begins(&rest[at + 1..]));
        let (line, after) = end.map_or((rest, ""), |at| (&rest[..at], &rest[at + 1..]));
        rest = after;
        Some(line)
    })
}

fn is_too_big(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Database(error) if error.code().as_deref() == Some("18"))
}

enum Value {
    Text(String),
    Number(i64),
    Id(ThreadId),
}

impl<'a> Listing<'a> {
    pub(crate) fn new(query: &'a ThreadQuery, columns: Columns) -> Self {
        let (index, named, values) = narrow(&query.filter);
        let archived: &[bool] = match query.filter.archived {
            Archived::Active => &[false],
            Archived::Archived => &[true],
            Archived::Any => &[false, true],
        };
        let visible: &[bool] = if query.filter.include_empty { &[false, true] } else { &[true] };
        let mut ranges = Vec::new();
        for values in values {
            for &archived in archived {
                for &visible in visible {
                    ranges.push((values.clone(), archived, visible));
                }
            }
        }
        Self { query, columns, index, named, ranges }
    }

    /// Whether one statement may not be enough for a page.
    pub(crate) fn takes_several(&self) -> bool {
        self.ranges.len() > RANGES || Self::needs_filter(&self.query.filter)
    }

    /// Whether rows of the ranges may still not match the filter.
    pub(crate) fn needs_filter(filter: &ThreadFilter) -> bool {
        filter.text.is_some()
            || (filter.cwds.is_some() && (filter.sources.is_some() || filter.providers.is_some()))
    }

    /// The next rows after a position, in order, and whether the listing ends with them.
    pub(crate) async fn fetch<T>(
        &self,
        connection: &mut SqliteConnection,
        after: Option<Position>,
        mut limit: usize,
        pick: impl Fn(&Line<'_>) -> T,
    ) -> Result<(Vec<(Position, T)>, bool), sqlx::Error> {
        loop {
            match self.lines(connection, after, limit).await {
                Ok(text) => {
                    let mut rows = Vec::new();
                    for line in text.iter().flat_map(|text| lines(text)) {
                        let line = Line::parse(line)?;
                        rows.push(((line.value, line.id), pick(&line)));
                    }
                    rows.sort_by(|(a, _), (b, _)| match self.query.direction {
                        Direction::Ascending => a.cmp(b),
                        Direction::Descending => b.cmp(a),
                    });
                    rows.truncate(limit);
                    let ended = rows.len() < limit;
                    return Ok((rows, ended));
                }
                // Rows near the limits of their size do not fit one value together.
                Err(error) if is_too_big(&error) && limit > 1 => limit /= 2,
                Err(error) => return Err(error),
            }
        }
    }

    /// The rows of each statement as one text. Taking it across to SQLite's thread and back once
    /// costs less than a row each.
    async fn lines(
        &self,
        connection: &mut SqliteConnection,
        after: Option<Position>,
        limit: usize,
    ) -> Result<Vec<String>, sqlx::Error> {
        let mut texts = Vec::new();
        let line = match self.columns {
            Columns::Ids => "concat_ws(' ', hex(id), sort)",
            Columns::Rows => "concat_ws(' ', hex(id), sort, checksum, body)",
        };
        for ranges in self.ranges.chunks(RANGES) {
            let (page, values) = self.statement(ranges, after, limit);
            let sql = format!("SELECT group_concat({line}, char(10)) FROM ({page})");
            let mut query = sqlx::query_scalar(AssertSqlSafe(sql));
            for value in values {
                query = match value {
                    Value::Text(text) => query.bind(text),
                    Value::Number(number) => query.bind(number),
                    Value::Id(id) => query.bind(id.as_bytes().to_vec()),
                };
            }
            let text: Option<String> = query.fetch_one(&mut *connection).await?;
            texts.extend(text);
        }
        Ok(texts)
    }

    fn sort_column(&self) -> &'static str {
        match self.query.sort {
            SortKey::CreatedAt => "created_at",
            SortKey::UpdatedAt => "updated_at",
        }
    }

    fn statement(
        &self,
        ranges: &[(Vec<String>, bool, bool)],
        after: Option<Position>,
        limit: usize,
    ) -> (String, Vec<Value>) {
        let sort = self.sort_column();
        let index_sort = match self.query.sort {
            SortKey::CreatedAt => "created",
            SortKey::UpdatedAt => "updated",
        };
        let columns = match self.columns {
            Columns::Ids => "",
            Columns::Rows => ", body, checksum",
        };
        let (order, follows) = match self.query.direction {
            Direction::Ascending => ("ASC", ">"),
            Direction::Descending => ("DESC", "<"),
        };
        let mut sql = String::new();
        let mut values = Vec::new();
        for (nth, (named, archived, visible)) in ranges.iter().enumerate() {
            if nth > 0 {
                sql.push_str(" UNION ALL ");
            }
            let index = self.index;
            let _ = write!(
                sql,
                "SELECT id, {sort} AS sort{columns} FROM threads INDEXED BY {index}_{index_sort} \
                 WHERE archived = ? AND visible = ?"
            );
            values.push(Value::Number(i64::from(*archived)));
            values.push(Value::Number(i64::from(*visible)));
            for (column, value) in self.named.iter().zip(named) {
                let _ = write!(sql, " AND {column} = ?");
                values.push(Value::Text(value.clone()));
            }
            if let Some((value, id)) = after {
                let _ = write!(sql, " AND ({sort}, id) {follows} (?, ?)");
                values.push(Value::Number(value.as_millis()));
                values.push(Value::Id(id));
            }
            let filter = &self.query.filter;
            for (column, range) in [("created_at", filter.created), ("updated_at", filter.updated)]
            {
                for (bound, compare) in [(range.from, ">="), (range.to, "<=")] {
                    if let Some(time) = bound {
                        let _ = write!(sql, " AND {column} {compare} ?");
                        values.push(Value::Number(time.as_millis()));
                    }
                }
            }
        }
        // With a bare parameter as its limit, SQLite plans the statement anew for each value bound.
        let _ = write!(sql, " ORDER BY sort {order}, id {order} LIMIT +?");
        values.push(Value::Number(i64::try_from(limit).unwrap_or(i64::MAX)));
        (sql, values)
    }
}

type Narrowed = (&'static str, &'static [&'static str], Vec<Vec<String>>);

/// The index that fits what the filter names, its named columns, and their values.
fn narrow(filter: &ThreadFilter) -> Narrowed {
    let one = |text: &String| vec![text.clone()];
    match (&filter.cwds, &filter.sources, &filter.providers) {
        (Some(cwds), _, _) => {
            let values =
                cwds.iter().map(|cwd| vec![path::to_text(Path::new(cwd)).into_owned()]).collect();
            ("threads_cwd", &["cwd"], values)
        }
        (None, Some(sources), Some(providers)) => {
            let pairs = sources.iter().flat_map(|source| {
                providers.iter().map(move |provider| vec![source.clone(), provider.clone()])
            });
            ("threads_source_provider", &["source", "model_provider"], pairs.collect())
        }
        (None, Some(sources), None) => {
            ("threads_source", &["source"], sources.iter().map(one).collect())
        }
        (None, None, Some(providers)) => {
            ("threads_provider", &["model_provider"], providers.iter().map(one).collect())
        }
        (None, None, None) => ("threads", &[], vec![Vec::new()]),
    }
}

#[cfg(test)]
mod tests {
    use sqlx::{Connection as _, Row as _};
    use threadkeep_core::TimeRange;

    use super::*;

    /// Every shape a page can have: order, narrowing, states, from the start or from a cursor, with
    /// and without ranges of time.
    fn shapes() -> Vec<(ThreadQuery, Option<Position>)> {
        let narrowings: [fn(ThreadQuery) -> ThreadQuery; 6] = [
            |query| query,
            |query| query.source("cli").source("exec"),
            |query| query.provider("openai"),
            |query| query.source("cli").provider("openai").provider("azure"),
            |query| query.cwd("/a").cwd("/b"),
            |query| query.cwd("/a").source("cli").text("x"),
        ];
        let range = TimeRange { from: Some(Timestamp::MIN), to: Some(Timestamp::MAX) };
        let mut shapes = Vec::new();
        for narrow in narrowings {
            for sort in [SortKey::CreatedAt, SortKey::UpdatedAt] {
                for direction in [Direction::Ascending, Direction::Descending] {
                    for base in [ThreadQuery::new(), ThreadQuery::everything()] {
                        let query = narrow(base).sort(sort).direction(direction);
                        let after = (Timestamp::MIN, ThreadId::from_bytes([0; 16]));
                        shapes.push((query.clone(), None));
                        shapes.push((query.clone(), Some(after)));
                        shapes.push((query.clone().created(range).updated(range), Some(after)));
                    }
                }
            }
        }
        shapes
    }

    #[tokio::test]
    async fn every_page_is_a_search_of_an_index_without_a_sort() {
        let mut connection = SqliteConnection::connect("sqlite::memory:").await.unwrap();
        for step in threadkeep_migrations::sqlite::THREADS {
            sqlx::raw_sql(step.step).execute(&mut connection).await.unwrap();
        }
        for columns in [Columns::Ids, Columns::Rows] {
            for (query, after) in shapes() {
                let listing = Listing::new(&query, columns);
                let (sql, _) = listing.statement(&listing.ranges, after, 51);
                let plan: Vec<String> =
                    sqlx::query(AssertSqlSafe(format!("EXPLAIN QUERY PLAN {sql}")))
                        .fetch_all(&mut connection)
                        .await
                        .unwrap()
                        .iter()
                        .map(|row| row.get("detail"))
                        .collect();
                let text = plan.join("\n");
                assert!(!text.contains("SCAN") && !text.contains("TEMP B-TREE"), "{sql}\n{text}");
                let searches = plan.iter().filter(|step| step.contains("SEARCH threads USING"));
                assert_eq!(searches.count(), listing.ranges.len(), "{sql}\n{text}");
                if columns == Columns::Ids && query.filter.created.is_open() {
                    assert!(text.contains("USING COVERING INDEX"), "{sql}\n{text}");
                }
                if after.is_some() {
                    assert!(text.contains(",id)"), "the id is not part of the seek\n{sql}\n{text}");
                }
            }
        }
    }
}

#[cfg(test)]
mod line_tests {
    use super::*;

    #[test]
    fn a_line_end_inside_a_damaged_body_parts_no_rows() {
        let id = "0123456789abcdef0123456789ABCDEF";
        let text = format!("{id} 5 -7 {{\"a\n b\"}}\n{id} 6 8 {{}}");
        let parsed: Vec<_> = lines(&text).map(|line| Line::parse(line).unwrap()).collect();
        assert_eq!(parsed.len(), 2);
        assert_eq!((parsed[0].checksum, parsed[0].body), (-7, "{\"a\n b\"}"));
        assert_eq!((parsed[1].value.as_millis(), parsed[1].body), (6, "{}"));
        assert_eq!(lines("").count(), 0);
    }
}
