//! Space in files that holds nothing, and giving it back.

use std::collections::HashMap;

use redb::{ReadTransaction, ReadableTableMetadata as _};
use threadkeep_core::Result;

use crate::errors::Failure;
use crate::keep::readable;
use crate::segments::Segments;

/// Bytes of the pages that hold something.
pub(crate) fn live_bytes(transaction: &ReadTransaction) -> Result<u64, Failure> {
    let mut bytes = 0;
    for table in transaction.list_tables()? {
        let stats = transaction.open_untyped_table(table)?.stats()?;
        bytes += stats.stored_bytes() + stats.metadata_bytes() + stats.fragmented_bytes();
    }
    Ok(bytes)
}

/// Whether more than half of a file, and not only a little, is free.
pub(crate) fn is_worth_compacting(bytes: u64, live: u64) -> bool {
    bytes > 1024 * 1024 && live < bytes / 2
}

/// What was given back of the logs, and how many entries had been taken out of a segment then.
#[derive(Debug, Default)]
pub(crate) struct GivenBack(HashMap<u64, u64>);

impl GivenBack {
    /// Gives space back of one segment of which much was taken out and nothing is added to any more;
    /// answers whether there may be another.
    pub(crate) fn next(&mut self, segments: &Segments) -> Result<bool> {
        let mut firsts = segments.list()?;
        self.0.retain(|first, _| firsts.contains(first));
        firsts.pop();
        for first in firsts {
            let Some(Some(segment)) = readable(segments.get(first))? else { continue };
            let Some(marks) = readable(segment.marks())? else { continue };
            let Some(left) = readable(segment.count())? else { continue };
            // About half of it, or it is not worth a closer look.
            if marks.taken < left || self.0.insert(first, marks.taken) == Some(marks.taken) {
                continue;
            }
            let bytes = segments.bytes(first)?.unwrap_or(0);
            if is_worth_compacting(bytes, segment.database.read("prune", live_bytes)?) {
                let compacted = segment.database.compact();
                compacted.map_err(|failure| failure.at(segment.database.path(), "prune"))?;
            }
            return Ok(true);
        }
        Ok(false)
    }
}
