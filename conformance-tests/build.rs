//! Makes a constant of every rule in CONTRACT.md. A case that names no rule does not compile, and
//! neither does the crate while a rule has no case: its constant is dead code.

use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs};

/// A rule as the document has it.
struct Rule {
    id: String,
    sentence: String,
    reason: String,
}

fn main() {
    // In a checkout the document is in `docs/`, in a published crate beside this script.
    let paths = ["../docs/CONTRACT.md", "CONTRACT.md"];
    let Some(path) = paths.into_iter().find(|path| Path::new(path).exists()) else {
        panic!("none of {paths:?} is there");
    };
    println!("cargo::rerun-if-changed={path}");
    let document = fs::read_to_string(path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let rules = rules(&document).unwrap_or_else(|problem| panic!("{path}: {problem}"));
    let folder = env::var("OUT_DIR").unwrap_or_else(|error| panic!("OUT_DIR: {error}"));
    let target = Path::new(&folder).join("rules.rs");
    if let Err(error) = fs::write(&target, source(&rules)) {
        panic!("{}: {error}", target.display());
    }
}

/// The rules in force, in the order of the document.
fn rules(document: &str) -> Result<Vec<Rule>, String> {
    let mut rules = Vec::new();
    let mut last: Option<(char, u32)> = None;
    for item in items(document) {
        let (id, text) = item.split_once("** ").ok_or_else(|| format!("no id ends in: {item}"))?;
        let place = place(id).ok_or_else(|| format!("no id of a rule, such as T-01: {id}"))?;
        if last.is_some_and(|last| last.0 == place.0 && last.1 >= place.1) {
            return Err(format!("{id} does not come after the rule before it"));
        }
        last = Some(place);
        if text.starts_with("Retired: ") {
            continue;
        }
        let (sentence, reason) = text
            .strip_suffix('*')
            .and_then(|text| text.rsplit_once(" *"))
            .ok_or_else(|| format!("{id} does not end with its reason between asterisks"))?;
        rules.push(Rule { id: id.into(), sentence: sentence.into(), reason: reason.into() });
    }
    if rules.is_empty() {
        return Err("there is no rule in it".into());
    }
    Ok(rules)
}

/// The list items that begin with something bold, each on one line and without the beginning.
fn items(document: &str) -> Vec<String> {
    let mut items: Vec<String> = Vec::new();
    let mut inside = false;
    for line in document.lines() {
        if let Some(begin) = line.strip_prefix("- **") {
            items.push(begin.trim().into());
            inside = true;
        } else if line.starts_with("  ") && inside {
            if let Some(item) = items.last_mut() {
                item.push(' ');
                item.push_str(line.trim());
            }
        } else {
            inside = false;
        }
    }
    items
}

/// Group and number of an id.
fn place(id: &str) -> Option<(char, u32)> {
    let (group, number) = id.split_once('-')?;
    let mut letters = group.chars();
    let letter = letters.next().filter(char::is_ascii_uppercase)?;
    (letters.next().is_none() && number.len() >= 2).then_some((letter, number.parse().ok()?))
}

fn source(rules: &[Rule]) -> String {
    let mut text = String::new();
    for Rule { id, sentence, reason } in rules {
        let name = id.replace('-', "_");
        let rule = format!("Rule {{ id: {id:?}, sentence: {sentence:?}, reason: {reason:?} }}");
        // Writing to a string does not fail.
        let _ = writeln!(text, "pub(crate) const {name}: Rule = {rule};");
    }
    text
}
