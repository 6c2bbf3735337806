//! Pages of the logs, over all segments.

use threadkeep_core::{Direction, ErrorKind, LogFilter, LogPage, LogQuery, Result};

use crate::log_reader::Search;
use crate::logs::Logs;

impl Logs {
    pub(crate) fn query(&self, query: &LogQuery) -> Result<LogPage> {
        // One more than asked for tells whether there are more.
        let mut search = Search::new(&query.filter, query.direction, query.limit + 1);
        self.scan(&mut search, "query")?;
        let mut items = search.found;
        let more = items.len() > query.limit;
        items.truncate(query.limit);
        // Last, so that whatever was missed above is told of.
        Ok(LogPage { items, more, deleted_through: self.deleted_through()? })
    }

    pub(crate) fn max_id(&self, filter: &LogFilter) -> Result<u64> {
        if *filter == LogFilter::new() {
            return self.last_id();
        }
        let mut search = Search::new(filter, Direction::Descending, 1);
        self.scan(&mut search, "max_log_id")?;
        Ok(search.found.first().map_or(0, |row| row.id))
    }

    fn last_id(&self) -> Result<u64> {
        for first in self.segments.list()?.into_iter().rev() {
            if let Some(segment) = self.segments.get(first)?
                && let Some(last) = segment.last_id()?
            {
                return Ok(last);
            }
        }
        Ok(0)
    }

    /// No entry with a number above this was ever deleted. What is below the oldest segment was, and
    /// what is between two; of the rest the segments say it.
    fn deleted_through(&self) -> Result<u64> {
        let mut newer: Option<u64> = None;
        for first in self.segments.list()?.into_iter().rev() {
            let found = self.segments.get(first);
            let marks =
                found.and_then(|segment| segment.map(|segment| segment.marks()).transpose());
            let below = newer.map(|newer| newer - 1);
            match (marks, below) {
                (Ok(Some(marks)), below) => {
                    if let (Some(below), Some(next)) = (below, marks.next)
                        && next <= below
                    {
                        return Ok(below);
                    }
                    if marks.deleted_through > 0 {
                        return Ok(marks.deleted_through);
                    }
                }
                // It has gone meanwhile.
                (Ok(None), below) => return Ok(below.unwrap_or(0)),
                // Nobody knows what is missing of it, only that no newer one is.
                (Err(error), Some(below)) if error.kind() == ErrorKind::Corrupted => {
                    return Ok(below);
                }
                (Err(error), None) if error.kind() == ErrorKind::Corrupted => {}
                (Err(error), _) => return Err(error),
            }
            newer = Some(first);
        }
        Ok(newer.map_or(0, |oldest| oldest - 1))
    }

    fn scan(&self, search: &mut Search<'_>, operation: &'static str) -> Result<()> {
        let filter = search.filter;
        let firsts = self.segments.list()?;
        let ends = firsts.iter().skip(1).copied().chain([u64::MAX]);
        let mut wanted_segments: Vec<_> = firsts
            .iter()
            .copied()
            .zip(ends)
            .filter(|(first, end)| {
                filter.before_id.is_none_or(|before| *first < before)
                    && filter.after_id.is_none_or(|after| after < end.saturating_sub(1))
            })
            .map(|(first, _)| first)
            .collect();
        if search.direction == Direction::Descending {
            wanted_segments.reverse();
        }
        for first in wanted_segments {
            let Some(segment) = self.segments.get(first)? else { continue };
            segment.search(operation, search)?;
            if search.is_done() {
                break;
            }
        }
        Ok(())
    }
}
