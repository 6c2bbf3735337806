//! One commit for all changes that wait.

use std::sync::Arc;
use std::time::Duration;

use threadkeep_core::Result;
use threadkeep_writer::Engine;

use crate::file::{Lock, StoreFile};
use crate::state::State;

/// What one caller wants done to the state; where it fails it must have changed nothing.
type Change = Box<dyn FnOnce(&mut State) -> Result<()> + Send>;

/// Writes the file. It lives on the writer's own thread, which it may block.
pub(crate) struct FileEngine {
    file: Arc<StoreFile>,
    transaction: Option<Transaction>,
}

struct Transaction {
    state: State,
    changed: bool,
    /// Let go when the transaction ends, however it does.
    _lock: Lock,
}

impl FileEngine {
    pub(crate) fn new(file: Arc<StoreFile>) -> Self {
        Self { file, transaction: None }
    }
}

impl Engine for FileEngine {
    type Job = Change;
    type Answer = ();

    fn size(_job: &Change) -> usize {
        // The whole file is written anyway.
        1
    }

    fn begin(&mut self, wait: Duration) -> Result<()> {
        let lock = self.file.lock(wait)?;
        let state = State::clone(&*self.file.current()?);
        self.transaction = Some(Transaction { state, changed: false, _lock: lock });
        Ok(())
    }

    fn apply(&mut self, jobs: Vec<Change>) -> Result<Vec<Result<()>>> {
        let Some(Transaction { state, changed, .. }) = &mut self.transaction else {
            return Ok(Vec::new());
        };
        let answers: Vec<_> = jobs.into_iter().map(|change| change(state)).collect();
        *changed = answers.iter().any(Result::is_ok);
        Ok(answers)
    }

    fn commit(&mut self) -> Result<()> {
        match self.transaction.take() {
            Some(transaction) if transaction.changed => self.file.replace(transaction.state),
            _ => Ok(()),
        }
    }

    fn rollback(&mut self) {
        self.transaction = None;
    }
}
