//! The bounded queue in front of a store's one write connection.
//!
//! Every persistent backend has one [`Writer`] a handle: a thread that owns the write connection.
//! It takes all waiting jobs, lets the backend's [`Engine`] begin one transaction with the write
//! lock first, apply them all and commit once, and then answers each caller. So a hundred small
//! writes cost one commit, no caller holds a lock while it waits, and dropping a caller's future
//! leaves nothing half done.
//!
//! The crate needs no async runtime: callers wait on channels, the writer is a plain thread.

mod group;
mod queue;

pub use queue::{Writer, WriterOptions};

use std::time::Duration;

use threadkeep_core::Result;

/// The write side of a backend: what the queue cannot know.
///
/// The methods run on the writer's thread, always in the order begin, apply, commit or rollback.
pub trait Engine: Send + 'static {
    /// What a caller wants written.
    type Job: Send + 'static;
    /// What a caller is told once it is.
    type Answer: Send + 'static;

    /// How much a job adds to a group, in bytes of about what will be written.
    fn size(job: &Self::Job) -> usize;

    /// Begins a transaction that holds the write lock.
    ///
    /// # Errors
    ///
    /// [`Busy`](threadkeep_core::ErrorKind::Busy) where the lock was not to be had within `wait`;
    /// it may give up much earlier and is then asked again.
    fn begin(&mut self, wait: Duration) -> Result<()>;

    /// Applies the jobs in order. A refused one leaves the transaction as it was and is an error
    /// of that job alone; the outer error fails them all.
    fn apply(&mut self, jobs: Vec<Self::Job>) -> Result<Vec<Result<Self::Answer>>>;

    /// Makes the transaction durable.
    fn commit(&mut self) -> Result<()>;

    /// Gives the transaction up after an error, whatever state it is in. The next
    /// [`begin`](Self::begin) must work again if it can.
    fn rollback(&mut self);

    /// Does a little of what was put off, outside a transaction: called when nothing has waited for a
    /// while after something was written, and between groups where something waits all the time.
    /// Answers how long to rest before going on, zero where it should go on even though jobs keep
    /// coming, and `None` where nothing is left to do before something is written. Jobs wait
    /// meanwhile, so it should take no more than 50 ms.
    fn upkeep(&mut self) -> Option<Duration> {
        None
    }
}
