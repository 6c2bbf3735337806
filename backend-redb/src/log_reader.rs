//! Reading the logs: segment by segment, block by block, unpacking only what may hold a match.

use std::collections::BTreeSet;

use redb::{ReadTransaction, TableDefinition};
use threadkeep_core::{Direction, LogEntry, LogFilter, LogRow, LogThreads};
use threadkeep_migrations::kv::{self, BlockEntry, BlockHead, BlockRows, Site};

use crate::errors::Failure;
use crate::tables::{BLOCKS, HEADS, LOG_PROCESSES, LOG_THREADS, SITES};

/// Adds the entries of one segment that match to `found`, until there are `wanted`.
pub(crate) fn collect(
    transaction: &ReadTransaction,
    filter: &LogFilter,
    direction: Direction,
    wanted: usize,
    found: &mut Vec<LogRow>,
) -> Result<(), Failure> {
    let Some(names) = Names::of(transaction, filter)? else { return Ok(()) };
    let heads = transaction.open_table(HEADS)?;
    let blocks = transaction.open_table(BLOCKS)?;
    let before = filter.before_id.unwrap_or(u64::MAX);
    let mut range = heads.range(..before)?;
    loop {
        let entry = match direction {
            Direction::Ascending => range.next(),
            Direction::Descending => range.next_back(),
        };
        let Some(entry) = entry else { return Ok(()) };
        let (first, head) = entry?;
        let first = first.value();
        let head = kv::decode_head(first, head.value())?;
        if filter.after_id.is_some_and(|after| head.last_id <= after) {
            match direction {
                Direction::Ascending => continue,
                // Everything further down was written before.
                Direction::Descending => return Ok(()),
            }
        }
        if !names.may_be_in(&head, filter) {
            continue;
        }
        let Some(block) = blocks.get(first)? else { continue };
        let block = kv::unpack_block(first, block.value())?;
        let mut rows = Vec::new();
        for entry in BlockRows::new(&block) {
            let entry = entry?;
            if names.admit(&entry) {
                let row = names.row(first, &entry)?;
                rows.extend(filter.matches(&row).then_some(row));
            }
        }
        if direction == Direction::Descending {
            rows.reverse();
        }
        found.extend(rows.into_iter().take(wanted - found.len()));
        if found.len() >= wanted {
            return Ok(());
        }
    }
}

/// The names that entries of a segment give by number, and which of them the filter admits.
struct Names {
    sites: Vec<Site>,
    threads: Vec<String>,
    processes: Vec<String>,
    admitted_sites: BTreeSet<u32>,
    /// `None` where every thread is admitted.
    admitted_threads: Option<(BTreeSet<u32>, bool)>,
    admitted_process: Option<u32>,
}

impl Names {
    /// `None` where nothing in the segment can match.
    fn of(transaction: &ReadTransaction, filter: &LogFilter) -> Result<Option<Self>, Failure> {
        let mut sites = Vec::new();
        let mut admitted_sites = BTreeSet::new();
        for entry in transaction.open_table(SITES)?.range(0..)? {
            let (number, value) = entry?;
            let site = kv::decode_site(number.value(), value.value())?;
            if admits(filter, &site) {
                admitted_sites.insert(number.value());
            }
            sites.push(site);
        }
        if admitted_sites.is_empty() {
            return Ok(None);
        }
        let texts = |table: TableDefinition<'static, u32, &'static str>| {
            let table = transaction.open_table(table)?;
            let mut texts = Vec::new();
            for entry in table.range(0..)? {
                let (_, text) = entry?;
                texts.push(text.value().to_owned());
            }
            Ok::<_, Failure>(texts)
        };
        let (threads, processes) = (texts(LOG_THREADS)?, texts(LOG_PROCESSES)?);
        let admitted_threads = filter.threads.as_ref().map(|LogThreads { ids, threadless }| {
            let admitted = (0..).zip(&threads).filter(|(_, name)| ids.contains(*name));
            (admitted.map(|(number, _)| number).collect(), *threadless)
        });
        if admitted_threads
            .as_ref()
            .is_some_and(|(ids, threadless): &(BTreeSet<u32>, _)| ids.is_empty() && !threadless)
        {
            return Ok(None);
        }
        let admitted_process = match &filter.process_id {
            None => None,
            Some(name) => match (0..).zip(&processes).find(|(_, found)| *found == name) {
                None => return Ok(None),
                Some((number, _)) => Some(number),
            },
        };
        Ok(Some(Self {
            sites,
            threads,
            processes,
            admitted_sites,
            admitted_threads,
            admitted_process,
        }))
    }

    /// Whether a block with this head may hold a match.
    fn may_be_in(&self, head: &BlockHead, filter: &LogFilter) -> bool {
        let time =
            |time: chrono::DateTime<chrono::Utc>| (time.timestamp(), time.timestamp_subsec_nanos());
        !head.sites.is_disjoint(&self.admitted_sites)
            && self.admitted_threads.as_ref().is_none_or(|(ids, threadless)| {
                (*threadless && head.threadless) || !head.threads.is_disjoint(ids)
            })
            && self.admitted_process.is_none_or(|number| head.processes.contains(&number))
            && filter.from.is_none_or(|from| head.to >= time(from))
            && filter.to.is_none_or(|to| head.from <= time(to))
    }

    /// Whether the numbers of an entry are admitted; what else the filter asks is for the row.
    fn admit(&self, entry: &BlockEntry<'_>) -> bool {
        self.admitted_sites.contains(&entry.site)
            && self.admitted_threads.as_ref().is_none_or(|(ids, threadless)| match entry.thread {
                Some(number) => ids.contains(&number),
                None => *threadless,
            })
            && self.admitted_process.is_none_or(|number| entry.process == Some(number))
    }

    fn row(&self, first: u64, entry: &BlockEntry<'_>) -> Result<LogRow, Failure> {
        let site = self.sites.get(entry.site as usize).ok_or_else(|| missing("call site"))?;
        let name = |names: &[String], number: Option<u32>, what| match number {
            None => Ok(None),
            Some(number) => {
                names.get(number as usize).cloned().map(Some).ok_or_else(|| missing(what))
            }
        };
        Ok(LogRow {
            id: entry.id(first),
            entry: LogEntry {
                time: entry.datetime()?,
                level: site.level,
                target: site.target.clone(),
                message: entry.message.map(str::to_owned),
                thread_id: name(&self.threads, entry.thread, "thread")?,
                process_id: name(&self.processes, entry.process, "process")?,
                module_path: site.module_path.clone(),
                file: site.file.clone(),
                line: site.line,
            },
        })
    }
}

fn missing(what: &str) -> threadkeep_core::Error {
    let text = format!("a log entry names a {what} that is not there");
    threadkeep_core::Error::new(threadkeep_core::ErrorKind::Corrupted, text)
}

/// Whether entries of this site may match, by what the site alone decides.
fn admits(filter: &LogFilter, site: &Site) -> bool {
    filter.level.is_none_or(|level| site.level == level)
        && filter.min_level.is_none_or(|level| site.level >= level)
        && filter.admits_place(&site.target, site.module_path.as_deref(), site.file.as_deref())
}
