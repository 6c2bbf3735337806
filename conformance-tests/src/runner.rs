//! Running the cases as tests.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use libtest_mimic::{Arguments, Completion, Failed, Trial};

use crate::cases::{self, Case};
use crate::fixture::Fixture;
use crate::lab::{self, Failure, Lab};
use crate::model;

/// A case that takes longer hangs.
const PATIENCE: Duration = Duration::from_mins(2);

/// Runs the suite on a backend, as the command line says, and answers for `main`.
///
/// `--help` lists the options; they are those of other tests.
pub fn run(fixture: impl Fixture) -> ExitCode {
    let arguments = Arguments::from_args();
    let conclusion = libtest_mimic::run(&arguments, trials(&(Arc::new(fixture) as _)));
    let ran = conclusion.num_passed + conclusion.num_failed + conclusion.num_ignored;
    // Asking for ignored cases of a backend that lacks nothing rightly finds none.
    if ran == 0 && !arguments.list && !arguments.ignored {
        eprintln!("no case of the conformance suite has such a name; --list shows them all");
        return ExitCode::FAILURE;
    }
    conclusion.exit_code()
}

fn trials(fixture: &Arc<dyn Fixture>) -> Vec<Trial> {
    let mut trials: Vec<Trial> =
        cases::all().iter().map(|case| trial(case, Arc::clone(fixture))).collect();
    let fixture = Arc::clone(fixture);
    trials.push(Trial::test(model::NAME, move || {
        model::run(&fixture).map_err(|failure| failed(&failure))
    }));
    trials
}

fn trial(case: &Case, fixture: Arc<dyn Fixture>) -> Trial {
    let declared = fixture.declared();
    let missing = case.needs.iter().find_map(|need| Some((need, declared.why_not(*need)?)));
    if let Some((need, reason)) = missing {
        let reason = format!("{}: {reason}", need.as_str());
        let kind = format!("no {reason}");
        // Also where ignored tests are asked for there is nothing to run.
        return Trial::ignorable_test(case.name, || Ok(Completion::ignored_with(reason)))
            .with_ignored_flag(true)
            .with_kind(kind);
    }
    let run = case.run;
    Trial::test(case.name, move || {
        Lab::new(fixture)
            .and_then(|lab| lab::run_within(PATIENCE, async move { run(&lab).await }))
            .map_err(|failure| failed(&failure))
    })
}

fn failed(failure: &Failure) -> Failed {
    failure.to_string().into()
}
