//! The file of logs, opened when it is first needed.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use sqlx::sqlite::SqliteSynchronous;
use sqlx::{AssertSqlSafe, Row};
use threadkeep_core::{
    Direction, Error, ErrorKind, LogBell, LogEntry, LogFilter, LogIds, LogPage, LogQuery, LogStore,
    Pruned, Result, Retention, ThreadId,
};
use threadkeep_migrations::sqlite::LOGS;
use threadkeep_writer::{Writer, WriterOptions};
use tokio::sync::OnceCell;

use crate::errors::translate;
use crate::log_sql::{self, Value};
use crate::log_writer::{LogAnswer, LogEngine, LogJob};
use crate::maintain::{bytes, shrink};
use crate::open::{self, Access};
use crate::readers::Readers;
use crate::writer::WriteConnection;
use crate::{SqliteOptions, SqliteStore, connect, errors};

/// Entries deleted in one transaction, so that none holds the write lock for long.
const PRUNE_STEP: i64 = 5_000;

/// Where the logs are, and the open file once it was needed.
pub(crate) struct LogFile {
    path: PathBuf,
    options: SqliteOptions,
    open: OnceCell<OpenLogs>,
    closed: AtomicBool,
    bell: LogBell,
}

pub(crate) struct OpenLogs {
    pub(crate) readers: Readers,
    writer: Option<Writer<LogEngine>>,
}

impl LogFile {
    /// The logs of the store whose threads are in `path`.
    pub(crate) fn beside(path: &Path, options: SqliteOptions) -> Self {
        let mut name = path.file_stem().unwrap_or_default().to_owned();
        name.push("-logs");
        if let Some(extension) = path.extension() {
            name.push(".");
            name.push(extension);
        }
        let path = path.with_file_name(name);
        Self {
            bell: LogBell::at(&path),
            path,
            options,
            open: OnceCell::new(),
            closed: AtomicBool::new(false),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The open file; `None` where nothing was ever logged, because reading creates no file.
    pub(crate) async fn existing(&self) -> Result<Option<&OpenLogs>> {
        if self.open.get().is_none() && !self.path.exists() {
            return self.check_open().map(|()| None);
        }
        self.opened().await.map(Some)
    }

    async fn opened(&self) -> Result<&OpenLogs> {
        self.check_open()?;
        self.open
            .get_or_try_init(|| async {
                let access = open::prepare(&self.path, LOGS, self.options).await?;
                let write = connect::write(&self.path, SqliteSynchronous::Normal);
                let engine =
                    LogEngine { connection: WriteConnection::new(self.path.clone(), write) };
                let options =
                    WriterOptions { deadline: self.options.deadline, ..WriterOptions::default() };
                let writer = match access {
                    Access::Full => Some(Writer::spawn("threadkeep-logs", engine, options)?),
                    Access::ReadOnly => None,
                };
                Ok(OpenLogs { readers: Readers::new(&self.path, self.options), writer })
            })
            .await
    }

    async fn submit(&self, job: LogJob) -> Result<LogAnswer> {
        self.writer(self.opened().await?)?.submit(job).await
    }

    pub(crate) fn writer<'a>(&self, open: &'a OpenLogs) -> Result<&'a Writer<LogEngine>> {
        open.writer.as_ref().ok_or_else(|| errors::read_only(&self.path))
    }

    /// How many entries there are.
    pub(crate) async fn count(&self, open: &OpenLogs) -> Result<u64> {
        let mut reader = open.readers.lend().await?;
        let entries: i64 = sqlx::query_scalar("SELECT count(*) FROM logs")
            .fetch_one(&mut reader.connection)
            .await
            .map_err(|error| self.failed(error, "stats"))?;
        reader.give_back();
        Ok(entries.cast_unsigned())
    }

    pub(crate) async fn flush(&self) -> Result<()> {
        self.check_open()?;
        match self.open.get().and_then(|open| open.writer.as_ref()) {
            Some(writer) => writer.run(|_| ()).await,
            None => Ok(()),
        }
    }

    pub(crate) async fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.bell.close();
        if let Some(open) = self.open.get() {
            if let Some(writer) = &open.writer {
                writer.close().await;
            }
            open.readers.close().await;
        }
    }

    pub(crate) fn failed(&self, error: sqlx::Error, operation: &'static str) -> Error {
        translate(error, &self.path, operation)
    }

    fn check_open(&self) -> Result<()> {
        if self.closed.load(Ordering::Acquire) {
            return Err(
                Error::new(ErrorKind::Closed, "the store was closed").hint("open the store again")
            );
        }
        Ok(())
    }
}

impl SqliteStore {
    /// Deletes the log entries of deleted threads and notes that it is done; answers how many.
    pub(crate) async fn drop_logs(&self, threads: Vec<ThreadId>) -> Result<u64> {
        let rows = match self.logs.existing().await? {
            Some(_) => {
                let names = threads.iter().map(ThreadId::to_string).collect();
                self.logs.submit(LogJob::DropThreads(names)).await?.rows
            }
            None => 0,
        };
        let dropped = self.threads.writer()?.run(move |engine| engine.logs_dropped(&threads));
        dropped.await??;
        Ok(rows)
    }
}

impl SqliteStore {
    /// Deletes the oldest entries and gives their space back, until the files are small enough.
    async fn keep_newest_logs(
        &self,
        max_bytes: u64,
        budget: Duration,
        rows: &mut u64,
    ) -> Result<()> {
        let start = Instant::now();
        let Some(open) = self.logs.existing().await? else { return Ok(()) };
        let writer = self.logs.writer(open)?;
        // Counting passes over every entry, so it is done once.
        let mut there = self.logs.count(open).await?;
        loop {
            let left = budget.saturating_sub(start.elapsed());
            writer.run(move |engine| shrink(&mut engine.connection, left)).await??;
            let bytes = bytes(self.logs.path());
            if bytes <= max_bytes || there == 0 || left.is_zero() {
                return Ok(());
            }
            // Entries are about alike, so that as large a part of them goes as of the bytes; a page
            // of the file's own is always left.
            let surplus = u128::from(there) * u128::from(bytes - max_bytes) / u128::from(bytes);
            let surplus = i64::try_from(surplus).unwrap_or(i64::MAX).clamp(1, PRUNE_STEP);
            let gone = self.logs.submit(LogJob::DeleteOldest { limit: surplus }).await?.rows;
            *rows += gone;
            // Where nothing is left of what was counted, others have deleted too.
            there = if gone == 0 { 0 } else { there.saturating_sub(gone) };
        }
    }
}

#[async_trait]
impl LogStore for SqliteStore {
    async fn append(&self, entries: Vec<LogEntry>) -> Result<Option<LogIds>> {
        let entries: Vec<_> = entries.into_iter().map(LogEntry::prepare).collect::<Result<_>>()?;
        if entries.is_empty() {
            return Ok(None);
        }
        let ids = self.logs.submit(LogJob::Append(entries)).await?.ids;
        if let Some(ids) = ids {
            self.logs.bell.ring(ids.last);
        }
        Ok(ids)
    }

    async fn query(&self, query: LogQuery) -> Result<LogPage> {
        query.validate()?;
        let Some(open) = self.logs.existing().await? else {
            return Ok(LogPage::default());
        };
        let failed = |error| self.logs.failed(error, "query");
        let (mut sql, mut values) = log_sql::select(log_sql::COLUMNS, &query.filter);
        sql.push_str(match query.direction {
            Direction::Ascending => " ORDER BY id ASC LIMIT ?",
            Direction::Descending => " ORDER BY id DESC LIMIT ?",
        });
        // One more than asked tells whether there are more.
        values.push(Value::Number(i64::try_from(query.limit + 1).unwrap_or(i64::MAX)));
        let mut reader = open.readers.lend().await?;
        let rows = log_sql::bind(sqlx::query(AssertSqlSafe(sql)), values)
            .fetch_all(&mut reader.connection)
            .await
            .map_err(failed)?;
        reader.give_back();
        let items: Result<Vec<_>, _> = rows.iter().take(query.limit).map(log_sql::decode).collect();
        Ok(LogPage {
            items: items.map_err(failed)?,
            more: rows.len() > query.limit,
            deleted_through: 0,
        })
    }

    async fn max_log_id(&self, filter: LogFilter) -> Result<u64> {
        let Some(open) = self.logs.existing().await? else {
            return Ok(0);
        };
        let failed = |error| self.logs.failed(error, "max_log_id");
        let (mut sql, values) = log_sql::select("id", &filter);
        // From the newest down, so that the first match ends the search.
        sql.push_str(" ORDER BY id DESC LIMIT 1");
        let mut reader = open.readers.lend().await?;
        let row = log_sql::bind(sqlx::query(AssertSqlSafe(sql)), values)
            .fetch_optional(&mut reader.connection)
            .await
            .map_err(failed)?;
        reader.give_back();
        row.map_or(Ok(0), |row| row.try_get::<i64, _>(0).map(i64::cast_unsigned)).map_err(failed)
    }

    async fn prune(&self, retention: Retention, budget: Duration) -> Result<Pruned> {
        let start = Instant::now();
        let mut rows = 0;
        if self.logs.existing().await?.is_none() {
            return Ok(Pruned::default());
        }
        if let Some(time) = retention.before {
            loop {
                let job = LogJob::DeleteBefore { time, limit: PRUNE_STEP };
                let step = self.logs.submit(job).await.map_err(|error| error.after(rows))?.rows;
                rows += step;
                if step < PRUNE_STEP.cast_unsigned() || start.elapsed() >= budget {
                    break;
                }
            }
        }
        if let Some(most) = retention.max_bytes {
            let left = budget.saturating_sub(start.elapsed());
            self.keep_newest_logs(most, left, &mut rows)
                .await
                .map_err(|error| error.after(rows))?;
        }
        Ok(Pruned::rows(rows))
    }

    async fn changed(&self, after: u64, wait: Duration) -> Result<()> {
        self.logs.bell.wait(after, wait).await
    }
}
