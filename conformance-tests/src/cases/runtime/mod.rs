//! What the store does to the runtime and the process it is called in.

mod calls;
mod dropped;
mod drops;
mod steady;
mod timer;
pub(super) mod whole;

use super::Case;
use crate::role::Role;

pub(crate) fn cases() -> Vec<Case> {
    [timer::cases(), dropped::cases(), steady::cases()].into_iter().flatten().collect()
}

pub(crate) fn roles() -> Vec<Role> {
    [timer::roles(), steady::roles()].into_iter().flatten().collect()
}
