//! What must come out the same by two ways.

mod copies;
mod found;
mod history;
mod items;
mod json;
mod moving;
mod pages;
mod patches;
mod times;

use std::pin::Pin;
use std::time::Duration;

use proptest::strategy::Strategy;

use super::Case;
use crate::lab::{self, Lab, Verdict};
use crate::random;
use crate::role::Role;
use crate::setting::Setting;

/// A sequence that takes longer hangs.
const PATIENCE: Duration = Duration::from_mins(1);

pub(crate) fn cases() -> Vec<Case> {
    [
        items::cases(),
        patches::cases(),
        pages::cases(),
        copies::cases(),
        moving::cases(),
        times::cases(),
        found::cases(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

pub(crate) fn roles() -> Vec<Role> {
    Vec::new()
}

/// What a case does with one random value.
type Test<T> = for<'a> fn(&'a Lab, T) -> Pin<Box<dyn Future<Output = Verdict> + Send + 'a>>;

/// Tests values of a strategy, each in a lab of its own.
fn in_lab<S>(setting: &Setting, otherwise: u64, strategy: &S, test: Test<S::Value>) -> Verdict
where
    S: Strategy,
    S::Value: Send + 'static,
{
    random::sequences(setting, otherwise, strategy, |value| {
        let lab = Lab::new(setting)?;
        lab::run_within(PATIENCE, async move { test(&lab, value).await })
    })
}
