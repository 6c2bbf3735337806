//! How much each owner has in a segment, and from where on the newest entries fit.

use std::collections::HashMap;

use redb::ReadTransaction;
use threadkeep_core::Retention;
use threadkeep_migrations::kv::{self, BlockRows};

use crate::errors::Failure;
use crate::names::Names;
use crate::outline::Outline;
use crate::owner::{Owner, OwnerNumber};
use crate::tables::BLOCKS;

/// Entries, and bytes of their texts.
pub(crate) type Held = (u64, u64);

/// What the owners have in a segment, remembered: of blocks that stay as they are, each is counted
/// once.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// How many entries had been taken out.
    taken: u64,
    /// Blocks up to the one that begins with this number are counted for good.
    through: u64,
    held: HashMap<OwnerNumber, Held>,
    /// Of the last block, which entries may be added to.
    open: HashMap<OwnerNumber, Held>,
}

/// What was taken out of a block.
pub(crate) type Gone = HashMap<OwnerNumber, Held>;

impl Tally {
    /// Counts what was not counted yet.
    pub(crate) fn refresh(
        &mut self,
        transaction: &ReadTransaction,
        outline: &Outline,
    ) -> Result<(), Failure> {
        if self.taken != outline.taken() {
            *self = Self { taken: outline.taken(), ..Self::default() };
        }
        self.open.clear();
        let table = transaction.open_table(BLOCKS)?;
        let blocks = outline.blocks_between(0, u64::MAX);
        let from = blocks.partition_point(|block| block.first <= self.through);
        for (place, block) in blocks.iter().enumerate().skip(from) {
            let is_open = place + 1 == blocks.len() && !outline.is_complete();
            let held = if is_open { &mut self.open } else { &mut self.held };
            if let Some(value) = table.get(block.first)? {
                let rows = kv::unpack_block(block.first, value.value())?;
                for entry in BlockRows::new(&rows) {
                    let entry = entry?;
                    add(held, OwnerNumber::of(&entry), outline.names.text_bytes(&entry));
                }
            }
            if !is_open {
                self.through = block.first;
            }
        }
        Ok(())
    }

    /// What each owner has.
    pub(crate) fn held(&self) -> HashMap<OwnerNumber, Held> {
        let mut all = self.held.clone();
        for (owner, (rows, bytes)) in &self.open {
            let held = all.entry(*owner).or_default();
            *held = (held.0 + rows, held.1 + bytes);
        }
        all
    }

    /// Takes into account what was taken out of blocks by this process.
    pub(crate) fn take_out(&mut self, before: u64, after: u64, gone: Vec<(u64, Gone)>) {
        if self.taken != before {
            return;
        }
        self.taken = after;
        let counted = gone.into_iter().filter(|(first, _)| *first <= self.through);
        for (owner, (rows, bytes)) in counted.flat_map(|(_, gone)| gone) {
            if let Some(held) = self.held.get_mut(&owner) {
                *held = (held.0.saturating_sub(rows), held.1.saturating_sub(bytes));
            }
        }
        self.held.retain(|_, (rows, _)| *rows > 0);
    }
}

pub(crate) fn add(held: &mut HashMap<OwnerNumber, Held>, owner: OwnerNumber, bytes: u64) {
    let held = held.entry(owner).or_default();
    *held = (held.0 + 1, held.1 + bytes);
}

/// What an owner may still keep, going from its newest entry to older ones.
#[derive(Clone, Copy, Debug)]
struct Allowance {
    rows: u64,
    bytes: u64,
}

impl Allowance {
    /// Whether so much may be kept as well; it is then.
    fn keep(&mut self, (rows, bytes): Held) -> bool {
        let keeps = rows <= self.rows && bytes <= self.bytes;
        if keeps {
            self.rows -= rows;
            self.bytes -= bytes;
        }
        keeps
    }
}

/// The search for the number up to which each of some owners' entries have to go, from the newest
/// segment to the oldest. It comes to the same numbers whatever has gone already.
#[derive(Debug, Default)]
pub(crate) struct Cuts {
    left: HashMap<Owner, Allowance>,
    pub(crate) found: HashMap<Owner, u64>,
}

impl Cuts {
    pub(crate) fn new(retention: &Retention, owners: impl Iterator<Item = Owner>) -> Self {
        let allowance = Allowance {
            rows: retention.thread_rows.unwrap_or(u64::MAX),
            bytes: retention.thread_bytes.unwrap_or(u64::MAX),
        };
        let left = owners.map(|owner| (owner, allowance)).collect();
        Self { left, found: HashMap::new() }
    }

    pub(crate) fn is_done(&self) -> bool {
        self.left.is_empty()
    }

    /// Looks into the next older segment. Blocks are read only where a number is in one of them.
    pub(crate) fn look(
        &mut self,
        transaction: &ReadTransaction,
        outline: &Outline,
        held: &HashMap<OwnerNumber, Held>,
    ) -> Result<(), Failure> {
        let names: &Names = &outline.names;
        let mut here = HashMap::new();
        for (owner, allowance) in &mut self.left {
            let Some(number) = names.owner_number(owner) else { continue };
            let Some(held) = held.get(&number) else { continue };
            if !allowance.keep(*held) {
                here.insert(number, owner.clone());
            }
        }
        let table = transaction.open_table(BLOCKS)?;
        for block in outline.blocks().iter().rev() {
            if here.is_empty() {
                break;
            }
            let is_in = |number: &OwnerNumber| match number {
                OwnerNumber::Thread(thread) => block.threads.binary_search(thread).is_ok(),
                OwnerNumber::Process(_) => block.threadless,
            };
            if !here.keys().any(is_in) {
                continue;
            }
            let Some(value) = table.get(block.first)? else { continue };
            let rows = kv::unpack_block(block.first, value.value())?;
            let entries = BlockRows::new(&rows).collect::<Result<Vec<_>, _>>()?;
            for entry in entries.iter().rev() {
                let number = OwnerNumber::of(entry);
                let Some(owner) = here.get(&number) else { continue };
                let keeps = self
                    .left
                    .get_mut(owner)
                    .is_none_or(|allowance| allowance.keep((1, names.text_bytes(entry))));
                if !keeps {
                    self.left.remove(owner);
                    self.found.insert(owner.clone(), entry.id(block.first));
                    here.remove(&number);
                }
            }
        }
        Ok(())
    }
}
