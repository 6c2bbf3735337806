//! The stored format of ordered key-value engines: names of tables, keys and values.
//!
//! A store is a file of threads and a folder of log segments, each a file. Names of tables end in
//! the version of their layout. Keys are bytes of our own, made so that the order of the bytes is
//! the order of what they stand for: fixed width, most significant byte first, the id last; an
//! engine that reads a range from both ends serves listings of either direction from one key.
//! Values are framed: a version, a checksum, and a body, mostly `postcard`. JSON that users gave is
//! kept as the exact text.
//!
//! `fixtures/kv` has a golden file of each version of each value. An encoding that changes without
//! a new version, or a version without its golden file, fails the tests.

mod block;
mod frame;
mod head;
mod thread;
mod values;

pub use block::{BlockEntry, BlockRows, add_to_block, pack_block, unpack_block};
pub use head::{BlockHead, decode_head, encode_head};
pub use thread::{decode_thread, encode_thread, thread_revision};
pub use values::{
    Site, decode_batch, decode_checkpoint, decode_site, decode_tombstone, decode_tools,
    encode_batch, encode_checkpoint, encode_site, encode_tombstone, encode_tools,
};

use crate::Migration;

/// What `meta` of the file of threads says under [`APPLICATION`].
pub const THREADS_APPLICATION: &str = "threadkeep threads";
/// What `meta` of a log segment says under [`APPLICATION`].
pub const LOGS_APPLICATION: &str = "threadkeep logs";

/// The table, texts to texts, that says what a file is and which versions may read and write it.
pub const META: &str = "meta";
/// The key of the kind of file.
pub const APPLICATION: &str = "application";
/// The key of the number of the last step.
pub const SCHEMA: &str = "schema";
/// The key of the oldest format whose readers understand the file.
pub const MIN_READER: &str = "min_reader";
/// The key of the oldest format whose writers may write to it.
pub const MIN_WRITER: &str = "min_writer";
/// The key of the program that made the file.
pub const CREATED_BY: &str = "created_by";

/// Thread ids to rows.
pub const THREADS: &str = "threads.1";
/// Keys of [`threadkeep_core::index`] to nothing.
pub const INDEX: &str = "index.1";
/// Thread ids to tool lists.
pub const TOOLS: &str = "tools.1";
/// Thread ids to what a deletion left.
pub const TOMBSTONES: &str = "tombstones.1";
/// Ids of deleted threads whose log entries are still there, to nothing.
pub const PENDING: &str = "pending.1";
/// Keys of checkpoints to their texts.
pub const CHECKPOINTS: &str = "checkpoints.1";
/// Names of batches to their answers.
pub const BATCHES: &str = "batches.1";
/// Numbers, in the order of the commits, to names of batches.
pub const BATCH_ORDER: &str = "batch_order.1";

/// Numbers of first entries to what is in their blocks.
pub const HEADS: &str = "heads.1";
/// Numbers of first entries to blocks of entries.
pub const BLOCKS: &str = "blocks.1";
/// Numbers to call sites.
pub const SITES: &str = "sites.1";
/// Numbers to thread ids.
pub const LOG_THREADS: &str = "log_threads.1";
/// Numbers to process ids.
pub const LOG_PROCESSES: &str = "log_processes.1";
/// Texts to numbers that hold of the whole segment.
pub const STATE: &str = "state.1";
/// In [`STATE`]: the least number that the next entry may have. Entries may have greater ones
/// already; this keeps the numbers of deleted ones from being given out again.
pub const NEXT_ID: &str = "next_id";
/// In [`STATE`]: there where nothing is to be appended any more.
pub const SEALED: &str = "sealed";
/// In [`STATE`]: no entry of the segment with a number above this was ever taken out of a block.
pub const DELETED_THROUGH: &str = "deleted_through";
/// In [`STATE`]: how many entries were taken out of blocks, so that whoever remembers what is in
/// them knows when it has changed.
pub const TAKEN: &str = "taken";

/// What one step of the format does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Step {
    /// Makes the tables.
    Create,
}

/// The steps of the file of threads.
pub const THREADS_STEPS: &[Migration<Step>] = &[Migration {
    version: 20_261_127_210_000,
    step: Step::Create,
    min_reader: 20_261_127_210_000,
    min_writer: 20_261_127_210_000,
}];

/// The steps of a log segment.
pub const LOGS_STEPS: &[Migration<Step>] = &[Migration {
    version: 20_261_127_210_000,
    step: Step::Create,
    min_reader: 20_261_127_210_000,
    min_writer: 20_261_127_210_000,
}];

#[cfg(test)]
mod golden;
