//! A hook that remembers.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::{Call, Hook};
use crate::{Error, ErrorKind, Result};

/// Remembers every call and how it ended, for tests of callers.
#[derive(Debug, Default)]
pub struct Spy(Mutex<Vec<(Call, Option<ErrorKind>)>>);

impl Spy {
    /// The calls so far, in the order they ended; forgets them.
    pub fn take(&self) -> Vec<(Call, Option<ErrorKind>)> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Hook for Spy {
    fn after(&self, call: &Call, _took: Duration, error: Option<&Error>) -> Result<()> {
        let mut calls = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        calls.push((*call, error.map(Error::kind)));
        Ok(())
    }
}
