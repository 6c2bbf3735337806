//! The whole store: counting, checking, maintaining and closing it.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use threadkeep_core::{
    Capabilities, Capability, CheckReport, Error, ErrorKind, LogStore as _, Maintained, Result,
    Stats, Store, ThreadId,
};

use crate::connection::number;
use crate::errors::Failed;
use crate::sql::Sql;
use crate::{PostgresStore, check, row};

/// Deleted threads whose logs are dropped in one step.
const LOGS_STEP: i64 = 100;

#[async_trait]
impl Store for PostgresStore {
    fn capabilities(&self) -> Capabilities {
        Capabilities::none()
            .with(Capability::Persistent)
            .with(Capability::Durable)
            .with(Capability::MultiProcess)
            .with(Capability::ReadOnly)
    }

    async fn stats(&self) -> Result<Stats> {
        self.handle.check_open()?;
        let namespace = self.handle.options.namespace.clone();
        let read = self.handle.readers.read("stats", move |mut lent| {
            let sql = Sql::new(
                "SELECT (SELECT count(*) FROM threadkeep.threads WHERE namespace = ?),
                     (SELECT count(*) FROM threadkeep.threads WHERE namespace = ? AND archived),
                     (SELECT count(*) FROM threadkeep.dynamic_tools WHERE namespace = ?),
                     (SELECT count(*) FROM threadkeep.tombstones WHERE namespace = ?)",
            );
            let sql = (0..4).fold(sql, |sql, _| sql.text(&namespace));
            async move {
                let rows = lent.connection.rows(sql, lent.until).await?;
                let row = rows.first().ok_or(Failed::decode("the counts are missing"))?;
                let count = |column| number(row, column).map(i64::cast_unsigned);
                let mut stats = Stats::default();
                stats.threads = count(0)?;
                stats.archived = count(1)?;
                stats.threads_with_tools = count(2)?;
                stats.tombstones = count(3)?;
                Ok((lent, stats))
            }
        });
        let mut stats = read.await?;
        stats.log_entries = self.count_logs().await?;
        Ok(stats)
    }

    async fn check(&self) -> Result<CheckReport> {
        self.handle.check_open()?;
        let namespace = self.handle.options.namespace.clone();
        let read = self.handle.readers.read("check", move |mut lent| {
            let namespace = namespace.clone();
            async move {
                let report = check::everything(&mut lent, &namespace).await?;
                Ok((lent, report))
            }
        });
        read.await
    }

    async fn maintain(&self, budget: Duration) -> Result<Maintained> {
        let start = Instant::now();
        let mut maintained = Maintained::default();
        // A handle that only reads refuses.
        let threads = self.handle.threads()?;
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
        let left = budget.saturating_sub(start.elapsed());
        maintained.log_entries += self.prune(self.handle.options.retention, left).await?.rows;
        maintained.done &= threads.run(move |engine| engine.forget_for(left)).await??;
        Ok(maintained)
    }

    async fn backup(&self, to: PathBuf) -> Result<()> {
        self.handle.check_open()?;
        let text = format!("no copy is written to {}", to.display());
        Err(Error::new(ErrorKind::Unsupported, text)
            .during("backup")
            .hint("use pg_dump with --schema=threadkeep, or the server's base backups"))
    }

    async fn flush(&self) -> Result<()> {
        self.handle.flush().await
    }

    async fn close(&self) -> Result<()> {
        self.handle.close().await;
        Ok(())
    }
}

impl PostgresStore {
    /// Deleted threads whose logs are still to go, some at a time.
    async fn pending_logs(&self) -> Result<Vec<ThreadId>> {
        let namespace = self.handle.options.namespace.clone();
        let read = self.handle.readers.read("maintain", move |mut lent| {
            let sql = Sql::new(
                "SELECT thread_id FROM threadkeep.tombstones WHERE namespace = ? AND logs_pending
                 LIMIT ?",
            );
            let sql = sql.text(&namespace).number(LOGS_STEP);
            async move {
                let rows = lent.connection.rows(sql, lent.until).await?;
                let ids = rows.iter().map(|row| row::id(row, 0)).collect::<Result<_, Failed>>()?;
                Ok((lent, ids))
            }
        });
        read.await
    }
}
