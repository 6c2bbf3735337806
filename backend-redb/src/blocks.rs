//! The blocks of entries in a segment, as they are written.

use redb::{ReadableTable as _, Table, WriteTransaction};
use threadkeep_core::{Error, ErrorKind, LogEntry, Result};
use threadkeep_migrations::kv::{self, BlockEntry, BlockHead};

use crate::errors::Failure;
use crate::interner::Interner;
use crate::tables::{BLOCKS, HEADS, STATE};

/// Bytes of entries at which a block is closed: about a page of the file once it is packed. The last
/// block of a commit stays open for the next.
const BLOCK_BYTES: usize = 8 * 1024;

/// Whether nothing is to be appended to the segment any more.
pub(crate) fn is_sealed(transaction: &WriteTransaction) -> Result<bool, Failure> {
    Ok(transaction.open_table(STATE)?.get(kv::SEALED)?.is_some())
}

/// Reads what an append reads.
pub(crate) fn look_at_end(transaction: &WriteTransaction, first: u64) -> Result<(), Failure> {
    let blocks = Blocks::open(transaction)?;
    next_id(&transaction.open_table(STATE)?, &blocks.heads, first)?;
    blocks.last()?;
    Interner::default().open(transaction).map(drop)
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

/// Appends entries, and answers the number of the first.
pub(crate) fn append(
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

    pub(crate) fn head(&self, first: u64) -> Result<Option<BlockHead>, Failure> {
        let head = self.heads.get(first)?;
        Ok(head.map(|head| kv::decode_head(first, head.value())).transpose()?)
    }

    pub(crate) fn get(&self, first: u64, head: BlockHead) -> Result<Block, Failure> {
        let block = self.blocks.get(first)?.ok_or_else(|| {
            Error::new(ErrorKind::Corrupted, format!("the log entries from {first} are missing"))
        })?;
        let bytes = kv::unpack_block(first, block.value())?;
        Ok(Block { first, head, bytes })
    }

    /// Stores a block, and answers its head.
    pub(crate) fn put(&mut self, mut block: Block) -> Result<BlockHead, Failure> {
        block.head.bytes = u32::try_from(block.bytes.len()).unwrap_or(u32::MAX);
        let packed = kv::pack_block(block.first, &block.bytes)?;
        self.blocks.insert(block.first, packed.as_slice())?;
        self.heads.insert(block.first, kv::encode_head(block.first, &block.head)?.as_slice())?;
        Ok(block.head)
    }

    pub(crate) fn remove(&mut self, first: u64) -> Result<(), Failure> {
        self.blocks.remove(first)?;
        self.heads.remove(first)?;
        Ok(())
    }
}
