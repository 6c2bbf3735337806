//! What a proxy's threads share.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::connection::Connection;
use super::fuse::{Fuse, Verdict};

/// How long the proxy may take to listen again.
const LISTEN_LIMIT: Duration = Duration::from_secs(5);

/// What new connections meet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Doors {
    #[default]
    Open,
    Shut,
    /// The proxy is being dropped.
    Gone,
}

#[derive(Debug, Default)]
pub(super) struct State {
    /// One way, in nanoseconds.
    pub(super) latency: AtomicU64,
    pub(super) requests: AtomicU64,
    pub(super) bytes: AtomicU64,
    pub(super) accepted: AtomicU64,
    inner: Mutex<Inner>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Inner {
    doors: Doors,
    listening: bool,
    black_hole: bool,
    fuse: Fuse,
    connections: Vec<Arc<Connection>>,
}

impl State {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        // Every change is one assignment, so a panic elsewhere leaves nothing half done.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn latency(&self) -> Duration {
        Duration::from_nanos(self.latency.load(Ordering::Relaxed))
    }

    pub(super) fn doors(&self) -> Doors {
        self.inner().doors
    }

    pub(super) fn set_doors(&self, doors: Doors) {
        self.inner().doors = doors;
        self.changed.notify_all();
    }

    pub(super) fn wait_until_not_shut(&self) {
        let shut = |inner: &mut Inner| inner.doors == Doors::Shut;
        drop(self.changed.wait_while(self.inner(), shut));
    }

    pub(super) fn set_listening(&self, listening: bool) {
        self.inner().listening = listening;
        self.changed.notify_all();
    }

    /// Waits until the listener has followed; `false` when it did not in time.
    pub(super) fn wait_for_listener(&self, listening: bool) -> bool {
        let other = |inner: &mut Inner| inner.listening != listening;
        self.changed
            .wait_timeout_while(self.inner(), LISTEN_LIMIT, other)
            .is_ok_and(|(_, waited)| !waited.timed_out())
    }

    pub(super) fn set_black_hole(&self, black_hole: bool) {
        self.inner().black_hole = black_hole;
        self.changed.notify_all();
    }

    /// Waits while nothing may pass and the connection is there.
    pub(super) fn wait_while_black_hole(&self, connection: &Connection) {
        let held = |inner: &mut Inner| inner.black_hole && !connection.is_cut();
        drop(self.changed.wait_while(self.inner(), held));
    }

    /// Makes those that wait look again.
    pub(super) fn wake(&self) {
        // Under the lock, or one that is about to wait would miss it.
        drop(self.inner());
        self.changed.notify_all();
    }

    pub(super) fn set_fuse(&self, fuse: Fuse) {
        self.inner().fuse = fuse;
    }

    pub(super) fn is_fuse_set(&self) -> bool {
        self.inner().fuse != Fuse::None
    }

    /// Asks what becomes of bytes on their way to the server.
    pub(super) fn judge(&self, bytes: &[u8], new_request: bool) -> Verdict {
        self.inner().fuse.judge(bytes, new_request)
    }

    pub(super) fn connections(&self) -> Vec<Arc<Connection>> {
        self.inner().connections.clone()
    }

    pub(super) fn add(&self, connection: Arc<Connection>) {
        self.accepted.fetch_add(1, Ordering::Relaxed);
        self.inner().connections.push(connection);
    }

    pub(super) fn remove(&self, connection: &Arc<Connection>) {
        self.inner().connections.retain(|it| !Arc::ptr_eq(it, connection));
        self.changed.notify_all();
    }
}
