//! Call sites, threads and processes: stored once, and named by number in every entry.

use std::collections::HashMap;
use std::hash::Hash;

use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};
use threadkeep_core::{LogEntry, LogFilter, LogLevel, LogRow};

use crate::log_index::{Indexed, Key, Kind};

/// The number of no thread and of no process.
pub(crate) const NONE: i64 = 0;

/// Where in a program an entry comes from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Site {
    level: LogLevel,
    target: String,
    module_path: Option<String>,
    file: Option<String>,
    line: Option<u32>,
}

impl Site {
    fn text_bytes(&self) -> usize {
        let optional = [&self.module_path, &self.file].into_iter().flatten();
        self.target.len() + optional.map(String::len).sum::<usize>()
    }
}

/// The names as of one version of them, by number.
#[derive(Debug, Default)]
pub(crate) struct Names {
    pub(crate) version: i64,
    sites: HashMap<i64, Site>,
    threads: HashMap<i64, String>,
    processes: HashMap<i64, String>,
}

/// What of the names a filter admits.
#[derive(Debug)]
pub(crate) struct Admitted {
    /// `None` where every site is.
    pub(crate) sites: Option<Vec<i64>>,
    /// `None` where every thread is; [`NONE`] stands for no thread.
    pub(crate) threads: Option<Vec<i64>>,
    pub(crate) process: Option<i64>,
}

impl Names {
    pub(crate) async fn load(
        connection: &mut SqliteConnection,
        version: i64,
    ) -> Result<Self, sqlx::Error> {
        let mut names = Self { version, ..Self::default() };
        let sites = "SELECT number, level, target, module_path, file, line FROM sites";
        for row in sqlx::query(sites).fetch_all(&mut *connection).await? {
            names.sites.insert(row.try_get(0)?, site(&row)?);
        }
        let texts =
            "SELECT 1, number, name FROM threads UNION ALL SELECT 2, number, name FROM processes";
        for row in sqlx::query(texts).fetch_all(&mut *connection).await? {
            let table = if row.try_get::<i64, _>(0)? == 1 {
                &mut names.threads
            } else {
                &mut names.processes
            };
            table.insert(row.try_get(1)?, row.try_get(2)?);
        }
        Ok(names)
    }

    /// What the filter admits; `None` where it can admit no entry at all.
    pub(crate) fn admit(&self, filter: &LogFilter) -> Option<Admitted> {
        let by_site = filter.level.is_some()
            || filter.min_level.is_some()
            || filter.max_level.is_some()
            || filter.modules.is_some()
            || filter.files.is_some()
            || filter.targets.is_some();
        let sites = by_site.then(|| {
            let admitted = self.sites.iter().filter(|(_, site)| {
                filter.admits_level(site.level)
                    && filter.admits_place(
                        &site.target,
                        site.module_path.as_deref(),
                        site.file.as_deref(),
                    )
            });
            admitted.map(|(number, _)| *number).collect::<Vec<_>>()
        });
        let threads = filter.threads.as_ref().map(|threads| {
            let named = self.threads.iter().filter(|(_, name)| threads.ids.contains(*name));
            let numbers = named.map(|(number, _)| *number);
            numbers.chain(threads.threadless.then_some(NONE)).collect::<Vec<_>>()
        });
        let process = match &filter.process_id {
            None => None,
            Some(wanted) => Some(*self.processes.iter().find(|(_, name)| *name == wanted)?.0),
        };
        let is_empty = |numbers: &Option<Vec<_>>| numbers.as_ref().is_some_and(Vec::is_empty);
        (!is_empty(&sites) && !is_empty(&threads)).then_some(Admitted { sites, threads, process })
    }

    /// Bytes of the texts that an entry has by number.
    pub(crate) fn text_bytes(&self, site: i64, thread: i64, process: i64) -> u64 {
        let name = |names: &HashMap<i64, String>, number| names.get(&number).map_or(0, String::len);
        let bytes = self.sites.get(&site).map_or(0, Site::text_bytes)
            + name(&self.threads, thread)
            + name(&self.processes, process);
        bytes as u64
    }

    /// An entry from the columns of [`COLUMNS`](crate::log_reader::COLUMNS).
    pub(crate) fn row(&self, row: &SqliteRow) -> Result<LogRow, sqlx::Error> {
        let seconds = row.try_get(1)?;
        let nanos = u32::try_from(row.try_get::<i64, _>(2)?).ok();
        let time = nanos
            .and_then(|nanos| chrono::DateTime::from_timestamp(seconds, nanos))
            .ok_or_else(|| wrong("time"))?;
        let site = self.sites.get(&row.try_get(3)?).ok_or_else(|| wrong("call site"))?;
        let name = |names: &HashMap<i64, String>, column, what| match row.try_get(column)? {
            NONE => Ok(None),
            number => names.get(&number).cloned().map(Some).ok_or_else(|| wrong(what)),
        };
        Ok(LogRow {
            id: row.try_get::<i64, _>(0)?.cast_unsigned(),
            entry: LogEntry {
                time,
                level: site.level,
                target: site.target.clone(),
                message: row.try_get(6)?,
                thread_id: name(&self.threads, 4, "thread")?,
                process_id: name(&self.processes, 5, "process")?,
                module_path: site.module_path.clone(),
                file: site.file.clone(),
                line: site.line,
            },
        })
    }
}

/// The numbers of these threads, as far as they are known.
pub(crate) async fn threads(
    connection: &mut SqliteConnection,
    wanted: &[String],
) -> Result<Vec<i64>, sqlx::Error> {
    let names = serde_json::to_string(wanted).map_err(|error| sqlx::Error::Encode(error.into()))?;
    sqlx::query_scalar("SELECT number FROM threads WHERE name IN (SELECT value FROM json_each(?1))")
        .bind(names)
        .fetch_all(connection)
        .await
}

fn wrong(what: &str) -> sqlx::Error {
    sqlx::Error::Decode(format!("a log entry has a wrong {what}").into())
}

fn site(row: &SqliteRow) -> Result<Site, sqlx::Error> {
    let line: Option<i64> = row.try_get(5)?;
    Ok(Site {
        level: LogLevel::from_code(row.try_get(1)?).map_err(|_| wrong("level"))?,
        target: row.try_get(2)?,
        module_path: row.try_get(3)?,
        file: row.try_get(4)?,
        line: line.map(u32::try_from).transpose().map_err(|_| wrong("line"))?,
    })
}

/// The numbers of names, as the writer remembers them.
#[derive(Debug, Default)]
pub(crate) struct Interner {
    pub(crate) version: i64,
    sites: HashMap<Site, i64>,
    threads: HashMap<String, i64>,
    processes: HashMap<String, i64>,
    new: Vec<(i64, New)>,
}

/// A name that is not stored yet.
#[derive(Debug)]
enum New {
    Site(Site),
    Thread(String),
    Process(String),
}

/// An entry whose names are numbers.
#[derive(Debug)]
pub(crate) struct Numbered {
    pub(crate) indexed: Indexed,
    pub(crate) message: Option<String>,
}

impl Interner {
    /// Brings what is remembered up to this version.
    pub(crate) async fn refresh(
        &mut self,
        connection: &mut SqliteConnection,
        version: i64,
    ) -> Result<(), sqlx::Error> {
        if self.version == version {
            return Ok(());
        }
        let names = Names::load(connection, version).await?;
        let turned = |names: HashMap<i64, String>| {
            names.into_iter().map(|(number, name)| (name, number)).collect()
        };
        *self = Self {
            version,
            sites: names.sites.into_iter().map(|(number, site)| (site, number)).collect(),
            threads: turned(names.threads),
            processes: turned(names.processes),
            new: Vec::new(),
        };
        Ok(())
    }

    /// Numbers an entry's names, giving out numbers where they are new.
    pub(crate) fn number(&mut self, id: i64, entry: LogEntry) -> Numbered {
        let bytes = entry.text_bytes();
        let site = Site {
            level: entry.level,
            target: entry.target,
            module_path: entry.module_path,
            file: entry.file,
            line: entry.line,
        };
        let site = number(&mut self.sites, site, &mut self.new, New::Site);
        let mut text = |names, name: Option<String>, new: fn(String) -> New| {
            name.map_or(NONE, |name| number(names, name, &mut self.new, new))
        };
        let thread = text(&mut self.threads, entry.thread_id, New::Thread);
        let process = text(&mut self.processes, entry.process_id, New::Process);
        let indexed = Indexed {
            key: Key { id, site, thread, process },
            seconds: entry.time.timestamp(),
            nanos: entry.time.timestamp_subsec_nanos(),
            bytes,
        };
        Numbered { indexed, message: entry.message }
    }

    /// Stores the numbers that were given out.
    pub(crate) async fn store(
        &mut self,
        connection: &mut SqliteConnection,
    ) -> Result<(), sqlx::Error> {
        if self.new.is_empty() {
            return Ok(());
        }
        for (number, new) in self.new.drain(..) {
            let query = match new {
                New::Site(site) => sqlx::query(
                    "INSERT INTO sites (number, level, target, module_path, file, line)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                )
                .bind(number)
                .bind(i64::from(site.level.code()))
                .bind(site.target)
                .bind(site.module_path)
                .bind(site.file)
                .bind(site.line.map(i64::from)),
                New::Thread(name) => {
                    sqlx::query("INSERT INTO threads (number, name) VALUES (?1, ?2)")
                        .bind(number)
                        .bind(name)
                }
                New::Process(name) => {
                    sqlx::query("INSERT INTO processes (number, name) VALUES (?1, ?2)")
                        .bind(number)
                        .bind(name)
                }
            };
            query.execute(&mut *connection).await?;
        }
        self.version = changed(connection).await?;
        Ok(())
    }
}

fn number<K: Clone + Eq + Hash>(
    known: &mut HashMap<K, i64>,
    name: K,
    new: &mut Vec<(i64, New)>,
    kind: impl Fn(K) -> New,
) -> i64 {
    if let Some(number) = known.get(&name) {
        return *number;
    }
    let number = known.values().max().map_or(1, |last| last + 1);
    new.push((number, kind(name.clone())));
    known.insert(name, number);
    number
}

/// Notes that names changed, and answers their new version.
async fn changed(connection: &mut SqliteConnection) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar("UPDATE state SET names = names + 1 RETURNING names")
        .fetch_one(connection)
        .await
}

/// Names of threads and processes beyond this many are looked over for those without an entry.
const MANY: i64 = 1_000;

/// Removes the threads and processes that no entry names any more, where there are many names.
pub(crate) async fn sweep(
    connection: &mut SqliteConnection,
    indexed_end: i64,
) -> Result<(), sqlx::Error> {
    let names: i64 = sqlx::query_scalar(
        "SELECT (SELECT count(*) FROM threads) + (SELECT count(*) FROM processes)",
    )
    .fetch_one(&mut *connection)
    .await?;
    if names <= MANY {
        return Ok(());
    }
    let mut gone = 0;
    for (table, column, kind) in
        [("threads", "thread", Kind::Thread), ("processes", "process", Kind::Process)]
    {
        let sql = format!(
            "DELETE FROM {table} WHERE number NOT IN (
                 SELECT number FROM postings WHERE kind = {kind}
                 UNION SELECT {column} FROM entries WHERE id >= ?1)",
            kind = kind as i64,
        );
        let swept = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(indexed_end);
        gone += swept.execute(&mut *connection).await?.rows_affected();
    }
    if gone > 0 {
        changed(connection).await?;
    }
    Ok(())
}
