//! The write side of the logs.

use std::sync::Arc;
use std::time::{Duration, Instant};

use threadkeep_core::{Error, LogBell, LogEntry, LogIds, Result, Retry};
use threadkeep_writer::Engine;

use crate::connection::Connection;
use crate::errors::Failed;
use crate::log_append::{Group, LATE, Ticket};
use crate::log_partitions;
use crate::log_upkeep::{Notices, Upkeep};
use crate::options::PostgresOptions;
use crate::runtime::runtime;
use crate::write_connection::WriteConnection;

/// The rest before a transaction is tried again, at first and at most.
const REST: Duration = Duration::from_millis(20);
const LONGEST_REST: Duration = Duration::from_millis(500);
/// So long catching up may hold up an append.
const CATCH_UP: Duration = Duration::from_millis(50);

/// Appends groups of entries, and deletes what is too much.
pub(crate) struct LogEngine {
    connection: WriteConnection,
    pub(crate) namespace: String,
    pub(crate) deadline: Duration,
    bell: Arc<LogBell>,
    /// When the transaction that was begun has to be over.
    until: Instant,
    pub(crate) upkeep: Upkeep,
    pub(crate) notices: Notices,
}

impl LogEngine {
    pub(crate) fn new(
        connection: WriteConnection,
        options: &PostgresOptions,
        bell: Arc<LogBell>,
    ) -> Self {
        Self {
            connection,
            namespace: options.namespace.clone(),
            deadline: options.deadline,
            bell,
            until: Instant::now(),
            upkeep: Upkeep::new(options.retention),
            notices: Notices::default(),
        }
    }

    /// Does a transaction once, however often the connection is lost: it notes its ticket where it is
    /// done, and whoever finds the ticket noted does nothing. The transaction answers `None` where the
    /// server does not know the writer.
    pub(crate) fn once<T>(
        &mut self,
        operation: &'static str,
        until: Instant,
        transaction: &impl AsyncFn(&mut Connection, Ticket<'_>) -> Result<Option<T>, Failed>,
    ) -> Result<T> {
        let Self { connection, namespace, .. } = self;
        let number = connection.next_number();
        let writer = *connection.id();
        runtime()?.block_on(async {
            // Whether an earlier try may have done it.
            let mut maybe = false;
            let mut rest = REST;
            let mut told = None;
            loop {
                let mut sent = false;
                let ticket = Ticket { namespace, writer: &writer, number, again: maybe };
                let tried = async {
                    let connection = connection.get(until).await?;
                    sent = true;
                    match transaction(connection, ticket).await {
                        Err(error) if error.is_without_partition() => {
                            log_partitions::make(connection, &[], until).await?;
                            transaction(connection, ticket).await
                        }
                        tried => tried,
                    }
                };
                let failed = match tried.await {
                    Ok(Some(answer)) => return Ok(answer),
                    // It had written nothing for so long that its row was tidied away: connecting makes it
                    // anew.
                    Ok(None) => None,
                    Err(error) => Some(error),
                };
                connection.drop_connection();
                maybe |= sent && failed.as_ref().is_some_and(Failed::is_connection);
                let again =
                    failed.as_ref().is_none_or(|error| error.is_connection() || error.is_race());
                let failed = failed.map(|failed| failed.or_earlier(told.take()));
                if again && Instant::now() + rest < until {
                    told = failed;
                    tokio::time::sleep(rest).await;
                    rest = (rest * 2).min(LONGEST_REST);
                    continue;
                }
                let failed = failed.unwrap_or(Failed::decode("the writer's row is gone"));
                let error = connection.translate(failed, operation);
                return Err(if maybe { unknown_outcome(error) } else { error });
            }
        })
    }

    /// Reads, on the connection that writes.
    pub(crate) fn read<T>(
        &mut self,
        operation: &'static str,
        until: Instant,
        mut read: impl AsyncFnMut(&mut Connection) -> Result<T, Failed>,
    ) -> Result<T> {
        let connection = &mut self.connection;
        runtime()?.block_on(async {
            loop {
                let answer = async { read(connection.get(until).await?).await };
                let error = match answer.await {
                    Ok(answer) => return Ok(answer),
                    Err(error) => error,
                };
                connection.drop_connection();
                if error.is_connection() && Instant::now() + REST < until {
                    tokio::time::sleep(REST).await;
                    continue;
                }
                return Err(connection.translate(error, operation));
            }
        })
    }
}

fn unknown_outcome(error: Error) -> Error {
    error
        .hint("look whether the entries are there once the server is back")
        .maybe_applied()
        // The handle connects anew by itself.
        .with_retry(Retry::After(Duration::from_millis(500)))
}

impl Engine for LogEngine {
    type Job = Vec<LogEntry>;
    type Answer = Option<LogIds>;

    fn size(job: &Vec<LogEntry>) -> usize {
        job.iter().map(|entry| 50 + entry.message.as_ref().map_or(0, String::len)).sum()
    }

    fn begin(&mut self, wait: Duration) -> Result<()> {
        // One that waited its whole time already needs time for a try all the same.
        self.until = Instant::now() + wait.max(self.deadline / 10);
        if self.upkeep.is_urgent() {
            Upkeep::catch_up(self, CATCH_UP);
        }
        Ok(())
    }

    fn apply(&mut self, jobs: Vec<Vec<LogEntry>>) -> Result<Vec<Result<Option<LogIds>>>> {
        let lengths: Vec<_> = jobs.iter().map(Vec::len).collect();
        let group = Group::new(jobs.into_iter().flatten().collect());
        if group.is_empty() {
            return Ok(lengths.into_iter().map(|_| Ok(None)).collect());
        }
        self.make_partitions(self.until);
        let notify = self.notices.is_due();
        let until = self.until;
        let appended =
            self.once("append", until + group.work() + LATE, &async |connection, ticket| {
                group.append(connection, ticket, notify, until).await
            })?;
        self.upkeep.appended(&group, appended);
        self.notices.appended(appended.last, notify);
        self.bell.ring(appended.last.cast_unsigned());
        let mut last = appended.last.cast_unsigned() - lengths.iter().sum::<usize>() as u64;
        let ids = lengths.into_iter().map(|length| {
            let first = last + 1;
            last += length as u64;
            Ok((length > 0).then_some(LogIds { first, last }))
        });
        Ok(ids.collect())
    }

    fn commit(&mut self) -> Result<()> {
        // Applying did it: numbers are taken and committed in one way to the server and back.
        Ok(())
    }

    fn rollback(&mut self) {}

    fn upkeep(&mut self) -> Option<Duration> {
        Upkeep::run(self)
    }
}
