//! A hook that fails calls on purpose.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::{Call, Hook};
use crate::{Error, ErrorKind, Result};

/// A failure to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The call is not made and fails with this kind.
    Before(ErrorKind),
    /// The call is made, but its answer is lost: it fails with this kind, and whether it happened
    /// is unknown.
    After(ErrorKind),
}

/// Fails the next calls, so that a caller can test what it does then.
///
/// ```
/// use threadkeep_core::ErrorKind;
/// use threadkeep_core::hooks::{Call, Fault, Faults, Hook};
///
/// let faults = Faults::default();
/// faults.push("write", Fault::Before(ErrorKind::Busy));
/// let write = Call { operation: "write", items: 1, writes: true };
/// assert_eq!(faults.before(&write).unwrap_err().kind(), ErrorKind::Busy);
/// assert!(faults.before(&write).is_ok());
/// ```
#[derive(Debug, Default)]
pub struct Faults(Mutex<VecDeque<(&'static str, Fault)>>);

impl Faults {
    /// The next call of this operation that no earlier fault is for fails like this.
    pub fn push(&self, operation: &'static str, fault: Fault) {
        self.lock().push_back((operation, fault));
    }

    /// How many faults are still to come.
    pub fn pending(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, VecDeque<(&'static str, Fault)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the first fault for this operation if it is of the wanted half.
    fn take(&self, call: &Call, wanted: impl Fn(Fault) -> Option<ErrorKind>) -> Option<ErrorKind> {
        let mut faults = self.lock();
        let at = faults.iter().position(|(operation, _)| *operation == call.operation)?;
        let kind = wanted(faults[at].1)?;
        faults.remove(at);
        Some(kind)
    }
}

fn error(call: &Call, kind: ErrorKind) -> Error {
    Error::new(kind, "a fault put in on purpose").during(call.operation)
}

impl Hook for Faults {
    fn before(&self, call: &Call) -> Result<()> {
        let kind = self.take(call, |fault| match fault {
            Fault::Before(kind) => Some(kind),
            Fault::After(_) => None,
        });
        kind.map_or(Ok(()), |kind| Err(error(call, kind)))
    }

    fn after(&self, call: &Call, _took: Duration, _error: Option<&Error>) -> Result<()> {
        let kind = self.take(call, |fault| match fault {
            Fault::After(kind) => Some(kind),
            Fault::Before(_) => None,
        });
        kind.map_or(Ok(()), |kind| Err(error(call, kind).maybe_applied()))
    }
}
