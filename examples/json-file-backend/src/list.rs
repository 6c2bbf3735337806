//! One page of a listing.

use std::cmp::Reverse;

use threadkeep_core::{Cursor, Direction, Page, Result, Skipped, ThreadId, ThreadQuery, Timestamp};

use crate::row::Row;
use crate::state::State;

/// Where a thread is in a listing: equal times are ordered by id.
type Place = (Timestamp, ThreadId);

impl State {
    /// A page of whatever `item` makes of a row.
    pub(crate) fn page<T>(
        &self,
        query: &ThreadQuery,
        item: impl Fn(ThreadId, &Row) -> Result<T, Skipped>,
    ) -> Result<Page<T>> {
        query.validate()?;
        let mut page = Page::default();
        let mut last = None;
        for (place, row) in self.matching(query) {
            match item(place.1, row) {
                // One more than asked for: another page follows.
                Ok(_) if page.items.len() == query.limit => {
                    page.next = last.map(|(value, id)| Cursor::new(query, value, id));
                    break;
                }
                Ok(item) => page.items.push(item),
                Err(skipped) => page.skipped.push(skipped),
            }
            last = Some(place);
        }
        Ok(page)
    }

    /// The rows that match, after the cursor, in the order of the listing.
    fn matching(&self, query: &ThreadQuery) -> Vec<(Place, &Row)> {
        let place = |id: ThreadId, row: &Row| match &row.metadata {
            Some(metadata) => query.filter.matches(metadata).then(|| (query.sort.of(metadata), id)),
            // A row of which nothing can be read is met in every listing, so that it is met at all.
            None => Some((Timestamp::MIN, id)),
        };
        let mut rows: Vec<_> =
            self.rows.iter().filter_map(|(&id, row)| Some((place(id, row)?, row))).collect();
        let after = query.after.map(|cursor| (cursor.value(), cursor.id()));
        match query.direction {
            Direction::Ascending => {
                rows.retain(|(place, _)| after.is_none_or(|after| *place > after));
                rows.sort_unstable_by_key(|(place, _)| *place);
            }
            Direction::Descending => {
                rows.retain(|(place, _)| after.is_none_or(|after| *place < after));
                rows.sort_unstable_by_key(|(place, _)| Reverse(*place));
            }
        }
        rows
    }
}
