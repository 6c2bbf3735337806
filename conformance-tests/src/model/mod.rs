//! Random operations, answered by the backend and by a naive model alike.

mod ask;
mod compare;
pub(crate) mod fold;
pub(crate) mod generate;
mod json;
mod machine;
pub(crate) mod ops;
mod pools;
mod prune;
mod row;
pub(crate) mod store;

use std::time::Duration;

use crate::cases::{Tier, group};
use crate::lab::{self, Lab, Verdict};
use crate::random;
use crate::setting::Setting;
use ops::Script;

/// How many sequences are run where nobody says otherwise.
const SEQUENCES: u64 = 64;
/// A sequence that takes longer hangs.
const PATIENCE: Duration = Duration::from_mins(1);

group! { sync Tier::Model;
    P_01: the_backend_answers_as_the_model,
}

fn the_backend_answers_as_the_model(setting: &Setting) -> Verdict {
    random::sequences(setting, SEQUENCES, &machine::script(), |script| run(setting, script))
}

fn run(setting: &Setting, script: Script) -> Verdict {
    let lab = Lab::new(setting)?;
    lab::run_within(PATIENCE, async move { Box::pin(compare::run(&lab, &script)).await })
}
