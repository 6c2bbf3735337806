//! The table *backend × capability × rule group*.

use std::fmt::Write as _;

use anyhow::{Result, bail};
use threadkeep_conformance::{Ending, Report};

/// The groups of rules, by the first letter of their ids.
const GROUPS: [(char, &str); 8] = [
    ('T', "threads"),
    ('L', "lists"),
    ('D', "tools"),
    ('G', "logs"),
    ('R', "rollouts"),
    ('S', "stored"),
    ('P', "processes"),
    ('E', "errors"),
];
/// The capabilities a user chooses a backend by.
const CAPABILITIES: [&str; 4] = ["persistent", "durable", "multi-process", "backup"];

/// Renders the table and its footnotes.
pub(crate) fn render(reports: &[Report]) -> Result<String> {
    let mut notes = Notes::default();
    let mut text = String::from("| store |");
    for name in CAPABILITIES {
        write!(text, " {name} |")?;
    }
    for (letter, name) in GROUPS {
        write!(text, " {letter} {name} |")?;
    }
    writeln!(text, "\n|---|{}", "---|".repeat(CAPABILITIES.len() + GROUPS.len()))?;
    for report in reports {
        if let Some(failure) = report.failures().next() {
            bail!(
                "{}: {} failed; there is no table before it passes",
                report.backend,
                failure.name
            );
        }
        write!(text, "| {} |", report.backend)?;
        for name in CAPABILITIES {
            match report.capabilities.get(name) {
                Some(None) => write!(text, " yes |")?,
                Some(Some(reason)) => write!(text, " no{} |", notes.mark(reason))?,
                None => bail!("the report of {} is of another suite", report.backend),
            }
        }
        for (letter, _) in GROUPS {
            write!(text, " {} |", cell(report, letter, &mut notes))?;
        }
        writeln!(text)?;
    }
    for (number, note) in (1..).zip(&notes.0) {
        write!(text, "\n{number}. {note}")?;
    }
    Ok(text)
}

/// How many cases of a group apply and pass, how many are skipped, and why.
fn cell(report: &Report, letter: char, notes: &mut Notes) -> String {
    let mut passed = 0;
    let mut skipped = 0;
    let mut marks = Vec::new();
    for case in report.cases.iter().filter(|case| case.rule.starts_with(letter)) {
        match &case.result {
            Ending::Skipped(reason) => {
                skipped += 1;
                let mark = notes.mark(reason);
                if !marks.contains(&mark) {
                    marks.push(mark);
                }
            }
            // What a machine could not run is run on another, such as that of the CI.
            _ => passed += 1,
        }
    }
    if skipped == 0 {
        return format!("{passed} passed");
    }
    format!("{passed} passed, {skipped} skipped{}", marks.concat())
}

/// The reasons, each once.
#[derive(Default)]
struct Notes(Vec<String>);

impl Notes {
    fn mark(&mut self, reason: &str) -> String {
        let at = self.0.iter().position(|note| note == reason).unwrap_or_else(|| {
            self.0.push(reason.to_owned());
            self.0.len() - 1
        });
        format!(" [{}]", at + 1)
    }
}
