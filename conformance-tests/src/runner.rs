//! Running the cases as tests.

use std::env;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};

use clap::Parser;
use libtest_mimic::{Arguments, Completion, Trial};

use crate::cases::{self, Case, Tier};
use crate::fixture::Fixture;
use crate::judge;
use crate::report::{CaseReport, Ending};
use crate::role;
use crate::setting::{Options, SEED, Setting};

/// The options of other tests, and those of this suite.
#[derive(Parser)]
struct CommandLine {
    #[command(flatten)]
    tests: Arguments,
    /// Run only the cases of this tier; may be given several times.
    #[arg(long)]
    tier: Vec<Tier>,
    /// Begin everything random from this number, instead of a new one each run.
    #[arg(long, env = SEED)]
    seed: Option<u64>,
    /// Run so many random sequences, histories, kills, cuts or points a case.
    #[arg(long, env = "THREADKEEP_CASES")]
    cases: Option<u64>,
    /// Write what was found to this file, as JSON. A run of all cases writes it beside the build
    /// also without being asked.
    #[arg(long)]
    report: Option<PathBuf>,
}

impl CommandLine {
    /// Where the report goes, if this is a run to be reported.
    fn report_path(&self) -> Option<PathBuf> {
        let tests = &self.tests;
        let part = tests.filter.is_some() || !tests.skip.is_empty() || tests.ignored;
        let whole = !part && !tests.list && self.tier.is_empty();
        self.report.clone().or_else(|| whole.then(usual_report).flatten())
    }
}

/// Runs the suite on a backend, as the command line says, and answers for `main`.
///
/// `--help` lists the options.
pub fn run(fixture: impl Fixture) -> ExitCode {
    let fixture: Arc<dyn Fixture> = Arc::new(fixture);
    if let Some(code) = role::play(&[Arc::clone(&fixture)], &cases::roles()) {
        return code;
    }
    let line = CommandLine::parse();
    if let Some(problem) = unfit(&*fixture, env::var("CI").is_ok_and(|ci| ci == "true")) {
        eprintln!("{}: {problem}", fixture.name());
        return ExitCode::FAILURE;
    }
    let mut options = Options { cases: line.cases, ..Options::default() };
    options.seed = line.seed.unwrap_or(options.seed);
    let setting = Setting { fixture, options };
    let found = Arc::default();
    let trials = trials(&setting, &line.tier, &found);
    let conclusion = libtest_mimic::run(&line.tests, trials);
    let ran = conclusion.num_passed + conclusion.num_failed + conclusion.num_ignored;
    // Asking for ignored cases of a backend that lacks nothing rightly finds none.
    if ran == 0 && !line.tests.list && !line.tests.ignored {
        eprintln!("no case of the conformance suite has such a name; --list shows them all");
        return ExitCode::FAILURE;
    }
    let mut found = std::mem::take(&mut *found.lock().unwrap_or_else(PoisonError::into_inner));
    if let Some(path) = line.report_path() {
        found.sort_by_key(|(number, _)| *number);
        let report = judge::report(&setting, found.into_iter().map(|(_, case)| case).collect());
        if let Err(error) = report.write(&path) {
            eprintln!("the report cannot be written to {}: {error}", path.display());
            return ExitCode::FAILURE;
        }
    }
    conclusion.exit_code()
}

/// What makes a run pointless, in the CI or elsewhere.
fn unfit(fixture: &dyn Fixture, in_ci: bool) -> Option<String> {
    if let Some((need, _)) =
        fixture.declared().missing().find(|(_, reason)| reason.trim().is_empty())
    {
        return Some(format!("it declares no {}, but not why; give a reason", need.as_str()));
    }
    fixture.lacking().filter(|_| in_ci).map(|reason| format!("nothing was tested: {reason}"))
}

/// Where the report of a whole run goes: `conformance/TARGET.json` in cargo's build folder.
fn usual_report() -> Option<PathBuf> {
    let program = env::current_exe().ok()?;
    let deps = program.parent().filter(|folder| folder.ends_with("deps"))?;
    let name = program.file_stem()?.to_str()?;
    let package = env::var("CARGO_PKG_NAME").ok()?;
    let target = name.rsplit_once('-').map_or(name, |(target, _)| target);
    let build: &Path = deps.parent()?.parent()?;
    Some(build.join("conformance").join(format!("{package}.{target}.json")))
}

/// What was found so far, with the number of each case.
type Found = Arc<Mutex<Vec<(usize, CaseReport)>>>;

fn trials(setting: &Setting, tiers: &[Tier], found: &Found) -> Vec<Trial> {
    let cases = cases::all().into_iter().enumerate();
    let wanted = cases.filter(|(_, case)| tiers.is_empty() || tiers.contains(&case.tier));
    wanted.map(|(number, case)| trial(setting.clone(), number, case, Arc::clone(found))).collect()
}

fn trial(setting: Setting, number: usize, case: Case, found: Found) -> Trial {
    let name = case.to_string();
    let note =
        move |report| found.lock().unwrap_or_else(PoisonError::into_inner).push((number, report));
    let lacking = setting.fixture.lacking().map(Ending::CannotRun);
    if let Some(ending) = lacking.or_else(|| judge::why_not(&setting, &case).map(Ending::Skipped)) {
        let (Ending::Skipped(reason) | Ending::CannotRun(reason)) = ending.clone() else {
            unreachable!("a case that is not run neither passes nor fails")
        };
        note(judge::ended(&case, ending));
        let kind = reason.clone();
        // Also where ignored tests are asked for there is nothing to run.
        return Trial::ignorable_test(name, || Ok(Completion::ignored_with(reason)))
            .with_ignored_flag(true)
            .with_kind(kind);
    }
    Trial::ignorable_test(name, move || {
        let report = judge::examine(&setting, &case);
        let result = report.result.clone();
        note(report);
        match result {
            Ending::Passed => Ok(Completion::Completed),
            Ending::Failed(story) => Err(story.into()),
            Ending::Skipped(reason) | Ending::CannotRun(reason) => {
                Ok(Completion::ignored_with(reason))
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use threadkeep_core::{Capability, Error, ErrorKind, Result, Store};

    use super::*;
    use crate::{Declared, async_trait};

    /// A backend that is never opened.
    struct Closed {
        reason: &'static str,
        lacking: Option<&'static str>,
    }

    #[async_trait]
    impl Fixture for Closed {
        fn name(&self) -> &'static str {
            "closed"
        }

        fn declared(&self) -> Declared {
            Declared::everything().without(Capability::Persistent, self.reason)
        }

        fn lacking(&self) -> Option<String> {
            self.lacking.map(str::to_owned)
        }

        async fn open(&self, _workspace: &Path) -> Result<Arc<dyn Store>> {
            Err(Error::new(ErrorKind::Unavailable, "it is never opened"))
        }
    }

    fn setting(reason: &'static str, lacking: Option<&'static str>) -> Setting {
        Setting { fixture: Arc::new(Closed { reason, lacking }), options: Options::default() }
    }

    fn listed(setting: &Setting, tiers: &[Tier]) -> Vec<CaseReport> {
        let found = Found::default();
        let trials = trials(setting, tiers, &found);
        assert!(!trials.is_empty());
        let found = std::mem::take(&mut *found.lock().unwrap());
        found.into_iter().map(|(_, case)| case).collect()
    }

    #[test]
    fn a_gap_needs_a_reason() {
        assert_eq!(unfit(&*setting("it has no files", None).fixture, true), None);
        let problem = unfit(&*setting(" ", None).fixture, false).unwrap();
        assert!(problem.contains("no persistent"), "{problem}");
    }

    #[test]
    fn a_missing_service_fails_in_the_ci_alone() {
        let setting = setting("it has no files", Some("a server"));
        assert_eq!(unfit(&*setting.fixture, false), None);
        assert!(unfit(&*setting.fixture, true).unwrap().contains("a server"));
        let skipped = listed(&setting, &[]);
        assert_eq!(skipped.len(), cases::all().len(), "every case is skipped by name");
        assert!(skipped.iter().all(|case| case.result == Ending::CannotRun("a server".into())));
    }

    #[test]
    fn what_is_not_declared_is_skipped_with_its_reason() {
        let skipped = listed(&setting("it has no files", None), &[Tier::Kill]);
        assert!(!skipped.is_empty());
        for case in skipped {
            assert_eq!(case.result, Ending::Skipped("no persistent: it has no files".into()));
        }
    }

    #[test]
    fn every_case_has_a_name_of_its_own() {
        let mut names: Vec<_> = cases::all().iter().map(ToString::to_string).collect();
        names.sort();
        let all = names.len();
        names.dedup();
        assert_eq!(names.len(), all);
    }
}
