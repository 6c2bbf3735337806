//! One segment of the logs, a file, and what is remembered of it.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use redb::{ReadTransaction, ReadableTable as _, WriteTransaction};
use threadkeep_core::{LogEntry, Result};
use threadkeep_migrations::kv;

use crate::blocks;
use crate::database::{Database, Header, Settings, guarded};
use crate::doomed::{self, Doomed, DoomedNumbers, Extent};
use crate::errors::Failure;
use crate::interner::Interner;
use crate::log_reader::{BlocksRead, Search};
use crate::names::Catalogue;
use crate::open::prepare;
use crate::outline::Outline;
use crate::owner::{Owner, OwnerNumber};
use crate::tables::{HEADS, Kind, STATE};
use crate::tally::{Cuts, Held, Tally};
use crate::turns::Turns;
use crate::unpacked::Unpacked;

/// What all segments of a store remember together.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) catalogue: Catalogue,
    pub(crate) unpacked: Unpacked,
}

/// An open segment.
#[derive(Debug)]
pub(crate) struct Segment {
    /// The number of its first entry, which its file is named after.
    pub(crate) first: u64,
    pub(crate) database: Database,
    interner: Mutex<Interner>,
    shared: Arc<Shared>,
    /// Names it in what was unpacked.
    number: usize,
    outline: Mutex<Outline>,
    tally: Mutex<Tally>,
    /// With what the file began when they were read.
    marks: Mutex<Option<(Header, Marks)>>,
}

impl Segment {
    /// Opens the segment, making it where there is none.
    pub(crate) fn open(
        path: &Path,
        lock_at: &Path,
        first: u64,
        settings: &Settings,
        shared: &Arc<Shared>,
    ) -> Result<Self> {
        let database = prepare(path, lock_at, Kind::Logs, settings)?;
        Ok(Self {
            first,
            database,
            interner: Mutex::default(),
            number: shared.unpacked.segment(),
            shared: Arc::clone(shared),
            outline: Mutex::default(),
            tally: Mutex::default(),
            marks: Mutex::default(),
        })
    }

    /// Appends in this transaction, and answers the number of the first entry.
    pub(crate) fn append(
        &self,
        transaction: &WriteTransaction,
        entries: &[LogEntry],
    ) -> Result<u64, Failure> {
        let mut interner = lock(&self.interner);
        let appended = blocks::append(transaction, &mut interner, self.first, entries);
        if appended.is_err() {
            *interner = Interner::default();
        }
        appended
    }

    /// Forgets the numbers given out in a transaction that came to nothing.
    pub(crate) fn forget(&self) {
        *lock(&self.interner) = Interner::default();
    }

    /// Adds the entries that match, in one transaction, or in none where what is remembered says
    /// that there are none.
    pub(crate) fn search(&self, operation: &'static str, search: &mut Search<'_>) -> Result<()> {
        let settled = {
            let outline = lock(&self.outline);
            outline.is_complete() && search.plan(&outline).is_none()
        };
        if settled {
            return Ok(());
        }
        self.database.read(operation, |transaction| {
            let plan = {
                let mut outline = lock(&self.outline);
                outline.refresh(transaction, &self.shared.catalogue)?;
                search.plan(&outline)
            };
            let Some(plan) = plan else { return Ok(()) };
            let unpacked = &self.shared.unpacked;
            search.collect(plan, &BlocksRead::new(transaction, self.number, unpacked)?)
        })
    }

    /// The number of the last entry; `None` where there is none.
    pub(crate) fn last_id(&self) -> Result<Option<u64>> {
        self.database.read("max_log_id", |transaction| {
            let heads = transaction.open_table(HEADS)?;
            let Some((first, head)) = heads.last()? else { return Ok(None) };
            Ok(Some(kv::decode_head(first.value(), head.value())?.last_id))
        })
    }

    /// What the segment says of entries that were deleted.
    pub(crate) fn marks(&self) -> Result<Marks> {
        // Before, so that a commit in between is seen the next time.
        let header = self.database.header();
        if let Some((known, marks)) = *lock(&self.marks)
            && Some(known) == header
        {
            return Ok(marks);
        }
        let marks = self.read_marks()?;
        *lock(&self.marks) = header.map(|header| (header, marks));
        Ok(marks)
    }

    fn read_marks(&self) -> Result<Marks> {
        self.database.read("query", |transaction| {
            let state = transaction.open_table(STATE)?;
            let number = |key: &str| Ok::<_, Failure>(state.get(key)?.map(|found| found.value()));
            let next = match number(kv::SEALED)? {
                Some(_) => number(kv::NEXT_ID)?,
                None => None,
            };
            let deleted_through = number(kv::DELETED_THROUGH)?.unwrap_or(0);
            Ok(Marks { deleted_through, taken: number(kv::TAKEN)?.unwrap_or(0), next })
        })
    }

    /// How much of the segment is doomed. Takes no lock.
    pub(crate) fn extent(&self, doomed: &Doomed) -> Result<(DoomedNumbers, Extent)> {
        self.database.read("prune", |transaction| {
            let outline = self.exact_outline(transaction)?;
            let doomed = DoomedNumbers::new(&outline.names, doomed);
            let extent = doomed.extent(&outline);
            Ok((doomed, extent))
        })
    }

    /// What each owner has in the segment. Takes no lock.
    pub(crate) fn held(&self) -> Result<Vec<(Owner, Held)>> {
        self.counted(|_, outline, held| {
            held.into_iter()
                .map(|(number, held)| Ok((outline.names.owner(number)?, held)))
                .collect()
        })
    }

    /// Goes on with a search for what fits. Takes no lock.
    pub(crate) fn cut(&self, cuts: &mut Cuts) -> Result<()> {
        self.counted(|transaction, outline, held| cuts.look(transaction, outline, &held))
    }

    fn counted<T>(
        &self,
        work: impl FnOnce(&ReadTransaction, &Outline, HashMap<OwnerNumber, Held>) -> Result<T, Failure>,
    ) -> Result<T> {
        self.database.read("prune", |transaction| {
            let outline = self.exact_outline(transaction)?;
            let held = {
                let mut tally = lock(&self.tally);
                tally.refresh(transaction, &outline)?;
                tally.held()
            };
            work(transaction, &outline, held)
        })
    }

    /// A copy of what is remembered, after it was compared with the file.
    fn exact_outline(&self, transaction: &ReadTransaction) -> Result<Outline, Failure> {
        let mut outline = lock(&self.outline);
        outline.refresh_exactly(transaction, &self.shared.catalogue)?;
        Ok(outline.clone())
    }

    /// Whether an entry is from before this time. Takes no lock.
    pub(crate) fn has_before(&self, time: (i64, u32)) -> Result<bool> {
        self.database.read("prune", |transaction| {
            let outline = self.exact_outline(transaction)?;
            Ok(outline.blocks().iter().any(|block| block.from < time))
        })
    }

    /// Entries that are there.
    pub(crate) fn count(&self) -> Result<u64> {
        self.database.read("prune", |transaction| {
            let outline = self.exact_outline(transaction)?;
            Ok(outline.blocks().iter().map(|block| u64::from(block.count)).sum())
        })
    }

    /// The number of the last entry that has to go so that the rest have at most this part of what
    /// all have; `None` where there is none to go.
    pub(crate) fn last_of_surplus(&self, part: f64) -> Result<Option<u64>> {
        self.database.read("prune", |transaction| {
            let mut ends = Vec::new();
            for entry in transaction.open_table(HEADS)?.range(0..)? {
                let (first, head) = entry?;
                let head = kv::decode_head(first.value(), head.value())?;
                ends.push((head.last_id, f64::from(head.bytes)));
            }
            let room = part * ends.iter().map(|(_, bytes)| bytes).sum::<f64>();
            let mut kept = 0.0;
            let surplus = ends.into_iter().rev().find(|(_, bytes)| {
                kept += bytes;
                kept > room
            });
            Ok(surplus.map(|(last_id, _)| last_id))
        })
    }

    /// Takes entries out of these blocks, some at a time, the last of them first.
    pub(crate) fn take_out(
        &self,
        turns: &mut Turns,
        wait: Duration,
        doomed: &DoomedNumbers,
        left: &mut Vec<u64>,
    ) -> Result<u64, Failure> {
        let transaction = turns.begin(&self.database, wait)?;
        let changes = match guarded(|| doomed::take_out(&transaction, self.first, doomed, left)) {
            Ok(changes) if changes.rows == 0 => {
                self.database.abort(transaction);
                return Ok(0);
            }
            Ok(changes) => changes,
            Err(failure) => {
                self.database.abort(transaction);
                return Err(self.database.note(failure));
            }
        };
        let committed = self.database.commit(transaction);
        turns.end();
        committed?;
        let (rows, (before, after)) = (changes.rows, changes.taken);
        if !changes.unknown {
            lock(&self.outline).take_out(before, after, changes.heads);
            lock(&self.tally).take_out(before, after, changes.gone);
        }
        Ok(rows)
    }
}

/// What a segment says of entries that were deleted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Marks {
    /// No entry with a number above this was taken out of a block.
    pub(crate) deleted_through: u64,
    /// Entries that were taken out of blocks.
    pub(crate) taken: u64,
    /// The number that the next segment begins with; `None` where this is the last.
    pub(crate) next: Option<u64>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is remembered is compared with the file before it matters.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
