//! Random sequences: as many as asked for, each from a seed of its own, the shortest that fails.

use proptest::strategy::{Strategy, ValueTree as _};
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};

use crate::lab::{Failure, Verdict};
use crate::setting::Setting;

/// Tests values of a strategy, one a seed, `otherwise` many where nobody says how many.
pub(crate) fn sequences<S: Strategy>(
    setting: &Setting,
    otherwise: u64,
    strategy: &S,
    test: impl Fn(S::Value) -> Verdict,
) -> Verdict {
    for seed in setting.seeds(otherwise) {
        sequence(setting, seed, strategy, &test).map_err(|failure| failure.at_seed(seed))?;
    }
    Ok(())
}

/// Tests the value of one seed and, where it fails, looks for the simplest that does.
fn sequence<S: Strategy>(
    setting: &Setting,
    seed: u64,
    strategy: &S,
    test: impl Fn(S::Value) -> Verdict,
) -> Verdict {
    let config = Config {
        cases: 1,
        failure_persistence: None,
        max_shrink_iters: 20_000,
        max_shrink_time: 60_000,
        ..Config::default()
    };
    let mut runner = TestRunner::new_with_rng(config, rng(seed));
    if !setting.options.shrink {
        let tree = strategy.new_tree(&mut runner);
        return test(tree.map_err(|reason| Failure::new(reason.message()))?.current());
    }
    let result = runner.run(strategy, |value| {
        test(value).map_err(|failure| TestCaseError::fail(failure.to_string()))
    });
    match result {
        Ok(()) => Ok(()),
        Err(TestError::Fail(reason, value)) => Err(Failure::new(format!(
            "{}\n\nthe simplest input found:\n{value:?}",
            reason.message()
        ))),
        Err(TestError::Abort(reason)) => Err(Failure::new(reason.message())),
    }
}

/// Random numbers that a seed begins.
pub(crate) fn rng(seed: u64) -> TestRng {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    TestRng::from_seed(RngAlgorithm::ChaCha, &bytes)
}
