//! What is in the blocks of a segment, remembered, so that a search reads only those that may hold
//! what it looks for, and no segment that holds none.
//!
//! An outline may tell of entries that have been taken out since. It lacks none that is there.

use std::collections::BTreeSet;
use std::sync::Arc;

use redb::ReadTransaction;
use threadkeep_migrations::kv::{self, BlockHead};

use crate::errors::Failure;
use crate::names::{Catalogue, Names};
use crate::tables::{HEADS, STATE};

/// What is remembered of a segment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outline {
    pub(crate) names: Arc<Names>,
    /// In the order of their numbers.
    blocks: Vec<Arc<BlockOutline>>,
    /// Nothing is appended any more.
    sealed: bool,
    /// How many entries had been taken out.
    taken: u64,
}

/// A summary of a block.
#[derive(Debug)]
pub(crate) struct BlockOutline {
    pub(crate) first: u64,
    pub(crate) last_id: u64,
    pub(crate) count: u32,
    /// The earliest and the latest time.
    pub(crate) from: (i64, u32),
    pub(crate) to: (i64, u32),
    pub(crate) sites: Bits,
    /// Sorted.
    pub(crate) threads: Box<[u32]>,
    pub(crate) threadless: bool,
    /// Sorted.
    pub(crate) processes: Box<[u32]>,
}

/// A set of small numbers.
#[derive(Debug, Default)]
pub(crate) struct Bits(Box<[u64]>);

impl Bits {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn contains(&self, number: u32) -> bool {
        self.0.get(number as usize / 64).is_some_and(|word| word >> (number % 64) & 1 == 1)
    }

    pub(crate) fn intersects(&self, other: &Self) -> bool {
        self.0.iter().zip(&other.0).any(|(one, other)| one & other != 0)
    }
}

impl FromIterator<u32> for Bits {
    fn from_iter<I: IntoIterator<Item = u32>>(numbers: I) -> Self {
        let mut bits = Vec::new();
        for number in numbers {
            let word = number as usize / 64;
            if bits.len() <= word {
                bits.resize(word + 1, 0);
            }
            bits[word] |= 1 << (number % 64);
        }
        Self(bits.into())
    }
}

impl BlockOutline {
    pub(crate) fn new(first: u64, head: &BlockHead) -> Self {
        Self {
            first,
            last_id: head.last_id,
            count: head.count,
            from: head.from,
            to: head.to,
            sites: head.sites.iter().copied().collect(),
            threads: head.threads.iter().copied().collect(),
            threadless: head.threadless,
            processes: head.processes.iter().copied().collect(),
        }
    }
}

impl Outline {
    /// Whether nothing can have been added since it was read.
    pub(crate) fn is_complete(&self) -> bool {
        self.sealed
    }

    /// How many entries had been taken out of the segment.
    pub(crate) fn taken(&self) -> u64 {
        self.taken
    }

    pub(crate) fn blocks(&self) -> &[Arc<BlockOutline>] {
        &self.blocks
    }

    /// The blocks with numbers above one and below another.
    pub(crate) fn blocks_between(&self, after: u64, before: u64) -> &[Arc<BlockOutline>] {
        let begin = self.blocks.partition_point(|block| block.last_id <= after);
        let end = self.blocks.partition_point(|block| block.first < before);
        self.blocks.get(begin..end).unwrap_or_default()
    }

    /// Reads what was added.
    pub(crate) fn refresh(
        &mut self,
        transaction: &ReadTransaction,
        catalogue: &Catalogue,
    ) -> Result<(), Failure> {
        if self.sealed {
            return Ok(());
        }
        let state = transaction.open_table(STATE)?;
        if self.blocks.is_empty() {
            self.taken = state.get(kv::TAKEN)?.map_or(0, |taken| taken.value());
        }
        Names::refresh(&mut self.names, transaction, catalogue)?;
        // The last block may have grown.
        let from = self.blocks.last().map_or(0, |block| block.first);
        for entry in transaction.open_table(HEADS)?.range(from..)? {
            let (first, head) = entry?;
            let first = first.value();
            let block = BlockOutline::new(first, &kv::decode_head(first, head.value())?);
            self.blocks.pop_if(|last| last.first == first);
            self.blocks.push(Arc::new(block));
        }
        self.sealed = state.get(kv::SEALED)?.is_some();
        Ok(())
    }

    /// The same, and forgets what was taken out.
    pub(crate) fn refresh_exactly(
        &mut self,
        transaction: &ReadTransaction,
        catalogue: &Catalogue,
    ) -> Result<(), Failure> {
        let taken = transaction.open_table(STATE)?.get(kv::TAKEN)?;
        let taken = taken.map_or(0, |taken| taken.value());
        if taken != self.taken {
            *self = Self { names: Arc::clone(&self.names), taken, ..Self::default() };
        }
        self.refresh(transaction, catalogue)
    }

    /// Takes into account what was taken out of blocks by this process: those that are left of
    /// these, `None` where none is.
    pub(crate) fn take_out(
        &mut self,
        before: u64,
        after: u64,
        changed: Vec<(u64, Option<BlockHead>)>,
    ) {
        if self.taken != before {
            // It is read again when it has to be exact.
            return;
        }
        self.taken = after;
        let mut gone = BTreeSet::new();
        for (first, head) in changed {
            let found = self.blocks.binary_search_by_key(&first, |block| block.first);
            match (found, head) {
                (Ok(place), Some(head)) => {
                    self.blocks[place] = Arc::new(BlockOutline::new(first, &head));
                }
                (Ok(_), None) => {
                    gone.insert(first);
                }
                (Err(_), _) => {}
            }
        }
        if !gone.is_empty() {
            self.blocks.retain(|block| !gone.contains(&block.first));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_a_set_of_numbers() {
        for (one, other) in [
            (&[][..], &[][..]),
            (&[0], &[0]),
            (&[63, 64], &[64, 200]),
            (&[1, 2, 3], &[4, 5]),
            (&[1_000], &[1, 1_000]),
            (&[5], &[5 + 64]),
        ] {
            let (one, other) =
                (BTreeSet::from_iter(one.to_vec()), BTreeSet::from_iter(other.to_vec()));
            let bits = |numbers: &BTreeSet<u32>| numbers.iter().copied().collect::<Bits>();
            let (bits, others) = (bits(&one), bits(&other));
            assert_eq!(bits.intersects(&others), !one.is_disjoint(&other), "{one:?} and {other:?}");
            assert!((0..1_100).all(|number| bits.contains(number) == one.contains(&number)));
        }
    }
}
