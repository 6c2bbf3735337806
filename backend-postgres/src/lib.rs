//! threadkeep's store on PostgreSQL: one store for the agents of many hosts.
//!
//! - Everything is in the schema `threadkeep` of one database, which is created on opening. Stores
//!   with different [namespaces](PostgresOptions::namespace) share it and never see each other's rows.
//! - Each handle groups waiting batches into one transaction. However many changes they have, it
//!   takes two round trips: one locks and loads, one stores and commits.
//! - Nothing is kept on a connection between transactions, so that a pooler may stand before the
//!   server, also one that lends connections by the transaction.
//! - A write whose connection is lost is looked up on the next one and repeated where it is not
//!   there: none is lost, none is applied twice. A handle that names all hosts of a cluster finds the
//!   new primary by itself.
//! - It needs no async runtime of the caller's: talking to servers has threads of its own.
//!
//! ```no_run
//! # async fn example() -> threadkeep_core::Result<()> {
//! use threadkeep_core::{ThreadId, ThreadSeed, ThreadStoreExt, Timestamp};
//! use threadkeep_postgres::PostgresStore;
//!
//! let url = "postgres://agents:secret@db1,db2/threadkeep?namespace=team-a&sslmode=verify-full";
//! let store = PostgresStore::open(url).await?;
//! let id = ThreadId::new();
//! let row = ThreadSeed::new(id, "/sessions/a.jsonl", Timestamp::now()).into_metadata();
//! store.upsert_thread(row).await?;
//! # Ok(())
//! # }
//! ```

mod batches;
mod check;
mod checkpoint;
mod cluster;
mod connection;
mod errors;
mod escape;
mod handle;
mod listing;
mod load;
mod log_append;
mod log_days;
mod log_delete;
mod log_filter;
mod log_listener;
mod log_partitions;
mod log_prune;
mod log_reader;
mod log_row;
mod log_upkeep;
mod log_writer;
mod logs;
mod maintain;
mod messages;
mod namespace;
mod open;
mod options;
mod reader;
mod readers;
mod row;
mod runtime;
mod sql;
mod store;
mod thread_rows;
mod threads;
mod tools;
mod transaction;
mod write_connection;
mod writer;

use std::sync::Arc;

use threadkeep_core::Result;

use crate::handle::Handle;
pub use crate::options::PostgresOptions;

/// A store in a PostgreSQL database. Cloning gives another handle on the same connections.
#[derive(Clone)]
pub struct PostgresStore {
    handle: Arc<Handle>,
}

impl PostgresStore {
    /// Opens the store a URL names, see [`PostgresOptions::from_url`], creating it where there is
    /// none. Needs no async runtime.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](threadkeep_core::ErrorKind::InvalidInput) for a URL that is none, or where
    /// the server refuses the user, [`NotFound`](threadkeep_core::ErrorKind::NotFound) where there is
    /// no such database, [`Unavailable`](threadkeep_core::ErrorKind::Unavailable) where none of the
    /// hosts takes writes, [`SchemaTooNew`](threadkeep_core::ErrorKind::SchemaTooNew) where a newer
    /// version made the store.
    pub async fn open(url: &str) -> Result<Self> {
        Self::open_with(PostgresOptions::from_url(url)?).await
    }

    /// Opens a store that is there only to be read, see [`PostgresOptions::read_only`].
    ///
    /// # Errors
    ///
    /// [`NotFound`](threadkeep_core::ErrorKind::NotFound) where there is no store, or no such
    /// namespace in it.
    pub async fn open_read_only(url: &str) -> Result<Self> {
        Self::open_with(PostgresOptions::from_url(url)?.read_only(true)).await
    }

    /// The same with options.
    pub async fn open_with(options: PostgresOptions) -> Result<Self> {
        Ok(Self { handle: Arc::new(Handle::open(options).await?) })
    }
}
