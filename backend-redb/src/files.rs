//! The files under a store: where they are, how they are made, and how they go.

use std::any::Any;
use std::fmt::Debug;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use redb::StorageBackend;
use redb::backends::FileBackend;
use threadkeep_core::Result;
use threadkeep_migrations::{UpgradeLock, lock_path};

/// What a store asks of a file system. Every change of a folder is durable when it is answered.
pub(crate) trait Files: Debug + Send + Sync + 'static {
    /// What tells these files from others of this process; `None` for those of the machine, which
    /// other processes see too.
    fn identity(&self) -> Option<(usize, u64)>;
    /// A file that exists, to be read and written.
    fn open(&self, path: &Path) -> io::Result<Arc<dyn StorageBackend>>;
    /// A file that exists, to be read.
    fn open_to_read(&self, path: &Path) -> io::Result<Arc<dyn StorageBackend>>;
    /// A new, empty file; what was there under the name is gone.
    fn create(&self, path: &Path) -> io::Result<Arc<dyn StorageBackend>>;
    /// The file at this path; `None` where there is none.
    fn find(&self, path: &Path) -> io::Result<Option<Found>>;
    /// Gives a file another name, in place of what had it.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Makes a file go; answers whether there was one.
    fn remove(&self, path: &Path) -> io::Result<bool>;
    /// Makes a folder where there is none.
    fn create_folder(&self, folder: &Path) -> io::Result<()>;
    /// The names of the files in a folder; none where there is no folder.
    fn list(&self, folder: &Path) -> io::Result<Vec<PathBuf>>;
    /// Keeps others from creating or upgrading what is at this path, until the value is dropped.
    fn lock(&self, path: &Path, wait: Duration) -> Result<Box<dyn Any + Send>>;
    /// What was written into the file of that lock; nothing where there is none.
    fn note(&self, path: &Path) -> io::Result<String>;
    /// Writes it anew; by whoever has the lock.
    fn set_note(&self, path: &Path, text: &str) -> io::Result<()>;
}

/// A file that is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    /// How long it is.
    pub(crate) bytes: u64,
    /// What tells it from others that have its name before or after it; 0 where that is not known.
    pub(crate) file: u64,
}

/// The file system of this machine.
#[derive(Debug)]
pub(crate) struct System;

impl Files for System {
    fn identity(&self) -> Option<(usize, u64)> {
        None
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn StorageBackend>> {
        backend(OpenOptions::new().read(true).write(true).open(path)?)
    }

    fn open_to_read(&self, path: &Path) -> io::Result<Arc<dyn StorageBackend>> {
        backend(File::open(path)?)
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn StorageBackend>> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        backend(options.open(path)?)
    }

    fn find(&self, path: &Path) -> io::Result<Option<Found>> {
        let found = present(fs::metadata(path))?;
        #[cfg(unix)]
        let file = std::os::unix::fs::MetadataExt::ino;
        #[cfg(not(unix))]
        let file = |_: &fs::Metadata| 0;
        Ok(found.map(|found| Found { bytes: found.len(), file: file(&found) }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)?;
        sync_folder_of(to)
    }

    fn remove(&self, path: &Path) -> io::Result<bool> {
        match present(fs::remove_file(path))? {
            Some(()) => sync_folder_of(path).map(|()| true),
            None => Ok(false),
        }
    }

    fn create_folder(&self, folder: &Path) -> io::Result<()> {
        if folder.is_dir() {
            return Ok(());
        }
        let mut builder = DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(folder)?;
        sync_folder_of(folder)
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<PathBuf>> {
        let Some(entries) = present(fs::read_dir(folder))? else {
            return Ok(Vec::new());
        };
        entries.map(|entry| entry.map(|entry| entry.path())).collect()
    }

    fn lock(&self, path: &Path, wait: Duration) -> Result<Box<dyn Any + Send>> {
        Ok(Box::new(UpgradeLock::acquire(path, wait)?))
    }

    fn note(&self, path: &Path) -> io::Result<String> {
        present(fs::read_to_string(lock_path(path))).map(Option::unwrap_or_default)
    }

    fn set_note(&self, path: &Path, text: &str) -> io::Result<()> {
        fs::write(lock_path(path), text)
    }
}

fn backend(file: File) -> io::Result<Arc<dyn StorageBackend>> {
    let backend = FileBackend::new(file).map_err(io::Error::other)?;
    Ok(Arc::new(backend))
}

/// What was found, or that there is nothing.
fn present<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        result => result.map(Some),
    }
}

/// A name that was given or taken is in the folder, which has a durability of its own.
fn sync_folder_of(path: &Path) -> io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}
