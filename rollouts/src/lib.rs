//! A Codex home on disk: finding, streaming and indexing its rollout files.
//!
//! An agent writes each thread's history as JSON lines into a file of its own, below `sessions`
//! or, once archived, below `archived_sessions` of its home. [`index`] brings a store up to date
//! with them, [`status`] says how far it is, and [`first_record_tools`] reads the one thing that
//! an index may lack.
//!
//! ```
//! use threadkeep_core::ThreadStoreExt as _;
//! use threadkeep_memory::MemoryStore;
//! use threadkeep_rollouts::{Home, IndexOptions, index};
//!
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! # let folder = tempfile::tempdir().unwrap();
//! # let name = "rollout-2026-03-01T09-30-00-019d2308-c368-7ca0-8331-65a7d470352c.jsonl";
//! # std::fs::create_dir_all(folder.path().join("sessions")).unwrap();
//! # std::fs::write(folder.path().join("sessions").join(name), "{\"type\":\"x\"}\n").unwrap();
//! let store = MemoryStore::new();
//! let home = Home::new(folder.path());
//! let report = index(&store, &home, IndexOptions::new()).await?;
//! assert_eq!((report.threads, report.files_opened), (1, 1));
//!
//! // What did not change is not opened again.
//! let report = index(&store, &home, IndexOptions::new()).await?;
//! assert_eq!((report.threads, report.files_opened), (1, 0));
//! # Ok::<(), threadkeep_core::Error>(())
//! # }).unwrap();
//! ```
//!
//! # What a run does
//!
//! It takes the claim of the home, so that one run at a time works on it. It compares the files
//! with what it remembers of them in the store's checkpoints: a file of the same size and time is
//! not opened, one that only grew is read from where it ended, one that lies elsewhere is known by
//! its name, any other is read from its start. A thread is the unit of work. Of several files of
//! one thread the segments are taken in the order of their first lines; of files of the same
//! segment one is taken, and the others are reported.
//!
//! Threads of its own read the files, each with a buffer of fixed size; a line longer than
//! [`MAX_LINE_BYTES`] is passed over. What they find is written in commits of hundreds of threads,
//! with what is to be remembered in the same commit. Memory does not grow with the size of files,
//! only, by some hundred bytes a file, with their number.

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
