//! When something was last acknowledged, and the longest that nothing was.

use std::sync::Mutex;
use std::time::{Duration, Instant};

pub(crate) struct Beat(Mutex<State>);

struct State {
    last: Instant,
    longest: Duration,
    count: u64,
}

impl Beat {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(State { last: Instant::now(), longest: Duration::ZERO, count: 0 }))
    }

    /// Something was acknowledged.
    pub(crate) fn tick(&self) {
        let mut state = self.0.lock().unwrap();
        state.longest = state.longest.max(state.last.elapsed());
        state.last = Instant::now();
        state.count += 1;
    }

    pub(crate) fn count(&self) -> u64 {
        self.0.lock().unwrap().count
    }

    /// The longest time without any so far, and begins anew.
    pub(crate) fn take_longest(&self) -> Duration {
        let mut state = self.0.lock().unwrap();
        let longest = state.longest.max(state.last.elapsed());
        state.longest = Duration::ZERO;
        longest
    }
}
