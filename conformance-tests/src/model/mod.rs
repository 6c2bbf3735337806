//! Random operations, answered by the backend and by a naive model alike.

mod ask;
mod compare;
mod generate;
mod ops;
mod store;

use std::env;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};

use crate::Fixture;
use crate::lab::{self, Failure, Lab, Verdict};
use ops::Script;

pub(crate) const NAME: &str = "model::operations::the_backend_answers_as_the_model";

/// How many sequences are run where nobody says otherwise.
const CASES: u64 = 64;
/// A sequence that takes longer hangs.
const PATIENCE: Duration = Duration::from_mins(1);
const SEED_VARIABLE: &str = "THREADKEEP_SEED";
const CASES_VARIABLE: &str = "THREADKEEP_CASES";

/// Runs as many sequences as asked for, each from a seed of its own.
pub(crate) fn run(fixture: &Arc<dyn Fixture>) -> Verdict {
    let cases = variable(CASES_VARIABLE)?.unwrap_or(CASES);
    let first =
        variable(SEED_VARIABLE)?.unwrap_or_else(|| RandomState::new().build_hasher().finish());
    for case in 0..cases {
        let seed = first.wrapping_add(case);
        run_seed(fixture, seed)
            .map_err(|failure| Failure::new(format!("{failure}\n\n{}", repeat(seed))))?;
    }
    Ok(())
}

/// Runs the sequence of one seed and, where it fails, looks for the shortest that does.
fn run_seed(fixture: &Arc<dyn Fixture>, seed: u64) -> Verdict {
    let config = Config {
        cases: 1,
        failure_persistence: None,
        max_shrink_iters: 20_000,
        max_shrink_time: 60_000,
        ..Config::default()
    };
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let result = TestRunner::new_with_rng(config, rng).run(&generate::script(), |script| {
        run_script(fixture, script).map_err(|failure| TestCaseError::fail(failure.to_string()))
    });
    match result {
        Ok(()) => Ok(()),
        Err(TestError::Fail(reason, script)) => Err(Failure::new(format!(
            "{}\n\nthe shortest sequence found:\n{script:?}",
            reason.message()
        ))),
        Err(TestError::Abort(reason)) => Err(Failure::new(reason.message())),
    }
}

fn run_script(fixture: &Arc<dyn Fixture>, script: Script) -> Verdict {
    let lab = Lab::new(Arc::clone(fixture))?;
    lab::run_within(PATIENCE, async move { Box::pin(compare::run(&lab, &script)).await })
}

fn variable(name: &str) -> Verdict<Option<u64>> {
    match env::var(name) {
        Err(_) => Ok(None),
        Ok(text) => match text.parse() {
            Ok(number) => Ok(Some(number)),
            Err(_) => Err(Failure::new(format!("{name} is {text:?}, expected a whole number"))),
        },
    }
}

/// The command that runs the sequence of this seed again.
fn repeat(seed: u64) -> String {
    let program = env::current_exe().unwrap_or_default();
    // Cargo adds a hash to the name of the test target.
    let target = program
        .file_stem()
        .and_then(|stem| stem.to_str())
        .and_then(|stem| stem.rsplit_once('-'))
        .map(|(target, _)| target.to_owned());
    let command = match (env::var("CARGO_PKG_NAME"), target) {
        (Ok(package), Some(target)) => format!("cargo test -p {package} --test {target} --"),
        _ => Path::new(&program).display().to_string(),
    };
    format!("repeat with:\n  {SEED_VARIABLE}={seed} {CASES_VARIABLE}=1 {command} --exact {NAME}")
}
