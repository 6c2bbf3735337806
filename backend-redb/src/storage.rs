//! What redb reads from and writes to: a file whose locks are waited for only so long.

use std::fmt::Debug;
use std::io;
use std::ops::Bound;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use redb::{BackendError, StorageBackend};

type Range = (Bound<u64>, Bound<u64>);

/// A byte that redb leaves to backends, and that its own one for files does not use: whoever waits
/// to write holds it shared.
const WAITING_BYTE: u64 = (1 << 62) + 896 + 64;
const WAITING: Range = (Bound::Included(WAITING_BYTE), Bound::Included(WAITING_BYTE));

/// The byte that redb's writers hold from when they have put the file in order until they close it.
/// Where nobody holds it, redb refuses to read a file that was not closed.
const CONSISTENT_BYTE: u64 = (1 << 62) + 4;
const CONSISTENT: Range = (Bound::Included(CONSISTENT_BYTE), Bound::Included(CONSISTENT_BYTE));

/// How long to sleep before a lock is asked for again.
const SHORTEST: Duration = Duration::from_micros(20);
const LONGEST: Duration = Duration::from_millis(1);

/// An open file. redb waits without end for a lock, also for one of a process that is stopped; here
/// it gets an error at the deadline.
#[derive(Clone, Debug)]
pub(crate) struct Storage {
    inner: Arc<dyn StorageBackend>,
    deadline: Duration,
    /// A file that was not closed is read as if its writer were there.
    left: bool,
}

impl Storage {
    pub(crate) fn new(inner: Arc<dyn StorageBackend>, deadline: Duration) -> Self {
        Self { inner, deadline, left: false }
    }

    /// Reads also what a killed process left. Every commit is made in two phases, so that what the
    /// header names is whole; what is left to put in order is which pages are free, and who only
    /// reads takes none.
    pub(crate) fn left(self) -> Self {
        Self { left: true, ..self }
    }

    /// Says that this handle waits to write, until the value is dropped. Where the system knows no
    /// such locks nobody is told.
    pub(crate) fn wait_to_write(&self) -> Option<Waiting> {
        let held = self.inner.try_lock_shared_range(WAITING.0, WAITING.1);
        held.unwrap_or(false).then(|| Waiting(Arc::clone(&self.inner)))
    }

    /// Whether another handle waits to write.
    pub(crate) fn others_wait(&self) -> bool {
        self.inner.query_lock_range(WAITING.0, WAITING.1).unwrap_or(false)
    }

    fn acquire(
        &self,
        mut attempt: impl FnMut(&dyn StorageBackend) -> Result<bool, BackendError>,
    ) -> Result<(), BackendError> {
        let begun = Instant::now();
        let mut pause = Pause::new();
        while !attempt(&*self.inner)? {
            if begun.elapsed() >= self.deadline {
                let waited = format!("another process held a lock for {:?}", self.deadline);
                return Err(BackendError::Io(io::Error::new(io::ErrorKind::TimedOut, waited)));
            }
            pause.sleep();
        }
        Ok(())
    }
}

/// A handle that waits to write.
#[derive(Debug)]
pub(crate) struct Waiting(Arc<dyn StorageBackend>);

impl Drop for Waiting {
    fn drop(&mut self) {
        // Where it is kept, others are only too polite, until the file is closed.
        let _ = self.0.unlock_range(WAITING.0, WAITING.1);
    }
}

/// Sleeps that grow longer.
pub(crate) struct Pause(Duration);

impl Pause {
    pub(crate) fn new() -> Self {
        Self(SHORTEST)
    }

    pub(crate) fn sleep(&mut self) {
        thread::sleep(self.0);
        self.0 = (self.0 * 2).min(LONGEST);
    }
}

impl StorageBackend for Storage {
    fn len(&self) -> io::Result<u64> {
        self.inner.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.inner.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.inner.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.inner.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.inner.write(offset, data)
    }

    fn close(&self) -> io::Result<()> {
        self.inner.close()
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.inner.try_lock_range(start, end)
    }

    fn try_lock_shared_range(
        &self,
        start: Bound<u64>,
        end: Bound<u64>,
    ) -> Result<bool, BackendError> {
        self.inner.try_lock_shared_range(start, end)
    }

    fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.acquire(|inner| inner.try_lock_range(start, end))
    }

    fn lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.acquire(|inner| inner.try_lock_shared_range(start, end))
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.inner.unlock_range(start, end)
    }

    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        Ok((self.left && (start, end) == CONSISTENT) || self.inner.query_lock_range(start, end)?)
    }
}
