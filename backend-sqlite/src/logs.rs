//! Log entries.

use std::time::{Duration, Instant};

use async_trait::async_trait;
use threadkeep_core::{
    Direction, LogEntry, LogFilter, LogIds, LogPage, LogQuery, LogRow, LogStore, Pruned, Result,
    Retention, ThreadId, Thrift,
};

use crate::SqliteStore;
use crate::log_file::OpenLogs;
use crate::log_prune::{self, Doomed, Pruning, Step};
use crate::log_reader::{self, State};
use crate::log_upkeep::Planned;
use crate::log_writer::LogEngine;
use crate::maintain::bytes;

/// What a search found, and the state it saw.
struct Found {
    rows: Vec<LogRow>,
    deleted_through: u64,
}

impl SqliteStore {
    /// Searches in one transaction.
    async fn search(
        &self,
        filter: &LogFilter,
        direction: Direction,
        wanted: usize,
        operation: &'static str,
    ) -> Result<Found> {
        let Some(open) = self.logs.existing().await? else {
            return Ok(Found { rows: Vec::new(), deleted_through: 0 });
        };
        let failed = |error| self.logs.failed(error, operation);
        let mut reader = open.lend().await?;
        sqlx::query("BEGIN").execute(&mut reader.connection).await.map_err(failed)?;
        let state = State::read(&mut reader.connection).await.map_err(failed)?;
        let names = open.names(&mut reader, state).await.map_err(failed)?;
        let searched =
            log_reader::search(&mut reader.connection, &names, state, filter, direction, wanted);
        let rows = searched.await.map_err(failed)?;
        sqlx::query("COMMIT").execute(&mut reader.connection).await.map_err(failed)?;
        reader.give_back();
        Ok(Found { rows, deleted_through: state.deleted_through.cast_unsigned() })
    }

    /// The greatest number of all entries, in one statement: whoever follows asks all the time.
    async fn last_log_id(&self) -> Result<u64> {
        let Some(open) = self.logs.existing().await? else { return Ok(0) };
        let mut reader = open.lend().await?;
        let last: Option<i64> = sqlx::query_scalar("SELECT max(id) FROM entries")
            .fetch_one(&mut reader.connection)
            .await
            .map_err(|error| self.logs.failed(error, "max_log_id"))?;
        reader.give_back();
        Ok(last.unwrap_or(0).cast_unsigned())
    }

    /// How many entries there are.
    pub(crate) async fn count_logs(&self, open: &OpenLogs) -> Result<u64> {
        let failed = |error| self.logs.failed(error, "stats");
        let mut reader = open.lend().await?;
        sqlx::query("BEGIN").execute(&mut reader.connection).await.map_err(failed)?;
        let state = State::read(&mut reader.connection).await.map_err(failed)?;
        let rows = log_prune::count(&mut reader.connection, state).await.map_err(failed)?;
        sqlx::query("COMMIT").execute(&mut reader.connection).await.map_err(failed)?;
        reader.give_back();
        Ok(rows)
    }

    /// Takes entries out step by step, so that appending goes on between them; answers whether none
    /// are left that have to go.
    async fn take_out(
        &self,
        open: &OpenLogs,
        mut pruning: Pruning,
        clock: Clock,
        rows: &mut u64,
    ) -> Result<bool> {
        let writer = self.logs.writer(open)?;
        loop {
            let step = move |engine: &mut LogEngine| {
                engine.prune_step(&mut pruning).map(|step| (step, pruning))
            };
            let (step, reached) = writer.run(step).await.and_then(|stepped| stepped)?;
            match step {
                Step::Done => return Ok(true),
                Step::Took(gone) => *rows += gone,
            }
            if clock.left().is_zero() {
                return Ok(false);
            }
            pruning = reached;
        }
    }

    /// Deletes the log entries of deleted threads and notes that it is done; answers how many.
    pub(crate) async fn drop_logs(&self, threads: Vec<ThreadId>) -> Result<u64> {
        let mut rows = 0;
        if let Some(open) = self.logs.existing().await? {
            let names = threads.iter().map(ThreadId::to_string).collect();
            let pruning = Pruning::new(Doomed::Threads(names), 0);
            self.take_out(&open, pruning, Clock::new(Duration::MAX), &mut rows).await?;
        }
        let dropped = self.threads.writer()?.run(move |engine| engine.logs_dropped(&threads));
        dropped.await??;
        Ok(rows)
    }

    async fn prune_all(&self, retention: Retention, clock: Clock, rows: &mut u64) -> Result<()> {
        let Some(open) = self.logs.existing().await? else { return Ok(()) };
        if let Some(oldest) = retention.oldest() {
            let pruning = Pruning::new(Doomed::Before(oldest), 0);
            self.take_out(&open, pruning, clock, rows).await?;
        }
        // Where somebody else deletes meanwhile, the plan is made anew.
        while retention.limits_threads() {
            let Planned { plan, prunes, .. } = self.plan(&open, retention, None).await?;
            if plan.threads.is_empty() {
                break;
            }
            let surplus = plan.threads.into_iter().collect();
            let pruning = Pruning::new(Doomed::Surplus(surplus), prunes);
            if !self.take_out(&open, pruning, clock, rows).await? {
                break;
            }
        }
        if let Some(most) = retention.max_bytes {
            self.keep_newest(&open, most, clock, rows).await?;
        }
        Ok(())
    }

    /// Deletes the oldest entries and gives their space back, until the files are small enough.
    async fn keep_newest(
        &self,
        open: &OpenLogs,
        max_bytes: u64,
        clock: Clock,
        rows: &mut u64,
    ) -> Result<()> {
        let writer = self.logs.writer(open)?;
        loop {
            let left = clock.left();
            writer.run(move |engine| engine.settle(left)).await??;
            let bytes = bytes(self.logs.path());
            if bytes <= max_bytes || left.is_zero() {
                return Ok(());
            }
            let retention = Retention::max_bytes(max_bytes);
            let planned = self.plan(open, retention, Some(bytes)).await?;
            // A page of the file's own is always left.
            if planned.rows == 0 {
                return Ok(());
            }
            let pruning = Pruning::new(Doomed::Oldest(planned.plan.oldest), planned.prunes);
            self.take_out(open, pruning, clock, rows).await?;
        }
    }

    async fn plan(
        &self,
        open: &OpenLogs,
        retention: Retention,
        bytes: Option<u64>,
    ) -> Result<Planned> {
        let plan = move |engine: &mut LogEngine| engine.plan(&retention, bytes, Thrift::Exact);
        self.logs.writer(open)?.run(plan).await?
    }
}

/// How long something may go on.
#[derive(Clone, Copy)]
struct Clock {
    begun: Instant,
    budget: Duration,
}

impl Clock {
    fn new(budget: Duration) -> Self {
        Self { begun: Instant::now(), budget }
    }

    fn left(&self) -> Duration {
        self.budget.saturating_sub(self.begun.elapsed())
    }
}

#[async_trait]
impl LogStore for SqliteStore {
    async fn append(&self, entries: Vec<LogEntry>) -> Result<Option<LogIds>> {
        let entries: Vec<_> = entries.into_iter().map(LogEntry::prepare).collect::<Result<_>>()?;
        if entries.is_empty() {
            return Ok(None);
        }
        let open = self.logs.for_appending().await?;
        let appended = self.logs.writer(&open)?.submit(entries).await;
        let ids = open.note(appended)?;
        if let Some(ids) = ids {
            self.logs.bell.ring(ids.last);
        }
        Ok(ids)
    }

    async fn query(&self, query: LogQuery) -> Result<LogPage> {
        query.validate()?;
        // One more than asked for tells whether there are more.
        let wanted = query.limit + 1;
        let found = self.search(&query.filter, query.direction, wanted, "query").await?;
        let mut items = found.rows;
        let more = items.len() > query.limit;
        items.truncate(query.limit);
        Ok(LogPage { items, more, deleted_through: found.deleted_through })
    }

    async fn max_log_id(&self, filter: LogFilter) -> Result<u64> {
        if filter == LogFilter::new() {
            return self.last_log_id().await;
        }
        let found = self.search(&filter, Direction::Descending, 1, "max_log_id").await?;
        Ok(found.rows.first().map_or(0, |row| row.id))
    }

    async fn prune(&self, retention: Retention, budget: Duration) -> Result<Pruned> {
        let mut rows = 0;
        let pruned = self.prune_all(retention, Clock::new(budget), &mut rows).await;
        // What went before is gone.
        pruned.map_err(|error| error.after(rows))?;
        Ok(Pruned::rows(rows))
    }

    async fn changed(&self, after: u64, wait: Duration) -> Result<()> {
        self.logs.bell.wait(after, wait).await
    }
}
