//! The store on redb.

pub(crate) mod append;
pub(crate) mod cap;
pub(crate) mod entries;
pub(crate) mod list;
pub(crate) mod query;
pub(crate) mod reopen;
pub(crate) mod write;
