//! Reading the logs: segment by segment, block by block, unpacking only what may hold a match.

use std::sync::Arc;

use redb::{ReadOnlyTable, ReadTransaction};
use threadkeep_core::{Direction, LogFilter, LogRow};
use threadkeep_migrations::kv::{self, BlockEntry, BlockRows};

use crate::errors::Failure;
use crate::names::{NamedSite, Names};
use crate::outline::{Bits, BlockOutline, Outline};
use crate::tables::{BLOCKS, STATE};
use crate::unpacked::Unpacked;

type Time = (i64, u32);

/// What is looked for, and what was found of it.
pub(crate) struct Search<'a> {
    pub(crate) filter: &'a LogFilter,
    pub(crate) direction: Direction,
    /// So many at most.
    wanted: usize,
    pub(crate) found: Vec<LogRow>,
    /// What the filter says of a call site, by its number in the catalogue.
    sites: Vec<Option<bool>>,
}

/// Which numbers of a segment are looked for.
struct Wanted {
    sites: Bits,
    /// `None` where every thread is. Sorted.
    threads: Option<(Vec<u32>, bool)>,
    process: Option<u32>,
    from: Option<Time>,
    to: Option<Time>,
}

/// Where to look in a segment.
pub(crate) struct Plan {
    names: Arc<Names>,
    wanted: Wanted,
    /// The first numbers of the blocks, in the order in which they are to be read.
    blocks: Vec<u64>,
    /// That of the block that entries may be added to.
    open: Option<u64>,
}

/// The blocks of a segment, as a transaction reads them.
pub(crate) struct BlocksRead<'a> {
    table: ReadOnlyTable<u64, &'static [u8]>,
    taken: u64,
    segment: usize,
    unpacked: &'a Unpacked,
}

impl<'a> BlocksRead<'a> {
    pub(crate) fn new(
        transaction: &ReadTransaction,
        segment: usize,
        unpacked: &'a Unpacked,
    ) -> Result<Self, Failure> {
        let taken = transaction.open_table(STATE)?.get(kv::TAKEN)?;
        let taken = taken.map_or(0, |taken| taken.value());
        Ok(Self { table: transaction.open_table(BLOCKS)?, taken, segment, unpacked })
    }

    /// The block that begins with this number; it is remembered if nothing is added to it any more.
    fn get(&self, first: u64, is_closed: bool) -> Result<Option<Arc<[u8]>>, Failure> {
        let key = (self.segment, first);
        if let Some(block) = self.unpacked.get(key, self.taken).filter(|_| is_closed) {
            return Ok(Some(block));
        }
        let Some(block) = self.table.get(first)? else { return Ok(None) };
        let block: Arc<[u8]> = kv::unpack_block(first, block.value())?.into();
        if is_closed {
            self.unpacked.insert(key, self.taken, Arc::clone(&block));
        }
        Ok(Some(block))
    }
}

impl<'a> Search<'a> {
    pub(crate) fn new(filter: &'a LogFilter, direction: Direction, wanted: usize) -> Self {
        Self { filter, direction, wanted, found: Vec::new(), sites: Vec::new() }
    }

    pub(crate) fn is_done(&self) -> bool {
        self.found.len() >= self.wanted
    }

    /// Where to look in the segment of this outline; `None` where nothing can match.
    pub(crate) fn plan(&mut self, outline: &Outline) -> Option<Plan> {
        let names = Arc::clone(&outline.names);
        let after = self.filter.after_id.unwrap_or(0);
        let before = self.filter.before_id.unwrap_or(u64::MAX);
        let between = outline.blocks_between(after, before);
        if between.is_empty() {
            return None;
        }
        let wanted = self.wanted_of(&names)?;
        let blocks = between.iter().filter(|block| wanted.may_be_in(block));
        let mut blocks: Vec<_> = blocks.map(|block| block.first).collect();
        if self.direction == Direction::Descending {
            blocks.reverse();
        }
        let open = if outline.is_complete() { None } else { outline.blocks().last() };
        let open = open.map(|block| block.first);
        (!blocks.is_empty()).then_some(Plan { names, wanted, blocks, open })
    }

    /// Adds the entries of the planned blocks that match, until there are enough.
    pub(crate) fn collect(&mut self, plan: Plan, blocks: &BlocksRead<'_>) -> Result<(), Failure> {
        for first in plan.blocks {
            // Somebody else may have taken it out since.
            let Some(block) = blocks.get(first, plan.open != Some(first))? else { continue };
            let mut rows = Vec::new();
            for entry in BlockRows::new(&block) {
                let entry = entry?;
                if plan.wanted.admits(&entry) && self.is_between(entry.id(first)) {
                    let row = plan.names.row(first, &entry)?;
                    rows.extend(self.filter.matches(&row).then_some(row));
                }
            }
            if self.direction == Direction::Descending {
                rows.reverse();
            }
            self.found.extend(rows.into_iter().take(self.wanted - self.found.len()));
            if self.is_done() {
                break;
            }
        }
        Ok(())
    }

    fn is_between(&self, id: u64) -> bool {
        self.filter.after_id.is_none_or(|after| id > after)
            && self.filter.before_id.is_none_or(|before| id < before)
    }

    fn wanted_of(&mut self, names: &Names) -> Option<Wanted> {
        let sites = (0..).zip(&names.sites).filter(|(_, site)| self.admits(site));
        let sites: Bits = sites.map(|(number, _)| number).collect();
        if sites.is_empty() {
            return None;
        }
        let threads = match &self.filter.threads {
            None => None,
            Some(wanted) => {
                let numbers = wanted.ids.iter().filter_map(|name| names.threads.number(name));
                let mut numbers: Vec<_> = numbers.collect();
                if numbers.is_empty() && !wanted.threadless {
                    return None;
                }
                numbers.sort_unstable();
                Some((numbers, wanted.threadless))
            }
        };
        let process = match &self.filter.process_id {
            None => None,
            Some(name) => Some(names.processes.number(name)?),
        };
        let time =
            |time: chrono::DateTime<chrono::Utc>| (time.timestamp(), time.timestamp_subsec_nanos());
        let (from, to) = (self.filter.from.map(time), self.filter.to.map(time));
        Some(Wanted { sites, threads, process, from, to })
    }

    /// Whether entries of this site may match, by what the site alone decides.
    fn admits(&mut self, named: &NamedSite) -> bool {
        if self.sites.len() <= named.catalogued {
            self.sites.resize(named.catalogued + 1, None);
        }
        *self.sites[named.catalogued].get_or_insert_with(|| {
            let site = &*named.site;
            let (module, file) = (site.module_path.as_deref(), site.file.as_deref());
            self.filter.admits_level(site.level)
                && self.filter.admits_place(&site.target, module, file)
        })
    }
}

impl Wanted {
    /// Whether a block may hold a match.
    fn may_be_in(&self, block: &BlockOutline) -> bool {
        self.threads.as_ref().is_none_or(|(numbers, threadless)| {
            (*threadless && block.threadless)
                || numbers.iter().any(|number| block.threads.binary_search(number).is_ok())
        }) && self.process.is_none_or(|number| block.processes.binary_search(&number).is_ok())
            && self.from.is_none_or(|from| block.to >= from)
            && self.to.is_none_or(|to| block.from <= to)
            && block.sites.intersects(&self.sites)
    }

    /// Whether the numbers of an entry are admitted; what else the filter asks is for the row.
    fn admits(&self, entry: &BlockEntry<'_>) -> bool {
        self.sites.contains(entry.site)
            && self.threads.as_ref().is_none_or(|(numbers, threadless)| match entry.thread {
                Some(number) => numbers.binary_search(&number).is_ok(),
                None => *threadless,
            })
            && self.process.is_none_or(|number| entry.process == Some(number))
    }
}
