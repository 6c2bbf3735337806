//! A listing: short ranges of the index, merged into listing order.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap, btree_set};

use threadkeep_core::index::{self, Key};
use threadkeep_core::{Cursor, Direction, Result, ThreadId, ThreadQuery};

use crate::State;

/// The part of a key that the order of a listing depends on, its bytes turned over where the
/// listing descends, so that the least always comes first.
type Rank = [u8; 24];

impl State {
    /// The threads of one page, and where the next begins.
    pub(crate) fn select(&self, query: &ThreadQuery) -> Result<(Vec<ThreadId>, Option<Cursor>)> {
        query.validate()?;
        let mut ids = Vec::new();
        if query.filter.matches_nothing() {
            return Ok((ids, None));
        }
        let decided = index::decides(query);
        let mut last = None;
        for key in Merge::new(&self.index, query) {
            let (value, id) = index::position(key)?;
            if !decided && !self.rows.get(&id).is_some_and(|row| query.filter.matches(row)) {
                continue;
            }
            if ids.len() == query.limit {
                return Ok((ids, last));
            }
            ids.push(id);
            last = Some(Cursor::new(query, value, id));
        }
        Ok((ids, None))
    }
}

/// The keys of all ranges of a query, in the order of its listing.
struct Merge<'a> {
    direction: Direction,
    ranges: Vec<btree_set::Range<'a, Key>>,
    /// The next key of each range that has one.
    heads: BinaryHeap<Reverse<(Rank, usize, &'a Key)>>,
}

impl<'a> Merge<'a> {
    fn new(index: &'a BTreeSet<Key>, query: &ThreadQuery) -> Self {
        let ranges: Vec<_> = index::prefixes(query)
            .into_iter()
            .filter_map(|prefix| Some(index.range(index::bounds(prefix, query)?)))
            .collect();
        let heads = BinaryHeap::with_capacity(ranges.len());
        let mut merge = Self { direction: query.direction, ranges, heads };
        for at in 0..merge.ranges.len() {
            merge.advance(at);
        }
        merge
    }

    fn advance(&mut self, at: usize) {
        let head = match self.direction {
            Direction::Ascending => self.ranges[at].next(),
            Direction::Descending => self.ranges[at].next_back(),
        };
        if let Some(key) = head {
            self.heads.push(Reverse((rank(key, self.direction), at, key)));
        }
    }
}

impl<'a> Iterator for Merge<'a> {
    type Item = &'a Key;

    fn next(&mut self) -> Option<&'a Key> {
        let Reverse((_, at, key)) = self.heads.pop()?;
        self.advance(at);
        Some(key)
    }
}

fn rank(key: &Key, direction: Direction) -> Rank {
    let mut rank = [0; 24];
    rank.copy_from_slice(&key[12..]);
    if direction == Direction::Descending {
        rank = rank.map(|byte| !byte);
    }
    rank
}
