//! A listing: short ranges of the index, merged into listing order.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap, btree_set};
use std::ops::Bound::{Excluded, Included};

use threadkeep_core::index::{self, Key, Prefix};
use threadkeep_core::{
    Cursor, Direction, Result, SortKey, ThreadId, ThreadQuery, TimeRange, Timestamp,
};

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
        let decided = is_decided_by_index(query);
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

/// Whether every thread in the ranges of the query matches it. Facets are hashes there, and two
/// values may share one.
fn is_decided_by_index(query: &ThreadQuery) -> bool {
    let filter = &query.filter;
    let other_range = match query.sort {
        SortKey::CreatedAt => filter.updated,
        SortKey::UpdatedAt => filter.created,
    };
    filter.sources.is_none()
        && filter.providers.is_none()
        && filter.cwds.is_none()
        && filter.text.is_none()
        && other_range.is_open()
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
            .filter_map(|prefix| range(index, prefix, query))
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

/// The keys of one range that lie in the query's times, strictly after its cursor.
fn range<'a>(
    index: &'a BTreeSet<Key>,
    prefix: Prefix,
    query: &ThreadQuery,
) -> Option<btree_set::Range<'a, Key>> {
    let TimeRange { from, to } = query.sort_range();
    let first = index::key(prefix, from.unwrap_or(Timestamp::MIN), ThreadId::from_bytes([0; 16]));
    let last = index::key(prefix, to.unwrap_or(Timestamp::MAX), ThreadId::from_bytes([255; 16]));
    let (mut low, mut high) = (Included(first), Included(last));
    let (mut start, mut end) = (first, last);
    if let Some(cursor) = query.after {
        let at = index::key(prefix, cursor.value(), cursor.id());
        match query.direction {
            Direction::Ascending if at >= first => (low, start) = (Excluded(at), at),
            Direction::Descending if at <= last => (high, end) = (Excluded(at), at),
            // The whole range lies after the cursor, or there is none that could.
            Direction::Ascending | Direction::Descending => {}
        }
    }
    // A range that ends before it begins would panic.
    (start <= end).then(|| index.range((low, high)))
}
