//! What a run found, for machines.

use std::collections::BTreeMap;
use std::path::Path;
use std::{fs, io};

use serde::{Deserialize, Serialize};

use crate::cases::Tier;

/// What the suite found on one backend. Its JSON form is read by whatever renders tables; fields
/// may be added, their names and meanings stay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Report {
    /// The backend's name.
    pub backend: String,
    /// What the suite knows capabilities by, and why the backend, or its fixture, lacks one.
    pub capabilities: BTreeMap<String, Option<String>>,
    /// Where everything random began.
    pub seed: u64,
    /// Every case, in the order of the suite.
    pub cases: Vec<CaseReport>,
}

/// How one case ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct CaseReport {
    /// As tests are filtered by: tier, rule and case.
    pub name: String,
    /// What kind of proof it is.
    pub tier: Tier,
    /// The id of the rule it proves.
    pub rule: String,
    /// How it ended.
    pub result: Ending,
    /// How long it ran, in ms.
    pub millis: u64,
}

/// How a case ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Ending {
    /// The rule holds.
    Passed,
    /// It does not; with what was found.
    Failed(String),
    /// The backend lacks what the case needs, for this declared reason.
    Skipped(String),
    /// The machine lacks what the case needs.
    CannotRun(String),
}

impl Report {
    /// The cases that failed.
    pub fn failures(&self) -> impl Iterator<Item = &CaseReport> {
        self.cases.iter().filter(|case| matches!(case.result, Ending::Failed(_)))
    }

    /// Reads a report that was written.
    pub fn read(path: &Path) -> io::Result<Self> {
        Ok(serde_json::from_slice(&fs::read(path)?)?)
    }

    /// Writes the report whole or not at all; folders on the way are made.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        let folder = path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder)?;
        let file = tempfile::NamedTempFile::new_in(folder)?;
        serde_json::to_writer_pretty(&file, self)?;
        file.persist(path)?;
        Ok(())
    }
}
