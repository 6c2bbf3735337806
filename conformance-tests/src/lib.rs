//! The suite that decides what a threadkeep backend is.
//!
//! A backend author writes one test target with `harness = false`: a [`Fixture`] that opens the
//! backend in a folder, and a `main` that hands it to [`run`].
//!
//! ```no_run
//! use std::path::Path;
//! use std::process::ExitCode;
//! use std::sync::Arc;
//!
//! use threadkeep_conformance::{Declared, Fixture, async_trait};
//! use threadkeep_core::{Result, Store};
//! # use threadkeep_core::{Error, ErrorKind};
//! # fn open_my_store(_: &Path) -> Result<Arc<dyn Store>> {
//! #     Err(Error::new(ErrorKind::Unavailable, "only an example"))
//! # }
//!
//! struct Mine;
//!
//! #[async_trait]
//! impl Fixture for Mine {
//!     fn declared(&self) -> Declared {
//!         Declared::everything().without_tamper("its files are encrypted")
//!     }
//!
//!     async fn open(&self, workspace: &Path) -> Result<Arc<dyn Store>> {
//!         open_my_store(workspace)
//!     }
//! }
//!
//! fn main() -> ExitCode {
//!     threadkeep_conformance::run(Mine)
//! }
//! ```
//!
//! Every case has a name, `tier::group::rule`. Filters and `--list` work as with other tests, and
//! so do runners that give each case a process. A case that needs what the backend does not declare
//! is reported as ignored, with the declared reason. A run without any case is a failure.
//!
//! | tier | what it does |
//! |---|---|
//! | `examples` | one readable example for each rule |
//! | `model` | random operations, answered by the backend and by a naive model alike |
//!
//! The random tier runs 64 sequences, or as many as `THREADKEEP_CASES` says, from the seed in
//! `THREADKEEP_SEED` or a new one. A failure prints the shortest sequence found, the first answer
//! that differs, and the command that repeats it.

mod cases;
mod fixture;
mod lab;
mod model;
mod runner;

pub use async_trait::async_trait;
pub use fixture::{Declared, Fixture};
pub use runner::run;
