//! Filling a page from the rows of a listing.

use std::ops::ControlFlow;

use crate::{Cursor, Page, Skipped, ThreadId, ThreadQuery, Timestamp};

/// A page that is being filled. A backend hands it the rows of a listing in order, until it has enough.
#[derive(Debug)]
pub struct PageFill<'a, T> {
    query: &'a ThreadQuery,
    page: Page<T>,
    /// Of the last item.
    last: Option<(Timestamp, ThreadId)>,
    /// Damaged rows after the last item belong to the next page, if there is one.
    trailing: Vec<Skipped>,
}

impl<'a, T> PageFill<'a, T> {
    /// An empty page of this query.
    pub fn new(query: &'a ThreadQuery) -> Self {
        Self { query, page: Page::default(), last: None, trailing: Vec::new() }
    }

    /// How many more items it takes to know the page and whether another follows: at least 1.
    pub fn missing(&self) -> usize {
        self.query.limit + 1 - self.page.items.len()
    }

    /// Takes the row at the next position of the listing: an item, none that matches, or a damaged
    /// one. Breaks once nothing more has to be looked at.
    pub fn take(
        &mut self,
        at: (Timestamp, ThreadId),
        row: Result<Option<T>, Skipped>,
    ) -> ControlFlow<()> {
        match row {
            Ok(None) => {}
            Err(skipped) => self.trailing.push(skipped),
            Ok(Some(_)) if self.page.items.len() == self.query.limit => {
                self.page.next = self.last.map(|(value, id)| Cursor::new(self.query, value, id));
                self.trailing.clear();
                return ControlFlow::Break(());
            }
            Ok(Some(item)) => {
                self.page.items.push(item);
                self.page.skipped.append(&mut self.trailing);
                self.last = Some(at);
            }
        }
        ControlFlow::Continue(())
    }

    /// The page, once it has enough or the listing has ended.
    pub fn finish(mut self) -> Page<T> {
        self.page.skipped.append(&mut self.trailing);
        self.page
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(number: u8) -> (Timestamp, ThreadId) {
        (Timestamp::from_millis(i64::from(number)), ThreadId::from_bytes([number; 16]))
    }

    fn damaged(number: u8) -> Result<Option<u8>, Skipped> {
        Err(Skipped { id: at(number).1, reason: String::new() })
    }

    #[test]
    fn damaged_rows_go_with_the_page_of_the_next_item() {
        let query = ThreadQuery::everything().limit(2);
        let mut fill = PageFill::new(&query);
        let rows = [damaged(1), Ok(Some(2)), Ok(None), damaged(4), Ok(Some(5)), damaged(6)];
        for (number, row) in (1..).zip(rows) {
            assert!(fill.take(at(number), row).is_continue());
        }
        assert_eq!(fill.missing(), 1);
        let skipped = |page: &Page<u8>| page.skipped.iter().map(|row| row.id).collect::<Vec<_>>();
        assert!(fill.take(at(7), Ok(Some(7))).is_break());
        let page = fill.finish();
        assert_eq!(page.items, [2, 5]);
        assert_eq!(page.next.map(|cursor| cursor.id()), Some(at(5).1));
        assert_eq!(skipped(&page), [at(1).1, at(4).1]);

        let mut fill = PageFill::new(&query);
        for (number, row) in (5..).zip([Ok(Some(5)), damaged(6)]) {
            assert!(fill.take(at(number), row).is_continue());
        }
        let page = fill.finish();
        assert_eq!((page.items.len(), page.next.is_none()), (1, true));
        assert_eq!(skipped(&page), [at(6).1]);
    }
}
