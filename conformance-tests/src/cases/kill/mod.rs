//! Processes killed at any moment.

pub(super) mod found;
mod life;
pub(super) mod plan;
mod toil;

use super::{PERSISTENT, Tier, group};
use crate::lab::Verdict;
use crate::role::Role;
use crate::setting::Setting;
use plan::{BROAD, CHURN, NARROW};

// Every loop looks for whatever a kill can break; each is best at what its rule says. By default
// that is 50 kills in all.
group! { sync Tier::Kill;
    P_30: every_acknowledged_write_is_there [PERSISTENT],
    P_31: no_batch_is_there_in_part [PERSISTENT],
    P_32: the_check_finds_nothing [PERSISTENT],
}

pub(crate) fn roles() -> Vec<Role> {
    vec![toil::TOILER]
}

fn every_acknowledged_write_is_there(setting: &Setting) -> Verdict {
    life::kills(setting, 20, NARROW)
}

fn no_batch_is_there_in_part(setting: &Setting) -> Verdict {
    life::kills(setting, 15, BROAD)
}

fn the_check_finds_nothing(setting: &Setting) -> Verdict {
    life::kills(setting, 15, CHURN)
}
