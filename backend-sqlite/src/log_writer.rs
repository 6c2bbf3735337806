//! The write side of the file of logs.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use futures_executor::block_on;
use sqlx::SqliteConnection;
use threadkeep_core::{Error, ErrorKind, LogEntry, LogIds, Result, Retention};
use threadkeep_writer::Engine;

use crate::log_index::{self, CHUNK, Indexed, chunk_of};
use crate::log_names::{Interner, Names, Numbered};
use crate::log_reader::State;
use crate::log_upkeep::Upkeep;
use crate::writer::WriteConnection;
use crate::{connect, maintain};

/// Chunks that get their index in one transaction; more are left to upkeep.
const CHUNKS: usize = 4;
/// How long appends wait for upkeep where they come faster than it can be done beside them.
const CATCH_UP: Duration = Duration::from_millis(100);
/// The same for closing.
const LAST_UPKEEP: Duration = Duration::from_millis(300);
/// How long it is before somebody who keeps the write-ahead file from shrinking is asked again.
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// Appends entries and takes some out. Lives on the writer's thread, which it may block.
pub(crate) struct LogEngine {
    pub(crate) connection: WriteConnection,
    pub(crate) upkeep: Upkeep,
    pub(crate) deadline: Duration,
    path: PathBuf,
    /// Bytes of the write-ahead file beyond which nothing is appended.
    wal_limit: u64,
    asked: Option<Instant>,
    appender: Appender,
}

impl LogEngine {
    pub(crate) fn new(path: &Path, deadline: Duration, retention: Retention) -> Self {
        let wal_limit = wal_limit(&retention);
        Self {
            connection: WriteConnection::new(path.to_owned(), connect::write_logs(path, wal_limit)),
            wal_limit,
            upkeep: Upkeep::new(retention),
            deadline,
            path: path.to_owned(),
            asked: None,
            appender: Appender::default(),
        }
    }

    /// Whether the write-ahead file is as large as it may become. Where it is, whoever reads an old
    /// state of the file is waited for no longer than a blink.
    pub(crate) fn is_full(&mut self, limit: u64) -> Result<bool> {
        let bytes = || std::fs::metadata(maintain::wal(&self.path)).map_or(0, |file| file.len());
        if bytes() <= limit {
            return Ok(false);
        }
        if self.asked.is_none_or(|asked| asked.elapsed() >= ASK_AGAIN) {
            self.asked = Some(Instant::now());
            maintain::empty_wal(&mut self.connection)?;
        }
        Ok(bytes() > limit)
    }

    /// Does what upkeep is left, for a moment, before the file is closed.
    pub(crate) fn wind_up(&mut self) {
        if self.upkeep.is_needed() {
            self.deadline = LAST_UPKEEP.min(self.deadline);
            Upkeep::catch_up(self, LAST_UPKEEP);
        }
    }

    /// Bytes of the write-ahead file at which upkeep, which makes it grow, waits.
    pub(crate) fn upkeep_limit(&self) -> u64 {
        self.wal_limit / 4 * 3
    }

    /// Does something in one transaction that takes the write lock first.
    pub(crate) fn transaction<T>(
        &mut self,
        operation: &'static str,
        work: impl AsyncFnOnce(&mut SqliteConnection) -> Result<T, sqlx::Error>,
    ) -> Result<T> {
        self.connection.begin(self.deadline)?;
        let done = block_on(work(self.connection.get()?));
        let done = done.map_err(|error| self.connection.failed(error, operation));
        let committed = done.and_then(|done| self.connection.commit().map(|()| done));
        if committed.is_err() {
            self.connection.rollback();
        }
        committed
    }
}

/// Half of what all may have; what is read meanwhile keeps both this file and the main one.
fn wal_limit(retention: &Retention) -> u64 {
    const MIB: u64 = 1024 * 1024;
    retention.max_bytes.map_or(64 * MIB, |most| (most / 2).clamp(4 * MIB, 64 * MIB))
}

impl Engine for LogEngine {
    type Job = Vec<LogEntry>;
    type Answer = Option<LogIds>;

    fn size(job: &Vec<LogEntry>) -> usize {
        job.iter().map(|entry| 50 + entry.message.as_ref().map_or(0, String::len)).sum()
    }

    fn begin(&mut self, wait: Duration) -> Result<()> {
        if self.is_full(self.wal_limit)? {
            let text = format!(
                "the write-ahead file of {} has more than {} bytes, because somebody keeps reading \
                 an old state of it",
                self.path.display(),
                self.wal_limit
            );
            return Err(Error::new(ErrorKind::StorageFull, text)
                .during("append")
                .hint("end the process that keeps a transaction open on the file"));
        }
        if self.upkeep.is_urgent() {
            Upkeep::catch_up(self, CATCH_UP);
        }
        self.connection.begin(wait)
    }

    fn apply(&mut self, jobs: Vec<Vec<LogEntry>>) -> Result<Vec<Result<Option<LogIds>>>> {
        let connection = self.connection.get()?;
        let bytes = jobs.iter().flatten().map(LogEntry::text_bytes).sum();
        self.upkeep.appended(bytes);
        let appended = block_on(self.appender.append(connection, jobs));
        appended.map_err(|error| self.connection.failed(error, "append"))
    }

    fn commit(&mut self) -> Result<()> {
        self.connection.commit()
    }

    fn rollback(&mut self) {
        self.appender = Appender::default();
        self.connection.rollback();
    }

    fn upkeep(&mut self) -> Option<Duration> {
        Upkeep::run(self)
    }
}

/// What is remembered from one append to the next.
#[derive(Default)]
struct Appender {
    interner: Interner,
    /// The newest entries, in case all of a chunk are among them.
    tail: Vec<Indexed>,
    /// Deletions before the tail was begun.
    prunes: i64,
}

impl Appender {
    async fn append(
        &mut self,
        connection: &mut SqliteConnection,
        jobs: Vec<Vec<LogEntry>>,
    ) -> Result<Vec<Result<Option<LogIds>>>, sqlx::Error> {
        let state = State::read(connection).await?;
        self.interner.refresh(connection, state.names).await?;
        let is_whole = self.tail.last().is_some_and(|last| last.key.id == state.last_id)
            && self.prunes == state.prunes;
        if !is_whole {
            self.tail.clear();
            self.prunes = state.prunes;
        }
        let mut next = state.last_id.max(state.deleted_through) + 1;
        let mut rows = Vec::with_capacity(jobs.iter().map(Vec::len).sum());
        let mut answers = Vec::with_capacity(jobs.len());
        for job in jobs {
            let first = next;
            for entry in job {
                rows.push(self.interner.number(next, entry));
                next += 1;
            }
            let ids = LogIds { first: first.cast_unsigned(), last: (next - 1).cast_unsigned() };
            answers.push(Ok((next > first).then_some(ids)));
        }
        self.interner.store(connection).await?;
        self.tail.extend(rows.iter().map(|row| row.indexed));
        insert(connection, rows).await?;
        self.index(connection, state.indexed, chunk_of(next)).await?;
        Ok(answers)
    }

    /// Gives chunks their index whose numbers have all been given out.
    async fn index(
        &mut self,
        connection: &mut SqliteConnection,
        indexed: i64,
        end: i64,
    ) -> Result<(), sqlx::Error> {
        for chunk in (indexed..end).take(CHUNKS) {
            let first = (chunk * CHUNK).max(1);
            let after = self.tail.partition_point(|entry| entry.key.id < (chunk + 1) * CHUNK);
            if self.tail.first().is_some_and(|entry| entry.key.id <= first) {
                let before = self.tail.partition_point(|entry| entry.key.id < first);
                log_index::write(connection, chunk, &self.tail[before..after]).await?;
                note_indexed(connection, chunk).await?;
            } else {
                index(connection, chunk).await?;
            }
            self.tail.drain(..after);
        }
        Ok(())
    }
}

/// Gives a chunk its index from what is stored.
pub(crate) async fn index(
    connection: &mut SqliteConnection,
    chunk: i64,
) -> Result<(), sqlx::Error> {
    let names = Names::load(connection, 0).await?;
    let entries = log_index::read(connection, &names, chunk).await?;
    log_index::write(connection, chunk, &entries).await?;
    note_indexed(connection, chunk).await
}

async fn note_indexed(connection: &mut SqliteConnection, chunk: i64) -> Result<(), sqlx::Error> {
    sqlx::query("UPDATE state SET indexed = ?1").bind(chunk + 1).execute(connection).await?;
    Ok(())
}

/// Rows of one statement: of any number of entries there are only these texts.
const SIZES: [usize; 4] = [256, 32, 4, 1];

static INSERTS: LazyLock<[String; 4]> = LazyLock::new(|| {
    SIZES.map(|size| {
        let values = vec!["(?, ?, ?, ?, ?, ?, ?)"; size].join(", ");
        format!(
            "INSERT INTO entries (id, seconds, nanos, site, thread, process, message) VALUES {values}"
        )
    })
});

async fn insert(connection: &mut SqliteConnection, rows: Vec<Numbered>) -> Result<(), sqlx::Error> {
    let mut rows = rows.into_iter();
    for (size, sql) in SIZES.into_iter().zip(&*INSERTS) {
        while rows.len() >= size {
            let mut insert = sqlx::query(sql.as_str());
            for Numbered { indexed: Indexed { key, seconds, nanos, .. }, message } in
                rows.by_ref().take(size)
            {
                insert = insert
                    .bind(key.id)
                    .bind(seconds)
                    .bind(i64::from(nanos))
                    .bind(key.site)
                    .bind(key.thread)
                    .bind(key.process)
                    .bind(message);
            }
            insert.execute(&mut *connection).await?;
        }
    }
    Ok(())
}
