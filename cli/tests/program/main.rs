//! The program as its users run it: every command, every exit code, on every kind of store.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod alike;
mod bad_input;
mod changes;
mod import;
mod interrupt;
mod listing;
mod logs;
mod moving;
mod output;
mod reading;
mod sharing;
mod stores;
mod support;
