//! The store on redb.

pub(crate) mod append;
pub(crate) mod cap;
pub(crate) mod list;
pub(crate) mod reopen;
pub(crate) mod write;
