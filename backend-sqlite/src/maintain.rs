//! The whole store: counting, checking, maintaining, copying and closing it.

use std::fs::DirBuilder;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use futures_executor::block_on;
use sqlx::{Connection, Row, SqliteConnection};
use threadkeep_core::{
    Capabilities, Capability, CheckReport, Error, ErrorKind, LogStore as _, Maintained, Result,
    Skipped, Stats, Store, ThreadId, tools,
};
use xxhash_rust::xxh3::xxh3_64;

use crate::row::{self, signed};
use crate::writer::{ThreadEngine, WriteConnection};
use crate::{SqliteStore, connect, open};

/// Deleted threads whose logs are dropped in one step.
const LOGS_STEP: i64 = 100;

#[async_trait]
impl Store for SqliteStore {
    fn capabilities(&self) -> Capabilities {
        Capabilities::none()
            .with(Capability::Persistent)
            .with(Capability::Durable)
            .with(Capability::MultiProcess)
            .with(Capability::Backup)
            .with(Capability::ReadOnly)
    }

    async fn stats(&self) -> Result<Stats> {
        let failed = |error| self.threads.failed(error, "stats");
        let mut reader = self.threads.lend().await?;
        let row = sqlx::query(
            "SELECT (SELECT count(*) FROM threads),
                    (SELECT count(*) FROM threads WHERE archived = 1),
                    (SELECT count(*) FROM dynamic_tools),
                    (SELECT count(*) FROM tombstones),
                    (SELECT freelist_count * page_size FROM pragma_freelist_count, pragma_page_size)",
        )
        .fetch_one(&mut reader.connection)
        .await
        .map_err(failed)?;
        reader.give_back();
        let count = |column| row.try_get::<i64, _>(column).map(i64::cast_unsigned).map_err(failed);
        let mut stats = Stats::default();
        stats.threads = count(0)?;
        stats.archived = count(1)?;
        stats.threads_with_tools = count(2)?;
        stats.tombstones = count(3)?;
        let mut free = count(4)?;
        if let Some(logs) = self.logs.existing().await? {
            stats.log_entries = self.count_logs(&logs).await?;
            let mut reader = logs.lend().await?;
            let free_of_logs: i64 = sqlx::query_scalar(
                "SELECT freelist_count * page_size FROM pragma_freelist_count, pragma_page_size",
            )
            .fetch_one(&mut reader.connection)
            .await
            .map_err(|error| self.logs.failed(error, "stats"))?;
            reader.give_back();
            free += free_of_logs.cast_unsigned();
        }
        stats.thread_bytes = bytes(self.threads.path());
        stats.log_bytes = bytes(self.logs.path());
        // Side files hold what the main ones are still to get.
        stats.live_bytes = (stats.thread_bytes + stats.log_bytes).saturating_sub(free);
        Ok(stats)
    }

    async fn check(&self) -> Result<CheckReport> {
        let mut report = CheckReport::default();
        let failed = |error| self.threads.failed(error, "check");
        let mut reader = self.threads.lend().await?;
        integrity(&mut reader.connection, "threads", &mut report).await.map_err(failed)?;
        check_rows(&mut reader.connection, &mut report).await.map_err(failed)?;
        reader.give_back();
        match self.logs.existing().await {
            Ok(Some(logs)) => {
                let mut reader = logs.lend().await?;
                integrity(&mut reader.connection, "logs", &mut report)
                    .await
                    .map_err(|error| self.logs.failed(error, "check"))?;
                reader.give_back();
            }
            Ok(None) => {}
            Err(error) if error.kind() == ErrorKind::Corrupted => {
                report.problems.push(format!("logs: {}", error.message()));
            }
            Err(error) => return Err(error),
        }
        Ok(report)
    }

    async fn maintain(&self, budget: Duration) -> Result<Maintained> {
        let start = Instant::now();
        let mut maintained = Maintained::default();
        let before = bytes(self.threads.path()) + bytes(self.logs.path());
        loop {
            let pending = self.pending_logs().await?;
            if pending.is_empty() {
                maintained.done = true;
                break;
            }
            maintained.log_entries += self.drop_logs(pending).await?;
            if start.elapsed() >= budget {
                break;
            }
        }
        let left = move || budget.saturating_sub(start.elapsed());
        maintained.log_entries += self.prune(self.logs.retention(), left()).await?.rows;
        let threads = self.threads.writer()?;
        maintained.done &=
            threads.run(move |engine| shrink(&mut engine.connection, left())).await??;
        if let Some(logs) = self.logs.existing().await? {
            let writer = self.logs.writer(&logs)?;
            maintained.done &= writer.run(move |engine| engine.settle(left())).await??;
        }
        let after = bytes(self.threads.path()) + bytes(self.logs.path());
        maintained.freed_bytes = before.saturating_sub(after);
        Ok(maintained)
    }

    async fn backup(&self, to: PathBuf) -> Result<()> {
        create_empty(&to)?;
        let logs = self.logs.existing().await?.map(|_| self.logs.path());
        for path in std::iter::once(self.threads.path()).chain(logs) {
            let copy = to.join(path.file_name().unwrap_or_default());
            open::create_private(&copy)?;
            copy_file(path, &copy).await?;
        }
        Ok(())
    }

    async fn flush(&self) -> Result<()> {
        self.threads.flush().await?;
        self.logs.flush().await
    }

    async fn close(&self) -> Result<()> {
        self.threads.close().await;
        self.logs.close().await;
        Ok(())
    }
}

impl SqliteStore {
    /// Deleted threads whose logs are still to go, some at a time.
    async fn pending_logs(&self) -> Result<Vec<ThreadId>> {
        let failed = |error| self.threads.failed(error, "maintain");
        let mut reader = self.threads.lend().await?;
        let rows = sqlx::query("SELECT thread_id FROM tombstones WHERE logs_pending = 1 LIMIT +?1")
            .bind(LOGS_STEP)
            .fetch_all(&mut reader.connection)
            .await
            .map_err(failed)?;
        reader.give_back();
        rows.iter().map(|row| row::id(row, 0)).collect::<Result<_, _>>().map_err(failed)
    }
}

impl ThreadEngine {
    /// Notes that the logs of these deleted threads are gone.
    pub(crate) fn logs_dropped(&mut self, threads: &[ThreadId]) -> Result<()> {
        let list = crate::reader::hex_array(threads);
        let connection = self.connection.get()?;
        // One statement is a transaction of its own, which takes the write lock at once.
        let noted = block_on(
            sqlx::query(
                "UPDATE tombstones SET logs_pending = 0
                 WHERE thread_id IN (SELECT unhex(value) FROM json_each(?1))",
            )
            .bind(list)
            .execute(connection),
        );
        noted.map(drop).map_err(|error| self.connection.failed(error, "maintain"))
    }
}

/// Gives some pages back: so many that it takes a few milliseconds.
const VACUUM_STEP: &str = "PRAGMA incremental_vacuum(1000)";

/// Moves the write-ahead file into the main one and gives free pages back; `false` where there was
/// no time or somebody was reading.
pub(crate) fn shrink(connection: &mut WriteConnection, budget: Duration) -> Result<bool> {
    let start = Instant::now();
    loop {
        let (_, free) = pages(connection)?;
        if free == 0 || start.elapsed() >= budget {
            return Ok(empty_wal(connection)? && free == 0);
        }
        vacuum_step(connection)?;
    }
}

/// Gives some free pages back.
pub(crate) fn vacuum_step(connection: &mut WriteConnection) -> Result<()> {
    let vacuumed = block_on(sqlx::query(VACUUM_STEP).fetch_all(connection.get()?));
    vacuumed.map(drop).map_err(|error| connection.failed(error, "maintain"))
}

/// Moves the write-ahead file into the main one and cuts it off; `false` where somebody reads an
/// older state.
pub(crate) fn empty_wal(connection: &mut WriteConnection) -> Result<bool> {
    Ok(scalar(connection, "PRAGMA wal_checkpoint(TRUNCATE)")? == 0)
}

/// Pages of a file, and how many of them are free.
pub(crate) fn pages(connection: &mut WriteConnection) -> Result<(i64, i64)> {
    let pages = scalar(connection, "PRAGMA page_count")?;
    Ok((pages, scalar(connection, "PRAGMA freelist_count")?))
}

/// Bytes of the pages that hold something.
pub(crate) fn live_bytes(connection: &mut WriteConnection) -> Result<u64> {
    let (pages, free) = pages(connection)?;
    let size = scalar(connection, "PRAGMA page_size")?;
    Ok((size * (pages - free)).cast_unsigned())
}

fn scalar(connection: &mut WriteConnection, sql: &'static str) -> Result<i64> {
    let answer = block_on(sqlx::query_scalar(sql).fetch_one(connection.get()?));
    answer.map_err(|error| connection.failed(error, "maintain"))
}

async fn integrity(
    connection: &mut SqliteConnection,
    what: &str,
    report: &mut CheckReport,
) -> Result<(), sqlx::Error> {
    let answers: Vec<String> =
        sqlx::query_scalar("PRAGMA integrity_check").fetch_all(connection).await?;
    let problems = answers.into_iter().filter(|answer| answer != "ok");
    report.problems.extend(problems.map(|problem| format!("{what}: {problem}")));
    Ok(())
}

/// Reads every row and every tool list, a page at a time, each page in a transaction of its own.
async fn check_rows(
    connection: &mut SqliteConnection,
    report: &mut CheckReport,
) -> Result<(), sqlx::Error> {
    let mut after = 0_i64;
    loop {
        let rows = sqlx::query(
            "SELECT t.rowid, t.id, t.body, t.checksum, t.created_at, t.updated_at, t.archived,
                    t.visible, t.source, t.model_provider, t.cwd, d.tools, d.checksum
             FROM threads AS t LEFT JOIN dynamic_tools AS d ON d.thread_id = t.id
             WHERE t.rowid > ?1 ORDER BY t.rowid LIMIT 500",
        )
        .bind(after)
        .fetch_all(&mut *connection)
        .await?;
        let Some(last) = rows.last() else {
            return Ok(());
        };
        after = last.try_get(0)?;
        for row in &rows {
            report.threads += 1;
            let id = row::id(row, 1)?;
            match row::decode(row, id, 2, 3) {
                Ok(metadata) => {
                    if !row::columns_agree(row, &metadata, 4)? {
                        let reason = "the columns it is listed by do not match it".into();
                        report.damaged.push(Skipped { id, reason });
                    }
                }
                Err(skipped) => report.damaged.push(skipped),
            }
            let stored_tools: Option<&str> = row.try_get(11)?;
            let checksum: Option<i64> = row.try_get(12)?;
            if let Some(text) = stored_tools
                && (checksum != Some(signed(xxh3_64(text.as_bytes())))
                    || tools::decode(text).is_err())
            {
                report.damaged.push(Skipped { id, reason: "its tools are damaged".into() });
            }
        }
    }
}

/// Copies a consistent state of one file, while others may go on writing.
async fn copy_file(path: &Path, copy: &Path) -> Result<()> {
    let failed = |error| crate::errors::translate(error, path, "backup");
    let mut connection: SqliteConnection =
        connect::connect(&connect::plain(path), path, "backup").await?;
    let target = copy.to_str().ok_or_else(|| {
        Error::invalid_input(format!("{} is not Unicode", copy.display()))
            .hint("name a folder that is")
    })?;
    sqlx::query("VACUUM INTO ?1").bind(target).execute(&mut connection).await.map_err(failed)?;
    connection.close().await.map_err(failed)
}

/// Creates a folder that only its owner may read, or takes an empty one.
fn create_empty(folder: &Path) -> Result<()> {
    let failed = |error| {
        Error::new(ErrorKind::Io, format!("cannot create {}", folder.display()))
            .hint("check that its parent exists and may be written to")
            .with_source(error)
    };
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder).map_err(failed)?;
    if std::fs::read_dir(folder).map_err(failed)?.next().is_some() {
        return Err(Error::new(
            ErrorKind::AlreadyExists,
            format!("{} is not empty", folder.display()),
        )
        .hint("name a new folder"));
    }
    Ok(())
}

/// Bytes of a file and its side files.
pub(crate) fn bytes(path: &Path) -> u64 {
    ["", "-wal", "-shm"]
        .iter()
        .filter_map(|suffix| std::fs::metadata(side_file(path, suffix)).ok())
        .map(|file| file.len())
        .sum()
}

/// The write-ahead file of a file.
pub(crate) fn wal(path: &Path) -> PathBuf {
    side_file(path, "-wal")
}

fn side_file(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}
