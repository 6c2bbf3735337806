//! The vocabulary and the meaning of an agent's thread store.
//!
//! Everything that has to be the same on every backend is here, as plain values and pure
//! functions: what a [`Change`] makes of a row ([`Record::reduce`]), what a rollout file says of
//! a thread ([`rollout::fold`]), which threads a [`ThreadQuery`] means and where its pages end.
//! A backend implements the traits of [`store`]: it locks, loads, stores and scans, and decides
//! nothing. No database and no async runtime is needed to use this crate.
//!
//! | to … | see |
//! |---|---|
//! | read and write threads | [`ThreadStore`], [`ThreadStoreExt`] |
//! | know what a thread's row holds | [`ThreadMetadata`] |
//! | change threads | [`Change`], [`Expect`], [`WriteBatch`], [`Outcome`] |
//! | list threads | [`ThreadQuery`], [`Page`], [`Cursor`] |
//! | read rollout files | [`rollout`] |
//! | keep a thread's tools | [`DynamicToolStore`], [`DynamicToolSpec`] |
//! | keep logs | [`LogStore`], [`LogEntry`], [`LogQuery`] |
//! | move content to another store, or into a file | [`moving`] |
//! | handle failures | [`Error`], [`ErrorKind`], [`Retry`] |
//! | trace, count, or break a store on purpose | [`hooks`] |
//! | write a backend | [`store`], [`Records`], [`index`] |
//!
//! # Changes are values
//!
//! Nobody reads a row, edits it and writes it back. What a caller wants is a [`Change`] in a
//! [`WriteBatch`]; the store applies the whole batch in one transaction that took the write lock
//! first, or nothing of it. So concurrent changes of different fields never undo each other:
//!
//! ```
//! use threadkeep_core::{Change, Records, ThreadId, ThreadPatch, ThreadSeed, Timestamp, WriteBatch};
//!
//! let id = ThreadId::new();
//! let at = Timestamp::from_millis(1_000);
//! let seed = ThreadSeed::new(id, "/sessions/a.jsonl", at);
//! let batch = WriteBatch::new()
//!     .and(Change::Apply(Box::new(seed), Box::new(ThreadPatch::default())))
//!     .and(Change::Rename { id, name: Some("release".into()), at });
//!
//! // This is what every backend does between loading and storing.
//! let outcomes = Records::new().apply(batch)?;
//! assert_eq!(outcomes[1].revision, 2);
//! # Ok::<(), threadkeep_core::Error>(())
//! ```

mod bell;
mod capability;
mod change;
mod cursor;
mod error;
mod ext;
mod follow;
mod forward;
pub mod hooks;
mod id;
pub mod index;
mod json;
pub mod limits;
mod log;
mod log_cursor;
pub mod moving;
mod page_fill;
pub mod patch;
pub mod path;
pub mod query;
mod records;
mod reduce;
mod retention;
pub mod rollout;
pub mod store;
mod text_form;
mod thread;
mod time;
pub mod tools;

pub use bell::LogBell;
pub use capability::{Capabilities, Capability};
pub use change::{Change, Effect, Expect, Outcome, Subject, WriteBatch};
pub use cursor::Cursor;
pub use error::{Applied, Error, ErrorKind, Result, Retry};
pub use ext::{DynamicToolStoreExt, LogStoreExt, ThreadStoreExt};
pub use follow::{Follow, Followed};
pub use id::{BatchId, ThreadId};
pub use log::{
    LogEntry, LogFilter, LogIds, LogLevel, LogOwner, LogPage, LogQuery, LogRow, LogThreads, Pruned,
};
pub use log_cursor::LogCursor;
pub use page_fill::PageFill;
pub use patch::{FieldPatch, Mark, NamePatch, ThreadPatch};
pub use query::{
    Archived, Direction, Page, Skipped, SortKey, ThreadFilter, ThreadQuery, TimeRange,
};
pub use records::{Changed, ChangedThread, Records};
pub use reduce::{Checkpoint, Record, Slot, Tombstone, ToolsChange};
pub use retention::{LogsHeld, PrunePlan, Retention, Surplus, Thrift, plan_prune};
pub use store::{CheckReport, DynamicToolStore, LogStore, Maintained, Stats, Store, ThreadStore};
pub use thread::{DEFAULT_PROVIDER, ThreadMetadata, ThreadSeed, UNKNOWN_SOURCE};
pub use time::Timestamp;
pub use tools::DynamicToolSpec;
