//! Running cases and telling how they ended.

use std::any::Any;
use std::env;
use std::fmt::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use threadkeep_core::Capability;

use crate::cases::{self, Case, Tier};
use crate::fixture::Need;
use crate::lab::Failure;
use crate::report::{CaseReport, Ending, Report};
use crate::setting::{Options, Setting};
use crate::{Fixture, role};

/// Runs the cases of some tiers on a backend, two at a time, and prints nothing.
///
/// For programs that ask the suite about a store and want to know more than whether it passes, such
/// as the tests of the suite itself. The program has to call [`play_part`] first.
pub fn judge(fixture: Arc<dyn Fixture>, tiers: &[Tier], options: Options) -> Report {
    judge_cases(fixture, |case| tiers.contains(&case.tier), options)
}

/// The same with the cases of some rules alone, named by their ids.
pub fn judge_by(
    fixture: Arc<dyn Fixture>,
    tiers: &[Tier],
    rules: &[&str],
    options: Options,
) -> Report {
    let wanted = |case: &Case| tiers.contains(&case.tier) && rules.contains(&case.rule.id);
    judge_cases(fixture, wanted, options)
}

fn judge_cases(
    fixture: Arc<dyn Fixture>,
    wanted: impl Fn(&Case) -> bool,
    options: Options,
) -> Report {
    let cases: Vec<Case> = cases::all().into_iter().filter(wanted).collect();
    let setting = Setting { fixture, options };
    let next = AtomicUsize::new(0);
    let found = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let number = next.fetch_add(1, Ordering::Relaxed)
                    && let Some(case) = cases.get(number)
                {
                    let ended = examine(&setting, case);
                    found.lock().unwrap_or_else(PoisonError::into_inner).push((number, ended));
                }
            });
        }
    });
    let mut found = found.into_inner().unwrap_or_else(PoisonError::into_inner);
    found.sort_by_key(|(number, _)| *number);
    report(&setting, found.into_iter().map(|(_, case)| case).collect())
}

/// Plays the part for which the suite started this program again, if it did; the program has to end
/// with the code then. Only [`judge`] needs this call; [`run`](crate::run) makes it itself.
pub fn play_part(fixtures: &[Arc<dyn Fixture>]) -> Option<std::process::ExitCode> {
    role::play(fixtures, &cases::roles())
}

/// A report of these cases.
pub(crate) fn report(setting: &Setting, cases: Vec<CaseReport>) -> Report {
    let declared = setting.fixture.declared();
    let needs = Capability::ALL.map(Need::Backend).into_iter();
    let capabilities = needs
        .chain([Need::Tamper, Need::PreviousFormat, Need::Hold, Need::Faults])
        .chain([Need::Retention, Need::Spoiling, Need::PowerCut])
        .map(|need| (need.as_str().to_owned(), declared.why_not(need).map(str::to_owned)))
        .collect();
    Report {
        backend: setting.fixture.name().to_owned(),
        capabilities,
        seed: setting.options.seed,
        cases,
    }
}

/// Runs one case, unless the backend lacks what it needs.
pub(crate) fn examine(setting: &Setting, case: &Case) -> CaseReport {
    let begun = Instant::now();
    let result = match why_not(setting, case) {
        Some(reason) => Ending::Skipped(reason),
        None => ending(setting, case),
    };
    let millis = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    CaseReport { millis, ..ended(case, result) }
}

/// A case that ended without having been run.
pub(crate) fn ended(case: &Case, result: Ending) -> CaseReport {
    CaseReport {
        name: case.to_string(),
        tier: case.tier,
        rule: case.rule.id.to_owned(),
        result,
        millis: 0,
    }
}

/// What the backend lacks of what the case needs, and why.
pub(crate) fn why_not(setting: &Setting, case: &Case) -> Option<String> {
    let declared = setting.fixture.declared();
    case.needs
        .iter()
        .find_map(|need| Some(format!("no {}: {}", need.as_str(), declared.why_not(*need)?)))
}

fn ending(setting: &Setting, case: &Case) -> Ending {
    match catch_unwind(AssertUnwindSafe(|| (case.run)(setting))) {
        Ok(Ok(())) => Ending::Passed,
        Ok(Err(failure)) if failure.skipped => Ending::CannotRun(failure.to_string()),
        Ok(Err(failure)) => Ending::Failed(explain(setting, case, &failure)),
        Err(panic) => Ending::Failed(explain(setting, case, &Failure::new(words(panic.as_ref())))),
    }
}

/// What a panic said.
fn words(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("a panic without words").to_owned()
}

/// The whole story of a failure: the rule, the backend, what happened, and how to see it again.
fn explain(setting: &Setting, case: &Case, failure: &Failure) -> String {
    let mut text = format!("rule {}: {}\n", case.rule.id, case.rule.sentence);
    // Writing to a string does not fail.
    let _ = writeln!(text, "why: {}", case.rule.reason);
    let _ = writeln!(text, "backend: {} ({})", setting.fixture.name(), abilities(setting));
    let _ = writeln!(text, "\n{failure}\n");
    let seed = failure.seed.unwrap_or(setting.options.seed);
    let cases = match failure.seed {
        Some(_) => Some(1),
        None => setting.options.cases,
    };
    let cases = cases.map_or_else(String::new, |cases| format!(" --cases {cases}"));
    let _ = write!(text, "repeat with:\n  {} --seed {seed}{cases} --exact {case}", command());
    text
}

/// What the backend can do and what it cannot.
fn abilities(setting: &Setting) -> String {
    let declared = setting.fixture.declared();
    let can = Capability::ALL.into_iter().filter(|capability| declared.has(*capability));
    let can = can.map(|capability| capability.as_str().to_owned());
    let cannot = declared.missing().map(|(need, reason)| format!("no {}: {reason}", need.as_str()));
    can.chain(cannot).collect::<Vec<_>>().join(", ")
}

/// The command that starts this test target.
fn command() -> String {
    let program = env::current_exe().unwrap_or_default();
    // Cargo adds a hash to the name of the test target.
    let target = program
        .file_stem()
        .and_then(|stem| stem.to_str())
        .and_then(|stem| stem.rsplit_once('-'))
        .map(|(target, _)| target.to_owned());
    match (env::var("CARGO_PKG_NAME"), target) {
        (Ok(package), Some(target)) => format!("cargo test -p {package} --test {target} --"),
        _ => program.display().to_string(),
    }
}
