//! Private PostgreSQL servers, standbys, small disks and a faulty network, for threadkeep's tests
//! and benches.
//!
//! ```no_run
//! use threadkeep_test_server::{Server, Settings};
//!
//! let server = Server::start(Settings::default())?;
//! server.psql("create table things (id int)")?;
//! server.kill()?;
//! server.start_again()?;
//! assert_eq!(server.psql("select count(*) from things")?, "0");
//! # Ok::<(), threadkeep_test_server::Error>(())
//! ```
//!
//! - The environment variable `THREADKEEP_TEST_POSTGRES` names a server to use instead of a private
//!   one, wherever a test needs no power over it.
//! - Where PostgreSQL is missing, a test is skipped by name; with `CI=true` it fails.
//! - A private server never outlives the process that started it.

mod account;
mod control;
mod disk;
mod error;
mod folder;
mod harness;
mod port;
mod process;
mod programs;
mod proxy;
mod server;
mod settings;
mod standby;
mod template;
mod tls;
mod watchdog;

pub use control::Shutdown;
pub use disk::Tablespace;
pub use error::{Error, Result};
pub use harness::{lacking, lacking_private, or_forbidden, or_skip, shared, skipped, with_server};
pub use proxy::Proxy;
pub use server::Server;
pub use settings::Settings;

/// The environment variable that names a server to use.
pub const GIVEN: &str = "THREADKEEP_TEST_POSTGRES";

/// The superuser of every private server.
pub const USER: &str = "threadkeep";
