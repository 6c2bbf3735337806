//! The smaller values.

use serde::{Deserialize, Serialize};
use threadkeep_core::{
    BatchId, Checkpoint, DynamicToolSpec, Effect, LogEntry, LogLevel, Outcome, Result, ThreadId,
    Timestamp, Tombstone, tools,
};

use super::frame;

const VERSION: u8 = 1;

/// The value of a tool list, to be stored under the bytes of the thread's id: the exact JSON.
pub fn encode_tools(id: ThreadId, list: &[DynamicToolSpec]) -> Vec<u8> {
    frame::seal(VERSION, id.as_bytes(), tools::encode(list).as_bytes())
}

/// Reads what [`encode_tools`] made.
pub fn decode_tools(id: ThreadId, bytes: &[u8]) -> Result<Vec<DynamicToolSpec>> {
    let body = frame::open(VERSION, id.as_bytes(), bytes)?;
    let text = str::from_utf8(body)
        .map_err(|error| frame::damaged("it is not UTF-8").with_source(error))?;
    tools::decode(text)
}

/// The value of a tombstone, to be stored under the bytes of the thread's id.
pub fn encode_tombstone(id: ThreadId, tombstone: Tombstone) -> Result<Vec<u8>> {
    let fields = (tombstone.deleted_at.as_millis(), tombstone.revision);
    frame::seal_value(VERSION, id.as_bytes(), &fields)
}

/// Reads what [`encode_tombstone`] made.
pub fn decode_tombstone(id: ThreadId, bytes: &[u8]) -> Result<Tombstone> {
    let (deleted_at, revision) = frame::open_value(VERSION, id.as_bytes(), bytes)?;
    Ok(Tombstone { deleted_at: Timestamp::from_millis(deleted_at), revision })
}

/// The value of a checkpoint, to be stored under its key.
pub fn encode_checkpoint(checkpoint: &Checkpoint) -> Result<Vec<u8>> {
    let fields = (checkpoint.revision, checkpoint.value.as_str());
    frame::seal_value(VERSION, checkpoint.key.as_bytes(), &fields)
}

/// Reads what [`encode_checkpoint`] made.
pub fn decode_checkpoint(key: &str, bytes: &[u8]) -> Result<Checkpoint> {
    let (revision, value): (u64, &str) = frame::open_value(VERSION, key.as_bytes(), bytes)?;
    Ok(Checkpoint { key: key.to_owned(), value: value.to_owned(), revision })
}

/// The value of a named batch that was applied, to be stored under the bytes of its name.
pub fn encode_batch(name: BatchId, outcomes: &[Outcome]) -> Result<Vec<u8>> {
    let codes: Vec<_> =
        outcomes.iter().map(|outcome| (outcome.effect.code(), outcome.revision)).collect();
    frame::seal_value(VERSION, name.as_bytes(), &codes)
}

/// Reads what [`encode_batch`] made.
pub fn decode_batch(name: BatchId, bytes: &[u8]) -> Result<Vec<Outcome>> {
    let codes: Vec<(u8, u64)> = frame::open_value(VERSION, name.as_bytes(), bytes)?;
    let outcome = |(code, revision)| Ok(Outcome { effect: Effect::from_code(code)?, revision });
    codes.into_iter().map(outcome).collect()
}

/// A place in the code that logs. There are few of them, so each is stored once and entries name
/// its number.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Site {
    /// How grave its entries are.
    pub level: LogLevel,
    /// The part of the program.
    pub target: String,
    /// The module.
    pub module_path: Option<String>,
    /// The source file.
    pub file: Option<String>,
    /// The line.
    pub line: Option<u32>,
}

impl Site {
    /// The site of an entry.
    pub fn of(entry: &LogEntry) -> Self {
        Self {
            level: entry.level,
            target: entry.target.clone(),
            module_path: entry.module_path.clone(),
            file: entry.file.clone(),
            line: entry.line,
        }
    }
}

#[derive(Serialize, Deserialize)]
struct SiteFields<'a> {
    level: u8,
    target: &'a str,
    module_path: Option<&'a str>,
    file: Option<&'a str>,
    line: Option<u32>,
}

/// The value of a call site, to be stored under its number.
pub fn encode_site(number: u32, site: &Site) -> Result<Vec<u8>> {
    let fields = SiteFields {
        level: site.level.code(),
        target: &site.target,
        module_path: site.module_path.as_deref(),
        file: site.file.as_deref(),
        line: site.line,
    };
    frame::seal_value(VERSION, &number.to_be_bytes(), &fields)
}

/// Reads what [`encode_site`] made.
pub fn decode_site(number: u32, bytes: &[u8]) -> Result<Site> {
    let fields: SiteFields<'_> = frame::open_value(VERSION, &number.to_be_bytes(), bytes)?;
    Ok(Site {
        level: LogLevel::from_code(i64::from(fields.level))?,
        target: fields.target.to_owned(),
        module_path: fields.module_path.map(str::to_owned),
        file: fields.file.map(str::to_owned),
        line: fields.line,
    })
}
