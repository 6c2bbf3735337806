//! Tasks of this repository: `cargo xtask table` writes what the conformance suite found into the
//! README.

mod table;

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use clap::Parser;
use threadkeep_conformance::Report;

#[derive(Parser)]
#[command(about = "Tasks of this repository")]
enum Task {
    /// Write the table of backends and rules into the README, from the reports of the last
    /// `cargo test --workspace`.
    Table {
        /// Change nothing; fail where the README is not what would be written.
        #[arg(long)]
        check: bool,
    },
}

/// The test targets that run the whole suite, in the order of the table.
const REPORTS: [&str; 15] = [
    "threadkeep-memory.conformance",
    "threadkeep.memory_hooked",
    "threadkeep.memory_shared",
    "threadkeep.memory_url",
    "threadkeep-sqlite.conformance",
    "threadkeep.sqlite_hooked",
    "threadkeep.sqlite_shared",
    "threadkeep.sqlite_url",
    "threadkeep-redb.auto",
    "threadkeep-redb.single",
    "threadkeep-redb.exclusive",
    "threadkeep.redb_url",
    "threadkeep-postgres.conformance",
    "threadkeep.postgres_url",
    "threadkeep-json-file.conformance",
];
const BEGIN: &str = "<!-- made by `cargo xtask table` -->\n";
const END: &str = "<!-- end of what was made -->\n";

fn main() -> Result<()> {
    let Task::Table { check } = Task::parse();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let reports = REPORTS.map(|name| read(&root, name)).into_iter().collect::<Result<Vec<_>>>()?;
    let table = table::render(&reports)?;
    let path = root.join("README.md");
    let readme = fs::read_to_string(&path).context("reading README.md")?;
    let next = replace(&readme, &table)?;
    if next == readme {
        return Ok(());
    }
    if check {
        bail!("the table in README.md is stale; run `cargo xtask table` and commit it:\n{table}");
    }
    fs::write(&path, next).context("writing README.md")
}

fn read(root: &Path, name: &str) -> Result<Report> {
    let folder = std::env::var_os("CARGO_TARGET_DIR").map_or(root.join("target"), Into::into);
    let path = folder.join("conformance").join(name).with_added_extension("json");
    Report::read(&path)
        .with_context(|| format!("reading {}; `cargo test --workspace` writes it", path.display()))
}

/// The README with this table between its marks.
fn replace(readme: &str, table: &str) -> Result<String> {
    let marks = readme.split_once(BEGIN).and_then(|(before, rest)| {
        let (_, after) = rest.split_once(END)?;
        Some((before, after))
    });
    let (before, after) = marks.context("README.md has no place for the table")?;
    Ok(format!("{before}{BEGIN}\n{table}\n{END}{after}"))
}
