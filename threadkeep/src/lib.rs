//! Storage for coding agents: threads, the tools each was started with, and logs, behind three
//! traits with interchangeable backends.
//!
//! # Quick start
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> threadkeep::Result<()> {
//! use threadkeep::{ThreadId, ThreadQuery, ThreadSeed, ThreadStoreExt, Timestamp};
//!
//! let store = threadkeep::open("memory:").await?; // or "sqlite:/var/lib/agent/threads.db"
//! let id = ThreadId::new();
//! let mut row = ThreadSeed::new(id, "/sessions/a.jsonl", Timestamp::now()).into_metadata();
//! row.title = "Fix the flaky test".into();
//! row.has_user_event = true;
//! store.upsert_thread(row).await?;
//! store.rename(id, Some("flaky".into())).await?;
//! let page = store.list_threads(ThreadQuery::new().text("FLAKY")).await?;
//! assert_eq!(page.items[0].name.as_deref(), Some("flaky"));
//! # Ok(())
//! # }
//! ```
//!
//! # Choosing a store
//!
//! [`open`] takes a URL, so that where threads are kept is configuration, not code. Every backend
//! passes the same conformance suite; what differs is said by
//! [`Store::capabilities`].
//!
//! | URL | feature | kept | shared by processes | use |
//! |---|---|---|---|---|
//! | `memory:` | always there | until the last handle goes | no | unit tests, short-lived agents |
//! | `sqlite:PATH` | `sqlite` (default) | in two files, through power cuts | yes | everything else |
//! | `redb:PATH` | `redb` | in files, through power cuts | yes; `?sharing=exclusive` for one alone | the same without C code; logs in files that are dropped whole |
//! | `postgres://…` | `postgres` | by a server, through power cuts and, with a standby, lost hosts | yes, of many hosts | the agents of a team |
//!
//! Code that takes `&dyn Store`, or any of [`ThreadStore`], [`DynamicToolStore`] and [`LogStore`],
//! is tested with [`MemoryStore`] as the fake and runs on any of them.
//!
//! # What to call
//!
//! - Reading and listing: [`ThreadStoreExt`]. A listing is a [`ThreadQuery`]; a filter that is
//!   absent matches everything, an empty set matches nothing. Pages end where [`Page::next`] is
//!   `None`, and only there.
//! - Changing: also [`ThreadStoreExt`]; for several changes as one, or for changes that expect a
//!   revision, [`ThreadStore::write`] with a [`WriteBatch`]. Nobody reads a row, edits it and
//!   writes it back, so two writers never undo each other's fields.
//! - Following an agent's history: [`ThreadStoreExt::apply_rollout_items`], or [`rollouts::index`]
//!   for a whole home directory.
//! - Logs: [`LogStoreExt`]; what a program traces is kept by the layer of `log_layer`, with the
//!   feature `tracing`.
//! - From one store into another, or into a file and back: [`moving`].
//! - A home directory with a store and a default provider, as an agent has it: [`Runtime`].
//!
//! # When something fails
//!
//! There is one [`Error`]. Ask it for its [`kind`](Error::kind), whether the write may have
//! happened ([`outcome`](Error::outcome)), whether trying again helps ([`retry`](Error::retry)),
//! and for one sentence on what to do ([`hint_text`](Error::hint_text)). After an unknown outcome,
//! repeat the batch under the same [`BatchId`]: it is applied once.
//!
//! Callers test these paths with [`hooks::Faults`] around a store in memory.
//!
//! # Features
//!
//! | feature | default | adds |
//! |---|---|---|
//! | `sqlite` | yes | the SQLite backend and its URLs; must be used inside a tokio runtime |
//! | `redb` | no | the redb backend and its URLs; likewise |
//! | `postgres` | no | the PostgreSQL backend and its URLs |
//! | `tracing` | no | `log_layer`: a layer for `tracing_subscriber` in front of any store |

#[cfg(feature = "postgres")]
mod routes;
mod runtime;
mod url;

pub use runtime::{Runtime, RuntimeBuilder};
pub use threadkeep_core::*;
pub use threadkeep_memory::MemoryStore;
#[cfg(feature = "postgres")]
pub use threadkeep_postgres::{PostgresOptions, PostgresStore};
#[cfg(feature = "redb")]
pub use threadkeep_redb::{RedbOptions, RedbStore, Sharing};
pub use threadkeep_rollouts as rollouts;
#[cfg(feature = "sqlite")]
pub use threadkeep_sqlite::{SqliteOptions, SqliteStore};
#[cfg(feature = "tracing")]
pub use threadkeep_tracing as log_layer;
pub use url::{open, open_read_only, without_password};
