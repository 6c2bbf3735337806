//! Waking those who wait for log entries.

use std::collections::{BTreeMap, HashMap};
use std::future::poll_fn;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::task::{Poll, Waker};
use std::time::Duration;

use futures_timer::Delay;

use crate::{Error, ErrorKind, Result};

/// How a backend answers [`LogStore::changed`](crate::LogStore::changed): one of these a handle. It
/// needs no async runtime.
#[derive(Debug)]
pub struct LogBell {
    shared: Arc<Shared>,
    closed: AtomicBool,
}

/// What the handles of one store in a process share.
#[derive(Debug, Default)]
struct Shared(Mutex<Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    /// The greatest number that was committed in this process.
    last_id: u64,
    wakers: BTreeMap<u64, Waker>,
    next_waiter: u64,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wake(&self) {
        let wakers = std::mem::take(&mut self.lock().wakers);
        for waker in wakers.into_values() {
            waker.wake();
        }
    }
}

impl LogBell {
    /// That of a store nobody else in this process has.
    pub fn new() -> Self {
        Self::from(Arc::default())
    }

    /// That of the store at this path: every handle of this process on it hears the others.
    pub fn at(path: &Path) -> Self {
        static BELLS: OnceLock<Mutex<HashMap<PathBuf, Weak<Shared>>>> = OnceLock::new();
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let mut bells =
            BELLS.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(shared) = bells.get(&path).and_then(Weak::upgrade) {
            return Self::from(shared);
        }
        bells.retain(|_, shared| shared.strong_count() > 0);
        let bell = Self::new();
        bells.insert(path, Arc::downgrade(&bell.shared));
        bell
    }

    fn from(shared: Arc<Shared>) -> Self {
        Self { shared, closed: AtomicBool::new(false) }
    }

    /// Wakes everybody, because entries up to this number were committed.
    pub fn ring(&self, last_id: u64) {
        let mut waiting = self.shared.lock();
        waiting.last_id = waiting.last_id.max(last_id);
        drop(waiting);
        self.shared.wake();
    }

    /// Ends the waiting of this handle.
    pub fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.shared.wake();
    }

    /// Waits until an entry with a number above this was committed in this process, at most so long.
    ///
    /// # Errors
    ///
    /// [`Closed`](ErrorKind::Closed) once the handle is.
    pub async fn wait(&self, after: u64, wait: Duration) -> Result<()> {
        let mut timer = Delay::new(wait);
        let mut waiter = Waiter { shared: &self.shared, number: None };
        poll_fn(|context| {
            let mut waiting = self.shared.lock();
            if self.closed.load(Ordering::Acquire) {
                let closed = Error::new(ErrorKind::Closed, "the store was closed");
                return Poll::Ready(Err(closed.hint("open the store again")));
            }
            if waiting.last_id > after {
                return Poll::Ready(Ok(()));
            }
            let number = *waiter.number.get_or_insert(waiting.next_waiter);
            waiting.next_waiter = waiting.next_waiter.max(number + 1);
            waiting.wakers.insert(number, context.waker().clone());
            drop(waiting);
            Pin::new(&mut timer).poll(context).map(Ok)
        })
        .await
    }
}

impl Default for LogBell {
    fn default() -> Self {
        Self::new()
    }
}

/// Somebody who waits. Gone, nothing is left of it.
struct Waiter<'a> {
    shared: &'a Shared,
    number: Option<u64>,
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        if let Some(number) = self.number {
            self.shared.lock().wakers.remove(&number);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::Context;

    use super::*;

    const LONG: Duration = Duration::from_hours(1);

    fn poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
        future.poll(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn who_waits_is_woken_by_a_greater_number_only() {
        let bell = LogBell::new();
        let mut waiting = pin!(bell.wait(5, LONG));
        assert!(poll(waiting.as_mut()).is_pending());
        bell.ring(5);
        assert!(poll(waiting.as_mut()).is_pending());
        bell.ring(6);
        assert!(poll(waiting.as_mut()).is_ready());
        // What was committed before the waiting began is not missed.
        assert!(poll(pin!(bell.wait(5, LONG))).is_ready());
        assert!(poll(pin!(bell.wait(6, LONG))).is_pending());
        assert!(bell.shared.lock().wakers.is_empty(), "nobody is left behind");
    }

    #[test]
    fn closing_ends_the_waiting_of_one_handle() {
        let folder = Path::new("/nowhere/threads.db");
        let (one, other) = (LogBell::at(folder), LogBell::at(folder));
        let (mut of_one, mut of_other) = (pin!(one.wait(0, LONG)), pin!(other.wait(0, LONG)));
        assert!(poll(of_one.as_mut()).is_pending());
        assert!(poll(of_other.as_mut()).is_pending());
        one.close();
        assert!(
            matches!(poll(of_one), Poll::Ready(Err(error)) if error.kind() == ErrorKind::Closed)
        );
        assert!(poll(of_other.as_mut()).is_pending());
        one.ring(1);
        assert!(matches!(poll(of_other), Poll::Ready(Ok(()))));
    }

    #[test]
    fn the_wait_ends() {
        let bell = LogBell::new();
        let begun = std::time::Instant::now();
        futures_executor::block_on(bell.wait(0, Duration::from_millis(20))).unwrap();
        assert!(begun.elapsed() >= Duration::from_millis(20));
    }
}
