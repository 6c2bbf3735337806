//! The write side of the threads.

use std::time::{Duration, Instant};

use threadkeep_core::{Error, ErrorKind, Outcome, Result, ThreadId, WriteBatch};
use threadkeep_writer::Engine;

use crate::batches;
use crate::errors::Failed;
use crate::options::PostgresOptions;
use crate::runtime::runtime;
use crate::sql::Sql;
use crate::transaction::{Group, Refused};
use crate::write_connection::WriteConnection;

/// So long each batch of a group waits for locks where the group had to be parted.
const GLANCE: Duration = Duration::from_millis(100);
/// Named batches after which old ones are forgotten.
const NAMED: usize = 1_000;
/// How often rows of writers that are gone are deleted.
const SWEEP: Duration = Duration::from_hours(1);
/// The rest between two steps of upkeep.
const BREATH: Duration = Duration::from_millis(20);
/// How long upkeep waits for the server.
const UPKEEP_WAIT: Duration = Duration::from_secs(1);

/// What a batch did.
#[derive(Clone, Debug, Default)]
pub(crate) struct Written {
    pub(crate) outcomes: Vec<Outcome>,
    /// Threads that it deleted, whose logs are to go; none where it was a repeat.
    pub(crate) deleted: Vec<ThreadId>,
}

/// What the batches of a group are answered.
pub(crate) type Answers = Vec<Result<Written>>;

/// A batch, and since when it waits.
pub(crate) struct Job {
    batch: WriteBatch,
    since: Instant,
}

impl From<WriteBatch> for Job {
    fn from(batch: WriteBatch) -> Self {
        Self { batch, since: Instant::now() }
    }
}

/// Applies batches of changes.
pub(crate) struct ThreadEngine {
    connection: WriteConnection,
    namespace: String,
    deadline: Duration,
    /// Named batches since old ones were forgotten.
    named: usize,
    /// When rows of writers that are gone were deleted.
    swept: Option<Instant>,
}

impl ThreadEngine {
    pub(crate) fn new(connection: WriteConnection, options: &PostgresOptions) -> Self {
        Self {
            connection,
            namespace: options.namespace.clone(),
            deadline: options.deadline,
            // The batches of many short-lived handles are forgotten too.
            named: NAMED - 1,
            swept: None,
        }
    }

    async fn apply_all(&mut self, jobs: &[Job]) -> Result<Answers> {
        let times = || jobs.iter().map(|job| job.since + self.deadline);
        let [Some(first), Some(last)] = [times().min(), times().max()] else {
            return Ok(Answers::new());
        };
        let patience = if jobs.len() == 1 {
            self.deadline
        } else {
            (first.saturating_duration_since(Instant::now()) / 2).max(GLANCE)
        };
        match self.apply_some(jobs, patience, last).await {
            // Somebody holds a row: the batches that do not touch it go on.
            Err(Refused::Locked(_)) if jobs.len() > 1 => Ok(self.apply_each(jobs).await),
            applied => applied.map_err(Refused::into_error),
        }
    }

    /// Applies batches one by one, those that somebody keeps waiting after all others.
    async fn apply_each(&mut self, jobs: &[Job]) -> Answers {
        let mut answers = Vec::with_capacity(jobs.len());
        for job in jobs {
            answers.push(self.apply_one(job, GLANCE).await);
        }
        for (job, answer) in jobs.iter().zip(&mut answers) {
            if matches!(answer, Err(Refused::Locked(_))) {
                *answer = self.apply_one(job, self.deadline).await;
            }
        }
        answers.into_iter().map(|answer| answer.map_err(Refused::into_error)).collect()
    }

    async fn apply_one(&mut self, job: &Job, patience: Duration) -> Result<Written, Refused> {
        let until = job.since + self.deadline;
        let answers = self.apply_some(std::slice::from_ref(job), patience, until).await?;
        let answer = answers.into_iter().next();
        let answer = answer
            .unwrap_or_else(|| Err(Error::new(ErrorKind::Internal, "a batch was not answered")));
        answer.map_err(Refused::Failed)
    }

    async fn apply_some(
        &mut self,
        jobs: &[Job],
        patience: Duration,
        until: Instant,
    ) -> Result<Answers, Refused> {
        let batches: Vec<_> = jobs.iter().map(|job| &job.batch).collect();
        self.named += batches.iter().filter(|batch| batch.id().is_some()).count();
        let group = Group { namespace: &self.namespace, batches, patience, until };
        group.apply(&mut self.connection).await
    }

    /// Does all upkeep, for about so long. Answers whether nothing is left to do.
    pub(crate) fn forget_for(&mut self, budget: Duration) -> Result<bool> {
        let start = Instant::now();
        self.named = NAMED;
        self.swept = None;
        loop {
            match runtime()?.block_on(self.forget()) {
                Ok(true) if start.elapsed() < budget => {}
                Ok(more) => return Ok(!more),
                Err(error) => {
                    self.connection.drop_connection();
                    return Err(self.connection.translate(error, "maintain"));
                }
            }
        }
    }

    /// Forgets old batches, and writers that are gone. Answers whether there is more.
    async fn forget(&mut self) -> Result<bool, Failed> {
        let until = Instant::now() + UPKEEP_WAIT;
        let connection = self.connection.get(until).await?;
        let mut more = false;
        if self.named >= NAMED {
            let forgotten = connection.rows(batches::forget(&self.namespace), until).await?;
            more = !forgotten.is_empty();
            if !more {
                self.named = 0;
            }
        }
        if self.swept.is_none_or(|swept| swept.elapsed() > SWEEP) {
            let sweep = Sql::new(
                "DELETE FROM threadkeep.writers WHERE id IN (
                     SELECT id FROM threadkeep.writers WHERE at < now() - interval '1 day'
                     FOR UPDATE SKIP LOCKED)",
            );
            connection.run(sweep, until).await?;
            self.swept = Some(Instant::now());
        }
        Ok(more)
    }
}

impl Engine for ThreadEngine {
    type Job = Job;
    type Answer = Written;

    fn size(job: &Job) -> usize {
        // About what a row, its index entries and a checkpoint take.
        job.batch.len() * 2_048
    }

    /// Locks are taken with the first statements, in the same round trip.
    fn begin(&mut self, _wait: Duration) -> Result<()> {
        Ok(())
    }

    fn apply(&mut self, jobs: Vec<Job>) -> Result<Answers> {
        runtime()?.block_on(self.apply_all(&jobs))
    }

    /// What was answered is committed.
    fn commit(&mut self) -> Result<()> {
        Ok(())
    }

    fn rollback(&mut self) {}

    fn upkeep(&mut self) -> Option<Duration> {
        if self.named < NAMED && self.swept.is_some_and(|swept| swept.elapsed() <= SWEEP) {
            return None;
        }
        match runtime().ok()?.block_on(self.forget()) {
            Ok(more) => more.then_some(BREATH),
            Err(error) => {
                // It is tried again after the next write.
                tracing::debug!(%error, "old batches are forgotten later");
                self.connection.drop_connection();
                None
            }
        }
    }
}
