//! Whose log entries are, where a retention limits what each may have.

use std::sync::Arc;

use threadkeep_migrations::kv::BlockEntry;

/// An owner, by name: [`LogOwner`](threadkeep_core::LogOwner) that is kept.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Owner {
    Thread(Arc<str>),
    Process(Option<Arc<str>>),
}

/// An owner, as the entries of one segment have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum OwnerNumber {
    Thread(u32),
    Process(Option<u32>),
}

impl OwnerNumber {
    pub(crate) fn of(entry: &BlockEntry<'_>) -> Self {
        match entry.thread {
            Some(thread) => Self::Thread(thread),
            None => Self::Process(entry.process),
        }
    }
}
