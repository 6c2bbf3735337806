//! Opening a store: create it, upgrade it, or find it up to date.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures_executor::block_on;
use threadkeep_core::{Error, ErrorKind, LogBell, Result, Retention, Timestamp};
use threadkeep_migrations::{Plan, plan};
use threadkeep_writer::{Writer, WriterOptions};
use tokio::sync::Semaphore;

use crate::database::{self, Database, Settings};
use crate::errors::{self, Failure};
use crate::files::Files;
use crate::logs::Logs;
use crate::tables::Kind;
use crate::writer::ThreadEngine;
use crate::{RedbOptions, Sharing, holders, network};

/// Reads that run at once; further ones wait, so that they do not take every thread there is for
/// blocking work.
const READERS: usize = 8;

/// What is open of a store, shared by the handles of this process.
pub(crate) struct OpenStore {
    pub(crate) sharing: Sharing,
    /// It was opened only to be read.
    pub(crate) read_only: bool,
    pub(crate) retention: Retention,
    pub(crate) threads: Arc<Database>,
    /// `None` where this process only reads.
    writer: Option<Writer<ThreadEngine>>,
    pub(crate) logs: Logs,
    pub(crate) readers: Arc<Semaphore>,
    /// The same for logs, which may have to wait for what is locked.
    pub(crate) log_readers: Arc<Semaphore>,
}

impl fmt::Debug for OpenStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenStore").field("path", &self.threads.path()).finish_non_exhaustive()
    }
}

/// Where a store is, or is to be, by a path that every spelling of it leads to.
pub(crate) fn locate(path: &Path, options: &RedbOptions) -> Result<PathBuf> {
    if path.as_os_str().is_empty() {
        return Err(Error::invalid_input("the path of the store is empty").hint("name a file"));
    }
    if options.files.identity().is_some() {
        return Ok(path.to_owned());
    }
    if path.is_dir() {
        return Err(Error::invalid_input(format!("{} is a folder", path.display()))
            .hint("name a file in it"));
    }
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    if !folder.is_dir() {
        let text = format!("the folder {} does not exist", folder.display());
        return Err(Error::new(ErrorKind::NotFound, text)
            .hint("create the folder, or name a store elsewhere"));
    }
    if !options.allow_network {
        network::refuse(folder)?;
    }
    let located = match path.canonicalize() {
        Ok(path) => Ok(path),
        Err(_) => folder.canonicalize().map(|folder| match path.file_name() {
            Some(name) => folder.join(name),
            None => folder,
        }),
    };
    located.map_err(|error| errors::io(error, path, "open"))
}

impl OpenStore {
    pub(crate) fn open(path: &Path, options: &RedbOptions) -> Result<Self> {
        let settings = Settings {
            files: Arc::clone(&options.files),
            mode: options.sharing.mode(),
            read_only: options.read_only,
            left: false,
            deadline: options.deadline,
            cache: options.thread_cache,
        };
        let threads = match prepare(path, path, Kind::Threads, &settings) {
            // Not every system has the locks that several processes need.
            Err(error) if is_unsupported(&error) && options.sharing == Sharing::Auto => {
                let settings = Settings { mode: Sharing::Exclusive.mode(), ..settings };
                prepare(path, path, Kind::Threads, &settings)?
            }
            Err(error) if error.kind() == ErrorKind::Locked => {
                return Err(holders::locked(&*options.files, path, options.sharing, error));
            }
            prepared => prepared?,
        };
        let threads = Arc::new(threads);
        let writer_options =
            WriterOptions { deadline: options.deadline, ..WriterOptions::default() };
        let writer = if threads.settings().read_only {
            None
        } else {
            let engine = ThreadEngine::new(Arc::clone(&threads));
            Some(Writer::spawn("threadkeep-write", engine, writer_options)?)
        };
        let logs = Logs::beside(
            path,
            Settings { cache: options.log_cache, ..threads.settings().clone() },
            writer_options,
            options.retention,
        );
        if !options.read_only {
            holders::enter(&*options.files, path, options.sharing, Timestamp::now());
        }
        Ok(Self {
            sharing: options.sharing,
            read_only: options.read_only,
            retention: options.retention,
            threads,
            writer,
            logs,
            readers: Arc::new(Semaphore::new(READERS)),
            log_readers: Arc::new(Semaphore::new(READERS)),
        })
    }

    /// What every handle of this process on the store hears.
    pub(crate) fn bell(&self) -> LogBell {
        bell(self.threads.path(), &self.threads.settings().files)
    }

    pub(crate) fn writer(&self) -> Result<&Writer<ThreadEngine>> {
        self.writer.as_ref().ok_or_else(|| database::read_only(self.threads.path()))
    }

    /// Waits for what was queued.
    pub(crate) async fn flush(&self) -> Result<()> {
        if let Some(writer) = &self.writer {
            writer.run(|_| ()).await?;
        }
        self.logs.flush().await
    }

    /// Stores what was handed over and closes every file.
    pub(crate) fn close(&self) -> Result<()> {
        self.readers.close();
        self.log_readers.close();
        if let Some(writer) = &self.writer {
            block_on(writer.close());
        }
        let logs = self.logs.close();
        let threads = self.threads.close();
        if !self.read_only {
            holders::leave(&*self.threads.settings().files, self.threads.path());
        }
        threads.and(logs)
    }
}

/// The bell of the store at this path.
pub(crate) fn bell(path: &Path, files: &Arc<dyn Files>) -> LogBell {
    match files.identity() {
        None => LogBell::at(path),
        Some((disk, life)) => LogBell::at(&path.join(format!("{disk}/{life}"))),
    }
}

/// Makes sure that the file at `path` is one of this kind in the newest known format, and opens it.
///
/// An up-to-date file is looked at first without a byte of it being changed. One that is not there
/// is made under another name and then given its own, so that no half-made one is ever found. Both
/// happen under the lock beside the file of the store's threads.
pub(crate) fn prepare(
    path: &Path,
    lock_at: &Path,
    kind: Kind,
    settings: &Settings,
) -> Result<Database> {
    let files = &*settings.files;
    let failed = |failure: Failure| failure.at(path, "open").about(path.display());
    let missing = || match files.find(path) {
        // A file without a byte is one that somebody wanted to be made.
        Ok(found) => Ok(found.is_none_or(|found| found.bytes == 0)),
        Err(error) => Err(errors::io(error, path, "open")),
    };
    if settings.read_only {
        return if missing()? {
            let text = format!("there is no store at {}", path.display());
            Err(Error::new(ErrorKind::NotFound, text)
                .hint("check the path, or open the store to write, which makes it"))
        } else {
            open_to_read(path, kind, settings).map_err(failed)
        };
    }
    let lock = || files.lock(lock_at, settings.deadline);
    let mut held = None;
    if missing()? {
        held = Some(lock()?);
        if missing()? {
            create(path, kind, settings).map_err(failed)?;
        }
    }
    // Of several that open a store which only one of them may have, one is to succeed.
    if settings.mode != Sharing::Auto.mode() && held.is_none() {
        held = Some(lock()?);
    }
    let opened = open(path, kind, settings).map_err(failed);
    drop(held);
    opened
}

/// Opens the file without a byte of it being changed.
fn open_to_read(path: &Path, kind: Kind, settings: &Settings) -> Result<Database, Failure> {
    let database = Database::open_left(path, settings.clone())?;
    let meta = database.read("open", |transaction| kind.meta(transaction))?;
    match plan(Some(meta), kind.steps())? {
        Plan::Ready | Plan::ReadOnly => Ok(database),
        Plan::Upgrade(_) => {
            let text = format!("{} is of an earlier version", path.display());
            Err(Error::new(ErrorKind::ReadOnly, text)
                .hint("open the store once with the right to write, which upgrades it")
                .into())
        }
    }
}

fn open(path: &Path, kind: Kind, settings: &Settings) -> Result<Database, Failure> {
    let mut settings = settings.clone();
    match look(path, kind, &settings) {
        Ok(Plan::ReadOnly) => settings.read_only = true,
        // Where a process was killed that had it open, who may write puts that in order.
        Ok(Plan::Ready | Plan::Upgrade(_)) | Err(Failure::Engine(redb::Error::RepairAborted)) => {}
        Err(failure) => return Err(failure),
    }
    let database = match Database::open(path, settings.clone()) {
        Err(Failure::Engine(redb::Error::DatabaseAlreadyOpen))
            if settings.mode == Sharing::Single.mode() =>
        {
            Database::open(path, Settings { read_only: true, ..settings })?
        }
        database => database?,
    };
    if !database.settings().read_only {
        upgrade(&database, kind)?;
    }
    Ok(database)
}

/// What is to be done with the file, which is only read.
fn look(
    path: &Path,
    kind: Kind,
    settings: &Settings,
) -> Result<Plan<threadkeep_migrations::kv::Step>, Failure> {
    let settings = Settings { read_only: true, ..settings.clone() };
    let database = Database::open(path, settings)?;
    let meta = database.read("open", |transaction| kind.meta(transaction));
    database.close()?;
    Ok(plan(Some(meta?), kind.steps()).map_err(|error| error.about(path.display()))?)
}

fn upgrade(database: &Database, kind: Kind) -> Result<(), Failure> {
    let meta = database.read("open", |transaction| kind.meta(transaction))?;
    let steps = match plan(Some(meta), kind.steps())? {
        Plan::Ready => return Ok(()),
        Plan::ReadOnly => return Err(database::read_only(database.path()).into()),
        Plan::Upgrade(steps) => steps,
    };
    let transaction =
        crate::turns::Turns::default().begin(database, database.settings().deadline)?;
    match kind.upgrade(&transaction, steps) {
        Ok(()) => database.commit(transaction),
        Err(failure) => {
            database.abort(transaction);
            Err(failure)
        }
    }
}

/// Makes a file of this kind.
pub(crate) fn create(path: &Path, kind: Kind, settings: &Settings) -> Result<(), Failure> {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    let new = PathBuf::from(name);
    drop(settings.files.create(&new)?);
    let alone = Settings { mode: Sharing::Exclusive.mode(), read_only: false, ..settings.clone() };
    let database = Database::open(&new, alone)?;
    let transaction = database.begin()?;
    match kind.upgrade(&transaction, kind.steps()) {
        Ok(()) => database.commit(transaction)?,
        Err(failure) => {
            database.abort(transaction);
            return Err(failure);
        }
    }
    database.close()?;
    settings.files.rename(&new, path)?;
    Ok(())
}

fn is_unsupported(error: &Error) -> bool {
    error.kind() == ErrorKind::Unsupported
}
