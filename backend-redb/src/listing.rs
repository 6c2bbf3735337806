//! A listing: short ranges of the index, merged into listing order.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ops::Bound;

use redb::{Range, ReadOnlyTable};
use threadkeep_core::{Direction, Error, ErrorKind, ThreadId, ThreadQuery, Timestamp, index};

use crate::errors::Failure;

/// The part of a key that the order of a listing depends on, its bytes turned over where the
/// listing descends, so that the least always comes first.
type Rank = [u8; 24];
type Keys = Range<'static, &'static [u8], &'static [u8]>;

/// The positions of all ranges of a query after its cursor, in the order of its listing.
pub(crate) struct Merge {
    direction: Direction,
    ranges: Vec<Keys>,
    /// The next key of each range that has one.
    heads: BinaryHeap<Reverse<(Rank, usize)>>,
}

impl Merge {
    pub(crate) fn new(
        table: &ReadOnlyTable<&'static [u8], &'static [u8]>,
        query: &ThreadQuery,
    ) -> Result<Self, Failure> {
        let mut merge =
            Self { direction: query.direction, ranges: Vec::new(), heads: BinaryHeap::new() };
        for prefix in index::prefixes(query) {
            let Some((low, high)) = index::bounds(prefix, query) else { continue };
            let bounds: (Bound<&[u8]>, Bound<&[u8]>) =
                (low.as_ref().map(<[u8; 36]>::as_slice), high.as_ref().map(<[u8; 36]>::as_slice));
            merge.ranges.push(table.range::<&[u8]>(bounds)?);
            merge.advance(merge.ranges.len() - 1)?;
        }
        Ok(merge)
    }

    /// The next position.
    pub(crate) fn next(&mut self) -> Result<Option<(Timestamp, ThreadId)>, Failure> {
        let Some(Reverse((rank, at))) = self.heads.pop() else {
            return Ok(None);
        };
        self.advance(at)?;
        let mut key = [0; 36];
        key[12..].copy_from_slice(&turned(rank, self.direction));
        Ok(Some(index::position(&key)?))
    }

    fn advance(&mut self, at: usize) -> Result<(), Failure> {
        let head = match self.direction {
            Direction::Ascending => self.ranges[at].next(),
            Direction::Descending => self.ranges[at].next_back(),
        };
        if let Some(entry) = head {
            let (key, _) = entry?;
            let rank = key.value().get(12..).and_then(|rank| Rank::try_from(rank).ok());
            let rank = rank.ok_or_else(|| {
                Error::new(ErrorKind::Corrupted, "a key of the index has not 36 bytes")
            })?;
            self.heads.push(Reverse((turned(rank, self.direction), at)));
        }
        Ok(())
    }
}

fn turned(rank: Rank, direction: Direction) -> Rank {
    match direction {
        Direction::Ascending => rank,
        Direction::Descending => rank.map(|byte| !byte),
    }
}
