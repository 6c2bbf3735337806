//! Where all talking to servers happens: a runtime of this crate's own, one a process.
//!
//! So a store works from any executor, and connections outlive whichever runtime they were made in.

use std::pin::Pin;
use std::sync::OnceLock;
use std::task::{Context, Poll};

use threadkeep_core::{Error, ErrorKind, Result};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;

/// The runtime, started when it is first needed.
pub(crate) fn runtime() -> Result<&'static Runtime> {
    static RUNTIME: OnceLock<Option<Runtime>> = OnceLock::new();
    RUNTIME
        .get_or_init(|| {
            Builder::new_multi_thread()
                .worker_threads(2)
                .thread_name("threadkeep-postgres")
                .enable_all()
                .build()
                .ok()
        })
        .as_ref()
        .ok_or_else(|| Error::new(ErrorKind::Io, "the threads that talk to servers did not start"))
}

/// Runs a future there. Dropping this one ends it at its next await.
pub(crate) async fn run<T: Send + 'static>(
    future: impl Future<Output = Result<T>> + Send + 'static,
) -> Result<T> {
    Running(runtime()?.spawn(future)).await
}

struct Running<T>(JoinHandle<Result<T>>);

impl<T> Future for Running<T> {
    type Output = Result<T>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(context).map(|joined| {
            joined.unwrap_or_else(|error| {
                Err(Error::new(ErrorKind::Internal, "a call ended in a panic").with_source(error))
            })
        })
    }
}

impl<T> Drop for Running<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}
