//! The servers of a store: finding the one that takes writes.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use sqlx::postgres::PgConnectOptions;
use tokio::time::timeout_at;

use crate::connection::{Connection, optional_text};
use crate::errors::Failed;
use crate::options::PostgresOptions;
use crate::sql::Sql;

/// So long one host may take to let somebody in.
const HOST_WAIT: Duration = Duration::from_secs(3);
/// The rest between two rounds over the hosts, at first and at most.
const REST: Duration = Duration::from_millis(50);
const LONGEST_REST: Duration = Duration::from_secs(1);
/// So long another host answers for the replicas before they are tried again.
const STAND_IN: Duration = Duration::from_secs(30);
/// So long the other hosts are waited for once one takes writes.
const OTHERS_WAIT: Duration = Duration::from_millis(250);
/// The timeline of a host that takes writes, and nothing from others: a standby, or a primary that
/// was told to take no writes any more, as before a switch to another.
const TIMELINE: &str = "SELECT CASE WHEN NOT pg_is_in_recovery()
         AND NOT current_setting('transaction_read_only')::boolean
     THEN left(pg_walfile_name(pg_current_wal_lsn()), 8) END";
/// The same of the only host, whose timeline is beside the point.
const TAKES_WRITES: &str = "SELECT CASE WHEN NOT pg_is_in_recovery()
         AND NOT current_setting('transaction_read_only')::boolean THEN '' END";

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Writing, and reading what was written: the primary alone.
    Write,
    /// Reading from any host of the store.
    Read,
    /// Reading what may be stale: a replica, and where none answers any other host.
    ReadStale,
}

/// The hosts of a store.
pub(crate) struct Cluster {
    hosts: Vec<PgConnectOptions>,
    replicas: Vec<PgConnectOptions>,
    primary: Mutex<Primary>,
}

/// What is known of the primary.
#[derive(Default)]
struct Primary {
    /// The host, of those of the store.
    host: usize,
    timeline: String,
    /// How often it was another one than before.
    switches: usize,
}

impl Cluster {
    pub(crate) fn new(options: &PostgresOptions) -> Self {
        Self {
            hosts: options.hosts.clone(),
            replicas: options.replicas.clone(),
            primary: Mutex::default(),
        }
    }

    pub(crate) fn has_replicas(&self) -> bool {
        !self.replicas.is_empty()
    }

    /// How often another host was found to be the primary. Connections made before may lead to one
    /// that is there still and is out of date.
    pub(crate) fn switches(&self) -> usize {
        self.known().switches
    }

    /// The host that was the primary when last looked at.
    pub(crate) fn primary(&self) -> &PgConnectOptions {
        &self.hosts[self.known().host]
    }

    fn known(&self) -> MutexGuard<'_, Primary> {
        self.primary.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Connects to a fitting host, trying all of them over and over until one lets us in.
    pub(crate) async fn connect(
        &self,
        purpose: Purpose,
        until: Instant,
    ) -> Result<Connection, Failed> {
        let mut rest = REST;
        let mut told: Option<Failed> = None;
        loop {
            let mut error = match self.round(purpose, until).await {
                Ok(connection) => return Ok(connection),
                Err(error) => error,
            };
            // The last round may have been too short to tell anything.
            if let Some(told) = told.take().filter(|told| told.weight() > error.weight()) {
                error = told;
            }
            if !error.is_connection() || Instant::now() + rest >= until {
                return Err(error);
            }
            told = Some(error);
            tokio::time::sleep(rest).await;
            rest = (rest * 2).min(LONGEST_REST);
        }
    }

    /// Tries each host once. The error is one that tells most.
    async fn round(&self, purpose: Purpose, until: Instant) -> Result<Connection, Failed> {
        if purpose == Purpose::Write {
            return self.find_primary(until).await;
        }
        let mut failed = Told::default();
        let replicas = if purpose == Purpose::ReadStale { &self.replicas[..] } else { &[] };
        let mut left = self.hosts.len() + replicas.len();
        let (first, made_after) = {
            let known = self.known();
            (known.host, known.switches)
        };
        let hosts = self.hosts[first..].iter().chain(&self.hosts[..first]);
        for (nth, host) in replicas.iter().chain(hosts).enumerate() {
            match enter(host, share(until, left)).await {
                Ok(mut connection) => {
                    connection.made_after = made_after;
                    connection.until = (nth >= replicas.len() && !replicas.is_empty())
                        .then(|| Instant::now() + STAND_IN);
                    return Ok(connection);
                }
                Err(error) => failed.hear(error),
            }
            left -= 1;
        }
        Err(failed.tell())
    }

    /// Asks all hosts at once. While an old primary still runs beside its successor both take writes:
    /// the one of the later timeline is right, and none of an earlier one than was seen already.
    async fn find_primary(&self, until: Instant) -> Result<Connection, Failed> {
        let question = if self.hosts.len() > 1 { TIMELINE } else { TAKES_WRITES };
        let asked = self.hosts.iter().enumerate().map(|(nth, host)| async move {
            (nth, candidate(host, question, share(until, 1)).await)
        });
        let mut answers: FuturesUnordered<_> = asked.collect();
        let mut failed = Told::default();
        let mut found: Option<(String, usize, Connection)> = None;
        let mut end = until;
        while let Ok(Some((nth, answer))) = timeout_at(end.into(), answers.next()).await {
            match answer {
                Ok((timeline, connection)) => {
                    end = end.min(Instant::now() + OTHERS_WAIT);
                    if found.as_ref().is_none_or(|(best, ..)| *best < timeline) {
                        found = Some((timeline, nth, connection));
                    }
                }
                Err(error) => failed.hear(error),
            }
        }
        let (timeline, host, mut connection) = found.ok_or_else(|| failed.tell())?;
        let mut known = self.known();
        if timeline < known.timeline {
            return Err(no_primary());
        }
        if (known.host, &known.timeline) != (host, &timeline) {
            *known = Primary { host, timeline, switches: known.switches + 1 };
        }
        connection.made_after = known.switches;
        drop(known);
        Ok(connection)
    }
}

/// Of several errors, the one that tells most.
#[derive(Default)]
struct Told(Option<Failed>);

impl Told {
    fn hear(&mut self, error: Failed) {
        if self.0.as_ref().is_none_or(|told| told.weight() <= error.weight()) {
            self.0 = Some(error);
        }
    }

    fn tell(self) -> Failed {
        self.0.unwrap_or_else(no_primary)
    }
}

/// A connection to a host that takes writes, and its timeline.
async fn candidate(
    host: &PgConnectOptions,
    question: &'static str,
    until: Instant,
) -> Result<(String, Connection), Failed> {
    let mut connection = enter(host, until).await?;
    let rows = connection.rows(Sql::new(question), until).await?;
    let timeline = rows.first().map(|row| optional_text(row, 0)).transpose()?.flatten();
    if let Some(timeline) = timeline {
        return Ok((timeline, connection));
    }
    connection.close().await;
    Err(no_primary())
}

/// When one of so many hosts has to have let us in: one that is silent leaves time for the others.
fn share(until: Instant, hosts: usize) -> Instant {
    let now = Instant::now();
    let left = until.saturating_duration_since(now) / u32::try_from(hosts).unwrap_or(1).max(1);
    now + left.min(HOST_WAIT)
}

async fn enter(host: &PgConnectOptions, until: Instant) -> Result<Connection, Failed> {
    let entered = timeout_at(until.into(), Connection::open(host)).await;
    entered.unwrap_or_else(|_| {
        let text = "the server let nobody in in time";
        let error = std::io::Error::new(std::io::ErrorKind::TimedOut, text);
        Err(Failed(sqlx::Error::Io(error)))
    })
}

fn no_primary() -> Failed {
    let text = "none of the hosts takes writes";
    Failed(sqlx::Error::Io(std::io::Error::new(std::io::ErrorKind::ReadOnlyFilesystem, text)))
}
