//! Ctrl-C, where it is how a command is meant to end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;

/// Tells a command that goes on until Ctrl-C that it was pressed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Interrupt(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    awaited: AtomicBool,
    pressed: Notify,
}

impl Interrupt {
    /// Waits for Ctrl-C, which from now on does not end the program by itself.
    pub(crate) async fn wait(&self) {
        self.0.awaited.store(true, Ordering::Release);
        self.0.pressed.notified().await;
    }

    /// Passes Ctrl-C on; `false` where nobody waits for it, or was told already.
    pub(crate) fn pass_on(&self) -> bool {
        let awaited = self.0.awaited.swap(false, Ordering::AcqRel);
        if awaited {
            self.0.pressed.notify_one();
        }
        awaited
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[test]
    fn it_is_passed_on_once_to_whoever_waits() {
        let interrupt = Interrupt::default();
        assert!(!interrupt.pass_on());
        let waiter = interrupt.clone();
        let mut waiting = Box::pin(waiter.wait());
        assert!(waiting.as_mut().now_or_never().is_none());
        assert!(interrupt.pass_on());
        assert!(!interrupt.pass_on(), "the second one ends the program");
        assert!(waiting.now_or_never().is_some());
    }
}
