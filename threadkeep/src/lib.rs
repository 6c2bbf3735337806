//! Storage for coding agents: threads, their tools and their logs, on interchangeable backends.

mod runtime;
mod url;

pub use runtime::{Runtime, RuntimeBuilder};
pub use threadkeep_core::*;
pub use threadkeep_rollouts as rollouts;
pub use url::open;
