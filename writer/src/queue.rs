//! The queue's caller side.

use std::sync::{Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use flume::{Receiver, Sender};
use threadkeep_core::{Error, ErrorKind, Result};

use crate::{Engine, group};

/// How a [`Writer`] queues and groups.
#[derive(Clone, Copy, Debug)]
pub struct WriterOptions {
    /// Jobs that may wait; callers of further ones wait for room.
    pub queue: usize,
    /// Jobs in one transaction at most.
    pub group_jobs: usize,
    /// Bytes in one transaction, as [`Engine::size`] counts them, at which it is closed.
    pub group_bytes: usize,
    /// How long a group is collected while more jobs keep coming.
    pub group_time: Duration,
    /// How long a job may wait for the write lock before it is answered
    /// [`Busy`](ErrorKind::Busy).
    pub deadline: Duration,
}

impl Default for WriterOptions {
    fn default() -> Self {
        Self {
            queue: 1_024,
            group_jobs: 512,
            group_bytes: 8 * 1024 * 1024,
            group_time: Duration::from_millis(5),
            deadline: Duration::from_secs(10),
        }
    }
}

/// One caller's job on its way.
pub(crate) struct Queued<E: Engine> {
    pub(crate) job: E::Job,
    pub(crate) since: Instant,
    pub(crate) answer: Sender<Result<E::Answer>>,
}

pub(crate) enum Message<E: Engine> {
    Job(Queued<E>),
    Run(Box<dyn FnOnce(&mut E) + Send>),
    Close,
}

/// The handle on a writer's thread. Dropping it ends the thread after what was queued before.
pub struct Writer<E: Engine> {
    sender: Sender<Message<E>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl<E: Engine> Writer<E> {
    /// Starts the thread `name` that owns `engine`.
    ///
    /// # Errors
    ///
    /// [`Io`](ErrorKind::Io) where the system gives no thread.
    pub fn spawn(name: &str, engine: E, options: WriterOptions) -> Result<Self> {
        let (sender, receiver): (_, Receiver<Message<E>>) = flume::bounded(options.queue);
        let thread = std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || group::serve(engine, &receiver, options))
            .map_err(|error| {
                Error::new(ErrorKind::Io, "the writer's thread did not start").with_source(error)
            })?;
        Ok(Self { sender, thread: Mutex::new(Some(thread)) })
    }

    /// Queues a job and waits for its answer. If the future is dropped once queued, the job may
    /// still be committed.
    ///
    /// # Errors
    ///
    /// [`Busy`](ErrorKind::Busy) past the deadline, [`Closed`](ErrorKind::Closed) after
    /// [`close`](Self::close), and what the engine answers.
    pub async fn submit(&self, job: E::Job) -> Result<E::Answer> {
        let (answer, answered) = flume::bounded(1);
        let queued = Queued { job, since: Instant::now(), answer };
        self.send(Message::Job(queued)).await?;
        // An answer can only be missing when the thread ended in the middle of the job.
        answered.recv_async().await.unwrap_or_else(|_| Err(ended().maybe_applied()))
    }

    /// Runs a closure on the writer's thread, outside a transaction, after everything queued
    /// before.
    ///
    /// # Errors
    ///
    /// [`Closed`](ErrorKind::Closed) after [`close`](Self::close).
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut E) -> T + Send + 'static,
    ) -> Result<T> {
        let (answer, answered) = flume::bounded(1);
        let run = Box::new(move |engine: &mut E| {
            // Nobody may be waiting any more, which is no reason not to have done the work.
            let _ = answer.send(work(engine));
        });
        self.send(Message::Run(run)).await?;
        answered.recv_async().await.map_err(|_| ended().maybe_applied())
    }

    /// Lets the thread finish what was queued before, then ends it and drops the engine. Closing
    /// twice is no error.
    pub async fn close(&self) {
        // A thread that has ended already has nothing left to finish.
        let _ = self.sender.send_async(Message::Close).await;
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            let (done, finished) = flume::bounded::<()>(1);
            // Joining blocks; a short-lived thread does it so that no async worker has to.
            std::thread::spawn(move || {
                let _ = thread.join();
                drop(done);
            });
            let _ = finished.recv_async().await;
        }
    }

    async fn send(&self, message: Message<E>) -> Result<()> {
        self.sender.send_async(message).await.map_err(|_| ended())
    }
}

pub(crate) fn ended() -> Error {
    Error::new(ErrorKind::Closed, "the store was closed").hint("open the store again")
}
