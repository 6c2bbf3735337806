//! The write side of the file of threads.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use futures_executor::block_on;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Connection as _, SqliteConnection};
use threadkeep_core::{Effect, Error, ErrorKind, Outcome, Result, ThreadId, WriteBatch};
use threadkeep_writer::Engine;

use crate::errors::translate;
use crate::{batches, connect, load, store};

/// The connection that writes, and what is asked of it. Lives on the writer's thread, which it
/// may block.
pub(crate) struct WriteConnection {
    path: PathBuf,
    options: SqliteConnectOptions,
    connection: Option<SqliteConnection>,
}

impl WriteConnection {
    pub(crate) fn new(path: PathBuf, options: SqliteConnectOptions) -> Self {
        Self { path, options, connection: None }
    }

    /// The connection, made anew after a failure.
    pub(crate) fn get(&mut self) -> Result<&mut SqliteConnection> {
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => block_on(connect::connect(&self.options, &self.path, "open"))?,
        };
        Ok(self.connection.insert(connection))
    }

    pub(crate) fn begin(&mut self, wait: Duration) -> Result<()> {
        let start = Instant::now();
        loop {
            let connection = self.get()?;
            match block_on(sqlx::query("BEGIN IMMEDIATE").execute(connection)) {
                Ok(_) => return Ok(()),
                Err(error) => {
                    let error = self.failed(error, "write");
                    if error.kind() != ErrorKind::Busy || start.elapsed() >= wait {
                        return Err(error);
                    }
                }
            }
        }
    }

    pub(crate) fn commit(&mut self) -> Result<()> {
        let committed = block_on(sqlx::query("COMMIT").execute(self.get()?));
        committed.map(drop).map_err(|error| self.failed(error, "commit"))
    }

    /// Gives the transaction up; a connection that cannot even do that is given up too.
    pub(crate) fn rollback(&mut self) {
        if let Some(mut connection) = self.connection.take()
            && block_on(sqlx::query("ROLLBACK").execute(&mut connection)).is_ok()
        {
            self.connection = Some(connection);
        }
    }

    pub(crate) fn failed(&self, error: sqlx::Error, operation: &'static str) -> Error {
        translate(error, &self.path, operation)
    }
}

impl Drop for WriteConnection {
    /// Waits until the file is closed, so that whoever closed the store finds no side file of it.
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            // What was committed is in the file, whether or not it can be closed in order.
            let _ = block_on(connection.close());
        }
    }
}

/// What a batch did.
#[derive(Default)]
pub(crate) struct Written {
    pub(crate) outcomes: Vec<Outcome>,
    /// Threads that it deleted, whose logs are to go; none where it was a repeat.
    pub(crate) deleted: Vec<ThreadId>,
}

/// Applies batches of changes.
pub(crate) struct ThreadEngine {
    pub(crate) connection: WriteConnection,
}

impl Engine for ThreadEngine {
    type Job = WriteBatch;
    type Answer = Written;

    fn size(job: &WriteBatch) -> usize {
        // About what a row, its index entries and a checkpoint take.
        job.len() * 2_048
    }

    fn begin(&mut self, wait: Duration) -> Result<()> {
        self.connection.begin(wait)
    }

    fn apply(&mut self, jobs: Vec<WriteBatch>) -> Result<Vec<Result<Written>>> {
        let connection = self.connection.get()?;
        let applied = block_on(apply(connection, jobs));
        applied.map_err(|error| self.connection.failed(error, "write"))
    }

    fn commit(&mut self) -> Result<()> {
        self.connection.commit()
    }

    fn rollback(&mut self) {
        self.connection.rollback();
    }
}

type Answers = Vec<Result<Written>>;

async fn apply(
    connection: &mut SqliteConnection,
    jobs: Vec<WriteBatch>,
) -> Result<Answers, sqlx::Error> {
    let mut named = batches::remembered(connection, &jobs).await?;
    let mut records = load::load(connection, &jobs).await?;
    let mut answers = Vec::with_capacity(jobs.len());
    for job in jobs {
        let name = job.id();
        if let Some(outcomes) = name.and_then(|name| named.get(&name)) {
            answers.push(Ok(Written { outcomes: outcomes.clone(), ..Written::default() }));
            continue;
        }
        let deletions = job.deletions();
        let answer = records.apply(job);
        if let (Some(name), Ok(outcomes)) = (name, &answer) {
            batches::remember(connection, name, outcomes).await?;
            named.insert(name, outcomes.clone());
        }
        answers.push(answer.map(|outcomes| {
            let deleted = deletions.into_iter().zip(&outcomes);
            let deleted = deleted.filter(|(_, outcome)| outcome.effect == Effect::Deleted);
            Written { deleted: deleted.filter_map(|(id, _)| id).collect(), outcomes }
        }));
    }
    store::changed(connection, records.into_changed()).await?;
    Ok(answers)
}
