//! Stores that are too weak for the tiers with several processes, kills, power cuts and faults. A
//! tier that lets one of them pass proves nothing.

mod faults;
mod kill;
mod platter;
mod power;
mod processes;
#[path = "../saboteurs/sabotage.rs"]
mod sabotage;

use std::process::ExitCode;
use std::sync::Arc;

use faults::{Flaw, Journaled};
use libtest_mimic::{Arguments, Failed, Trial};
use threadkeep_conformance::{Ending, Fixture, Options, Tier, judge, play_part};

/// The end of a case's name, and words of its failure, one or the other: that it fails for a right
/// reason.
type Caught = (&'static str, &'static [&'static str]);

/// A weak store, and what the suite has to say of it.
struct Control {
    fixture: Arc<dyn Fixture>,
    tier: Tier,
    /// What catches it. Where nothing is to, the store is strong enough and has to pass.
    caught: &'static [Caught],
}

fn all() -> Vec<Control> {
    vec![
        Control {
            fixture: Arc::new(kill::Early),
            tier: Tier::Kill,
            caught: &[("every_acknowledged_write_is_there", &["breaks P-30"])],
        },
        Control {
            fixture: Arc::new(kill::Piecemeal),
            tier: Tier::Kill,
            caught: &[("no_batch_is_there_in_part", &["breaks P-31"])],
        },
        Control {
            fixture: Arc::new(kill::Beside),
            tier: Tier::Kill,
            caught: &[("the_check_finds_nothing", &["breaks P-32"])],
        },
        Control {
            fixture: Arc::new(power::Unsynced),
            tier: Tier::Power,
            caught: &[("are_there_after_a_power_cut", &["lost"])],
        },
        Control { fixture: Arc::new(power::Synced), tier: Tier::Power, caught: &[] },
        Control {
            fixture: Arc::new(processes::Naive),
            tier: Tier::Processes,
            caught: &[
                ("open_a_new_store_at_once", &["already exists", "locked", "busy"]),
                (
                    "open_a_store_of_the_previous_format_at_once",
                    &["already exists", "locked", "busy"],
                ),
                ("are_never_busy_and_lose_nothing", &["busy", "locked"]),
                (
                    "is_answered_at_once_while_others_write",
                    &["every batch writes one text", "not only once"],
                ),
                ("are_busy_in_time_while_the_holder_is_stopped", &["hangs"]),
                ("opens_at_once_after_its_holder_was_killed", &["not only once"]),
                ("opens_at_once_after_its_writer_was_killed", &["not only once"]),
            ],
        },
        journaled(Flaw::Nothing, &[]),
        journaled(
            Flaw::ShrugsOffSyncs,
            &[("one_failing_call_are_whole_or_not_made", &["followed by a power cut"])],
        ),
        journaled(
            Flaw::Halves,
            &[
                ("one_failing_call_are_whole_or_not_made", &["breaks P-41"]),
                ("a_full_disk_is_reported_as_full", &["breaks P-41"]),
                ("no_batch_is_there_in_part_with_part_of_the_unsynced", &["breaks P-46"]),
            ],
        ),
        journaled(
            Flaw::NeverSyncs,
            &[("every_acknowledged_write_is_there_without_the_unsynced", &["breaks P-45"])],
        ),
        journaled(
            Flaw::StaysBroken,
            &[
                ("one_failing_call_are_whole_or_not_made", &["breaks P-43"]),
                ("a_disk_that_fails_for_good_is_an_io_error", &["breaks P-43"]),
            ],
        ),
        journaled(
            Flaw::CriesDamage,
            &[
                ("a_disk_that_fails_for_good_is_an_io_error", &["breaks P-42"]),
                ("a_full_disk_is_reported_as_full", &["breaks P-42"]),
            ],
        ),
        journaled(
            Flaw::WantsItsEnd,
            &[("no_batch_is_there_in_part_with_part_of_the_unsynced", &["breaks P-44"])],
        ),
    ]
}

fn journaled(flaw: Flaw, caught: &'static [Caught]) -> Control {
    Control { fixture: Arc::new(Journaled(flaw)), tier: Tier::Faults, caught }
}

fn main() -> ExitCode {
    let controls = all();
    let fixtures: Vec<_> = controls.iter().map(|control| Arc::clone(&control.fixture)).collect();
    if let Some(code) = play_part(&fixtures) {
        return code;
    }
    let trial = |control: Control| {
        let name = format!("{}::{}", control.tier, control.fixture.name());
        Trial::test(name, move || is_caught(&control))
    };
    let trials = controls.into_iter().map(trial).collect();
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

/// Runs of a tier in which each of its cases has to catch the store once. When a kill or a read
/// meets a write is up to chance, and one run may be over before they have met.
const RUNS: u32 = 3;

/// Faults strike everywhere, and a few cuts catch whom many do.
fn options(control: &Control) -> Options {
    let few = control.tier == Tier::Faults && !control.caught.is_empty();
    Options { cases: few.then_some(40), ..Options::default() }
}

fn is_caught(control: &Control) -> Result<(), Failed> {
    let mut missing = Vec::from(control.caught);
    for _ in 0..RUNS {
        let report = judge(Arc::clone(&control.fixture), &[control.tier], options(control));
        if control.caught.is_empty() {
            return match report.failures().next() {
                Some(failed) => {
                    Err(format!("{} is to pass: {:?}", failed.name, failed.result).into())
                }
                None => Ok(()),
            };
        }
        let mut passed = Vec::new();
        for (case, words) in missing {
            let found = report.cases.iter().find(|found| found.name.ends_with(case));
            match found.map(|found| &found.result) {
                Some(Ending::Failed(story)) if words.iter().any(|words| story.contains(words)) => {}
                // What this machine lacks is told by the suite itself.
                Some(Ending::CannotRun(_)) => {}
                Some(Ending::Passed) => passed.push((case, words)),
                other => return Err(format!("{case} fails, not with {words:?}: {other:?}").into()),
            }
        }
        missing = passed;
        if missing.is_empty() {
            return Ok(());
        }
    }
    Err(format!("passed {RUNS} times and is not to: {missing:?}").into())
}
