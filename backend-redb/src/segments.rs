//! The folder of the logs: segments by the number of their first entry.
//!
//! Why a file each: of a log of 1 GB in one file, dropping the oldest tables leaves their pages in
//! the file until it is compacted as a whole, which keeps every other process out for as long as
//! that takes; a file that is removed costs nothing and gives its space back at once. Small files
//! also keep small what a commit writes of the state of the file's pages. `bench/README.md` has the
//! figures.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use threadkeep_core::{Error, ErrorKind, Result};

use crate::database::Settings;
use crate::errors;
use crate::segment::Segment;

/// Bytes of a file at which it takes no more entries.
pub(crate) const SEGMENT_BYTES: u64 = 16 * 1024 * 1024;
/// Segments that are kept open.
const OPEN: usize = 16;
const SUFFIX: &str = ".redb";

/// The segments of a store.
#[derive(Debug)]
pub(crate) struct Segments {
    folder: PathBuf,
    /// The file of the store's threads; beside it is the lock for making files.
    store: PathBuf,
    settings: Settings,
    open: Mutex<Open>,
}

/// The open ones, each with when it was last asked for.
#[derive(Debug, Default)]
struct Open {
    segments: BTreeMap<u64, (Arc<Segment>, u64)>,
    clock: u64,
    closed: bool,
}

impl Segments {
    /// The logs of the store whose threads are in `path`: for `threads.redb` in `threads-logs`.
    pub(crate) fn beside(path: &Path, settings: Settings) -> Self {
        let mut name = path.file_stem().unwrap_or_default().to_owned();
        name.push("-logs");
        let folder = path.with_file_name(name);
        let settings = Settings { cache: settings.cache / OPEN, ..settings };
        Self { folder, store: path.to_owned(), settings, open: Mutex::default() }
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Which there are, the oldest first.
    pub(crate) fn list(&self) -> Result<Vec<u64>> {
        let files = self.settings.files.list(&self.folder);
        let files = files.map_err(|error| errors::io(error, &self.folder, "query"))?;
        let mut firsts: Vec<_> = files.iter().filter_map(|path| first(path)).collect();
        firsts.sort_unstable();
        Ok(firsts)
    }

    /// The segment that begins with this number; `None` where it has gone.
    pub(crate) fn get(&self, first: u64) -> Result<Option<Arc<Segment>>> {
        match self.opened(first, false) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            opened => opened.map(Some),
        }
    }

    /// The same, made where there is none.
    pub(crate) fn get_or_create(&self, first: u64) -> Result<Arc<Segment>> {
        let made = self.settings.files.create_folder(&self.folder);
        made.map_err(|error| errors::io(error, &self.folder, "append"))?;
        self.opened(first, true)
    }

    fn opened(&self, first: u64, create: bool) -> Result<Arc<Segment>> {
        let mut open = self.lock();
        if open.closed {
            return Err(errors::closed());
        }
        open.clock += 1;
        let clock = open.clock;
        if let Some((segment, used)) = open.segments.get_mut(&first) {
            *used = clock;
            return Ok(Arc::clone(segment));
        }
        let path = self.path(first);
        if !create && self.bytes(first)?.is_none() {
            let text = format!("{} has gone", path.display());
            return Err(Error::new(ErrorKind::NotFound, text));
        }
        open.make_room();
        let segment = Arc::new(Segment::open(&path, &self.store, first, &self.settings)?);
        open.segments.insert(first, (Arc::clone(&segment), clock));
        Ok(segment)
    }

    /// Removes a segment's file; answers whether it was there. Who reads it goes on reading.
    pub(crate) fn remove(&self, first: u64) -> Result<bool> {
        self.lock().segments.remove(&first);
        let path = self.path(first);
        self.settings.files.remove(&path).map_err(|error| errors::io(error, &path, "prune"))
    }

    /// Bytes of a segment's file; `None` where it has gone.
    pub(crate) fn bytes(&self, first: u64) -> Result<Option<u64>> {
        let path = self.path(first);
        self.settings.files.length(&path).map_err(|error| errors::io(error, &path, "query"))
    }

    /// Bytes of all of them.
    pub(crate) fn all_bytes(&self) -> Result<u64> {
        let mut bytes = 0;
        for first in self.list()? {
            bytes += self.bytes(first)?.unwrap_or(0);
        }
        Ok(bytes)
    }

    pub(crate) fn close(&self) -> Result<()> {
        let segments = {
            let mut open = self.lock();
            open.closed = true;
            std::mem::take(&mut open.segments)
        };
        let mut result = Ok(());
        for (segment, _) in segments.into_values() {
            // Every one is closed, also after one that could not be.
            result = result.and(segment.database.close());
        }
        result
    }

    fn path(&self, first: u64) -> PathBuf {
        self.folder.join(file_name(first))
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Open {
    /// Closes those that were asked for longest ago. One in use stays: opening its file a second
    /// time would be refused where only one may have it.
    fn make_room(&mut self) {
        while self.segments.len() >= OPEN {
            let idle =
                self.segments.iter().filter(|(_, (segment, _))| Arc::strong_count(segment) == 1);
            let Some(oldest) = idle.min_by_key(|(_, (_, used))| *used).map(|(first, _)| *first)
            else {
                return;
            };
            self.segments.remove(&oldest);
        }
    }
}

/// The name of a segment's file: with as many digits as the greatest number has, so that files are
/// sorted as their numbers are.
pub(crate) fn file_name(first: u64) -> String {
    format!("{first:020}{SUFFIX}")
}

/// The number in a segment's name.
fn first(path: &Path) -> Option<u64> {
    let digits = path.file_name()?.to_str()?.strip_suffix(SUFFIX)?;
    (digits.len() == 20).then(|| digits.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_the_first_number() {
        for number in [1, 65_536, u64::MAX] {
            assert_eq!(first(Path::new(&file_name(number))), Some(number));
        }
        for other in ["00000000000000000001.redb.new", "1.redb", "x", "-0000000000000000001.redb"] {
            assert_eq!(first(Path::new(other)), None, "{other}");
        }
    }
}
