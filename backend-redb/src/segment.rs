//! One segment of the logs, a file, and the blocks of entries in it.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use redb::{ReadableTable as _, Table, WriteTransaction};
use threadkeep_core::{Error, ErrorKind, LogEntry, Result};
use threadkeep_migrations::kv::{self, BlockEntry, BlockHead};

use crate::database::{Database, Settings, guarded};
use crate::doomed::{self, Doomed, Extent, Taken};
use crate::errors::Failure;
use crate::interner::Interner;
use crate::open::prepare;
use crate::tables::{BLOCKS, HEADS, Kind, LOG_THREADS, STATE};
use crate::turns::Turns;

/// Bytes of entries at which a block is closed: a few pages of the file once it is packed. The last
/// block of a commit stays open for the next.
const BLOCK_BYTES: usize = 16 * 1024;

/// An open segment.
#[derive(Debug)]
pub(crate) struct Segment {
    /// The number of its first entry, which its file is named after.
    pub(crate) first: u64,
    pub(crate) database: Database,
    interner: Mutex<Interner>,
}

impl Segment {
    /// Opens the segment, making it where there is none.
    pub(crate) fn open(
        path: &Path,
        lock_at: &Path,
        first: u64,
        settings: &Settings,
    ) -> Result<Self> {
        let database = prepare(path, lock_at, Kind::Logs, settings)?;
        Ok(Self { first, database, interner: Mutex::default() })
    }

    /// Appends in this transaction, and answers the number of the first entry.
    pub(crate) fn append(
        &self,
        transaction: &WriteTransaction,
        entries: &[LogEntry],
    ) -> Result<u64, Failure> {
        let mut interner = self.interner.lock().unwrap_or_else(PoisonError::into_inner);
        let appended = append(transaction, &mut interner, self.first, entries);
        if appended.is_err() {
            *interner = Interner::default();
        }
        appended
    }

    /// Forgets the numbers given out in a transaction that came to nothing.
    pub(crate) fn forget(&self) {
        *self.interner.lock().unwrap_or_else(PoisonError::into_inner) = Interner::default();
    }

    /// How much of the segment is doomed. Takes no lock.
    pub(crate) fn extent(&self, doomed: &Doomed) -> Result<Extent> {
        self.database.read("prune", |transaction| {
            let threads = transaction.open_table(LOG_THREADS)?;
            doomed::extent(&transaction.open_table(HEADS)?, &threads, doomed)
        })
    }

    /// The number of the last entry that has to go so that the rest have at most this part of what
    /// all have; `None` where there is none to go.
    pub(crate) fn last_of_surplus(&self, part: f64) -> Result<Option<u64>> {
        self.database.read("prune", |transaction| {
            let mut ends = Vec::new();
            for entry in transaction.open_table(HEADS)?.range(0..)? {
                let (first, head) = entry?;
                let head = kv::decode_head(first.value(), head.value())?;
                ends.push((head.last_id, f64::from(head.bytes)));
            }
            let room = part * ends.iter().map(|(_, bytes)| bytes).sum::<f64>();
            let mut kept = 0.0;
            let surplus = ends.into_iter().rev().find(|(_, bytes)| {
                kept += bytes;
                kept > room
            });
            Ok(surplus.map(|(last_id, _)| last_id))
        })
    }

    /// The same as [`extent`](Self::extent) in a write transaction, for a segment that others may append to.
    pub(crate) fn extent_in(
        transaction: &WriteTransaction,
        doomed: &Doomed,
    ) -> Result<Extent, Failure> {
        let threads = transaction.open_table(LOG_THREADS)?;
        doomed::extent(&transaction.open_table(HEADS)?, &threads, doomed)
    }

    /// Takes entries out of blocks, some at a time, those after the block `after`. Moves `after` on.
    pub(crate) fn take_out(
        &self,
        turns: &mut Turns,
        doomed: &Doomed,
        after: &mut Option<u64>,
    ) -> Result<Taken, Failure> {
        let transaction = turns.begin(&self.database, self.database.settings().deadline)?;
        let taken = guarded(|| doomed::take_out(&transaction, self.first, doomed, after));
        match taken {
            Ok(taken) => {
                let committed = self.database.commit(transaction);
                turns.end();
                committed.map(|()| taken)
            }
            Err(failure) => {
                self.database.abort(transaction);
                Err(self.database.note(failure))
            }
        }
    }
}

/// Whether nothing is to be appended to the segment any more.
pub(crate) fn is_sealed(transaction: &WriteTransaction) -> Result<bool, Failure> {
    Ok(transaction.open_table(STATE)?.get(kv::SEALED)?.is_some())
}

/// Ends the segment, and answers the number at which the next begins.
pub(crate) fn seal(transaction: &WriteTransaction, first: u64) -> Result<u64, Failure> {
    let next = next_id(&transaction.open_table(STATE)?, &transaction.open_table(HEADS)?, first)?;
    let mut state = transaction.open_table(STATE)?;
    state.insert(kv::NEXT_ID, next)?;
    state.insert(kv::SEALED, 1)?;
    Ok(next)
}

/// The number that the next entry is given.
pub(crate) fn next_id(
    state: &Table<'_, &'static str, u64>,
    heads: &Table<'_, u64, &'static [u8]>,
    first: u64,
) -> Result<u64, Failure> {
    let least = state.get(kv::NEXT_ID)?.map_or(first, |number| number.value());
    let Some((first, head)) = heads.last()? else { return Ok(least) };
    Ok(least.max(kv::decode_head(first.value(), head.value())?.last_id + 1))
}

fn append(
    transaction: &WriteTransaction,
    interner: &mut Interner,
    first_of_segment: u64,
    entries: &[LogEntry],
) -> Result<u64, Failure> {
    let mut numbers = interner.open(transaction)?;
    let mut blocks = Blocks::open(transaction)?;
    let state = transaction.open_table(STATE)?;
    let first = next_id(&state, &blocks.heads, first_of_segment)?;
    let mut block = blocks.last()?.filter(|block| block.bytes.len() < BLOCK_BYTES);
    for (id, entry) in (first..).zip(entries) {
        let open = block.get_or_insert_with(|| Block::new(id));
        let numbered = numbers.of(entry)?;
        open.add(id, &BlockEntry::new(open.first, id, entry, numbered)?)?;
        if open.bytes.len() >= BLOCK_BYTES
            && let Some(full) = block.take()
        {
            blocks.put(full)?;
        }
    }
    if let Some(open) = block {
        blocks.put(open)?;
    }
    Ok(first)
}

/// A block that is worked on.
#[derive(Debug)]
pub(crate) struct Block {
    first: u64,
    pub(crate) head: BlockHead,
    pub(crate) bytes: Vec<u8>,
}

impl Block {
    pub(crate) fn new(first: u64) -> Self {
        Self { first, head: BlockHead::default(), bytes: Vec::new() }
    }

    pub(crate) fn add(&mut self, id: u64, entry: &BlockEntry<'_>) -> Result<()> {
        self.head.add(id, entry);
        kv::add_to_block(&mut self.bytes, entry)
    }
}

/// The tables of blocks.
pub(crate) struct Blocks<'a> {
    pub(crate) heads: Table<'a, u64, &'static [u8]>,
    blocks: Table<'a, u64, &'static [u8]>,
}

impl<'a> Blocks<'a> {
    pub(crate) fn open(transaction: &'a WriteTransaction) -> Result<Self, Failure> {
        Ok(Self { heads: transaction.open_table(HEADS)?, blocks: transaction.open_table(BLOCKS)? })
    }

    fn last(&self) -> Result<Option<Block>, Failure> {
        let Some((first, head)) = self.heads.last()? else { return Ok(None) };
        let first = first.value();
        self.get(first, kv::decode_head(first, head.value())?).map(Some)
    }

    pub(crate) fn get(&self, first: u64, head: BlockHead) -> Result<Block, Failure> {
        let block = self.blocks.get(first)?.ok_or_else(|| {
            Error::new(ErrorKind::Corrupted, format!("the log entries from {first} are missing"))
        })?;
        let bytes = kv::unpack_block(first, block.value())?;
        Ok(Block { first, head, bytes })
    }

    pub(crate) fn put(&mut self, mut block: Block) -> Result<(), Failure> {
        block.head.bytes = u32::try_from(block.bytes.len()).unwrap_or(u32::MAX);
        let packed = kv::pack_block(block.first, &block.bytes)?;
        self.blocks.insert(block.first, packed.as_slice())?;
        self.heads.insert(block.first, kv::encode_head(block.first, &block.head)?.as_slice())?;
        Ok(())
    }

    pub(crate) fn remove(&mut self, first: u64) -> Result<(), Failure> {
        self.blocks.remove(first)?;
        self.heads.remove(first)?;
        Ok(())
    }
}
