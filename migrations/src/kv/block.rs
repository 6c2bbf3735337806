//! Log entries, many in one value.
//!
//! An entry alone in a value costs an ordered tree more for its pages than for itself, and near
//! ones are much alike: a block of them is packed with zstd where that makes it smaller.

use std::cell::RefCell;

use chrono::DateTime;
use serde::{Deserialize, Serialize};
use threadkeep_core::{Error, ErrorKind, LogEntry, Result};

use super::frame;
use super::head::{Time, time};

const VERSION: u8 = 1;
/// The first byte of a body whose entries follow as they are.
const PLAIN: u8 = 0;
/// The first byte of a body whose entries follow packed, after their size as four bytes.
const PACKED: u8 = 1;
/// Shorter ones are not packed.
const WORTH_PACKING: usize = 256;
/// zstd's fastest level but the negative ones: half of the size that the best gives off costs ten
/// times the time.
const LEVEL: i32 = 1;

thread_local! {
    /// What zstd works with. Making it takes longer than packing a block does.
    static PACKER: RefCell<Option<zstd::bulk::Compressor<'static>>> = const { RefCell::new(None) };
    static UNPACKER: RefCell<zstd::bulk::Decompressor<'static>> = RefCell::default();
}

/// An entry of a block: its number as the distance from the block's first, and the numbers of what
/// is stored once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockEntry<'a> {
    distance: u64,
    time: Time,
    /// The call site.
    pub site: u32,
    /// The thread.
    pub thread: Option<u32>,
    /// The process.
    pub process: Option<u32>,
    /// The text.
    pub message: Option<&'a str>,
}

impl<'a> BlockEntry<'a> {
    /// An entry in the block that begins at `first_id`.
    pub fn new(
        first_id: u64,
        id: u64,
        entry: &'a LogEntry,
        [site, thread, process]: [Option<u32>; 3],
    ) -> Result<Self> {
        let site = site.ok_or_else(|| Error::new(ErrorKind::Internal, "an entry has no site"))?;
        let (time, message) = (time(entry.time), entry.message.as_deref());
        Ok(Self { distance: id - first_id, time, site, thread, process, message })
    }

    /// The same entry in a block that begins elsewhere.
    #[must_use]
    pub fn moved(self, from: u64, to: u64) -> Self {
        Self { distance: self.distance + from - to, ..self }
    }

    /// Its number, in the block that begins at `first_id`.
    pub fn id(&self, first_id: u64) -> u64 {
        first_id.saturating_add(self.distance)
    }

    /// Its time, in seconds since 1970 and nanoseconds.
    pub fn time(&self) -> (i64, u32) {
        self.time
    }

    /// Its time as a calendar has it.
    pub fn datetime(&self) -> Result<DateTime<chrono::Utc>> {
        let (seconds, nanos) = self.time;
        DateTime::from_timestamp(seconds, nanos)
            .ok_or_else(|| frame::damaged("the time of a log entry is out of range"))
    }
}

/// Adds an entry to the end of a block that is not packed yet.
pub fn add_to_block(block: &mut Vec<u8>, entry: &BlockEntry<'_>) -> Result<()> {
    block.extend(frame::to_bytes(entry)?);
    Ok(())
}

/// The value of a block, to be stored under the number of its first entry.
pub fn pack_block(first_id: u64, block: &[u8]) -> Result<Vec<u8>> {
    let mut body = Vec::new();
    if block.len() >= WORTH_PACKING
        && let Ok(size) = u32::try_from(block.len())
    {
        let packed = compress(block).map_err(|error| {
            Error::new(ErrorKind::Internal, "log entries cannot be packed").with_source(error)
        })?;
        if packed.len() + 4 < block.len() {
            body.push(PACKED);
            body.extend(size.to_be_bytes());
            body.extend(packed);
        }
    }
    if body.is_empty() {
        body.push(PLAIN);
        body.extend(block);
    }
    Ok(frame::seal(VERSION, &first_id.to_be_bytes(), &body))
}

fn compress(block: &[u8]) -> std::io::Result<Vec<u8>> {
    PACKER.with_borrow_mut(|packer| match packer {
        Some(packer) => packer.compress(block),
        None => packer.insert(zstd::bulk::Compressor::new(LEVEL)?).compress(block),
    })
}

/// The block in a value, its entries one after the other; [`BlockRows`] reads them.
pub fn unpack_block(first_id: u64, bytes: &[u8]) -> Result<Vec<u8>> {
    let body = frame::open(VERSION, &first_id.to_be_bytes(), bytes)?;
    match body.split_first() {
        Some((&PLAIN, block)) => Ok(block.to_vec()),
        Some((&PACKED, rest)) => {
            let (size, packed) = rest
                .split_first_chunk::<4>()
                .ok_or_else(|| frame::damaged("a block ends within its size"))?;
            let size = usize::try_from(u32::from_be_bytes(*size)).unwrap_or(usize::MAX);
            let block = UNPACKER.with_borrow_mut(|unpacker| unpacker.decompress(packed, size));
            block.map_err(|error| frame::damaged("a block cannot be unpacked").with_source(error))
        }
        _ => Err(frame::damaged("a block is of no known kind")),
    }
}

/// The entries of an unpacked block, in order.
#[derive(Debug)]
pub struct BlockRows<'a>(&'a [u8]);

impl<'a> BlockRows<'a> {
    /// Those of this block.
    pub fn new(block: &'a [u8]) -> Self {
        Self(block)
    }
}

impl<'a> Iterator for BlockRows<'a> {
    type Item = Result<BlockEntry<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        match postcard::take_from_bytes(self.0) {
            Ok((entry, rest)) => {
                self.0 = rest;
                Some(Ok(entry))
            }
            Err(error) => {
                self.0 = &[];
                Some(Err(frame::damaged("a log entry is not readable").with_source(error)))
            }
        }
    }
}
