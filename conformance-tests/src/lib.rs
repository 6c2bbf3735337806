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
//!     fn name(&self) -> &'static str {
//!         "mine"
//!     }
//!
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
//! `CONTRACT.md` numbers the rules; every case proves one and is named after it:
//! `tier::rule::case`. Filters and `--list` work as with other tests, and so do runners that give
//! each case a process. A case that needs what the backend does not declare is reported as ignored,
//! with the declared reason. A run without any case is a failure.
//!
//! | tier | what it does |
//! |---|---|
//! | `examples` | one readable example, or more, for each rule |
//! | `model` | random operations on up to three handles, answered by the backend and by a naive model alike |
//! | `laws` | what must come out the same by two ways: histories in any split, pages of any size, copies of copies |
//! | `interleaving` | tasks and handles at once; some order of their calls has to explain every answer |
//! | `processes` | this program starts itself again: many opens at once, many writers, a stopped and a killed holder |
//! | `kill` | processes killed at any moment lose nothing that was acknowledged |
//! | `power` | the same with the machine's power cut; Linux, as root |
//! | `faults` | every call to a disk failed in turn, the disk full at any byte, and power cuts, on a disk that the fixture makes fail |
//! | `runtime` | the caller's runtime goes on, dropped futures leave nothing behind |
//!
//! | option | variable | meaning |
//! |---|---|---|
//! | `--tier TIER` | | only the cases of this tier; may be given several times |
//! | `--seed N` | `THREADKEEP_SEED` | begin everything random from this number |
//! | `--cases N` | `THREADKEEP_CASES` | so many random sequences, histories, kills, cuts or points a case |
//! | `--report FILE` | | write the [`Report`] there; a whole run writes it to `conformance/` in cargo's build folder |
//!
//! A failure prints the rule, the shortest sequence found, the first answer that differs, and the
//! command that repeats it.

mod cases;
mod diff;
mod disk;
mod fixture;
mod judge;
mod lab;
mod linear;
mod model;
mod random;
mod report;
mod role;
// A rule without a case is a constant that nobody uses.
#[deny(dead_code)]
mod rules;
mod runner;
mod setting;

pub use async_trait::async_trait;
pub use cases::Tier;
pub use disk::{Fault, FaultyDisk, Unsynced};
pub use fixture::{Declared, Fixture, Spoiled};
pub use judge::{judge, judge_by, play_part};
pub use report::{CaseReport, Ending, Report};
pub use runner::run;
pub use setting::Options;
