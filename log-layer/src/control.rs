//! What the guard tells the writer: to write what waits, or to come to an end.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

/// Of the time for closing, the part that is left for the writer to say what became of the rest.
const PART_FOR_COUNTING: u32 = 10;

#[derive(Debug, Default)]
pub(crate) struct Control {
    state: Mutex<State>,
    changed: Condvar,
    closing: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// So many flushes were asked for.
    asked: u64,
    /// So many of them are done.
    done: u64,
    /// The writer has to end by then.
    end_by: Option<Instant>,
    ended: bool,
}

/// What the writer has to do at once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Orders {
    /// The number of the last flush that was asked for.
    flush: u64,
    /// Whether it is still to be done.
    pub(crate) flushes: bool,
    pub(crate) end_by: Option<Instant>,
}

impl Control {
    fn lock(&self) -> MutexGuard<'_, State> {
        // No panic leaves the state half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn orders(&self) -> Orders {
        let state = self.lock();
        Orders { flush: state.asked, flushes: state.asked > state.done, end_by: state.end_by }
    }

    /// The writer has done what it was told.
    pub(crate) fn obeyed(&self, orders: Orders) {
        let mut state = self.lock();
        state.done = state.done.max(orders.flush);
        self.changed.notify_all();
    }

    /// The writer has ended.
    pub(crate) fn ended(&self) {
        self.lock().ended = true;
        self.changed.notify_all();
    }

    /// Asks for a flush; answers its number.
    pub(crate) fn ask_for_flush(&self) -> u64 {
        let mut state = self.lock();
        state.asked += 1;
        state.asked
    }

    /// Waits until a flush is done; `false` where it was not in time.
    pub(crate) fn wait_for_flush(&self, number: u64, timeout: Duration) -> bool {
        let state = self.wait(timeout, |state| state.done < number && !state.ended);
        state.done >= number
    }

    /// Asks for the end within this time.
    pub(crate) fn ask_for_end(&self, within: Duration) {
        let by = Instant::now().checked_add(within.saturating_sub(within / PART_FOR_COUNTING));
        // A time that no clock reaches is as good as a very long one.
        let by = by.unwrap_or_else(|| Instant::now() + Duration::from_hours(24 * 365));
        self.lock().end_by.get_or_insert(by);
        self.closing.notify_one();
    }

    /// Waits until the writer has ended; `false` where it has not in time.
    pub(crate) fn wait_for_end(&self, timeout: Duration) -> bool {
        self.wait(timeout, |state| !state.ended).ended
    }

    fn wait(
        &self,
        timeout: Duration,
        is_open: impl Fn(&mut State) -> bool,
    ) -> MutexGuard<'_, State> {
        let waited = self.changed.wait_timeout_while(self.lock(), timeout, is_open);
        waited.unwrap_or_else(PoisonError::into_inner).0
    }

    /// Ends when the time for closing is over. The writer's alone.
    pub(crate) async fn overdue(&self) {
        loop {
            let end_by = self.lock().end_by;
            match end_by {
                Some(by) => return tokio::time::sleep_until(by.into()).await,
                None => self.closing.notified().await,
            }
        }
    }
}
