//! Reading a log page by page: however much is shown, little of it is in memory.

use std::collections::VecDeque;

use threadkeep::{Direction, LogFilter, LogQuery, LogRow, Store};

use super::select::Selection;
use super::sieve::Sieve;
use crate::exit::Failure;

/// Entries read in one go, and held at once where they have to be turned round.
const PAGE: usize = 1_000;

/// What is done with each entry.
pub(super) type Each<'a> = &'a mut (dyn FnMut(&LogRow) -> Result<(), Failure> + Send);

/// A log as it was at one moment: what is appended later is not read.
pub(super) struct Log<'a> {
    store: &'a dyn Store,
    filter: LogFilter,
    pub(super) sieve: Sieve,
    newest_id: u64,
    deleted_through: u64,
}

/// How far a walk came.
pub(super) struct Walked {
    /// The number of the last entry that was handed over.
    pub(super) last: Option<u64>,
    /// As many as were wanted were there, and there may be more.
    pub(super) stopped_early: bool,
}

impl<'a> Log<'a> {
    pub(super) async fn open(store: &'a dyn Store, selection: Selection) -> Result<Self, Failure> {
        let newest_id = store.max_log_id(LogFilter::new()).await?;
        let nothing = LogQuery::new(LogFilter::new().after_id(newest_id)).limit(1);
        let deleted_through = store.query(nothing).await?.deleted_through;
        let Selection { filter, sieve } = selection;
        Ok(Self { store, filter, sieve, newest_id, deleted_through })
    }

    /// The greatest number there is, 0 where there is none.
    pub(super) fn newest_id(&self) -> u64 {
        self.newest_id
    }

    /// No entry with a number above this was ever deleted.
    pub(super) fn deleted_through(&self) -> u64 {
        self.deleted_through
    }

    /// The conditions that the store looks after.
    pub(super) fn filter(&self) -> &LogFilter {
        &self.filter
    }

    /// The newest entries, at most so many, the oldest of them first.
    pub(super) async fn newest(&self, most: usize, each: Each<'_>) -> Result<(), Failure> {
        if most == usize::MAX {
            return self.forwards(0, most, each).await.map(drop);
        }
        if most > PAGE {
            // Read twice rather than held: first to learn where they begin.
            let begin = self.walk(Direction::Descending, 0, most, &mut |_| Ok(())).await?;
            let before = begin.last.map_or(self.newest_id, |id| id - 1);
            return self.forwards(before, most, each).await.map(drop);
        }
        let mut held = VecDeque::new();
        let mut keep = |row: &LogRow| {
            held.push_front(row.clone());
            Ok(())
        };
        self.walk(Direction::Descending, 0, most, &mut keep).await?;
        held.iter().try_for_each(each)
    }

    /// The newest entries, at most so many, the newest first.
    pub(super) async fn backwards(
        &self,
        after: u64,
        most: usize,
        each: Each<'_>,
    ) -> Result<(), Failure> {
        self.walk(Direction::Descending, after, most, each).await.map(drop)
    }

    /// The entries with numbers above one, at most so many, the oldest first.
    pub(super) async fn forwards(
        &self,
        after: u64,
        most: usize,
        each: Each<'_>,
    ) -> Result<Walked, Failure> {
        self.walk(Direction::Ascending, after, most, each).await
    }

    async fn walk(
        &self,
        direction: Direction,
        after: u64,
        most: usize,
        each: Each<'_>,
    ) -> Result<Walked, Failure> {
        let mut filter = self.filter.clone();
        filter.after_id = Some(after);
        filter.before_id = Some(self.newest_id.saturating_add(1));
        let (mut last, mut left) = (None, most);
        while left > 0 {
            let limit = if self.sieve.is_open() { left.min(PAGE) } else { PAGE };
            let query = LogQuery::new(filter.clone()).direction(direction).limit(limit);
            let page = self.store.query(query).await?;
            for row in page.items.iter().filter(|row| self.sieve.admits(&row.entry)).take(left) {
                each(row)?;
                last = Some(row.id);
                left -= 1;
            }
            match page.items.last() {
                Some(read) if page.more => match direction {
                    Direction::Ascending => filter.after_id = Some(read.id),
                    Direction::Descending => filter.before_id = Some(read.id),
                },
                _ if left > 0 => return Ok(Walked { last, stopped_early: false }),
                _ => break,
            }
        }
        Ok(Walked { last, stopped_early: true })
    }
}
