//! What a case runs in: the backend, and how much of what is random.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::sync::Arc;
use std::time::Duration;

use crate::Fixture;

/// No case takes so long on a slow machine.
const PATIENCE: Duration = Duration::from_mins(2);

/// The backend under test and the options of the run.
#[derive(Clone)]
pub(crate) struct Setting {
    pub(crate) fixture: Arc<dyn Fixture>,
    pub(crate) options: Options,
}

/// How much is run, and from which beginning.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Where everything random begins.
    pub seed: u64,
    /// How many random sequences, histories, kills, cuts or points a case runs, where that is not for the case
    /// to say.
    pub cases: Option<u64>,
    /// Whether the shortest failing sequence is looked for, which may take a minute.
    pub shrink: bool,
    /// After how long a case hangs that has no limit of its own.
    pub patience: Duration,
}

/// The variable that says where everything random begins.
pub(crate) const SEED: &str = "THREADKEEP_SEED";

impl Default for Options {
    /// Begins from the number in `THREADKEEP_SEED`, or from a new one.
    fn default() -> Self {
        let seed = std::env::var(SEED).ok().and_then(|seed| seed.parse().ok());
        let seed = seed.unwrap_or_else(|| RandomState::new().build_hasher().finish());
        Self { seed, cases: None, shrink: true, patience: PATIENCE }
    }
}

impl Setting {
    /// How many random sequences to run where nobody says otherwise.
    pub(crate) fn cases(&self, otherwise: u64) -> u64 {
        self.options.cases.unwrap_or(otherwise)
    }

    /// The seeds of so many random sequences, one after the other.
    pub(crate) fn seeds(&self, otherwise: u64) -> impl Iterator<Item = u64> + use<> {
        let first = self.options.seed;
        (0..self.cases(otherwise)).map(move |number| first.wrapping_add(number))
    }
}
