//! Moving what a store holds into another store, or into a text and back.
//!
//! All of it works over the traits alone, so that it goes from any backend to any other, page by
//! page, whatever the size of the store.
//!
//! | to … | see |
//! |---|---|
//! | fill a store from another | [`copy`] |
//! | tell whether two stores hold the same | [`digest()`] |
//! | write a store down as lines of JSON | [`Dump`] |
//! | put such lines into a store | [`Load`] |
//! | read such lines without a store | [`DumpReader`] |
//!
//! Moved are threads with everything a person did to them, tools, the checkpoints of indexers, and
//! log entries where they are asked for. Three things stay behind, because they count what happened
//! to one store and say nothing of its content: revisions, the numbers of log entries, of which the
//! order is kept, and the tombstones of deleted threads, which nothing lists. Checkpoints whose key
//! begins with one of [`PRIVATE_KEYS`] stay behind as well.

mod checkpoints;
mod copy;
mod digest;
mod dump;
mod encode;
mod line;
mod load;
mod log_source;
mod logs;
mod options;
mod pages;
mod read;
mod report;
mod threads;

pub use copy::copy;
pub use digest::{Digest, PartDigest, digest};
pub use dump::{Dump, DumpOptions};
pub use line::{DUMP_VERSION, DumpHeader};
pub use load::{Load, LoadOptions};
pub use options::{CopyOptions, CopyProgress, OnConflict, Parts, Stage};
pub use read::{DumpItem, DumpReader};
pub use report::{CopyConflict, CopyReport, Counts, Found, LogCounts};

use crate::{DynamicToolSpec, ThreadMetadata};

/// What the keys of checkpoints begin with that belong to one store alone: the claim of an
/// indexing that runs, and how far the logs of another store were copied into this one.
pub const PRIVATE_KEYS: [&str; 2] = ["claim:", COPY_KEYS];

pub(crate) const COPY_KEYS: &str = "copy:";

/// Whether a checkpoint belongs to its store alone.
fn is_private(key: &str) -> bool {
    PRIVATE_KEYS.iter().any(|begin| key.starts_with(begin))
}

/// A thread on its way.
#[derive(Clone, Debug)]
pub(super) struct Moved {
    pub(super) row: ThreadMetadata,
    pub(super) tools: Option<Vec<DynamicToolSpec>>,
}

impl Moved {
    /// About how much memory it takes.
    fn bytes(&self) -> usize {
        let row = &self.row;
        let texts = [
            Some(&row.source),
            Some(&row.model_provider),
            row.model.as_ref(),
            row.cli_version.as_ref(),
            Some(&row.title),
            row.preview.as_ref(),
            row.name.as_ref(),
            Some(&row.sandbox_policy),
            Some(&row.approval_mode),
            row.git_sha.as_ref(),
            row.git_branch.as_ref(),
            row.git_origin_url.as_ref(),
            Some(&row.applied_file),
        ];
        let texts: usize = texts.into_iter().flatten().map(String::len).sum();
        let paths = row.rollout_path.as_os_str().len() + row.cwd.as_os_str().len();
        let tools = self.tools.iter().flatten().map(|tool| tool.json().len()).sum::<usize>();
        size_of::<Self>() + texts + paths + tools
    }
}
