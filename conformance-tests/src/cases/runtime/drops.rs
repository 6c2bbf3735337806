//! Futures that are dropped in the middle.

use std::fmt;
use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use tokio::time::timeout;

use crate::lab::{Failure, Verdict};

/// How long anything may take that nothing holds up.
pub(super) const PROMPT: Duration = Duration::from_secs(5);

/// When a future is dropped.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cut {
    /// How often it is polled before.
    pub(super) polls: u32,
    /// Whether it is dropped only when it would have to be polled again: whatever it was waiting
    /// for is there then, and nobody takes it.
    pub(super) once_woken: bool,
}

/// Every way to drop a future that can be made anew, until there are no more polls to be had.
pub(super) struct Cuts {
    /// The next one; `None` after the last.
    pub(super) next: Option<Cut>,
}

impl Cuts {
    pub(super) fn all() -> Self {
        Self { next: Some(Cut { polls: 0, once_woken: false }) }
    }

    /// Goes on to the next way, given whether the future came to its end in the last.
    pub(super) fn go_on(&mut self, ended: bool) {
        self.next = self.next.and_then(|cut| {
            if ended {
                return (!cut.once_woken).then_some(Cut { polls: 1, once_woken: true });
            }
            // Where there are many polls, some are left out.
            Some(Cut { polls: cut.polls + 1 + cut.polls / 64, ..cut })
        });
    }
}

impl Cut {
    /// Polls a future and drops it; answers its value where it came before that.
    pub(super) async fn drop_it<F: Future>(self, future: F) -> Verdict<Option<F::Output>> {
        let mut left = self.polls;
        let ended = {
            let mut future = pin!(future);
            let polls = poll_fn(|context| {
                if left == 0 {
                    return Poll::Ready(None);
                }
                left -= 1;
                match future.as_mut().poll(context) {
                    Poll::Ready(value) => Poll::Ready(Some(value)),
                    Poll::Pending if left == 0 && !self.once_woken => Poll::Ready(None),
                    Poll::Pending => Poll::Pending,
                }
            });
            timeout(PROMPT, polls).await
        };
        ended.map_err(|_| Failure::new(format!("not polled again within {PROMPT:?}")))
    }
}

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { polls, once_woken } = self;
        let times = if *polls == 1 { "time" } else { "times" };
        let when = if *once_woken { ", dropped when woken again" } else { ", dropped at once" };
        write!(f, "polled {polls} {times}{when}")
    }
}

/// Waits for something that nothing may hold up.
pub(super) async fn promptly<T>(what: &str, future: impl Future<Output = T>) -> Verdict<T> {
    timeout(PROMPT, future)
        .await
        .map_err(|_| Failure::new(format!("{what} is not done within {PROMPT:?}")))
}
