//! Stored formats of threadkeep's backends: their steps, their versions, and the lock around
//! creating and upgrading a store.
//!
//! Steps are numbered by date and time and their numbers are never used again. A store says which
//! format it has, and the oldest format whose readers and writers still understand it; what a
//! version of this library may do with it follows from that alone, by [`plan`].

#[cfg(feature = "kv")]
pub mod kv;
mod lock;
mod plan;
#[cfg(feature = "postgres")]
pub mod postgres;
pub mod sqlite;

pub use lock::{UpgradeLock, lock_path};
pub use plan::{Meta, Migration, Plan, plan};
