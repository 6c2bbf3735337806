//! The store on PostgreSQL, on a server that the bench starts for itself.

pub(crate) mod append;
pub(crate) mod latency;
pub(crate) mod list;
pub(crate) mod load;
mod plain_log;
mod plain_threads;
pub(crate) mod round_trips;
pub(crate) mod setup;
mod spread;
mod usage;
