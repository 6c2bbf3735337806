//! A database of Codex, opened so that nothing of it or beside it changes.
//!
//! While Codex runs, or whatever else has it open, it is read as any other reader would, in short
//! steps. Otherwise it is read as a file that stands still, which takes neither locks nor side
//! files; should it begin to change meanwhile, what was just read is read again.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use futures_util::TryStreamExt as _;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, SqliteConnection};
use tempfile::TempDir;
use threadkeep::{Error, ErrorKind, Result};

use super::cell::Cell;

/// How long to wait for a lock of another program.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often to begin anew where the files change each time.
const ATTEMPTS: u32 = 5;
/// Memory that the rows of one step take, unless a single one takes more.
const STEP_BYTES: usize = 8 * 1024 * 1024;

/// A database that is only read.
pub(super) struct Source {
    path: PathBuf,
    connection: SqliteConnection,
    way: Way,
}

/// How it is read.
enum Way {
    /// As others write to it.
    Shared,
    /// As a file that nobody has open, and that was so when it was opened.
    Still(Stamp),
    /// A copy of it, because to read it in its place would make a file beside it.
    Copied(#[allow(dead_code, reason = "removes the copy when it goes")] TempDir),
}

/// How a file looks from outside.
type Stamp = (u64, Option<SystemTime>);

/// Rows of a table, in the order of their numbers.
pub(super) struct Step {
    pub(super) rows: Vec<(i64, Vec<Cell>)>,
    /// Whether there may be more.
    pub(super) more: bool,
    /// Why there are no more, where the database is damaged after these.
    pub(super) damage: Option<Error>,
}

impl Source {
    /// Opens a database that is there.
    pub(super) async fn open(path: &Path) -> Result<Self> {
        // Side files lie beside the file itself, not beside a link to it.
        let path = &path.canonicalize().map_err(|error| unreadable(path, error))?;
        let mut last = None;
        for _ in 0..ATTEMPTS {
            match Self::try_open(path).await? {
                Some(mut source) => match source.first_look().await {
                    Ok(()) => return Ok(source),
                    // What was a still file may be one in use by now.
                    Err(error) if source.is_moving() => last = Some(error),
                    Err(error) => return Err(error),
                },
                None => last = None,
            }
        }
        Err(last.unwrap_or_else(|| {
            let text = format!("{} changes all the time", path.display());
            Error::new(ErrorKind::Busy, text).hint("try again")
        }))
    }

    /// `None` where it changed meanwhile.
    async fn try_open(path: &Path) -> Result<Option<Self>> {
        let found = stamp(path).map_err(|error| unreadable(path, error))?;
        let (options, way) = if is_still(path) {
            (options(path).immutable(true), Way::Still(found))
        } else if beside(path, "-shm").exists() || beside(path, "-journal").exists() {
            (options(path), Way::Shared)
        } else {
            let Some((copy, folder)) = copy(path).map_err(|error| unreadable(path, error))? else {
                return Ok(None);
            };
            (options(&copy), Way::Copied(folder))
        };
        let connection = options.connect().await.map_err(|error| translate(error, path))?;
        Ok(Some(Self { path: path.to_owned(), connection, way }))
    }

    /// Opening reads nothing: whether it is a database shows only now.
    async fn first_look(&mut self) -> Result<()> {
        let looked =
            sqlx::query("SELECT count(*) FROM sqlite_schema").fetch_one(&mut self.connection);
        looked.await.map(drop).map_err(|error| translate(error, &self.path))
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it began to change after it was opened as a file that stands still.
    fn is_moving(&self) -> bool {
        match &self.way {
            Way::Still(found) => {
                !is_still(&self.path) || stamp(&self.path).is_ok_and(|now| now != *found)
            }
            Way::Shared | Way::Copied(_) => false,
        }
    }

    /// All rows of a statement that answers few.
    pub(super) async fn all(&mut self, sql: &str, values: &[&str]) -> Result<Vec<Vec<Cell>>> {
        loop {
            let rows = self.try_all(sql, values).await;
            if !self.is_moving() {
                return rows.map_err(|error| translate(error, &self.path));
            }
            *self = Self::open(&self.path).await?;
        }
    }

    async fn try_all(&mut self, sql: &str, values: &[&str]) -> Result<Vec<Vec<Cell>>, sqlx::Error> {
        let mut query = sqlx::query(AssertSqlSafe(sql.to_owned()));
        for value in values {
            query = query.bind((*value).to_owned());
        }
        query.fetch_all(&mut self.connection).await?.iter().map(Cell::all).collect()
    }

    /// The one number that a statement answers.
    pub(super) async fn number(&mut self, sql: &str, values: &[&str]) -> Result<u64> {
        match self.all(sql, values).await?.first().and_then(|row| row.first()) {
            Some(Cell::Integer(number)) => Ok(u64::try_from(*number).unwrap_or(0)),
            _ => Ok(0),
        }
    }

    /// Rows of a table with numbers above `after`: at most `limit`, and fewer where they are large.
    /// `columns` is SQL.
    pub(super) async fn step(
        &mut self,
        table: &str,
        columns: &str,
        after: i64,
        limit: usize,
    ) -> Result<Step> {
        let table = quoted(table);
        let sql = format!(
            "SELECT rowid, {columns} FROM {table} WHERE rowid > {after} ORDER BY rowid LIMIT {limit}"
        );
        loop {
            let step = self.try_step(sql.clone(), limit).await;
            if !self.is_moving() {
                return step;
            }
            *self = Self::open(&self.path).await?;
        }
    }

    async fn try_step(&mut self, sql: String, limit: usize) -> Result<Step> {
        let mut step = Step { rows: Vec::new(), more: false, damage: None };
        let mut bytes = 0;
        let mut stream = sqlx::query(AssertSqlSafe(sql)).fetch(&mut self.connection);
        loop {
            let cells = match stream.try_next().await {
                Ok(Some(row)) => Cell::all(&row),
                Ok(None) => break,
                Err(error) => Err(error),
            };
            let mut cells = match cells.map_err(|error| translate(error, &self.path)) {
                Ok(cells) => cells,
                Err(error) if error.kind() == ErrorKind::Corrupted => {
                    step.damage = Some(error);
                    return Ok(step);
                }
                Err(error) => return Err(error),
            };
            let Cell::Integer(number) = cells.remove(0) else { continue };
            bytes += cells.iter().map(Cell::bytes).sum::<usize>();
            step.rows.push((number, cells));
            if bytes > STEP_BYTES {
                step.more = true;
                return Ok(step);
            }
        }
        step.more = step.rows.len() == limit;
        Ok(step)
    }

    pub(super) async fn close(self) {
        // Nothing was written that closing could lose.
        let _ = self.connection.close().await;
    }
}

/// A name as SQL.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(false)
        .read_only(true)
        .busy_timeout(PATIENCE)
        .disable_statement_logging()
        // Others made the file: what its schema holds is not run, and its pages are not trusted.
        .pragma("trusted_schema", "off")
        .pragma("cell_size_check", "on")
        .pragma("query_only", "on")
}

/// Whoever writes has a write-ahead file, or a journal, for as long, so that without one the file
/// stands still. An empty one without its index is what is left of a writer.
fn is_still(path: &Path) -> bool {
    let wal = beside(path, "-wal").metadata();
    let has_wal = wal.is_ok_and(|wal| wal.len() > 0 || beside(path, "-shm").exists());
    !has_wal && !beside(path, "-journal").exists()
}

fn stamp(path: &Path) -> std::io::Result<Stamp> {
    let metadata = path.metadata()?;
    if !metadata.is_file() {
        return Err(std::io::Error::other("this is no file"));
    }
    Ok((metadata.len(), metadata.modified().ok()))
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// A copy of a database with what was written to it last; `None` where they changed meanwhile.
fn copy(path: &Path) -> std::io::Result<Option<(PathBuf, TempDir)>> {
    let wal = beside(path, "-wal");
    let stamps = || Ok::<_, std::io::Error>((stamp(path)?, stamp(&wal)?));
    let before = stamps()?;
    let folder = tempfile::Builder::new().prefix("threadkeep-").tempdir()?;
    let copy = folder.path().join("copy");
    std::fs::copy(path, &copy)?;
    std::fs::copy(&wal, beside(&copy, "-wal"))?;
    let is_whole = stamps().is_ok_and(|now| now == before) && !beside(path, "-shm").exists();
    Ok(is_whole.then_some((copy, folder)))
}

fn unreadable(path: &Path, error: std::io::Error) -> Error {
    let (kind, text) = match error.kind() {
        std::io::ErrorKind::NotFound => (ErrorKind::NotFound, "there is no file"),
        _ => (ErrorKind::Io, "this cannot be read:"),
    };
    let error = Error::new(kind, format!("{text} {}", path.display())).with_source(error);
    error.hint("name the state database of Codex with --db, such as --db ~/.codex/state_5.sqlite")
}

/// What SQLite says of a database that is not this program's own.
fn translate(error: sqlx::Error, path: &Path) -> Error {
    let code = match &error {
        sqlx::Error::Database(database) => database.code().and_then(|code| code.parse().ok()),
        _ => None,
    };
    let name = path.display();
    let (kind, text, hint) = match code {
        Some(776_i32) => (
            ErrorKind::Busy,
            format!("{name}: a write to it was cut off, which only a writer can put in order"),
            "start Codex once, then try again",
        ),
        // The lower byte of an extended code is its primary one.
        Some(code) => match code & 0xff {
            5 | 6 | 15 => (
                ErrorKind::Busy,
                format!("others are using {name}"),
                "try again, or end Codex first",
            ),
            11 => (
                ErrorKind::Corrupted,
                format!("{name} is damaged"),
                "run `threadkeep index`, which reads the history files instead",
            ),
            26 => (
                ErrorKind::InvalidInput,
                format!("{name} is no SQLite database"),
                "name the state database of Codex with --db, such as --db ~/.codex/state_5.sqlite",
            ),
            _ => (
                ErrorKind::Io,
                format!("{name} cannot be read"),
                "check the permissions of the file and its folder",
            ),
        },
        None => (
            ErrorKind::Io,
            format!("{name} cannot be read"),
            "check the permissions of the file and its folder",
        ),
    };
    Error::new(kind, text).hint(hint).with_source(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn writer(path: &Path) -> SqliteConnection {
        let options = SqliteConnectOptions::new().filename(path).create_if_missing(true);
        options.pragma("journal_mode", "wal").connect().await.unwrap()
    }

    async fn execute(connection: &mut SqliteConnection, sql: &'static str) {
        sqlx::raw_sql(sql).execute(connection).await.unwrap();
    }

    #[test]
    fn a_file_that_stood_still_is_read_anew_when_it_moves() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("state_5.sqlite");
            let mut codex = writer(&path).await;
            execute(&mut codex, "CREATE TABLE t (a); INSERT INTO t VALUES (1);").await;
            codex.close().await.unwrap();

            let mut source = Source::open(&path).await.unwrap();
            assert!(matches!(source.way, Way::Still(_)));
            assert_eq!(source.number("SELECT count(*) FROM t", &[]).await.unwrap(), 1);

            let mut codex = writer(&path).await;
            execute(&mut codex, "INSERT INTO t VALUES (2), (3);").await;
            let step = source.step("t", "a", 1, 10).await.unwrap();
            assert_eq!(step.rows.len(), 2);
            assert!(matches!(source.way, Way::Shared));

            // The writer ends, which brings everything into the file.
            execute(&mut codex, "INSERT INTO t VALUES (4);").await;
            codex.close().await.unwrap();
            assert_eq!(source.number("SELECT count(*) FROM t", &[]).await.unwrap(), 4);
            source.close().await;
        });
    }

    #[test]
    fn a_step_ends_where_rows_are_large() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("state.db");
            let mut codex = writer(&path).await;
            let sql = "CREATE TABLE t (a); INSERT INTO t \
                       SELECT zeroblob(3000000) FROM (VALUES (1), (2), (3), (4), (5));";
            execute(&mut codex, sql).await;
            codex.close().await.unwrap();

            let mut source = Source::open(&path).await.unwrap();
            let step = source.step("t", "a", 0, 100).await.unwrap();
            assert_eq!((step.rows.len(), step.more), (3, true));
            let step = source.step("t", "a", 3, 100).await.unwrap();
            assert_eq!((step.rows.len(), step.more), (2, false));
            source.close().await;
        });
    }
}
