//! Keeping the logs as small as they are to be, when the writer has time.

use std::collections::VecDeque;
use std::time::{Duration, Instant, SystemTime};

use chrono::{DateTime, Utc};
use threadkeep_core::{ErrorKind, PrunePlan, Result, Retention, Thrift, plan_prune};

use crate::log_index::chunk_of;
use crate::log_names;
use crate::log_prune::{self, Doomed, Held, Owner, Pruning, Step};
use crate::log_reader::State;
use crate::log_writer::{self, LogEngine};
use crate::maintain;

/// How long it is from one look at what is there to the next, at least.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// Looking takes at most one part in so many of the writer's time.
const SHARE: u32 = 20;
/// Free pages that stay free for what comes next: a quarter of the file, and these.
const SPARE_PAGES: i64 = 1_024;

/// What is left to do, and when to look for more.
pub(crate) struct Upkeep {
    retention: Retention,
    work: VecDeque<Pruning>,
    look_at: Option<Instant>,
    /// Bytes of texts appended since the last look.
    appended: u64,
}

impl Upkeep {
    pub(crate) fn new(retention: Retention) -> Self {
        Self { retention, work: VecDeque::new(), look_at: None, appended: 0 }
    }

    /// Takes note of bytes that were appended.
    pub(crate) fn appended(&mut self, bytes: u64) {
        self.appended += bytes;
        if self.is_urgent() {
            self.look_at = None;
        }
    }

    /// Whether so much was appended that looking cannot wait for a pause.
    pub(crate) fn is_urgent(&self) -> bool {
        self.retention.max_bytes.is_some_and(|most| self.appended > most / 16)
    }

    /// Whether there is something to do, or may be since the last look. The next look comes at once.
    pub(crate) fn is_needed(&mut self) -> bool {
        self.look_at = None;
        self.appended > 0 || !self.work.is_empty()
    }

    /// Does all of it that can be done in so long.
    pub(crate) fn catch_up(engine: &mut LogEngine, budget: Duration) {
        let begun = Instant::now();
        while Self::run(engine) == Some(Duration::ZERO) && begun.elapsed() < budget {}
    }

    /// Does a little of it; answers how long to rest.
    pub(crate) fn run(engine: &mut LogEngine) -> Option<Duration> {
        match Self::step(engine) {
            Ok(rest) => rest,
            Err(error) => {
                tracing::debug!(%error, "the logs were not tended");
                engine.upkeep.work.clear();
                (error.kind() == ErrorKind::Busy).then_some(LOOK_AGAIN)
            }
        }
    }

    fn step(engine: &mut LogEngine) -> Result<Option<Duration>> {
        if engine.is_full(engine.upkeep_limit())? {
            return Ok(Some(LOOK_AGAIN));
        }
        if engine.index_step()? {
            return Ok(Some(Duration::ZERO));
        }
        if engine.upkeep.retention == Retention::default() {
            return Ok(None);
        }
        if let Some(mut pruning) = engine.upkeep.work.pop_front() {
            if let Step::Took(_) = engine.prune_step(&mut pruning)? {
                engine.upkeep.work.push_front(pruning);
            } else if engine.upkeep.work.is_empty() {
                engine.sweep_names()?;
            }
            return Ok(Some(Duration::ZERO));
        }
        let (pages, free) = maintain::pages(&mut engine.connection)?;
        if free > SPARE_PAGES.max(pages / 4) {
            maintain::vacuum_step(&mut engine.connection)?;
            return Ok(Some(Duration::ZERO));
        }
        let now = Instant::now();
        if let Some(wait) = engine.upkeep.look_at.and_then(|at| at.checked_duration_since(now)) {
            return Ok(Some(wait));
        }
        let retention = engine.upkeep.retention;
        let planned = engine.plan(&retention, None, Thrift::Lazy)?;
        engine.upkeep.appended = 0;
        engine.upkeep.work = work(planned);
        engine.upkeep.look_at = Some(Instant::now() + LOOK_AGAIN.max(now.elapsed() * SHARE));
        Ok((!engine.upkeep.work.is_empty()).then_some(Duration::ZERO))
    }
}

/// The steps of a plan. What is counted is planned anew after anything went.
fn work(planned: Planned) -> VecDeque<Pruning> {
    let Planned { plan, prunes, earliest, .. } = planned;
    let mut work = VecDeque::new();
    if !plan.threads.is_empty() {
        work.push_back(Doomed::Surplus(plan.threads.into_iter().collect()));
    } else if plan.oldest > 0 {
        work.push_back(Doomed::Oldest(plan.oldest));
    }
    let is_late = |time: &DateTime<Utc>| earliest.is_some_and(|first| first < time.timestamp());
    work.extend(plan.before.filter(is_late).map(Doomed::Before));
    work.into_iter().map(|doomed| Pruning::new(doomed, prunes)).collect()
}

/// What has to go, and when that was decided.
pub(crate) struct Planned {
    pub(crate) plan: PrunePlan<Owner>,
    /// Entries there were.
    pub(crate) rows: u64,
    /// After so many deletions.
    pub(crate) prunes: i64,
    /// The second of the entry of the earliest time.
    earliest: Option<i64>,
}

impl LogEngine {
    /// What has to go; of so many bytes, where they are not those of the pages that hold something.
    pub(crate) fn plan(
        &mut self,
        retention: &Retention,
        bytes: Option<u64>,
        thrift: Thrift,
    ) -> Result<Planned> {
        let with_threads = retention.limits_threads();
        let Held { mut logs, prunes, earliest } =
            self.read("prune", async |connection| log_prune::held(connection, with_threads).await)?;
        logs.bytes = match bytes {
            Some(bytes) => bytes,
            None => maintain::live_bytes(&mut self.connection)?,
        };
        let rows = logs.rows;
        let plan = plan_prune(retention, logs, thrift, SystemTime::now().into());
        Ok(Planned { plan, rows, prunes, earliest })
    }

    /// Gives one chunk its index, where one lacks it; answers whether it did.
    pub(crate) fn index_step(&mut self) -> Result<bool> {
        let state = self.read("index", async |connection| State::read(connection).await)?;
        let next = state.last_id.max(state.deleted_through) + 1;
        if state.indexed >= chunk_of(next) {
            return Ok(false);
        }
        self.transaction("index", async |connection| {
            let state = State::read(connection).await?;
            if state.indexed < chunk_of(next) {
                log_writer::index(connection, state.indexed).await?;
            }
            Ok(())
        })?;
        Ok(true)
    }

    /// Gives every chunk its index and free space back, for about as long; `false` where there was
    /// not enough of it, or somebody was reading.
    pub(crate) fn settle(&mut self, budget: Duration) -> Result<bool> {
        let begun = Instant::now();
        while self.index_step()? {
            if begun.elapsed() >= budget {
                return Ok(false);
            }
        }
        maintain::shrink(&mut self.connection, budget.saturating_sub(begun.elapsed()))
    }

    /// Removes names that nobody has any more, where there are many.
    pub(crate) fn sweep_names(&mut self) -> Result<()> {
        self.transaction("prune", async |connection| {
            let state = State::read(connection).await?;
            log_names::sweep(connection, state.tail()).await
        })
    }

    /// Reads what is there, of one moment.
    fn read<T>(
        &mut self,
        operation: &'static str,
        work: impl AsyncFnOnce(&mut sqlx::SqliteConnection) -> Result<T, sqlx::Error>,
    ) -> Result<T> {
        let connection = self.connection.get()?;
        let read = futures_executor::block_on(async {
            sqlx::query("BEGIN").execute(&mut *connection).await?;
            let read = work(connection).await?;
            sqlx::query("COMMIT").execute(&mut *connection).await?;
            Ok(read)
        });
        read.map_err(|error: sqlx::Error| {
            let error = self.connection.failed(error, operation);
            self.connection.rollback();
            error
        })
    }
}
