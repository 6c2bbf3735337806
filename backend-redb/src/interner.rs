//! Things of which there are few, stored once and then named by number.

use std::collections::HashMap;
use std::hash::Hash;

use redb::{ReadableTable as _, ReadableTableMetadata as _, Table, WriteTransaction};
use threadkeep_core::{Error, ErrorKind, LogEntry};
use threadkeep_migrations::kv::{self, Site};

use crate::errors::Failure;
use crate::tables::{LOG_PROCESSES, LOG_THREADS, SITES};

/// The numbers of a segment's call sites, threads and processes, as its writer remembers them.
///
/// Numbers begin at 0 and are given out in turn, so that the size of a table says whether another
/// process has given out more.
#[derive(Debug, Default)]
pub(crate) struct Interner {
    sites: HashMap<Site, u32>,
    threads: HashMap<String, u32>,
    processes: HashMap<String, u32>,
}

/// The tables behind it, in a write transaction.
pub(crate) struct Numbers<'a> {
    known: &'a mut Interner,
    sites: Table<'a, u32, &'static [u8]>,
    threads: Table<'a, u32, &'static str>,
    processes: Table<'a, u32, &'static str>,
}

impl Interner {
    /// Brings what is remembered up to date.
    pub(crate) fn open<'a>(
        &'a mut self,
        transaction: &'a WriteTransaction,
    ) -> Result<Numbers<'a>, Failure> {
        let sites = transaction.open_table(SITES)?;
        let threads = transaction.open_table(LOG_THREADS)?;
        let processes = transaction.open_table(LOG_PROCESSES)?;
        for entry in sites.range(next(&self.sites)?..)? {
            let (number, value) = entry?;
            self.sites.insert(kv::decode_site(number.value(), value.value())?, number.value());
        }
        for (known, table) in [(&mut self.threads, &threads), (&mut self.processes, &processes)] {
            for entry in table.range(next(known)?..)? {
                let (number, text) = entry?;
                known.insert(text.value().to_owned(), number.value());
            }
        }
        debug_assert_eq!(sites.len()?, self.sites.len() as u64);
        Ok(Numbers { known: self, sites, threads, processes })
    }
}

impl Numbers<'_> {
    /// The numbers of an entry's call site, thread and process, given out where they are new.
    pub(crate) fn of(&mut self, entry: &LogEntry) -> Result<[Option<u32>; 3], Failure> {
        let site = Site::of(entry);
        let site = if let Some(number) = self.known.sites.get(&site) {
            *number
        } else {
            let number = next(&self.known.sites)?;
            self.sites.insert(number, kv::encode_site(number, &site)?.as_slice())?;
            self.known.sites.insert(site, number);
            number
        };
        let thread = text(&mut self.known.threads, &mut self.threads, entry.thread_id.as_deref())?;
        let process =
            text(&mut self.known.processes, &mut self.processes, entry.process_id.as_deref())?;
        Ok([Some(site), thread, process])
    }
}

fn text(
    known: &mut HashMap<String, u32>,
    table: &mut Table<'_, u32, &'static str>,
    text: Option<&str>,
) -> Result<Option<u32>, Failure> {
    let Some(text) = text else { return Ok(None) };
    if let Some(number) = known.get(text) {
        return Ok(Some(*number));
    }
    let number = next(known)?;
    table.insert(number, text)?;
    known.insert(text.to_owned(), number);
    Ok(Some(number))
}

fn next<K: Eq + Hash>(known: &HashMap<K, u32>) -> Result<u32, Failure> {
    u32::try_from(known.len())
        .map_err(|_| Error::new(ErrorKind::StorageFull, "a log segment has no number left").into())
}
