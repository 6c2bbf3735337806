//! A disk that fails at any call, is full at any byte, and loses its power at any moment.
//!
//! The disk is the fixture's own and needs no root: it is told when to fail. Each point has a copy
//! of one prepared disk to itself.

mod bench;
mod content;
mod cuts;
mod operations;
mod points;
mod trial;

use threadkeep_core::Capability;

use self::cuts::live_through;
use self::points::{Mode, strike};
use super::PERSISTENT;
use crate::Unsynced;
use crate::cases::{Tier, group};
use crate::fixture::Need;
use crate::lab::Verdict;
use crate::setting::Setting;

const FAULTS: Need = Need::Faults;
const DURABLE: Need = Need::Backend(Capability::Durable);

// Each case looks for whatever a fault can break; each is best at what its rule says.
group! { sync Tier::Faults;
    P_41: batches_that_meet_one_failing_call_are_whole_or_not_made [PERSISTENT, FAULTS],
    P_42: a_disk_that_fails_for_good_is_an_io_error [PERSISTENT, FAULTS],
    P_42: a_full_disk_is_reported_as_full [PERSISTENT, FAULTS],
    P_43: the_store_goes_on_after_one_failing_call [PERSISTENT, FAULTS],
    P_44: a_store_opens_again_whatever_call_of_its_handles_failed [PERSISTENT, FAULTS],
    P_45: every_acknowledged_write_is_there_without_the_unsynced [PERSISTENT, DURABLE, FAULTS],
    P_46: no_batch_is_there_in_part_with_part_of_the_unsynced [PERSISTENT, DURABLE, FAULTS],
}

fn batches_that_meet_one_failing_call_are_whole_or_not_made(setting: &Setting) -> Verdict {
    strike(setting, Mode::Once, operations::batches())
}

fn a_disk_that_fails_for_good_is_an_io_error(setting: &Setting) -> Verdict {
    strike(setting, Mode::From, operations::all())
}

fn a_full_disk_is_reported_as_full(setting: &Setting) -> Verdict {
    strike(setting, Mode::Full, operations::all())
}

fn the_store_goes_on_after_one_failing_call(setting: &Setting) -> Verdict {
    strike(setting, Mode::Once, [operations::others(), operations::reads()].concat())
}

fn a_store_opens_again_whatever_call_of_its_handles_failed(setting: &Setting) -> Verdict {
    strike(setting, Mode::Once, operations::handles())
}

fn every_acknowledged_write_is_there_without_the_unsynced(setting: &Setting) -> Verdict {
    live_through(setting, |_| Unsynced::Lost)
}

fn no_batch_is_there_in_part_with_part_of_the_unsynced(setting: &Setting) -> Verdict {
    live_through(setting, Unsynced::Partly)
}
