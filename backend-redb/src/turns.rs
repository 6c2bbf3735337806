//! Whose turn it is to write.
//!
//! Of processes that try for redb's write lock, the one that has just let go of it is the first to
//! try again and would have it nearly always. So whoever finds it taken says that it waits, and
//! whoever has just written lets those who wait go first.

use std::time::{Duration, Instant};

use redb::WriteTransaction;
use threadkeep_core::{Error, ErrorKind};

use crate::database::Database;
use crate::errors::Failure;
use crate::storage::Pause;

/// How long others are let go first; one that waits looks at least once in a millisecond.
const COURTESY: Duration = Duration::from_millis(2);

/// The turns of one writer.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    last: Option<Instant>,
}

impl Turns {
    /// Waits for the write lock for so long; [`Busy`](ErrorKind::Busy) where it was not to be had.
    pub(crate) fn begin(
        &mut self,
        database: &Database,
        wait: Duration,
    ) -> Result<WriteTransaction, Failure> {
        let begun = Instant::now();
        if self.last.take().is_some_and(|last| last.elapsed() < COURTESY) {
            let mut pause = Pause::new();
            while begun.elapsed() < COURTESY.min(wait) && database.others_wait() {
                pause.sleep();
            }
        }
        let mut pause = Pause::new();
        let mut waiting = None;
        loop {
            match database.begin() {
                Err(Failure::Engine(redb::Error::WouldBlock)) => {}
                begun => return begun,
            }
            if begun.elapsed() >= wait {
                return Err(busy(database, begun.elapsed()).into());
            }
            if waiting.is_none() {
                waiting = database.wait_to_write();
            }
            pause.sleep();
        }
    }

    /// Notes that this writer had its turn.
    pub(crate) fn end(&mut self) {
        self.last = Some(Instant::now());
    }
}

fn busy(database: &Database, waited: Duration) -> Error {
    let path = database.path().display();
    let text = format!("{path}: others held the write lock for {} ms", waited.as_millis());
    Error::new(ErrorKind::Busy, text)
        .hint("try again, or end the process that holds the write lock")
}
