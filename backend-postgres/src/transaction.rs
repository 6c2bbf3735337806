//! One write transaction: two round trips, done again until its fate is known.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use threadkeep_core::{Effect, Error, ErrorKind, Result, Retry, WriteBatch};

use crate::connection::number;
use crate::errors::Failed;
use crate::load::{Loaded, Wanted};
use crate::namespace::{begin, limits, shared_lock};
use crate::sql::Sql;
use crate::store;
use crate::write_connection::WriteConnection;
use crate::writer::{Answers, Written};

/// What the server, its answer under way, is given beyond the time of a call.
const GRACE: Duration = Duration::from_millis(500);
/// How much longer it is asked whether a commit happened.
const SETTLE: Duration = Duration::from_secs(3);
/// So long work of this size may take beside the waiting: a change, and this many bytes of text.
const CHANGE: Duration = Duration::from_millis(1);
const BYTES_PER_MILLISECOND: usize = 1_000;
/// The rest after losing a race, at first and at most.
const REST: Duration = Duration::from_millis(1);
const LONGEST_REST: Duration = Duration::from_millis(50);

/// Batches that are applied in one transaction.
pub(crate) struct Group<'a> {
    pub(crate) namespace: &'a str,
    pub(crate) batches: Vec<&'a WriteBatch>,
    /// So long it waits for a lock, at most until it has to end.
    pub(crate) patience: Duration,
    pub(crate) until: Instant,
}

/// Why a transaction did not happen.
pub(crate) enum Refused {
    /// Somebody else held a lock all the time.
    Locked(Error),
    Failed(Error),
}

impl Refused {
    pub(crate) fn into_error(self) -> Error {
        let (Self::Locked(error) | Self::Failed(error)) = self;
        error
    }
}

/// A try that did not end well.
enum Ended {
    Failed(Failed),
    /// The writer's row is gone, which says whether a commit happened: it has to be there first.
    NoRow,
    /// Somebody else came between.
    Raced,
}

impl From<Failed> for Ended {
    fn from(error: Failed) -> Self {
        Self::Failed(error)
    }
}

impl Group<'_> {
    /// Applies the batches: all, or, with an error, none.
    pub(crate) async fn apply(&self, connection: &mut WriteConnection) -> Result<Answers, Refused> {
        let wanted = Wanted::of(self.batches.iter().copied());
        let number = connection.next_number();
        let work = CHANGE * u32::try_from(self.changes()).unwrap_or(u32::MAX);
        let until = self.until + work;
        let mut answers = None;
        let mut rest = REST;
        let mut told = None;
        loop {
            let error = match self.attempt(connection, &wanted, number, &mut answers).await {
                Ok(answers) => return Ok(answers),
                Err(Ended::NoRow) => {
                    connection.drop_connection();
                    continue;
                }
                Err(Ended::Raced) => None,
                Err(Ended::Failed(error)) => Some(error),
            };
            if error.as_ref().is_some_and(Failed::is_connection) {
                connection.drop_connection();
            } else {
                roll_back(connection).await;
            }
            // While answers are kept, the transaction may have happened.
            let unknown = answers.is_some();
            let again = unknown
                || error.as_ref().is_none_or(|error| error.is_connection() || error.is_race());
            let until = if unknown { until + SETTLE } else { until };
            let is_lock = error.as_ref().is_none_or(Failed::is_lock_timeout);
            let error = error.map(|error| error.or_earlier(told.take()));
            if again && Instant::now() + rest < until {
                told = error;
                tokio::time::sleep(rest).await;
                rest = (rest * 2).min(LONGEST_REST);
                continue;
            }
            let error = match error {
                Some(error) => connection.translate(error, "write"),
                None => Error::new(ErrorKind::Busy, "others were faster all the time")
                    .during("write")
                    .hint("try again"),
            };
            return Err(if unknown {
                Refused::Failed(unknown_outcome(error))
            } else if is_lock {
                Refused::Locked(error)
            } else {
                Refused::Failed(error)
            });
        }
    }

    fn changes(&self) -> usize {
        self.batches.iter().map(|batch| batch.len()).sum()
    }

    /// Tries once. `answers` are those of an earlier try whose commit may have happened, or becomes
    /// those of this one.
    async fn attempt(
        &self,
        connection: &mut WriteConnection,
        wanted: &Wanted,
        number: i64,
        answers: &mut Option<Answers>,
    ) -> Result<Answers, Ended> {
        let now = Instant::now();
        let work = CHANGE * u32::try_from(self.changes()).unwrap_or(u32::MAX);
        let until = self.until.max(now) + work + GRACE;
        let begin = wanted.statements(self.begin(connection.id(), work), self.namespace);
        let mut loaded = connection.get(until).await?.run(begin, until + GRACE).await?;
        let rows = loaded.split_off(HEAD);
        let Some(row) = loaded.last().and_then(|rows| rows.first()) else {
            return Err(Ended::NoRow);
        };
        let last = self::number(row, 0)?;
        // From here on it is known.
        if answers.is_some() && last >= number {
            settle(connection, until + GRACE).await?;
            return Ok(answers.take().unwrap_or_default());
        }
        *answers = None;
        let loaded = wanted.read(rows)?.ok_or(Ended::Raced)?;
        let Applied { done, messages, keeps } = self.reduce(wanted, loaded)?;
        if messages.is_empty() && !keeps {
            roll_back(connection).await;
            return Ok(done);
        }
        let bytes = u32::try_from(messages.len() / BYTES_PER_MILLISECOND).unwrap_or(u32::MAX);
        let until = until + Duration::from_millis(u64::from(bytes));
        let end = if keeps { commit(connection.id(), number) } else { Sql::new("ROLLBACK") };
        let (before, last) = messages.end(end);
        for message in before {
            connection.get(until).await?.run(message, until + GRACE).await?;
        }
        if !keeps {
            connection.get(until).await?.run(last, until + GRACE).await?;
            return Ok(done);
        }
        *answers = Some(done);
        match connection.get(until).await?.run(last, until + GRACE).await {
            Ok(_) => Ok(answers.take().unwrap_or_default()),
            Err(error) => {
                if !error.is_connection() {
                    *answers = None;
                }
                Err(error.into())
            }
        }
    }

    /// The statements every transaction begins with, [`HEAD`] of them.
    fn begin(&self, writer: &[u8; 16], work: Duration) -> Sql {
        let left = self.until.saturating_duration_since(Instant::now());
        // A host that stops in the middle holds its locks no longer than this.
        let idle = left.max(Duration::from_secs(1)) + work;
        begin(idle)
            .and(limits(self.patience.min(left), left + work + GRACE))
            .and(shared_lock(self.namespace))
            .and(
                Sql::new("SELECT number FROM threadkeep.writers WHERE id = ? FOR UPDATE")
                    .uuid(writer),
            )
    }

    /// Works out what the batches do.
    fn reduce(&self, wanted: &Wanted, loaded: Loaded) -> Result<Applied, Failed> {
        let Loaded { mut records, mut named, found } = loaded;
        let mut new = BTreeMap::new();
        let mut done = Answers::with_capacity(self.batches.len());
        let mut keeps = false;
        for batch in &self.batches {
            let name = batch.id();
            if let Some(outcomes) = name.and_then(|name| named.get(&name)) {
                // The first one may be on this server alone, see `settle`.
                keeps = true;
                done.push(Ok(Written { outcomes: outcomes.clone(), ..Written::default() }));
                continue;
            }
            let answer = records.apply((*batch).clone());
            if let (Some(name), Ok(outcomes)) = (name, &answer) {
                named.insert(name, outcomes.clone());
                new.insert(name, outcomes.clone());
            }
            done.push(answer.map(|outcomes| {
                let deleted = batch.deletions().into_iter().zip(&outcomes);
                let deleted = deleted.filter(|(_, outcome)| outcome.effect == Effect::Deleted);
                Written { deleted: deleted.filter_map(|(id, _)| id).collect(), outcomes }
            }));
        }
        let changed = records.into_changed();
        keeps |= !changed.threads.is_empty() || !changed.checkpoints.is_empty() || !new.is_empty();
        let messages = store::statements(self.namespace, wanted, &found, &changed, &new)?;
        Ok(Applied { done, messages, keeps })
    }
}

/// What batches do: what they are answered, and the statements; whether any of these are to be kept,
/// rather than only to make sure of what was absent.
struct Applied {
    done: Answers,
    messages: crate::messages::Messages,
    keeps: bool,
}

/// Statements before those that load; the last of them answers the number of the last transaction.
const HEAD: usize = 5;

fn commit(writer: &[u8; 16], number: i64) -> Sql {
    Sql::new("UPDATE threadkeep.writers SET number = ?, at = now() WHERE id = ?; COMMIT")
        .number(number)
        .uuid(writer)
}

/// Ends the transaction where an earlier one did the work. That one may be on this server alone, when
/// its session ended while it waited for a standby: a commit of its own waits for both.
async fn settle(connection: &mut WriteConnection, until: Instant) -> Result<(), Failed> {
    let sql = Sql::new("UPDATE threadkeep.writers SET at = now() WHERE id = ?; COMMIT")
        .uuid(connection.id());
    connection.get(until).await?.run(sql, until).await.map(drop)
}

/// Ends the transaction without keeping anything. A connection that cannot even do that is given up.
async fn roll_back(connection: &mut WriteConnection) {
    let until = Instant::now() + GRACE;
    let rolled_back = match connection.get(until).await {
        Ok(connection) => connection.run(Sql::new("ROLLBACK"), until).await.map(drop),
        Err(error) => Err(error),
    };
    if rolled_back.is_err() {
        connection.drop_connection();
    }
}

fn unknown_outcome(error: Error) -> Error {
    error
        .hint("repeat the batch under its name once the server is back")
        .maybe_applied()
        // The handle connects anew by itself.
        .with_retry(Retry::After(Duration::from_millis(500)))
}
