//! Several processes on one store.

mod following;
mod holding;
mod opening;
mod reading;
mod writing;

use std::time::Duration;

use super::Case;
use crate::role::Role;

pub(crate) fn cases() -> Vec<Case> {
    // What takes longest begins first.
    let groups = [
        holding::cases(),
        writing::cases(),
        reading::cases(),
        opening::cases(),
        following::cases(),
    ];
    groups.into_iter().flatten().collect()
}

pub(crate) fn roles() -> Vec<Role> {
    vec![
        opening::OPENER,
        writing::PATCHER,
        reading::WRITER,
        holding::HOLDER,
        following::LOGGER,
        following::SPOILER,
    ]
}

/// A part that takes longer hangs.
const PATIENCE: Duration = Duration::from_mins(2);
/// How often something is measured before slowness is the store's fault and not that of a busy
/// machine.
const ATTEMPTS: u32 = 3;
