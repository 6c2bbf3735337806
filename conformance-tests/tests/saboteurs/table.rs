//! What is written of the saboteurs: a table for people, and which case caught which.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use libtest_mimic::Failed;

use crate::{Saboteur, all};

const FILE: &str = "SABOTEURS.md";
/// How many cases should catch each.
const ENOUGH: usize = 2;

/// The document: every saboteur, what it does wrong, where that was seen, and the rules it breaks.
pub(crate) fn render(saboteurs: &[Saboteur]) -> String {
    let mut text = String::from(
        "# Saboteurs\n\n\
         Stores that are broken on purpose, each in one way that was seen in the wild or is likely to be.\n\
         Each must be caught by a case of a rule it breaks, or the suite fails its own tests; stores\n\
         built in the same way with nothing broken in them must pass.\n\n\
         The tests live in `tests/saboteurs`. They print how many cases catch each, and write which\n\
         ones to `conformance/saboteurs.json` in cargo's build folder. This file is made by\n\
         `cargo test -p threadkeep-conformance --test saboteurs -- --table`.\n\n\
         | saboteur | what it does wrong | where that was seen, or why it is likely | rules |\n\
         |---|---|---|---|\n",
    );
    for Saboteur { name, breaks, seen, rules, .. } in saboteurs {
        let cell = |text: &str| text.replace('|', "\\|");
        // Writing to a string does not fail.
        let _ = writeln!(text, "| `{name}` | {} | {} | {rules} |", cell(breaks), cell(seen));
    }
    text
}

/// Fails where the document is not what would be made now.
pub(crate) fn check() -> Result<(), Failed> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(FILE);
    let written = fs::read_to_string(&path)?;
    if written == render(&all()) {
        return Ok(());
    }
    Err(format!("{FILE} is stale; make it with `cargo test -p threadkeep-conformance --test saboteurs -- --table > conformance-tests/{FILE}`").into())
}

/// Prints how many cases caught each, and writes which.
pub(crate) fn report(caught: &BTreeMap<&'static str, Vec<String>>) {
    for (name, cases) in caught {
        let few = if cases.len() < ENOUGH { "  (few)" } else { "" };
        println!("{name}: caught by {}{few}", cases.len());
    }
    let folder = std::env::current_exe()
        .ok()
        .and_then(|program| Some(program.parent()?.parent()?.parent()?.join("conformance")));
    let written = folder.map(|folder| {
        fs::create_dir_all(&folder)?;
        fs::write(folder.join("saboteurs.json"), serde_json::to_vec_pretty(caught)?)
    });
    if let Some(Err(error)) = written {
        eprintln!("the report cannot be written: {error}");
    }
}
