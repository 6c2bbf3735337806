//! The file: reading it, replacing it, and the lock around that.

use std::fs::{self, File, Metadata, OpenOptions, TryLockError};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use serde::Deserialize;
use threadkeep_core::{Error, ErrorKind, Result};

use crate::errors::failed;
use crate::state::State;

/// What this version writes. Whatever else changes in the file, this number stays readable.
const FORMAT: u32 = 1;
/// How often a taken lock is tried again.
const POLL: Duration = Duration::from_millis(1);

/// Where the store is, and what was last seen there.
pub(crate) struct StoreFile {
    folder: PathBuf,
    seen: Mutex<Option<Seen>>,
}

/// A state and the file it was read from.
struct Seen {
    /// Held open: as long as it is, its number is not given to another file.
    _file: File,
    metadata: Metadata,
    state: Arc<State>,
}

/// The right to write, of one handle in one process. The system takes it back from the dead.
pub(crate) struct Lock {
    _file: File,
}

#[derive(Deserialize)]
struct Head {
    format: u32,
}

impl StoreFile {
    pub(crate) fn in_folder(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), seen: Mutex::new(None) }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.join("store.json")
    }

    /// Makes sure that there is a store, and one that this version can read.
    pub(crate) fn create(&self, wait: Duration) -> Result<()> {
        if self.exists()? {
            return self.current().map(drop);
        }
        let _lock = self.lock(wait)?;
        // Of processes that start together, one creates it.
        if self.exists()? {
            self.current().map(drop)
        } else {
            self.replace(State { format: FORMAT, ..State::default() })
        }
    }

    fn exists(&self) -> Result<bool> {
        let path = self.path();
        path.try_exists().map_err(|error| failed("read", &path, error))
    }

    /// Waits for the right to write, blocking the thread.
    pub(crate) fn lock(&self, wait: Duration) -> Result<Lock> {
        let path = self.folder.join("store.lock");
        let file = private().open(&path).map_err(|error| failed("lock", &path, error))?;
        let begun = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Lock { _file: file }),
                Err(TryLockError::Error(error)) => return Err(failed("lock", &path, error)),
                Err(TryLockError::WouldBlock) if begun.elapsed() < wait => thread::sleep(POLL),
                Err(TryLockError::WouldBlock) => {
                    let text = format!("others held {} for {wait:?}", path.display());
                    return Err(Error::new(ErrorKind::Busy, text)
                        .hint("try again, or end the process that holds the lock"));
                }
            }
        }
    }

    /// The state as it is now.
    pub(crate) fn current(&self) -> Result<Arc<State>> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let path = self.path();
        let now = fs::metadata(&path).map_err(|error| failed("read", &path, error))?;
        match &*seen {
            Some(seen) if is_same(&seen.metadata, &now) => Ok(Arc::clone(&seen.state)),
            _ => Ok(Arc::clone(&seen.insert(self.load()?).state)),
        }
    }

    /// Reads the file, whatever was seen before.
    pub(crate) fn read(&self) -> Result<Arc<State>> {
        Ok(self.load()?.state)
    }

    fn load(&self) -> Result<Seen> {
        let path = self.path();
        let unreadable = |error| failed("read", &path, error);
        let mut file = File::open(&path).map_err(unreadable)?;
        let metadata = file.metadata().map_err(unreadable)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(unreadable)?;
        let state = decode(&bytes).map_err(|error| error.about(path.display()))?;
        Ok(Seen { _file: file, metadata, state: Arc::new(state) })
    }

    /// Makes this the state, whole or not at all. Only the holder of the lock may.
    pub(crate) fn replace(&self, state: State) -> Result<()> {
        let file = write(&self.folder, &state)?;
        let metadata = file.metadata().map_err(|error| failed("read", &self.path(), error))?;
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        *seen = Some(Seen { _file: file, metadata, state: Arc::new(state) });
        Ok(())
    }
}

/// Writes the file of a folder beside the present one and puts it in its place.
pub(crate) fn write(folder: &Path, state: &State) -> Result<File> {
    let (draft, path) = (folder.join("store.json.new"), folder.join("store.json"));
    let unwritable = |error| failed("write", &draft, error);
    let bytes = serde_json::to_vec(state).map_err(|error| {
        Error::new(ErrorKind::Internal, "the state has no JSON form").with_source(error)
    })?;
    let mut file = private().open(&draft).map_err(unwritable)?;
    // A process may have been killed here before.
    file.set_len(0).map_err(unwritable)?;
    file.write_all(&bytes).map_err(unwritable)?;
    // Its bytes first, then its name, then the folder that has the name: a power cut at any moment
    // leaves the old file or the new one.
    file.sync_all().map_err(unwritable)?;
    fs::rename(&draft, &path).map_err(unwritable)?;
    #[cfg(unix)]
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(unwritable)?;
    Ok(file)
}

fn decode(bytes: &[u8]) -> Result<State> {
    let damaged = |error: serde_json::Error| {
        Error::new(ErrorKind::Corrupted, "this is no store, or it is damaged")
            .hint("name another folder, or restore a backup")
            .with_source(error)
    };
    let Head { format } = serde_json::from_slice(bytes).map_err(damaged)?;
    if format > FORMAT {
        let text = format!("the store has format {format}, this version knows {FORMAT}");
        return Err(Error::new(ErrorKind::SchemaTooNew, text).hint("use a newer version"));
    }
    serde_json::from_slice(bytes).map_err(damaged)
}

/// Whether these are of one file, and nobody wrote into it.
#[cfg(unix)]
fn is_same(one: &Metadata, other: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let mark =
        |file: &Metadata| (file.dev(), file.ino(), file.size(), file.mtime(), file.mtime_nsec());
    mark(one) == mark(other)
}

/// Without a number for each file nothing that was seen can be trusted.
#[cfg(not(unix))]
fn is_same(_one: &Metadata, _other: &Metadata) -> bool {
    false
}

/// Opens a file to write, or makes one that only its owner may read.
fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}
