//! Hearing of entries that other processes append: a hint for who waits, so that it need not last until
//! the next look.
//!
//! Nothing depends on it. Through a pooler that lends connections by the transaction nothing is heard.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use sqlx::AssertSqlSafe;
use sqlx::postgres::{PgListener, PgPoolOptions};
use threadkeep_core::LogBell;
use tokio::task::AbortHandle;

use crate::cluster::{Cluster, Purpose};
use crate::errors::Failed;
use crate::log_append::CHANNEL;
use crate::namespace::key;
use crate::options::PostgresOptions;
use crate::runtime::runtime;

/// The rest before a lost connection is made anew, at first and at most.
const REST: Duration = Duration::from_millis(100);
const LONGEST_REST: Duration = Duration::from_secs(30);
/// A setting that is asked for on connecting. A pooler that lends sessions to others refuses it or
/// leaves it out, and there nobody may listen: notices would reach others in the middle of an answer.
const DIRECT: &str = "threadkeep.direct";
/// So long connecting may take.
const CONNECT: Duration = Duration::from_secs(10);

/// A connection of its own that listens, once somebody waits for entries.
pub(crate) struct Listener {
    hearing: Hearing,
    state: Mutex<State>,
}

enum State {
    Idle,
    Listening(AbortHandle),
    Closed,
}

impl Listener {
    pub(crate) fn new(
        cluster: Arc<Cluster>,
        options: &PostgresOptions,
        bell: Arc<LogBell>,
    ) -> Self {
        let namespace = key(&options.namespace);
        Self { hearing: Hearing { cluster, namespace, bell }, state: Mutex::new(State::Idle) }
    }

    /// Begins to listen, where it was not begun.
    pub(crate) fn start(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(*state, State::Idle)
            && let Ok(runtime) = runtime()
        {
            let task = runtime.spawn(self.hearing.clone().go_on());
            *state = State::Listening(task.abort_handle());
        }
    }

    pub(crate) fn close(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let State::Listening(task) = std::mem::replace(&mut *state, State::Closed) {
            task.abort();
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.close();
    }
}

/// What rings the bell.
#[derive(Clone)]
struct Hearing {
    cluster: Arc<Cluster>,
    namespace: i64,
    bell: Arc<LogBell>,
}

impl Hearing {
    async fn go_on(self) {
        let mut rest = REST;
        loop {
            let begun = Instant::now();
            if let Err(error) = self.listen().await {
                tracing::debug!(%error, "nothing is heard of other processes' entries");
            }
            if begun.elapsed() > LONGEST_REST {
                rest = REST;
            }
            tokio::time::sleep(rest).await;
            rest = (rest * 2).min(LONGEST_REST);
        }
    }

    /// Listens until the connection is lost. Standbys tell nothing, so it is one to the primary.
    async fn listen(&self) -> Result<(), Failed> {
        let probe = self.cluster.connect(Purpose::Write, Instant::now() + CONNECT).await?;
        probe.close().await;
        let primary = self.cluster.primary().clone().options([(DIRECT, "yes")]);
        let pool = PgPoolOptions::new()
            .max_connections(1)
            .acquire_timeout(CONNECT)
            // Being slow is nothing to tell anybody of.
            .acquire_slow_threshold(CONNECT * 2)
            .idle_timeout(None)
            .max_lifetime(None)
            .connect_lazy_with(primary);
        let mut listener = PgListener::connect_with(&pool).await?;
        listener.eager_reconnect(false);
        let is_direct = format!("SELECT 1 WHERE current_setting('{DIRECT}', true) = 'yes'");
        if sqlx::raw_sql(AssertSqlSafe(is_direct)).fetch_optional(&mut listener).await?.is_none() {
            return Err(Failed(sqlx::Error::Protocol(
                "the way to the server is shared".to_owned(),
            )));
        }
        listener.listen(CHANNEL).await?;
        while let Some(notice) = listener.try_recv().await? {
            if let Some(last_id) = self.meant(notice.payload()) {
                self.bell.ring(last_id);
            }
        }
        Ok(())
    }

    /// The number of the last entry that a notice tells of, where it is one of this namespace.
    fn meant(&self, payload: &str) -> Option<u64> {
        let (namespace, last_id) = payload.split_once(' ')?;
        (namespace.parse() == Ok(self.namespace)).then(|| last_id.parse().ok())?
    }
}
