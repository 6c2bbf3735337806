//! The guide quotes this crate; what it quotes must be there.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fs;
use std::path::Path;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Lines without indentation and without blank ones, each with a line end.
fn plain<'a>(lines: impl IntoIterator<Item = &'a str>) -> String {
    let lines = lines.into_iter().map(str::trim).filter(|line| !line.is_empty());
    lines.fold(String::from("\n"), |text, line| text + line + "\n")
}

/// The Rust code blocks of the guide, also those that are indented.
fn quotes(guide: &str) -> Vec<String> {
    let mut lines = guide.lines();
    let mut quotes = Vec::new();
    while let Some(line) = lines.next() {
        if let Some(language) = line.trim_start().strip_prefix("```") {
            let block =
                plain(lines.by_ref().take_while(|line| !line.trim_start().starts_with("```")));
            quotes.extend((language == "rust").then_some(block));
        }
    }
    quotes
}

#[test]
fn every_quote_is_in_the_sources() {
    let guide = Path::new(ROOT).join("../../docs/WRITING-A-BACKEND.md");
    let quotes = quotes(&fs::read_to_string(guide).unwrap());
    assert!(quotes.len() >= 10, "{} quotes were found", quotes.len());
    let sources: Vec<_> = ["src", "tests", "examples"]
        .iter()
        .flat_map(|folder| fs::read_dir(Path::new(ROOT).join(folder)).unwrap())
        .map(|file| plain(fs::read_to_string(file.unwrap().path()).unwrap().lines()))
        .collect();
    for quote in quotes {
        assert!(sources.iter().any(|source| source.contains(&quote)), "not in the sources:{quote}");
    }
}

#[test]
fn the_least_fixture_has_at_most_twenty_lines() {
    let file = fs::read_to_string(Path::new(ROOT).join("examples/minimal.rs")).unwrap();
    let (_, fixture) = file.split_once("\nstruct ").unwrap();
    let lines = plain(fixture.lines()).trim().lines().count();
    assert!(lines <= 20, "{lines} lines");
}

#[test]
fn every_file_can_be_read_at_a_glance() {
    for file in fs::read_dir(Path::new(ROOT).join("src")).unwrap() {
        let path = file.unwrap().path();
        let lines = fs::read_to_string(&path).unwrap().lines().count();
        assert!(lines < 200, "{} has {lines} lines", path.display());
    }
}
