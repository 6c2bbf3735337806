//! What runs around every call of a store: tracing, metrics, faults on purpose, and your own.
//!
//! [`Hooked`] wraps a store and is a store. The order is fixed, whatever the order of the builder
//! calls: tracing outermost, then metrics, then your own hooks in the order given, then faults,
//! which thus look to all others like failures of the store.
//!
//! ```
//! use threadkeep_core::hooks::{Call, Hook};
//! use threadkeep_core::{Error, ErrorKind, Result};
//!
//! /// Lets nothing be written.
//! struct Frozen;
//!
//! impl Hook for Frozen {
//!     fn before(&self, call: &Call) -> Result<()> {
//!         match call.writes {
//!             true => Err(Error::new(ErrorKind::ReadOnly, "the store is frozen")),
//!             false => Ok(()),
//!         }
//!     }
//! }
//!
//! assert!(Frozen.before(&Call { operation: "write", items: 1, writes: true }).is_err());
//! ```

mod faults;
mod hooked;
mod observe;
mod spy;

use std::sync::Arc;
use std::time::Duration;

pub use faults::{Fault, Faults};
pub use hooked::Hooked;
pub use observe::{Metrics, Trace};
pub use spy::Spy;

use crate::{Error, Result};

/// One call of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call {
    /// The method.
    pub operation: &'static str,
    /// Changes, entries or ids handed over; otherwise 1.
    pub items: usize,
    /// Whether it may change what is stored.
    pub writes: bool,
}

/// Something that runs before and after every call.
pub trait Hook: Send + Sync + 'static {
    /// Before the call. An error is answered in place of the call, which is not made.
    fn before(&self, call: &Call) -> Result<()> {
        let _ = call;
        Ok(())
    }

    /// After the call, with how long it took and its error. An error is answered in place of
    /// what the call gave.
    fn after(&self, call: &Call, took: Duration, error: Option<&Error>) -> Result<()> {
        let _ = (call, took, error);
        Ok(())
    }
}

impl<H: Hook + ?Sized> Hook for Arc<H> {
    fn before(&self, call: &Call) -> Result<()> {
        (**self).before(call)
    }

    fn after(&self, call: &Call, took: Duration, error: Option<&Error>) -> Result<()> {
        (**self).after(call, took, error)
    }
}
