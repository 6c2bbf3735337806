//! The write side of the file of logs.

use std::time::Duration;

use chrono::{DateTime, Utc};
use futures_executor::block_on;
use sqlx::SqliteConnection;
use threadkeep_core::{LogEntry, LogIds, Result};
use threadkeep_writer::Engine;

use crate::writer::WriteConnection;

/// Something to be done to the logs.
pub(crate) enum LogJob {
    /// Add these, in order.
    Append(Vec<LogEntry>),
    /// Delete the oldest entries before a time, at most so many.
    DeleteBefore { time: DateTime<Utc>, limit: i64 },
    /// Delete so many of the oldest entries.
    DeleteOldest { limit: i64 },
    /// Delete the entries of these threads.
    DropThreads(Vec<String>),
}

/// What was done.
#[derive(Clone, Copy, Default)]
pub(crate) struct LogAnswer {
    /// The numbers given out.
    pub(crate) ids: Option<LogIds>,
    /// How many entries went.
    pub(crate) rows: u64,
}

pub(crate) struct LogEngine {
    pub(crate) connection: WriteConnection,
}

impl Engine for LogEngine {
    type Job = LogJob;
    type Answer = LogAnswer;

    fn size(job: &LogJob) -> usize {
        match job {
            LogJob::Append(entries) => entries
                .iter()
                .map(|entry| 200 + entry.message.as_ref().map_or(0, String::len))
                .sum(),
            // These may take long: they do not wait for, nor are waited for by, many others.
            LogJob::DeleteBefore { .. } | LogJob::DeleteOldest { .. } | LogJob::DropThreads(_) => {
                usize::MAX / 2
            }
        }
    }

    fn begin(&mut self, wait: Duration) -> Result<()> {
        self.connection.begin(wait)
    }

    fn apply(&mut self, jobs: Vec<LogJob>) -> Result<Vec<Result<LogAnswer>>> {
        let connection = self.connection.get()?;
        let applied = block_on(async {
            let mut answers = Vec::with_capacity(jobs.len());
            for job in jobs {
                answers.push(Ok(apply(connection, job).await?));
            }
            Ok(answers)
        });
        applied.map_err(|error| self.connection.failed(error, "append"))
    }

    fn commit(&mut self) -> Result<()> {
        self.connection.commit()
    }

    fn rollback(&mut self) {
        self.connection.rollback();
    }
}

async fn apply(connection: &mut SqliteConnection, job: LogJob) -> Result<LogAnswer, sqlx::Error> {
    let mut answer = LogAnswer::default();
    match job {
        LogJob::Append(entries) => {
            for entry in entries {
                let id = append(connection, entry).await?;
                let first = answer.ids.map_or(id, |ids| ids.first);
                answer.ids = Some(LogIds { first, last: id });
            }
        }
        LogJob::DeleteBefore { time, limit } => {
            let deleted = sqlx::query(
                "DELETE FROM logs WHERE id IN (
                     SELECT id FROM logs WHERE (seconds, nanos) < (?1, ?2)
                     ORDER BY seconds, nanos LIMIT ?3)",
            )
            .bind(time.timestamp())
            .bind(i64::from(time.timestamp_subsec_nanos()))
            .bind(limit)
            .execute(connection)
            .await?;
            answer.rows = deleted.rows_affected();
        }
        LogJob::DeleteOldest { limit } => {
            let deleted = sqlx::query(
                "DELETE FROM logs WHERE id IN (SELECT id FROM logs ORDER BY id LIMIT ?1)",
            )
            .bind(limit)
            .execute(connection)
            .await?;
            answer.rows = deleted.rows_affected();
        }
        LogJob::DropThreads(threads) => {
            for thread in threads {
                let deleted = sqlx::query("DELETE FROM logs WHERE thread_id = ?1")
                    .bind(thread)
                    .execute(&mut *connection)
                    .await?;
                answer.rows += deleted.rows_affected();
            }
        }
    }
    Ok(answer)
}

async fn append(connection: &mut SqliteConnection, entry: LogEntry) -> Result<u64, sqlx::Error> {
    let inserted = sqlx::query(
        "INSERT INTO logs (seconds, nanos, level, target, message, thread_id, process_id,
             module_path, file, line)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
    )
    .bind(entry.time.timestamp())
    .bind(i64::from(entry.time.timestamp_subsec_nanos()))
    .bind(i64::from(entry.level.code()))
    .bind(entry.target)
    .bind(entry.message)
    .bind(entry.thread_id)
    .bind(entry.process_id)
    .bind(entry.module_path)
    .bind(entry.file)
    .bind(entry.line.map(i64::from))
    .execute(connection)
    .await?;
    Ok(inserted.last_insert_rowid().cast_unsigned())
}
