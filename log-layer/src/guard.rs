//! The guard: keeps the writer running, and lets it finish.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use threadkeep_core::{Error, ErrorKind, Result};

use crate::control::Control;
use crate::queue::Shared;
use crate::stats::{LogCounts, LogStats};

/// Keeps the log running. Dropped, it writes what is queued, for at most the
/// [time that was set](crate::LogLayerBuilder::close_timeout), and ends the writer: keep it in a
/// variable of `main`, not in `_`.
///
/// Dropping blocks the thread meanwhile. It needs no async runtime and works when the program's has
/// ended. What comes to the layer afterwards is only counted.
#[derive(Debug)]
#[must_use = "without its guard nothing is logged"]
pub struct LogGuard {
    shared: Arc<Shared>,
    /// `None` where everything is off, or once it was ended.
    writer: Option<Handle>,
    close_timeout: Duration,
}

#[derive(Debug)]
pub(crate) struct Handle {
    pub(crate) control: Arc<Control>,
    pub(crate) thread: JoinHandle<()>,
}

impl LogGuard {
    pub(crate) fn new(
        shared: Arc<Shared>,
        writer: Option<Handle>,
        close_timeout: Duration,
    ) -> Self {
        Self { shared, writer, close_timeout }
    }

    /// A handle on the counts of the layer.
    pub fn stats(&self) -> LogStats {
        LogStats(Arc::clone(&self.shared))
    }

    /// Entries that are lost, whyever.
    pub fn dropped(&self) -> u64 {
        self.stats().dropped()
    }

    /// Blocks until what was logged before is stored, or is counted as lost.
    ///
    /// # Errors
    ///
    /// [`Timeout`](ErrorKind::Timeout) where that took longer; the entries stay queued.
    pub fn flush(&self, timeout: Duration) -> Result<()> {
        let Some(Handle { control, .. }) = &self.writer else { return Ok(()) };
        let number = control.ask_for_flush();
        self.shared.wake();
        if control.wait_for_flush(number, timeout) {
            return Ok(());
        }
        let queued = self.shared.held();
        Err(Error::new(
            ErrorKind::Timeout,
            format!("{queued} log entries were not stored within {timeout:?}"),
        )
        .hint("allow more time, or see whether others hold the store"))
    }

    /// The same as dropping it; answers what became of the entries. Those still
    /// [queued](LogCounts::queued) then are with a store that did not answer in time.
    pub fn close(mut self) -> LogCounts {
        self.end();
        self.stats().counts()
    }

    fn end(&mut self) {
        let Some(Handle { control, thread }) = self.writer.take() else { return };
        self.shared.close();
        control.ask_for_end(self.close_timeout);
        self.shared.wake();
        if control.wait_for_end(self.close_timeout) {
            // It has nothing left to do, and what it panicked of is counted.
            let _ = thread.join();
        }
    }
}

impl Drop for LogGuard {
    fn drop(&mut self) {
        self.end();
    }
}
