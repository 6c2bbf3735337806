//! One redb file, opened anew where redb has given it up. Only here transactions begin: to read on
//! a thread that may be blocked, to write on the writer's.
#![allow(clippy::disallowed_methods)]

use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
use std::time::Duration;

use redb::{
    ConcurrencyMode, ReadOnlyDatabase, ReadTransaction, ReadableDatabase as _, StorageBackend as _,
    WriteTransaction,
};
use threadkeep_core::{Error, ErrorKind, Result};

use crate::errors::{self, Failure};
use crate::files::Files;
use crate::storage::{Storage, Waiting};

/// How a file is opened.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) files: Arc<dyn Files>,
    pub(crate) mode: ConcurrencyMode,
    pub(crate) read_only: bool,
    /// What is only read may have been left by a process that was killed.
    pub(crate) left: bool,
    pub(crate) deadline: Duration,
    /// Bytes of memory for pages.
    pub(crate) cache: usize,
}

/// An open file. Everything here blocks the thread it is called on.
pub(crate) struct Database {
    path: PathBuf,
    settings: Settings,
    handle: RwLock<Handle>,
    /// redb answers nothing any more until the file is opened anew.
    given_up: AtomicBool,
    /// There is a write transaction, which keeps the file from being opened anew.
    writing: AtomicBool,
}

enum Handle {
    /// For good.
    Closed,
    /// It could not be opened anew so far.
    Lost,
    Writer(redb::Database, Storage),
    Reader(ReadOnlyDatabase, Storage),
}

/// The bytes that every commit changes.
pub(crate) type Header = [u8; 320];

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Database").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Database {
    /// Opens a file that exists.
    pub(crate) fn open(path: &Path, settings: Settings) -> Result<Self, Failure> {
        let handle = open(path, &settings)?;
        Ok(Self {
            path: path.to_owned(),
            settings,
            handle: RwLock::new(handle),
            given_up: AtomicBool::new(false),
            writing: AtomicBool::new(false),
        })
    }

    /// Opens a file that exists to read it, also where a process was killed that had it open and
    /// nobody has put it in order since.
    pub(crate) fn open_left(path: &Path, settings: Settings) -> Result<Self, Failure> {
        let settings = Settings { left: true, ..settings };
        Self::open(path, settings)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Reads in one transaction.
    pub(crate) fn read<T>(
        &self,
        operation: &'static str,
        work: impl FnOnce(&ReadTransaction) -> Result<T, Failure>,
    ) -> Result<T> {
        let read = || {
            let (_handle, transaction) = self.begin_read()?;
            guarded(|| work(&transaction))
        };
        read().map_err(|failure| self.note(failure).at(&self.path, operation))
    }

    /// Begins to read; the handle cannot be closed meanwhile.
    fn begin_read(&self) -> Result<(RwLockReadGuard<'_, Handle>, ReadTransaction), Failure> {
        let begin = || {
            let handle = self.handle()?;
            let transaction = guarded(|| match &*handle {
                Handle::Writer(database, _) => Ok(database.begin_read()?),
                Handle::Reader(database, _) => Ok(database.begin_read()?),
                Handle::Closed | Handle::Lost => Err(errors::closed().into()),
            })?;
            Ok((handle, transaction))
        };
        // What redb gave up before, it says at the beginning.
        begin().or_else(|failure| match self.note(failure) {
            failure if failure.ends_the_database() => begin(),
            failure => Err(failure),
        })
    }

    /// Begins a write transaction, unless another handle is in one. It has to be given back to
    /// [`commit`](Self::commit) or [`abort`](Self::abort).
    pub(crate) fn begin(&self) -> Result<WriteTransaction, Failure> {
        let begin = || {
            let handle = self.handle()?;
            let Handle::Writer(database, _) = &*handle else {
                return Err(self.not_writable(&handle).into());
            };
            let mut transaction = guarded(|| Ok(database.try_begin_write()?))?;
            // Opening after a crash then reads the state of the pages instead of every page.
            transaction.set_quick_repair(true);
            self.writing.store(true, Ordering::Release);
            Ok(transaction)
        };
        begin().map_err(|failure| self.note(failure))
    }

    pub(crate) fn commit(&self, transaction: WriteTransaction) -> Result<(), Failure> {
        let committed = guarded(|| Ok(transaction.commit()?));
        self.writing.store(false, Ordering::Release);
        committed.inspect_err(|_| self.given_up.store(true, Ordering::Release))
    }

    pub(crate) fn abort(&self, transaction: WriteTransaction) {
        let aborted = guarded(|| Ok(transaction.abort()?));
        self.writing.store(false, Ordering::Release);
        if aborted.is_err() {
            self.given_up.store(true, Ordering::Release);
        }
    }

    /// Notes what went wrong in a transaction.
    pub(crate) fn note(&self, failure: Failure) -> Failure {
        if failure.ends_the_database() {
            self.given_up.store(true, Ordering::Release);
        }
        failure
    }

    /// Tells other handles that this one waits to write.
    pub(crate) fn wait_to_write(&self) -> Option<Waiting> {
        match &*self.handle.read().unwrap_or_else(PoisonError::into_inner) {
            Handle::Writer(_, storage) => storage.wait_to_write(),
            _ => None,
        }
    }

    /// Whether another handle waits to write.
    pub(crate) fn others_wait(&self) -> bool {
        match &*self.handle.read().unwrap_or_else(PoisonError::into_inner) {
            Handle::Writer(_, storage) => storage.others_wait(),
            _ => false,
        }
    }

    /// What the file begins with: while it is the same, so is what a transaction would read. `None`
    /// where it cannot be told without one.
    pub(crate) fn header(&self) -> Option<Header> {
        let handle = self.handle.read().unwrap_or_else(PoisonError::into_inner);
        let (Handle::Writer(_, storage) | Handle::Reader(_, storage)) = &*handle else {
            return None;
        };
        let mut header = [0; 320];
        storage.read(0, &mut header).ok().map(|()| header)
    }

    /// Opens the file again where it was let go of.
    pub(crate) fn wake(&self) -> Result<()> {
        let woken = self.handle().map(drop);
        woken.map_err(|failure| failure.at(&self.path, "open"))
    }

    /// Closes the file until it is needed again: what is free at its end goes back to the system.
    pub(crate) fn let_go(&self) {
        let mut handle = self.handle.write().unwrap_or_else(PoisonError::into_inner);
        if matches!(*handle, Handle::Closed) || self.writing.load(Ordering::Acquire) {
            return;
        }
        self.given_up.store(true, Ordering::Release);
        let closed = match std::mem::replace(&mut *handle, Handle::Lost) {
            Handle::Writer(database, _) => database.close(),
            Handle::Reader(database, _) => database.close(),
            Handle::Closed | Handle::Lost => Ok(()),
        };
        if let Err(error) = closed {
            tracing::debug!(%error, path = %self.path.display(), "a file was not closed in order");
        }
    }

    /// Whether redb finds the file sound; what it could mend it has mended then. Nobody else gets
    /// at the file meanwhile.
    pub(crate) fn is_sound(&self) -> Result<bool, Failure> {
        let sound = self.alone(|database| Ok(database.check_integrity()?));
        sound.map_err(|failure| self.note(failure))
    }

    /// Moves what is there together, so that the rest of the file goes back to the system. Nobody
    /// else gets at the file meanwhile. Does nothing while somebody else reads it.
    pub(crate) fn compact(&self) -> Result<bool, Failure> {
        let compacted = self.alone(|database| match database.compact() {
            Err(redb::CompactionError::TransactionInProgress) => Ok(false),
            compacted => Ok(compacted?),
        });
        compacted.map_err(|failure| self.note(failure))
    }

    pub(crate) fn close(&self) -> Result<()> {
        let mut handle = self.handle.write().unwrap_or_else(PoisonError::into_inner);
        let closed = match std::mem::replace(&mut *handle, Handle::Closed) {
            Handle::Writer(database, _) => database.close(),
            Handle::Reader(database, _) => database.close(),
            Handle::Closed | Handle::Lost => Ok(()),
        };
        // What redb gave up is put in order when the file is opened again.
        if self.given_up.load(Ordering::Acquire) {
            return Ok(());
        }
        closed.map_err(|error| errors::translate(error, &self.path, "close"))
    }

    fn alone<T>(
        &self,
        work: impl FnOnce(&mut redb::Database) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        drop(self.handle()?);
        let mut handle = self.handle.write().unwrap_or_else(PoisonError::into_inner);
        match &mut *handle {
            Handle::Writer(database, _) => guarded(|| work(database)),
            other => Err(self.not_writable(other).into()),
        }
    }

    /// The handle, opened anew where that is needed.
    fn handle(&self) -> Result<RwLockReadGuard<'_, Handle>, Failure> {
        if self.given_up.load(Ordering::Acquire) {
            let mut handle = self.handle.write().unwrap_or_else(PoisonError::into_inner);
            if self.given_up.load(Ordering::Acquire)
                && !self.writing.load(Ordering::Acquire)
                && !matches!(*handle, Handle::Closed)
            {
                // It lets go of its locks first. That it fails as well is to be expected.
                drop(std::mem::replace(&mut *handle, Handle::Lost));
                *handle = open(&self.path, &self.settings)?;
                self.given_up.store(false, Ordering::Release);
            }
        }
        Ok(self.handle.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn not_writable(&self, handle: &Handle) -> Error {
        match handle {
            Handle::Reader(..) => read_only(&self.path),
            _ => errors::closed(),
        }
    }
}

pub(crate) fn read_only(path: &Path) -> Error {
    let text = format!("{} was opened to be read", path.display());
    Error::new(ErrorKind::ReadOnly, text).hint("write by the process that may, or close it first")
}

fn open(path: &Path, settings: &Settings) -> Result<Handle, Failure> {
    let mut builder = redb::Database::builder();
    builder.set_cache_size(settings.cache).set_concurrency_mode(settings.mode);
    guarded(|| {
        if settings.read_only {
            let mut file = Storage::new(settings.files.open_to_read(path)?, settings.deadline);
            if settings.left {
                file = file.left();
            }
            let database = builder.open_read_only_with_backend(file.clone())?;
            return Ok(Handle::Reader(database, file));
        }
        let file = Storage::new(settings.files.open(path)?, settings.deadline);
        Ok(Handle::Writer(builder.create_with_backend(file.clone())?, file))
    })
}

/// Runs what may panic where the file is damaged.
pub(crate) fn guarded<T>(work: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let text = format!("the file is damaged: {}", words(&*panic));
        Err(Error::new(ErrorKind::Corrupted, text)
            .hint("run a check; restore a backup or index the threads anew")
            .into())
    })
}

/// What a panic said.
fn words(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no words")
}
