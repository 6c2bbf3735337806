//! The call sites, threads and processes that the entries of a segment name by number, remembered.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use redb::{ReadTransaction, ReadableTableMetadata as _, TableDefinition};
use threadkeep_core::{Error, ErrorKind, LogEntry, LogRow};
use threadkeep_migrations::kv::{self, BlockEntry, Site};

use crate::errors::Failure;
use crate::owner::{Owner, OwnerNumber};
use crate::tables::{LOG_PROCESSES, LOG_THREADS, SITES};

/// Sites at which the catalogue begins anew.
const CATALOGUE: usize = 1 << 16;

/// Every call site of all segments, once: what a filter says of it is asked once for all of them.
#[derive(Debug, Default)]
pub(crate) struct Catalogue(Mutex<Catalogued>);

#[derive(Debug, Default)]
struct Catalogued {
    sites: HashMap<Arc<Site>, usize>,
    /// Numbers are never given out twice.
    next: usize,
}

impl Catalogue {
    fn number(&self, site: Site) -> (usize, Arc<Site>) {
        let mut catalogued = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((site, number)) = catalogued.sites.get_key_value(&site) {
            return (*number, Arc::clone(site));
        }
        if catalogued.sites.len() >= CATALOGUE {
            catalogued.sites.clear();
        }
        let (number, site) = (catalogued.next, Arc::new(site));
        catalogued.next += 1;
        catalogued.sites.insert(Arc::clone(&site), number);
        (number, site)
    }
}

/// A call site of a segment.
#[derive(Clone, Debug)]
pub(crate) struct NamedSite {
    pub(crate) site: Arc<Site>,
    /// Its number in the [`Catalogue`].
    pub(crate) catalogued: usize,
    /// Bytes of its texts.
    bytes: u64,
}

/// Texts by number.
#[derive(Clone, Debug, Default)]
pub(crate) struct Texts {
    texts: Vec<Arc<str>>,
    numbers: HashMap<Arc<str>, u32>,
}

/// What entries of a segment name by number. Names are only ever added.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names {
    pub(crate) sites: Vec<NamedSite>,
    pub(crate) threads: Texts,
    pub(crate) processes: Texts,
}

impl Texts {
    pub(crate) fn number(&self, text: &str) -> Option<u32> {
        self.numbers.get(text).copied()
    }

    /// All of them, with their numbers.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &Arc<str>)> {
        (0..).zip(&self.texts)
    }

    fn get(&self, number: Option<u32>, what: &str) -> Result<Option<&Arc<str>>, Failure> {
        let Some(number) = number else { return Ok(None) };
        match self.texts.get(number as usize) {
            Some(text) => Ok(Some(text)),
            None => Err(missing(what)),
        }
    }

    fn bytes(&self, number: Option<u32>) -> u64 {
        let text = number.and_then(|number| self.texts.get(number as usize));
        text.map_or(0, |text| text.len() as u64)
    }
}

impl Names {
    /// Reads the names that were added; shared names are copied only where there are any.
    pub(crate) fn refresh(
        names: &mut Arc<Self>,
        transaction: &ReadTransaction,
        catalogue: &Catalogue,
    ) -> Result<(), Failure> {
        let sites = transaction.open_table(SITES)?;
        if sites.len()? > names.sites.len() as u64 {
            let known = &mut Arc::make_mut(names).sites;
            for entry in sites.range(next(known)?..)? {
                let (number, value) = entry?;
                let site = kv::decode_site(number.value(), value.value())?;
                let texts = [site.module_path.as_ref(), site.file.as_ref()];
                let optional: usize = texts.into_iter().flatten().map(String::len).sum();
                let bytes = (site.target.len() + optional) as u64;
                let (catalogued, site) = catalogue.number(site);
                known.push(NamedSite { site, catalogued, bytes });
            }
        }
        let threads = added(transaction, LOG_THREADS, names.threads.texts.len())?;
        let processes = added(transaction, LOG_PROCESSES, names.processes.texts.len())?;
        if !threads.is_empty() || !processes.is_empty() {
            let names = Arc::make_mut(names);
            names.threads.extend(threads)?;
            names.processes.extend(processes)?;
        }
        Ok(())
    }

    /// Whose an entry is.
    pub(crate) fn owner(&self, number: OwnerNumber) -> Result<Owner, Failure> {
        Ok(match number {
            OwnerNumber::Thread(number) => {
                let name = self.threads.get(Some(number), "thread")?;
                Owner::Thread(Arc::clone(name.ok_or_else(|| missing("thread"))?))
            }
            OwnerNumber::Process(number) => {
                Owner::Process(self.processes.get(number, "process")?.map(Arc::clone))
            }
        })
    }

    /// The number of an owner, where the segment may have entries of it.
    pub(crate) fn owner_number(&self, owner: &Owner) -> Option<OwnerNumber> {
        match owner {
            Owner::Thread(name) => self.threads.number(name).map(OwnerNumber::Thread),
            Owner::Process(None) => Some(OwnerNumber::Process(None)),
            Owner::Process(Some(name)) => {
                self.processes.number(name).map(|number| OwnerNumber::Process(Some(number)))
            }
        }
    }

    /// Bytes of the texts of an entry, as [`LogEntry::text_bytes`] counts them.
    pub(crate) fn text_bytes(&self, entry: &BlockEntry<'_>) -> u64 {
        let site = self.sites.get(entry.site as usize).map_or(0, |site| site.bytes);
        let message = entry.message.map_or(0, |message| message.len() as u64);
        site + message + self.threads.bytes(entry.thread) + self.processes.bytes(entry.process)
    }

    /// The entry with its names, in the block that begins with this number.
    pub(crate) fn row(&self, first: u64, entry: &BlockEntry<'_>) -> Result<LogRow, Failure> {
        let site = self.sites.get(entry.site as usize).ok_or_else(|| missing("call site"))?;
        let site = &*site.site;
        let owned = |name: Option<&Arc<str>>| name.map(|name| name.as_ref().to_owned());
        Ok(LogRow {
            id: entry.id(first),
            entry: LogEntry {
                time: entry.datetime()?,
                level: site.level,
                target: site.target.clone(),
                message: entry.message.map(str::to_owned),
                thread_id: owned(self.threads.get(entry.thread, "thread")?),
                process_id: owned(self.processes.get(entry.process, "process")?),
                module_path: site.module_path.clone(),
                file: site.file.clone(),
                line: site.line,
            },
        })
    }
}

impl Texts {
    fn extend(&mut self, texts: Vec<Arc<str>>) -> Result<(), Failure> {
        for text in texts {
            self.numbers.insert(Arc::clone(&text), next(&self.texts)?);
            self.texts.push(text);
        }
        Ok(())
    }
}

/// The texts that were added to a table after so many.
fn added(
    transaction: &ReadTransaction,
    table: TableDefinition<'static, u32, &'static str>,
    known: usize,
) -> Result<Vec<Arc<str>>, Failure> {
    let table = transaction.open_table(table)?;
    let mut texts = Vec::new();
    if table.len()? > known as u64 {
        for entry in table.range(u32::try_from(known).unwrap_or(u32::MAX)..)? {
            let (_, text) = entry?;
            texts.push(text.value().into());
        }
    }
    Ok(texts)
}

/// The number after those of so many.
fn next<T>(known: &[T]) -> Result<u32, Failure> {
    u32::try_from(known.len())
        .map_err(|_| Error::new(ErrorKind::Corrupted, "a log segment has too many names").into())
}

fn missing(what: &str) -> Failure {
    let text = format!("a log entry names a {what} that is not there");
    Error::new(ErrorKind::Corrupted, text).into()
}
