//! Waiting, and blocking work, without an async runtime.

use std::thread;
use std::time::Duration;

use threadkeep_core::{Error, ErrorKind, Result};

/// Waits without blocking whoever polls.
pub(crate) async fn sleep(time: Duration) {
    if blocking(move || thread::sleep(time)).await.is_err() {
        thread::sleep(time);
    }
}

/// Does blocking work on a thread of its own. Dropping the future lets it end unheard.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T> {
    let (tell, told) = flume::bounded(1);
    spawn("threadkeep-blocking", move || {
        // Nobody may be listening any more.
        let _ = tell.send(work());
    })?;
    told.recv_async().await.map_err(|error| {
        Error::new(ErrorKind::Internal, "a thread ended without its answer").with_source(error)
    })
}

/// Starts a thread.
pub(crate) fn spawn(
    name: &str,
    work: impl FnOnce() + Send + 'static,
) -> Result<thread::JoinHandle<()>> {
    thread::Builder::new().name(name.to_owned()).spawn(work).map_err(|error| {
        Error::new(ErrorKind::Io, "the system gives no thread to read files with")
            .with_source(error)
    })
}
