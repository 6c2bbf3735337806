//! The peer: one table that has every text in every row, with an identity column and the usual
//! indexes, written by one insert a batch from a pool of connections.

use anyhow::Result;
use sqlx::PgPool;
use threadkeep_core::LogEntry;

use super::setup;

const SCHEMA: &str = "
    CREATE TABLE logs (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, seconds bigint NOT NULL,
        nanos integer NOT NULL, level text NOT NULL, target text NOT NULL, message text,
        thread_id text, process_id text, module_path text, file text, line bigint);
    CREATE INDEX logs_time ON logs (seconds, nanos);
    CREATE INDEX logs_thread ON logs (thread_id, id);";

#[derive(Clone)]
pub(crate) struct PlainLog(PgPool);

impl PlainLog {
    /// The table in an empty database, and so many connections to it.
    pub(crate) async fn create(url: &str, connections: u32) -> Result<Self> {
        let pool = setup::pool(url, connections).await?;
        sqlx::raw_sql(SCHEMA).execute(&pool).await?;
        Ok(Self(pool))
    }

    /// Inserts these, in one statement and therefore in one transaction and one round trip.
    pub(crate) async fn insert(&self, entries: &[LogEntry]) -> Result<()> {
        let texts = |pick: fn(&LogEntry) -> Option<&str>| entries.iter().map(pick).collect();
        let texts = |pick| -> Vec<Option<&str>> { texts(pick) };
        let seconds: Vec<_> = entries.iter().map(|entry| entry.time.timestamp()).collect();
        let nanos: Vec<_> =
            entries.iter().map(|entry| entry.time.timestamp_subsec_nanos() as i32).collect();
        let lines: Vec<_> = entries.iter().map(|entry| entry.line.map(i64::from)).collect();
        sqlx::query(
            "INSERT INTO logs (seconds, nanos, level, target, message, thread_id, process_id,
                 module_path, file, line)
             SELECT * FROM unnest($1::bigint[], $2::integer[], $3::text[], $4::text[], $5::text[],
                 $6::text[], $7::text[], $8::text[], $9::text[], $10::bigint[])",
        )
        .bind(seconds)
        .bind(nanos)
        .bind(texts(|entry| Some(entry.level.as_str())))
        .bind(texts(|entry| Some(&entry.target)))
        .bind(texts(|entry| entry.message.as_deref()))
        .bind(texts(|entry| entry.thread_id.as_deref()))
        .bind(texts(|entry| entry.process_id.as_deref()))
        .bind(texts(|entry| entry.module_path.as_deref()))
        .bind(texts(|entry| entry.file.as_deref()))
        .bind(lines)
        .execute(&self.0)
        .await?;
        Ok(())
    }

    pub(crate) async fn close(self) {
        self.0.close().await;
    }
}
