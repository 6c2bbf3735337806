//! Indexing homes that tests write.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod bad_input;
mod fixture;
mod incremental;
mod laws;
mod runs;
