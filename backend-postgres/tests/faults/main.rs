//! Servers that die, connections that break, disks that fill: nothing acknowledged is lost, nothing
//! is done twice, and every error says what is true.
//!
//! `THREADKEEP_FAULT_ROUNDS=10` makes everything ten times as long.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "../common/mod.rs"]
mod common;
mod connections;
mod cut;
mod disk;
mod killed;
mod stuck;

use std::time::Duration;

/// Beyond the time without a server, nothing takes longer than this.
const STALL: Duration = Duration::from_secs(6);
