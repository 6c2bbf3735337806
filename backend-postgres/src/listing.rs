//! The SQL of a page: a merge of short ranges of one index.
//!
//! Each range is a scan of an index that stops after as many rows as a page has; the server merges
//! them. A test asks for the plan of each shape and accepts neither a scan of the table nor a sort of
//! more than the ends of the ranges.

use std::path::Path;

use sqlx::postgres::PgRow;
use threadkeep_core::{
    Archived, Direction, SortKey, ThreadFilter, ThreadId, ThreadQuery, Timestamp, path,
};

use crate::connection::number;
use crate::errors::Failed;
use crate::readers::Lent;
use crate::row::{self, key};
use crate::sql::Sql;

/// Ranges in one statement.
const RANGES: usize = 100;

/// What a row of a page holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Columns {
    /// Id and sort value.
    Ids,
    /// Also checksum and body.
    Rows,
}

/// Where a page goes on.
pub(crate) type Position = (Timestamp, ThreadId);

/// The conditions on named columns, and archived and visible.
type Range = (Vec<(&'static str, String)>, bool, bool);

/// A query as the server sees it.
pub(crate) struct Listing<'a> {
    namespace: &'a str,
    query: &'a ThreadQuery,
    columns: Columns,
    ranges: Vec<Range>,
}

impl<'a> Listing<'a> {
    pub(crate) fn new(namespace: &'a str, query: &'a ThreadQuery, columns: Columns) -> Self {
        let archived: &[bool] = match query.filter.archived {
            Archived::Active => &[false],
            Archived::Archived => &[true],
            Archived::Any => &[false, true],
        };
        let visible: &[bool] = if query.filter.include_empty { &[false, true] } else { &[true] };
        let mut ranges = Vec::new();
        for named in narrow(&query.filter) {
            for &archived in archived {
                for &visible in visible {
                    ranges.push((named.clone(), archived, visible));
                }
            }
        }
        Self { namespace, query, columns, ranges }
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

    /// The next rows after a position, in order, and whether the listing ends with them. `begin` goes
    /// before the statements, in the same round trip.
    pub(crate) async fn fetch(
        &self,
        lent: &mut Lent,
        begin: Option<Sql>,
        after: Option<Position>,
        limit: usize,
    ) -> Result<(Vec<(Position, PgRow)>, bool), Failed> {
        let mut statements =
            self.ranges.chunks(RANGES).map(|part| self.statement(part, after, limit));
        let skipped = usize::from(begin.is_some());
        let Some(first) = begin.or_else(|| statements.next()) else {
            return Ok((Vec::new(), true));
        };
        let sql = statements.fold(first, Sql::and);
        let answers = lent.connection.run(sql, lent.until).await?;
        let mut rows = Vec::new();
        for row in answers.into_iter().skip(skipped).flatten() {
            let value = Timestamp::from_millis(number(&row, 1)?);
            rows.push(((value, row::id(&row, 0)?), row));
        }
        if self.ranges.len() > RANGES {
            rows.sort_by(|(a, _), (b, _)| match self.query.direction {
                Direction::Ascending => a.cmp(b),
                Direction::Descending => b.cmp(a),
            });
            rows.truncate(limit);
        }
        let ended = rows.len() < limit;
        Ok((rows, ended))
    }

    /// The rows of some ranges, in order.
    fn statement(&self, ranges: &[Range], after: Option<Position>, limit: usize) -> Sql {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let mut sql = Sql::default();
        for (nth, range) in ranges.iter().enumerate() {
            sql = sql.then(if nth > 0 { " UNION ALL (" } else { "(" });
            sql = self.range(sql, range, after).then(self.order()).then(" LIMIT ?)").number(limit);
        }
        if ranges.len() > 1 {
            sql = sql.then(self.order()).then(" LIMIT ?").number(limit);
        }
        sql
    }

    fn range(&self, sql: Sql, range: &Range, after: Option<Position>) -> Sql {
        let (named, archived, visible) = range;
        let sort = match self.query.sort {
            SortKey::CreatedAt => "created_at AS sort",
            SortKey::UpdatedAt => "updated_at AS sort",
        };
        let columns = match self.columns {
            Columns::Ids => "",
            Columns::Rows => ", checksum, body",
        };
        let mut sql = sql
            .then("SELECT id, ")
            .then(sort)
            .then(columns)
            .then(" FROM threadkeep.threads WHERE namespace = ? AND archived = ? AND visible = ?")
            .text(self.namespace)
            .flag(*archived)
            .flag(*visible);
        for (column, value) in named {
            // The index has the hash, which another text may have too.
            sql = sql.then(column).number(key(value)).text(value);
        }
        if let Some((value, id)) = after {
            sql = sql.then(self.follows()).number(value.as_millis()).id(id);
        }
        let filter = &self.query.filter;
        for (bound, condition) in [
            (filter.created.from, " AND created_at >= ?"),
            (filter.created.to, " AND created_at <= ?"),
            (filter.updated.from, " AND updated_at >= ?"),
            (filter.updated.to, " AND updated_at <= ?"),
        ] {
            if let Some(time) = bound {
                sql = sql.then(condition).number(time.as_millis());
            }
        }
        sql
    }

    fn order(&self) -> &'static str {
        match self.query.direction {
            Direction::Ascending => " ORDER BY sort, id",
            Direction::Descending => " ORDER BY sort DESC, id DESC",
        }
    }

    fn follows(&self) -> &'static str {
        match (self.query.sort, self.query.direction) {
            (SortKey::CreatedAt, Direction::Ascending) => " AND (created_at, id) > (?, ?)",
            (SortKey::CreatedAt, Direction::Descending) => " AND (created_at, id) < (?, ?)",
            (SortKey::UpdatedAt, Direction::Ascending) => " AND (updated_at, id) > (?, ?)",
            (SortKey::UpdatedAt, Direction::Descending) => " AND (updated_at, id) < (?, ?)",
        }
    }
}

const SOURCE: &str = " AND source_key = ? AND source = ?";
const PROVIDER: &str = " AND provider_key = ? AND model_provider = ?";
const CWD: &str = " AND cwd_key = ? AND cwd = ?";

/// The named columns of the index that fits what the filter names, with their values.
fn narrow(filter: &ThreadFilter) -> Vec<Vec<(&'static str, String)>> {
    let one = |column: &'static str| move |text: &String| vec![(column, text.clone())];
    match (&filter.cwds, &filter.sources, &filter.providers) {
        (Some(cwds), _, _) => {
            let texts = cwds.iter().map(|cwd| path::to_text(Path::new(cwd)).into_owned());
            texts.map(|text| vec![(CWD, text)]).collect()
        }
        (None, Some(sources), Some(providers)) => {
            let pairs = sources.iter().flat_map(|source| {
                providers.iter().map(move |provider| {
                    vec![(SOURCE, source.clone()), (PROVIDER, provider.clone())]
                })
            });
            pairs.collect()
        }
        (None, Some(sources), None) => sources.iter().map(one(SOURCE)).collect(),
        (None, None, Some(providers)) => providers.iter().map(one(PROVIDER)).collect(),
        (None, None, None) => vec![Vec::new()],
    }
}

#[cfg(test)]
mod tests {
    use sqlx::{AssertSqlSafe, Connection as _, PgConnection, Row as _};
    use threadkeep_core::{BatchId, TimeRange};
    use threadkeep_test_server::{or_skip, shared};

    use super::*;
    use crate::{PostgresOptions, PostgresStore};

    /// Every shape a page can have: order, narrowing, states, from the start or from a cursor, with
    /// and without ranges of time.
    fn shapes() -> Vec<(ThreadQuery, Option<Position>)> {
        let narrowings: [fn(ThreadQuery) -> ThreadQuery; 6] = [
            |query| query,
            |query| query.source("source 1").source("source 2"),
            |query| query.provider("provider 1"),
            |query| query.source("source 1").provider("provider 1").provider("provider 2"),
            |query| query.cwd("/1").cwd("/2"),
            |query| query.cwd("/1").source("source 1").text("x"),
        ];
        let range = TimeRange {
            from: Some(Timestamp::from_millis(1_000)),
            to: Some(Timestamp::from_millis(19_000)),
        };
        let mut shapes = Vec::new();
        for narrow in narrowings {
            for sort in [SortKey::CreatedAt, SortKey::UpdatedAt] {
                for direction in [Direction::Ascending, Direction::Descending] {
                    for base in [ThreadQuery::new(), ThreadQuery::everything()] {
                        let query = narrow(base).sort(sort).direction(direction);
                        let after =
                            (Timestamp::from_millis(10_000), ThreadId::from_bytes([0x80; 16]));
                        shapes.push((query.clone(), None));
                        shapes.push((query.clone(), Some(after)));
                        shapes.push((query.clone().created(range).updated(range), Some(after)));
                    }
                }
            }
        }
        shapes
    }

    /// A namespace of 20,000 threads, of which 1 of 10 is archived and 1 of 10 is empty.
    async fn fill_namespace(connection: &mut PgConnection, namespace: &str) {
        let keys =
            |prefix: &str| (0..5).map(|nth| key(&format!("{prefix}{nth}"))).collect::<Vec<_>>();
        sqlx::query(
            "INSERT INTO threadkeep.threads (namespace, id, revision, created_at, updated_at,
                 checksum, source_key, provider_key, cwd_key, archived, visible, source,
                 model_provider, cwd, body)
             SELECT $1, gen_random_uuid(), 1, n, 20000 - n, 0, ($2::bigint[])[1 + n % 5],
                 ($3::bigint[])[1 + n % 5], ($4::bigint[])[1 + n % 5], n % 10 = 3, n % 10 <> 6,
                 'source ' || n % 5, 'provider ' || n % 5, '/' || n % 5, repeat('x', 500)
             FROM generate_series(1, 20000) AS n",
        )
        .bind(namespace)
        .bind(keys("source "))
        .bind(keys("provider "))
        .bind(keys("/"))
        .execute(&mut *connection)
        .await
        .unwrap();
        sqlx::raw_sql("ANALYZE threadkeep.threads").execute(connection).await.unwrap();
    }

    #[tokio::test]
    async fn every_page_is_scans_of_an_index_without_a_sort() {
        let test = "every_page_is_scans_of_an_index_without_a_sort";
        let Some(server) = or_skip(test, shared()) else { return };
        let namespace = BatchId::new().to_string();
        let options = PostgresOptions::from_url(&server.url()).unwrap();
        PostgresStore::open_with(options.namespace(namespace.as_str()).unwrap()).await.unwrap();
        let mut connection = PgConnection::connect(&server.url()).await.unwrap();
        fill_namespace(&mut connection, &namespace).await;
        for columns in [Columns::Ids, Columns::Rows] {
            for (query, after) in shapes() {
                let listing = Listing::new(&namespace, &query, columns);
                let sql = listing.statement(&listing.ranges, after, 51).finish();
                let steps: Vec<String> = sqlx::raw_sql(AssertSqlSafe(format!("EXPLAIN {sql}")))
                    .fetch_all(&mut connection)
                    .await
                    .unwrap()
                    .iter()
                    .map(|row| row.get(0))
                    .collect();
                let plan = steps.join("\n");
                let lines = |what: &str| steps.iter().filter(|line| line.contains(what)).count();
                assert_eq!(lines(" using "), listing.ranges.len(), "{sql}\n{plan}");
                assert!(!plan.contains("Seq Scan") && !plan.contains("Bitmap"), "{sql}\n{plan}");
                // The ends of several ranges may be sorted, never a range.
                let sorted = steps.iter().position(|line| line.contains("Sort  ("));
                let merged = steps.iter().position(|line| line.contains("Append"));
                assert!(sorted.is_none() || sorted < merged, "{sql}\n{plan}");
                if after.is_some() {
                    assert_eq!(lines("ROW("), listing.ranges.len(), "not a seek\n{sql}\n{plan}");
                }
            }
        }
    }
}
