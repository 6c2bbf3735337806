//! The connections that read.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use threadkeep_core::{Error, ErrorKind, Result};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::cluster::{Cluster, Purpose};
use crate::connection::Connection;
use crate::errors::{Failed, closed};
use crate::runtime;

/// Connections for one purpose, opened as they are needed and lent one call each.
pub(crate) struct Readers {
    cluster: Arc<Cluster>,
    purpose: Purpose,
    place: Arc<str>,
    deadline: Duration,
    idle: Mutex<Vec<Connection>>,
    /// As many as there may be connections.
    permits: Arc<Semaphore>,
}

/// A lent connection. It goes back only when it is given back, after its last statement succeeded:
/// what became of one that is dropped in between is not known.
pub(crate) struct Lent {
    readers: Arc<Readers>,
    pub(crate) connection: Connection,
    /// When the call it is lent for has to end.
    pub(crate) until: Instant,
    _permit: OwnedSemaphorePermit,
}

impl Lent {
    pub(crate) fn give_back(self) {
        if !self.readers.permits.is_closed() {
            self.readers.lock().push(self.connection);
        }
    }
}

impl Readers {
    pub(crate) fn new(
        cluster: Arc<Cluster>,
        purpose: Purpose,
        place: Arc<str>,
        deadline: Duration,
        most: usize,
    ) -> Arc<Self> {
        let permits = Arc::new(Semaphore::new(most));
        Arc::new(Self { cluster, purpose, place, deadline, idle: Mutex::default(), permits })
    }

    /// Runs a call that reads, on a connection of its own; again, on another one, where a connection
    /// or a server fails meanwhile.
    pub(crate) async fn read<T, F>(
        self: &Arc<Self>,
        operation: &'static str,
        call: impl Fn(Lent) -> F + Send + 'static,
    ) -> Result<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<(Lent, T), Failed>> + Send,
    {
        let readers = Arc::clone(self);
        let until = Instant::now() + self.deadline;
        runtime::run(async move {
            loop {
                let permit = readers.permit(until, operation).await?;
                // Connecting tries again by itself.
                let lent = readers.lend(permit, until).await;
                let lent = lent.map_err(|error| error.translate(&readers.place, operation))?;
                match call(lent).await {
                    Ok((lent, answer)) => {
                        lent.give_back();
                        return Ok(answer);
                    }
                    Err(error) if error.is_connection() && Instant::now() < until => {
                        // Others that were opened before are hardly better.
                        readers.lock().clear();
                    }
                    Err(error) => return Err(error.translate(&readers.place, operation)),
                }
            }
        })
        .await
    }

    /// Closes all that nobody uses, and lets nobody have one from now on.
    pub(crate) async fn close(self: &Arc<Self>) {
        self.permits.close();
        let idle = std::mem::take(&mut *self.lock());
        // Each is told before the store is said to be closed.
        let closing = async move {
            for connection in idle {
                connection.close().await;
            }
            Ok(())
        };
        let _ = runtime::run(closing).await;
    }

    async fn permit(
        &self,
        until: Instant,
        operation: &'static str,
    ) -> Result<OwnedSemaphorePermit> {
        let permit = Arc::clone(&self.permits).acquire_owned();
        match tokio::time::timeout_at(until.into(), permit).await {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(_)) => Err(closed().during(operation)),
            Err(_) => {
                let text = format!("all connections to {} are in use", self.place);
                Err(Error::new(ErrorKind::Busy, text)
                    .during(operation)
                    .hint("read less at once, or open the store with more readers"))
            }
        }
    }

    async fn lend(
        self: &Arc<Self>,
        permit: OwnedSemaphorePermit,
        until: Instant,
    ) -> Result<Lent, Failed> {
        let connection = match self.take_idle() {
            Some(idle) => idle,
            None => self.cluster.connect(self.purpose, until).await?,
        };
        Ok(Lent { readers: Arc::clone(self), connection, until, _permit: permit })
    }

    /// Takes over a connection for the same purpose.
    pub(crate) fn adopt(&self, connection: Connection) {
        self.lock().push(connection);
    }

    /// Hands a connection over to somebody else, where there is one that nobody uses.
    pub(crate) fn take_idle(&self) -> Option<Connection> {
        let now = self.cluster.switches();
        let mut idle = self.lock();
        // An old primary may be there still, and would answer.
        idle.retain(|connection| {
            connection.made_after == now
                && connection.until.is_none_or(|until| Instant::now() < until)
        });
        idle.pop()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
