//! Log entries.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use threadkeep_core::{
    Direction, Error, ErrorKind, LogEntry, LogFilter, LogIds, LogOwner, LogPage, LogQuery,
    LogStore, Pruned, Result, Retention, ThreadId,
};

use crate::PostgresStore;
use crate::connection::number;
use crate::errors::Failed;
use crate::log_prune::{Doomed, Pruning, Step, over_limit};
use crate::log_reader::{self, Found, Search};
use crate::log_row::owner_key;
use crate::log_writer::LogEngine;
use crate::readers::{Lent, Readers};
use crate::sql::Sql;

impl PostgresStore {
    /// Searches, in a state that is no older than any that this handle has answered from or made:
    /// whoever follows the logs takes entries as read that were not there in an older one.
    ///
    /// A standby lags behind, each as it likes: where it has less than was seen already, the primary is
    /// asked.
    async fn search(
        &self,
        filter: LogFilter,
        direction: Direction,
        wanted: usize,
        operation: &'static str,
    ) -> Result<Found> {
        let handle = &self.handle;
        handle.check_open()?;
        let search =
            Search { namespace: handle.options.namespace.clone(), filter, direction, wanted };
        let found = self.search_on(&handle.list_readers, search.clone(), operation).await?;
        if handle.seen.note(found.last_id) {
            return Ok(found);
        }
        let found = self.search_on(&handle.readers, search, operation).await?;
        // A primary that has less has lost it, and is right all the same.
        if handle.seen.note(found.last_id) || !handle.options.read_only {
            return Ok(found);
        }
        let text = format!("{} lags behind what was read before", handle.place);
        Err(Error::new(ErrorKind::Unavailable, text)
            .during(operation)
            .hint("try again once the standby has caught up"))
    }

    async fn search_on(
        &self,
        readers: &Arc<Readers>,
        search: Search,
        operation: &'static str,
    ) -> Result<Found> {
        let seen = Arc::clone(&self.handle.seen);
        let call = move |lent| log_reader::search(lent, Arc::clone(&seen), search.clone());
        readers.read(operation, call).await
    }

    /// Takes entries out step by step, so that appending goes on between them; answers whether none
    /// are left that have to go.
    async fn take_out(&self, doomed: Doomed, clock: Clock, rows: &mut u64) -> Result<bool> {
        let writer = self.handle.logs()?;
        let mut pruning = Pruning::new(doomed);
        loop {
            let step = move |engine: &mut LogEngine| {
                let until = Instant::now() + engine.deadline;
                let step = engine.prune_step(&mut pruning, until);
                step.map(|step| (step, pruning))
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
        let names: Vec<_> = threads.iter().map(ThreadId::to_string).collect();
        let owners = names.iter().map(|name| owner_key(LogOwner::Thread(name))).collect();
        let doomed = Doomed::Threads { owners, threads: names };
        self.take_out(doomed, Clock::new(Duration::MAX), &mut rows).await?;
        let noted = move |engine: &mut LogEngine| {
            let until = Instant::now() + engine.deadline;
            let namespace = engine.namespace.clone();
            engine.read("maintain", until, async |connection| {
                let note = Sql::new(
                    "UPDATE threadkeep.tombstones SET logs_pending = false
                     WHERE namespace = ? AND thread_id = ANY(?) AND logs_pending",
                );
                let note = note.text(&namespace).uuids(threads.iter().map(ThreadId::as_bytes));
                connection.run(note, until).await.map(drop)
            })
        };
        self.handle.logs()?.run(noted).await??;
        Ok(rows)
    }

    async fn prune_all(&self, retention: Retention, clock: Clock, rows: &mut u64) -> Result<()> {
        if let Some(time) = retention.oldest() {
            self.take_out(Doomed::Before { time, whole_days: false }, clock, rows).await?;
        }
        while retention.limits_threads() {
            let owners = self.owners_over_limit(retention).await?;
            if owners.is_empty() {
                break;
            }
            let before = *rows;
            let all = self.take_out(Doomed::Surplus { owners, retention }, clock, rows).await?;
            // Somebody else takes them out meanwhile, or the sums are wrong.
            if !all || *rows == before {
                break;
            }
        }
        if let Some(most) = retention.max_bytes {
            self.take_out(Doomed::Bytes { most }, clock, rows).await?;
        }
        let drop_empty = |engine: &mut LogEngine| {
            let until = Instant::now() + engine.deadline;
            engine.drop_empty_days(until)
        };
        self.handle.logs()?.run(drop_empty).await?
    }

    /// Whose entries are more than they may be, some at a time.
    async fn owners_over_limit(&self, retention: Retention) -> Result<Vec<i64>> {
        let find = move |engine: &mut LogEngine| {
            let until = Instant::now() + engine.deadline;
            let namespace = engine.namespace.clone();
            engine.read("prune", until, async |connection| {
                let sql = over_limit(&namespace, &retention, None::<[i64; 0]>);
                let rows = connection.rows(sql, until).await?;
                rows.iter().map(|row| number(row, 0)).collect::<Result<_, Failed>>()
            })
        };
        self.handle.logs()?.run(find).await?
    }

    /// How many entries there are.
    pub(crate) async fn count_logs(&self) -> Result<u64> {
        let namespace = self.handle.options.namespace.clone();
        let count = move |mut lent: Lent| {
            let sql = Sql::new(
                "SELECT coalesce(sum(rows), 0)::bigint FROM threadkeep.log_days WHERE namespace = ?",
            );
            let sql = sql.text(&namespace);
            async move {
                let rows = lent.connection.rows(sql, lent.until).await?;
                let row = rows.first().ok_or(Failed::decode("a sum is missing"))?;
                let count = number(row, 0)?.cast_unsigned();
                Ok((lent, count))
            }
        };
        self.handle.readers.read("stats", count).await
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
impl LogStore for PostgresStore {
    async fn append(&self, entries: Vec<LogEntry>) -> Result<Option<LogIds>> {
        let entries: Vec<_> = entries.into_iter().map(LogEntry::prepare).collect::<Result<_>>()?;
        if entries.is_empty() {
            return self.handle.check_open().map(|()| None);
        }
        let ids = self.handle.logs()?.submit(entries).await?;
        if let Some(ids) = ids {
            self.handle.seen.note(ids.last);
        }
        Ok(ids)
    }

    async fn query(&self, query: LogQuery) -> Result<LogPage> {
        query.validate()?;
        // One more than asked for tells whether there are more.
        let wanted = query.limit + 1;
        let found = self.search(query.filter, query.direction, wanted, "query").await?;
        let mut items = found.rows;
        let more = items.len() > query.limit;
        items.truncate(query.limit);
        Ok(LogPage { items, more, deleted_through: found.deleted_through })
    }

    async fn max_log_id(&self, filter: LogFilter) -> Result<u64> {
        let found = self.search(filter, Direction::Descending, 1, "max_log_id").await?;
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
        self.handle.check_open()?;
        self.handle.listener.start();
        self.handle.bell.wait(after, wait).await
    }
}
