//! Blocks that were unpacked, remembered: unpacking takes several times as long as looking through.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// What names a block: its segment, as it was opened, and the number it begins with.
type Key = (usize, u64);

/// The blocks that were read last, in so many bytes.
#[derive(Debug)]
pub(crate) struct Unpacked {
    room: usize,
    blocks: Mutex<Blocks>,
}

#[derive(Debug, Default)]
struct Blocks {
    remembered: HashMap<Key, Remembered>,
    bytes: usize,
    clock: u64,
    opened: usize,
}

#[derive(Debug)]
struct Remembered {
    /// How many entries had been taken out of the segment.
    taken: u64,
    block: Arc<[u8]>,
    /// When it was last asked for.
    used: u64,
}

impl Unpacked {
    pub(crate) fn new(room: usize) -> Self {
        Self { room, blocks: Mutex::default() }
    }

    /// What names another segment.
    pub(crate) fn segment(&self) -> usize {
        let mut blocks = self.blocks.lock().unwrap_or_else(PoisonError::into_inner);
        blocks.opened += 1;
        blocks.opened
    }

    /// The block, if it is remembered from when so many entries had been taken out.
    pub(crate) fn get(&self, key: Key, taken: u64) -> Option<Arc<[u8]>> {
        let mut blocks = self.blocks.lock().unwrap_or_else(PoisonError::into_inner);
        blocks.clock += 1;
        let used = blocks.clock;
        let found = blocks.remembered.get_mut(&key).filter(|found| found.taken == taken)?;
        found.used = used;
        Some(Arc::clone(&found.block))
    }

    /// Remembers a block that nothing is added to any more.
    pub(crate) fn insert(&self, key: Key, taken: u64, block: Arc<[u8]>) {
        let mut blocks = self.blocks.lock().unwrap_or_else(PoisonError::into_inner);
        blocks.clock += 1;
        let used = blocks.clock;
        blocks.bytes += block.len();
        if let Some(old) = blocks.remembered.insert(key, Remembered { taken, block, used }) {
            blocks.bytes -= old.block.len();
        }
        if blocks.bytes > self.room {
            blocks.forget_half();
        }
    }
}

impl Blocks {
    /// Forgets the half that was asked for longest ago: seldom, as it looks at all of them.
    fn forget_half(&mut self) {
        let mut used: Vec<_> = self.remembered.values().map(|found| found.used).collect();
        let half = used.len() / 2;
        let (_, middle, _) = used.select_nth_unstable(half);
        let middle = *middle;
        self.remembered.retain(|_, found| found.used > middle);
        self.bytes = self.remembered.values().map(|found| found.block.len()).sum();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_asked_for_last_is_remembered_while_it_is_true() {
        let unpacked = Unpacked::new(100);
        let block = |number: u8| -> Arc<[u8]> { vec![number; 10].into() };
        for number in 0..10 {
            unpacked.insert((1, u64::from(number)), 0, block(number));
        }
        assert_eq!(unpacked.get((1, 3), 0), Some(block(3)));
        assert_eq!(unpacked.get((1, 3), 1), None, "something was taken out since");
        assert_eq!(unpacked.get((2, 3), 0), None, "another segment");
        unpacked.insert((1, 10), 0, block(10));
        assert_eq!(unpacked.get((1, 0), 0), None);
        for kept in [3_u8, 9, 10] {
            assert_eq!(unpacked.get((1, u64::from(kept)), 0), Some(block(kept)), "{kept}");
        }
        // One that is larger than all the room is not kept for long.
        unpacked.insert((1, 11), 0, vec![0; 1_000].into());
        unpacked.insert((1, 12), 0, block(12));
        let blocks = unpacked.blocks.lock().unwrap();
        assert!(blocks.bytes <= 1_020 && blocks.remembered.len() <= 4, "{blocks:?}");
    }
}
