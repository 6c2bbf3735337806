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

use threadkeep_core::{Error, ErrorKind, LogBell, Result};

use crate::database::Settings;
use crate::files::Found;
use crate::names::Catalogue;
use crate::segment::{Segment, Shared};
use crate::unpacked::Unpacked;
use crate::{errors, open};

/// Bytes of a file at which it takes no more entries, at most.
const SEGMENT_BYTES: u64 = 16 * 1024 * 1024;
/// The same, at least.
const SMALL_SEGMENT_BYTES: u64 = 1024 * 1024;
/// Of the bytes that all may have, a segment has this part at most, so that few entries go with it.
const SEGMENT_PART: u64 = 8;
/// Segments that are kept open: somewhat more than make up the logs of a store that keeps what is
/// usual.
const OPEN: usize = 20;
const SUFFIX: &str = ".redb";
/// What the name of a damaged segment that was moved aside goes on with.
const ASIDE: &str = ".redb.damaged-";
/// So many numbers are left out after a segment that cannot be read: more than fit into it.
const LEAP: u64 = 1 << 32;

/// The segments of a store.
#[derive(Debug)]
pub(crate) struct Segments {
    folder: PathBuf,
    /// The file of the store's threads; beside it is the lock for making files.
    store: PathBuf,
    settings: Settings,
    /// Bytes of a file at which it takes no more entries.
    segment_bytes: u64,
    shared: Arc<Shared>,
    open: Mutex<Open>,
}

/// The open ones.
#[derive(Debug, Default)]
struct Open {
    segments: BTreeMap<u64, Opened>,
    clock: u64,
    closed: bool,
}

#[derive(Debug)]
struct Opened {
    segment: Arc<Segment>,
    /// What tells its file from another of its name.
    file: u64,
    /// When it was last asked for.
    used: u64,
}

impl Segments {
    /// The logs of the store whose threads are in `path`: for `threads.redb` in `threads-logs`.
    /// They may have so many bytes in all.
    pub(crate) fn beside(path: &Path, settings: Settings, max_bytes: Option<u64>) -> Self {
        let mut name = path.file_stem().unwrap_or_default().to_owned();
        name.push("-logs");
        let folder = path.with_file_name(name);
        // Half of the memory is for pages, half for what is in them.
        let room = settings.cache / 2;
        let settings = Settings { cache: room / OPEN, ..settings };
        let catalogue = Catalogue::default();
        let shared = Arc::new(Shared { catalogue, unpacked: Unpacked::new(room) });
        let part = max_bytes.unwrap_or(u64::MAX) / SEGMENT_PART;
        Self {
            folder,
            store: path.to_owned(),
            settings,
            segment_bytes: part.clamp(SMALL_SEGMENT_BYTES, SEGMENT_BYTES),
            shared,
            open: Mutex::default(),
        }
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// What handles of this process on the store hear.
    pub(crate) fn bell(&self) -> LogBell {
        open::bell(&self.store, &self.settings.files)
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Which there are, the oldest first.
    pub(crate) fn list(&self) -> Result<Vec<u64>> {
        let mut firsts: Vec<_> = self.files()?.iter().filter_map(|path| first(path)).collect();
        firsts.sort_unstable();
        Ok(firsts)
    }

    /// The damaged ones that were moved aside.
    pub(crate) fn list_aside(&self) -> Result<Vec<PathBuf>> {
        let mut files = self.files()?;
        files.retain(|path| name(path).is_some_and(|name| name.contains(ASIDE)));
        files.sort_unstable();
        Ok(files)
    }

    fn files(&self) -> Result<Vec<PathBuf>> {
        let files = self.settings.files.list(&self.folder);
        files.map_err(|error| errors::io(error, &self.folder, "query"))
    }

    /// Whether a segment takes no more entries; `None` where its file has gone.
    pub(crate) fn is_full(&self, segment: &Segment) -> Result<Option<bool>> {
        let found = self.find(segment.first)?;
        let is_there = {
            let open = self.lock();
            let opened = open.segments.get(&segment.first);
            found.is_some_and(|found| opened.is_none_or(|opened| opened.file == found.file))
        };
        Ok(found.filter(|_| is_there).map(|found| found.bytes >= self.segment_bytes))
    }

    /// The segment that begins with this number; `None` where it has gone.
    pub(crate) fn get(&self, first: u64) -> Result<Option<Arc<Segment>>> {
        // Its file is open then: who reads it can go on reading, even if it is removed.
        let opened = self.opened(first, false);
        match opened.and_then(|segment| segment.database.wake().map(|()| segment)) {
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
        let used = open.clock;
        let found = self.find(first)?;
        if let Some(opened) = open.segments.get_mut(&first) {
            // Somebody may have deleted the file, or put another in its place.
            if found.is_some_and(|found| found.file == opened.file) {
                opened.used = used;
                return Ok(Arc::clone(&opened.segment));
            }
            open.segments.remove(&first);
        }
        let path = self.path(first);
        if !create && found.is_none() {
            let text = format!("{} has gone", path.display());
            return Err(Error::new(ErrorKind::NotFound, text));
        }
        open.make_room();
        let opened = Segment::open(&path, &self.store, first, &self.settings, &self.shared)?;
        let segment = Arc::new(opened);
        let file = found.or(self.find(first)?).map_or(0, |found| found.file);
        open.segments.insert(first, Opened { segment: Arc::clone(&segment), file, used });
        Ok(segment)
    }

    /// Forgets a segment, so that it is opened anew when it is needed.
    pub(crate) fn forget(&self, first: u64) {
        let opened = self.lock().segments.remove(&first);
        if let Some(opened) = opened {
            opened.segment.database.let_go();
        }
    }

    /// Begins a segment after one that is damaged, and moves that aside.
    pub(crate) fn begin_after_damaged(&self, damaged: u64) -> Result<()> {
        // First, because the number of the last segment says where numbers go on.
        self.get_or_create(damaged.saturating_add(LEAP))?;
        let path = self.path(damaged);
        let aside = self.list_aside()?;
        let names = (1..).map(|number: u32| {
            let mut name = self.folder.join(format!("{damaged:020}")).into_os_string();
            name.push(format!("{ASIDE}{number}"));
            PathBuf::from(name)
        });
        let Some(to) = names.into_iter().find(|name| !aside.contains(name)) else {
            return Ok(());
        };
        match self.settings.files.rename(&path, &to) {
            // Somebody else was faster.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(errors::io(error, &path, "append")),
            Ok(()) => {
                tracing::warn!(
                    path = %to.display(),
                    "a log segment was damaged and was moved aside; logs go on in a new one"
                );
                Ok(())
            }
        }
    }

    /// Removes a segment's file; answers whether it was there. Who reads it goes on reading.
    pub(crate) fn remove(&self, first: u64) -> Result<bool> {
        self.lock().segments.remove(&first);
        let path = self.path(first);
        self.settings.files.remove(&path).map_err(|error| errors::io(error, &path, "prune"))
    }

    /// Bytes of a segment's file; `None` where it has gone.
    pub(crate) fn bytes(&self, first: u64) -> Result<Option<u64>> {
        Ok(self.find(first)?.map(|found| found.bytes))
    }

    fn find(&self, first: u64) -> Result<Option<Found>> {
        let path = self.path(first);
        self.settings.files.find(&path).map_err(|error| errors::io(error, &path, "query"))
    }

    /// Bytes of all of them.
    pub(crate) fn all_bytes(&self) -> Result<u64> {
        self.bytes_of(self.list()?.into_iter().map(|first| self.path(first)))
    }

    /// Bytes of all files in the folder, those of damaged segments included.
    pub(crate) fn folder_bytes(&self) -> Result<u64> {
        self.bytes_of(self.files()?.into_iter())
    }

    fn bytes_of(&self, paths: impl Iterator<Item = PathBuf>) -> Result<u64> {
        let mut bytes = 0;
        for path in paths {
            let found = self.settings.files.find(&path);
            let found = found.map_err(|error| errors::io(error, &path, "query"))?;
            bytes += found.map_or(0, |found| found.bytes);
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
        for opened in segments.into_values() {
            // Every one is closed, also after one that could not be.
            result = result.and(opened.segment.database.close());
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
            let opened = self.segments.iter();
            let idle = opened.filter(|(_, opened)| Arc::strong_count(&opened.segment) == 1);
            let Some(oldest) = idle.min_by_key(|(_, opened)| opened.used).map(|(first, _)| *first)
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
    let digits = name(path)?.strip_suffix(SUFFIX)?;
    (digits.len() == 20).then(|| digits.parse().ok()).flatten()
}

fn name(path: &Path) -> Option<&str> {
    path.file_name()?.to_str()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_the_first_number() {
        for number in [1, 65_536, u64::MAX] {
            assert_eq!(first(Path::new(&file_name(number))), Some(number));
        }
        for other in [
            "00000000000000000001.redb.new",
            "00000000000000000001.redb.damaged-1",
            "1.redb",
            "x",
            "-0000000000000000001.redb",
        ] {
            assert_eq!(first(Path::new(other)), None, "{other}");
        }
    }
}
