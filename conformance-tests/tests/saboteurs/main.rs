//! Stores that are broken on purpose, each in one way that was seen in the wild or is likely to be.
//! A suite that lets one of them pass proves nothing about that rule.

mod apart;
mod batches;
mod failures;
mod fixtures;
mod following;
mod handles;
mod imitate;
mod lists;
mod logs;
mod own_logs;
mod pruning;
mod resources;
mod rows;
mod sabotage;
mod search;
mod sound;
mod table;
mod tools;
mod values;

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use libtest_mimic::{Arguments, Failed, Trial};
use threadkeep_conformance::{Fixture, Options, Report, Tier, judge, judge_by, play_part};

/// A store that breaks one rule.
struct Saboteur {
    name: &'static str,
    /// What it does wrong.
    breaks: &'static str,
    /// Where that was seen, or why it is likely.
    seen: &'static str,
    /// The rules it breaks, by id.
    rules: &'static str,
    /// The store, under this name in reports and in other processes.
    fixture: fn(&'static str) -> Arc<dyn Fixture>,
}

impl Saboteur {
    fn fixture(&self) -> Arc<dyn Fixture> {
        (self.fixture)(self.name)
    }
}

/// Every one of them.
fn all() -> Vec<Saboteur> {
    [
        lists::all(),
        search::all(),
        batches::all(),
        rows::all(),
        values::all(),
        tools::all(),
        logs::all(),
        pruning::all(),
        following::all(),
        apart::all(),
        handles::all(),
        failures::all(),
        resources::all(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The names of the cases that caught each saboteur.
type Caught = Arc<Mutex<BTreeMap<&'static str, Vec<String>>>>;

fn main() -> ExitCode {
    let fixtures: Vec<_> = all().iter().chain(&sound::all()).map(Saboteur::fixture).collect();
    if let Some(code) = play_part(&fixtures) {
        return code;
    }
    if std::env::args().any(|argument| argument == "--table") {
        print!("{}", table::render(&all()));
        return ExitCode::SUCCESS;
    }
    // Of the panics of cases that are meant to fail nobody wants to read.
    std::panic::set_hook(Box::new(|_| {}));
    let caught = Caught::default();
    let mut trials = vec![Trial::test("the_table_is_as_the_code_says", table::check)];
    for saboteur in sound::all() {
        let name = format!("passes::{}", saboteur.name);
        trials.push(Trial::test(name, move || passes(&saboteur)));
    }
    for saboteur in all() {
        let name = format!("caught::{}", saboteur.name);
        let caught = Arc::clone(&caught);
        trials.push(Trial::test(name, move || is_caught(&saboteur, &caught)));
    }
    let arguments = Arguments::from_args();
    let conclusion = libtest_mimic::run(&arguments, trials);
    if !arguments.list && judges_by_every_case() {
        let caught = caught.lock().unwrap_or_else(PoisonError::into_inner);
        table::report(&caught);
    }
    conclusion.exit_code()
}

/// The tiers a saboteur is judged by: what is quick, and what its rules need beyond that.
fn tiers(saboteur: &Saboteur) -> Vec<Tier> {
    let others = [
        ("P-1", Tier::Interleaving),
        ("P-2", Tier::Processes),
        ("P-3", Tier::Kill),
        ("P-5", Tier::Runtime),
        ("G-43", Tier::Interleaving),
        ("G-52", Tier::Interleaving),
    ];
    // On SQLite, where nothing else is about these rules, the rest would only take time.
    let by_examples = ["G-48", "G-56", "P-61", "P-63", "P-70"];
    if by_examples.contains(&saboteur.rules) {
        return vec![Tier::Examples];
    }
    let needed = others.into_iter().filter(|(rules, _)| saboteur.rules.contains(rules));
    let quick = [Tier::Examples, Tier::Model, Tier::Laws];
    quick.into_iter().chain(needed.map(|(_, tier)| tier)).collect()
}

fn options() -> Options {
    let patience = Duration::from_secs(20);
    Options { shrink: false, cases: Some(12), patience, ..Options::default() }
}

/// The variable that has every case judge every saboteur, which takes many minutes and tells how
/// many catch each.
const EVERY_CASE: &str = "THREADKEEP_EVERY_CASE";

fn judges_by_every_case() -> bool {
    std::env::var_os(EVERY_CASE).is_some()
}

fn judged(saboteur: &Saboteur) -> Report {
    if judges_by_every_case() {
        return judge(saboteur.fixture(), &tiers(saboteur), options());
    }
    let rules: Vec<_> = saboteur.rules.split(", ").collect();
    judge_by(saboteur.fixture(), &tiers(saboteur), &rules, options())
}

/// A saboteur has to be caught by a case of a rule that it breaks.
fn is_caught(saboteur: &Saboteur, caught: &Caught) -> Result<(), Failed> {
    let report = judged(saboteur);
    let cases: Vec<_> = report.failures().map(|case| case.name.clone()).collect();
    let of_its_rules =
        report.failures().any(|case| saboteur.rules.split(", ").any(|rule| rule == case.rule));
    let found = format!("{} is caught by {cases:?}", saboteur.name);
    caught.lock().unwrap_or_else(PoisonError::into_inner).insert(saboteur.name, cases);
    if of_its_rules {
        return Ok(());
    }
    Err(format!("{found}, by none of its rules: {}", saboteur.rules).into())
}

/// A store that is built like a saboteur and breaks nothing has to pass.
fn passes(sound: &Saboteur) -> Result<(), Failed> {
    match judge(sound.fixture(), &tiers(sound), options()).failures().next() {
        None => Ok(()),
        Some(case) => Err(format!("{}: {:?}", case.name, case.result).into()),
    }
}
