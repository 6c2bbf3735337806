//! The lines of a dump.

use serde::{Deserialize, Serialize};

use super::Digest;
use crate::{LogRow, ThreadMetadata};

/// The version of the format that is written, and the only one that is read.
pub const DUMP_VERSION: u32 = 1;

/// What the first line of a dump says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct DumpHeader {
    /// The version of the format.
    pub version: u32,
    /// The program that wrote it.
    pub created_by: String,
    /// The name of the store it was read from, by which a target remembers how far it has its log.
    pub source: String,
    /// Whether it holds checkpoints.
    pub checkpoints: bool,
    /// Whether it holds log entries.
    pub logs: bool,
}

/// The first line.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FirstLine<H> {
    pub(super) threadkeep_dump: H,
}

/// What of the first line every version has.
#[derive(Deserialize)]
pub(super) struct AnyVersion {
    pub(super) version: u32,
}

/// Any other line, to be written.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum LineOut<'a> {
    Thread {
        row: &'a ThreadMetadata,
        /// Exact texts: as JSON of the line they could not keep their line breaks.
        #[serde(skip_serializing_if = "Option::is_none")]
        tools: Option<Vec<&'a str>>,
    },
    Checkpoint {
        key: &'a str,
        value: &'a str,
        revision: u64,
    },
    Log(&'a LogRow),
    End(&'a Digest),
}

/// Any other line, as it was read.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum LineIn {
    Thread {
        row: Box<ThreadMetadata>,
        #[serde(default)]
        tools: Vec<String>,
    },
    Checkpoint {
        key: String,
        value: String,
        revision: u64,
    },
    Log(Box<LogRow>),
    End(Digest),
}
