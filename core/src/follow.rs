//! Following a log: every entry once, in the order of the numbers.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use futures_timer::Delay;
use futures_util::stream::{self, Stream};

use crate::{Direction, ErrorKind, LogFilter, LogQuery, LogRow, LogStore, Result};

/// Entries read in one go.
const STEP: usize = 1_000;
/// How long it is before a store that fails is asked again, where it cannot even be waited for.
const REST: Duration = Duration::from_millis(200);

/// Where following begins, and what it looks for.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Follow {
    /// Which entries.
    pub filter: LogFilter,
    /// Entries with numbers above this. [`LogStore::max_log_id`] of everything follows from now on,
    /// and 0 from the first entry there is.
    pub after: u64,
    /// How often other processes' entries are looked for. Default: 200 ms.
    pub poll: Duration,
}

impl Follow {
    /// The entries above this number that match.
    pub fn new(filter: LogFilter, after: u64) -> Self {
        Self { filter, after, poll: Duration::from_millis(200) }
    }

    /// How often other processes' entries are looked for.
    #[must_use]
    pub fn poll(mut self, poll: Duration) -> Self {
        self.poll = poll;
        self
    }
}

/// What somebody who follows is told.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Followed {
    /// The next entry.
    Entry(Box<LogRow>),
    /// Some entries with these numbers, which may have matched, were deleted before they were read.
    Gap {
        /// Of entries above this number.
        after: u64,
        /// Up to this number.
        through: u64,
    },
}

struct State<'a, S: ?Sized> {
    store: &'a S,
    follow: Follow,
    /// Everything up to this number was read.
    position: u64,
    /// Gaps up to this number were told.
    told: u64,
    ready: VecDeque<Followed>,
    /// The last call failed: it is tried again after a while.
    failed: bool,
    /// The last waiting ended early; what it was for is still to be seen.
    in_vain: bool,
}

pub(crate) fn follow<S: LogStore + ?Sized>(
    store: &S,
    follow: Follow,
) -> impl Stream<Item = Result<Followed>> + Send + '_ {
    let position = follow.after;
    let state = State {
        store,
        follow,
        position,
        told: 0,
        ready: VecDeque::new(),
        failed: false,
        in_vain: false,
    };
    stream::unfold(state, |mut state| async move {
        loop {
            if let Some(followed) = state.ready.pop_front() {
                return Some((Ok(followed), state));
            }
            match state.step().await {
                Ok(()) => state.failed = false,
                Err(error) if error.kind() == ErrorKind::Closed => return None,
                Err(error) => {
                    state.failed = true;
                    return Some((Err(error), state));
                }
            }
        }
    })
}

impl<S: LogStore + ?Sized> State<'_, S> {
    /// Reads on, or waits where there is nothing to read.
    async fn step(&mut self) -> Result<()> {
        if self.failed {
            self.rest().await?;
        }
        // Numbers follow the order of commits: everything up to the greatest can be read now.
        let head = LogQuery::new(LogFilter::new().after_id(self.position)).limit(1);
        let head = self.store.query(head).await?;
        let Some(newest) = head.items.first().map(|row| row.id) else {
            if head.deleted_through <= self.position {
                return self.wait().await;
            }
            // All that came is gone again: whoever waited for what is above it would not wait.
            self.in_vain = false;
            self.tell_gap(head.deleted_through);
            self.position = head.deleted_through;
            return Ok(());
        };
        let mut filter = self.follow.filter.clone();
        filter.after_id = filter.after_id.max(Some(self.position));
        let end = newest.saturating_add(1);
        filter.before_id = Some(filter.before_id.map_or(end, |before| before.min(end)));
        let query = LogQuery::new(filter).direction(Direction::Ascending).limit(STEP);
        let page = self.store.query(query).await?;
        let read = match page.items.last() {
            Some(last) if page.more => last.id,
            _ => newest,
        };
        self.in_vain = false;
        self.tell_gap(page.deleted_through);
        self.ready.extend(page.items.into_iter().map(|row| Followed::Entry(Box::new(row))));
        self.position = read;
        Ok(())
    }

    /// Waits for entries above the position.
    async fn wait(&mut self) -> Result<()> {
        if self.in_vain {
            // There is word of entries that are not there, because somebody took the logs away.
            self.in_vain = false;
            return self.rest().await;
        }
        let begun = Instant::now();
        self.store.changed(self.position, self.follow.poll).await?;
        self.in_vain = begun.elapsed() < self.follow.poll;
        Ok(())
    }

    /// Waits as long as there is between two looks at other processes' entries.
    async fn rest(&self) -> Result<()> {
        // A number above all: only the time ends the waiting.
        match self.store.changed(u64::MAX, self.follow.poll).await {
            Err(error) if error.kind() != ErrorKind::Closed => {
                Delay::new(self.follow.poll.min(REST)).await;
                Ok(())
            }
            rested => rested,
        }
    }

    /// Tells, once, that entries which were not read are gone. Who begins with the first entry there
    /// is has missed none.
    fn tell_gap(&mut self, through: u64) {
        if self.position > 0 && through > self.position.max(self.told) {
            self.ready.push_back(Followed::Gap { after: self.position, through });
        }
        self.told = self.told.max(through);
    }
}
