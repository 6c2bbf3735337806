//! A Codex home on disk: finding, streaming and indexing its rollout files.

mod candidate;
mod claim;
mod commit;
mod crew;
mod home;
mod index;
mod job;
mod lines;
mod meter;
mod options;
mod owner;
mod plan;
mod read;
mod report;
mod state;
mod status;
mod tools;
mod wait;
mod work;

pub use home::{Home, RolloutFile, Scan, SkippedFile};
pub use index::index;
pub use options::{IndexOptions, IndexProgress};
pub use report::{DamagedFile, Duplicate, IndexReport};
pub use status::{
    FileState, FileStatus, IndexStatus, MissingFile, StatusCounts, status, unseen_files,
};
pub use tools::first_record_tools;

/// The longest line that is read, in bytes with its end; longer ones are passed over and counted.
pub const MAX_LINE_BYTES: usize = 16 * 1024 * 1024;
