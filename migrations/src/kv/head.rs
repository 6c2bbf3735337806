//! What is in a block of log entries, so that a reader knows whether to unpack it.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use threadkeep_core::Result;

use super::block::BlockEntry;
use super::frame;

const VERSION: u8 = 1;

/// A time as it is stored: seconds since 1970, and nanoseconds.
pub(super) type Time = (i64, u32);

pub(super) fn time(time: DateTime<Utc>) -> Time {
    (time.timestamp(), time.timestamp_subsec_nanos())
}

/// A summary of a block. Sets hold numbers of the segment's own tables.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockHead {
    /// How many entries there are.
    pub count: u32,
    /// The number of the last entry.
    pub last_id: u64,
    /// Bytes of the entries before they were packed.
    pub bytes: u32,
    /// The earliest time, in seconds since 1970 and nanoseconds.
    pub from: (i64, u32),
    /// The latest time.
    pub to: (i64, u32),
    /// The call sites.
    pub sites: BTreeSet<u32>,
    /// The threads.
    pub threads: BTreeSet<u32>,
    /// Whether there are entries of no thread.
    pub threadless: bool,
    /// The processes.
    pub processes: BTreeSet<u32>,
}

impl BlockHead {
    /// Takes one more entry into account; its number is the greatest so far.
    pub fn add(&mut self, id: u64, entry: &BlockEntry<'_>) {
        let time = entry.time();
        if self.count == 0 {
            (self.from, self.to) = (time, time);
        }
        self.count += 1;
        self.last_id = id;
        self.from = self.from.min(time);
        self.to = self.to.max(time);
        self.sites.insert(entry.site);
        self.threads.extend(entry.thread);
        self.threadless |= entry.thread.is_none();
        self.processes.extend(entry.process);
    }
}

/// The value of a head, to be stored under the number of its block's first entry.
pub fn encode_head(first_id: u64, head: &BlockHead) -> Result<Vec<u8>> {
    frame::seal_value(VERSION, &first_id.to_be_bytes(), head)
}

/// Reads what [`encode_head`] made.
pub fn decode_head(first_id: u64, bytes: &[u8]) -> Result<BlockHead> {
    frame::open_value(VERSION, &first_id.to_be_bytes(), bytes)
}
