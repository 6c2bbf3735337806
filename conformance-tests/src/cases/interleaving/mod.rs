//! Tasks and handles at once, whose answers some order must explain.

mod batches;
mod following;
mod histories;
mod logs;
mod updates;

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use threadkeep_core::{Capability, Result, Store};
use tokio::task::JoinSet;

use super::Case;
use crate::lab::{Failure, Lab, Verdict};
use crate::role::Role;

pub(crate) fn cases() -> Vec<Case> {
    [histories::cases(), updates::cases(), batches::cases(), logs::cases(), following::cases()]
        .into_iter()
        .flatten()
        .collect()
}

pub(crate) fn roles() -> Vec<Role> {
    Vec::new()
}

/// So many handles onto one store; where the backend allows only one, that one again and again.
async fn handles(lab: &Lab, count: usize) -> Result<Vec<Arc<dyn Store>>> {
    let mut handles = vec![lab.open().await?];
    while handles.len() < count {
        handles.push(if lab.declares(Capability::MultiProcess) {
            lab.open().await?
        } else {
            Arc::clone(&handles[0])
        });
    }
    Ok(handles)
}

/// A clock that tells what came before what, across all tasks.
#[derive(Clone, Default)]
struct Clock(Arc<AtomicU64>);

impl Clock {
    /// An instant that no other is equal to.
    fn now(&self) -> u64 {
        self.0.fetch_add(1, Ordering::SeqCst)
    }
}

/// Some tasks that others accompany until all of them have ended.
#[derive(Clone)]
struct While(Arc<AtomicUsize>);

impl While {
    fn new(tasks: usize) -> Self {
        Self(Arc::new(AtomicUsize::new(tasks)))
    }

    fn one_ended(&self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }

    /// Whether any of them still runs; lets it run, where all have to share a thread.
    async fn goes_on(&self) -> bool {
        tokio::task::yield_now().await;
        self.0.load(Ordering::SeqCst) > 0
    }
}

/// A task beside others of another kind.
type Task<T> = Pin<Box<dyn Future<Output = Verdict<T>> + Send>>;

/// Runs tasks at once and answers what each came to, in any order. The first failure ends all.
async fn together<T: Send + 'static>(
    tasks: impl IntoIterator<Item = impl Future<Output = Verdict<T>> + Send + 'static>,
) -> Verdict<Vec<T>> {
    let mut running: JoinSet<_> = tasks.into_iter().collect();
    let mut ended = Vec::new();
    while let Some(task) = running.join_next().await {
        match task {
            Ok(verdict) => ended.push(verdict?),
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(error) => return Err(Failure::new(error.to_string())),
            },
        }
    }
    Ok(ended)
}

/// Numbers given out by a call, and when it was made.
#[derive(Clone, Copy, Debug)]
struct Given {
    called: u64,
    returned: u64,
    first: u64,
    last: u64,
}

/// Fails where two calls were given the same number, or a call was given one that is not greater
/// than those of a call that was answered before.
fn must_grow(what: &str, mut given: Vec<Given>) -> Verdict {
    given.sort_by_key(|given| given.first);
    if let Some(pair) = given.windows(2).find(|pair| pair[0].last >= pair[1].first) {
        return Err(Failure::new(format!("two {what} share a number:\n  {pair:?}")));
    }
    // In the order of their numbers, none may have ended before one with a smaller number began.
    let mut begun_last: Option<Given> = None;
    for next in given {
        if let Some(before) = begun_last
            && next.returned < before.called
        {
            return Err(Failure::new(format!(
                "of two {what} the later one has the smaller number:\n  {next:?}\n  {before:?}"
            )));
        }
        begun_last = begun_last.filter(|last| last.called > next.called).or(Some(next));
    }
    Ok(())
}
