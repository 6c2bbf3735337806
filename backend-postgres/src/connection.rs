//! One connection to a server.

use std::time::Instant;

use futures_util::TryStreamExt as _;
use sqlx::postgres::{PgConnectOptions, PgRow};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Either, PgConnection, Row as _};

use crate::errors::Failed;
use crate::escape::unescape;
use crate::sql::Sql;

/// What statements answer: the rows of each.
pub(crate) type Answers = Vec<Vec<PgRow>>;

/// A connection. After an error it is in no state to be used again, unless the caller knows better.
pub(crate) struct Connection {
    driver: PgConnection,
    /// The number of [switches](crate::cluster::Cluster::switches) it was made after.
    pub(crate) made_after: usize,
    /// When it is to be made anew, because it only stands in for another.
    pub(crate) until: Option<Instant>,
}

impl Connection {
    pub(crate) async fn open(options: &PgConnectOptions) -> Result<Self, Failed> {
        Ok(Self { driver: options.connect().await?, made_after: 0, until: None })
    }

    /// Runs statements in one round trip, until `until`. Statements are one transaction unless they
    /// say otherwise.
    pub(crate) async fn run(&mut self, sql: Sql, until: Instant) -> Result<Answers, Failed> {
        let query = sqlx::raw_sql(AssertSqlSafe(sql.finish()));
        let answers = async {
            let mut answers = Answers::new();
            let mut rows = Vec::new();
            let mut stream = query.fetch_many(&mut self.driver);
            while let Some(step) = stream.try_next().await? {
                match step {
                    Either::Right(row) => rows.push(row),
                    Either::Left(_) => answers.push(std::mem::take(&mut rows)),
                }
            }
            Ok(answers)
        };
        tokio::time::timeout_at(until.into(), answers).await.unwrap_or_else(|_| Err(timed_out()))
    }

    /// The only answer of one statement.
    pub(crate) async fn rows(&mut self, sql: Sql, until: Instant) -> Result<Vec<PgRow>, Failed> {
        Ok(self.run(sql, until).await?.pop().unwrap_or_default())
    }

    /// Takes leave of the server.
    pub(crate) async fn close(self) {
        // A server that is gone need not be taken leave of.
        let _ = self.driver.close().await;
    }
}

fn timed_out() -> Failed {
    let error =
        std::io::Error::new(std::io::ErrorKind::TimedOut, "the server did not answer in time");
    Failed(sqlx::Error::Io(error))
}

/// The text in a column as it was given to the store.
pub(crate) fn text(row: &PgRow, column: usize) -> Result<String, Failed> {
    optional_text(row, column)?.ok_or(Failed::decode("a text is missing"))
}

/// The same where there may be none.
pub(crate) fn optional_text(row: &PgRow, column: usize) -> Result<Option<String>, Failed> {
    let stored: Option<&str> = row.try_get_unchecked(column)?;
    let unescaped = stored.map(|stored| {
        unescape(stored)
            .map(std::borrow::Cow::into_owned)
            .ok_or(Failed::decode("a text is not as it was stored"))
    });
    unescaped.transpose()
}

/// The number in a column.
pub(crate) fn number(row: &PgRow, column: usize) -> Result<i64, Failed> {
    optional_number(row, column)?.ok_or(Failed::decode("a number is missing"))
}

/// The same where there may be none.
pub(crate) fn optional_number(row: &PgRow, column: usize) -> Result<Option<i64>, Failed> {
    let stored: Option<&str> = row.try_get_unchecked(column)?;
    let parsed =
        stored.map(|stored| stored.parse().map_err(|_| Failed::decode("a number is not readable")));
    parsed.transpose()
}

/// Whether a column says so.
pub(crate) fn flag(row: &PgRow, column: usize) -> Result<bool, Failed> {
    match row.try_get_unchecked(column)? {
        Some("t") => Ok(true),
        Some("f") => Ok(false),
        _ => Err(Failed::decode("neither true nor false")),
    }
}

/// The 16 bytes of a column of type `uuid`.
pub(crate) fn uuid(row: &PgRow, column: usize) -> Result<[u8; 16], Failed> {
    let stored: &str = row.try_get_unchecked(column)?;
    let parsed = uuid::Uuid::try_parse(stored).map_err(|_| Failed::decode("not a uuid"))?;
    Ok(parsed.into_bytes())
}
