//! The file of logs: opened when it is first needed, begun anew where it is gone or damaged.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use threadkeep_core::{Error, ErrorKind, LogBell, Result, Retention};
use threadkeep_migrations::sqlite::LOGS;
use threadkeep_writer::{Writer, WriterOptions};

use crate::SqliteOptions;
use crate::errors::{self, translate};
use crate::log_names::Names;
use crate::log_reader::State;
use crate::log_writer::LogEngine;
use crate::open::{self, Access, Identity};
use crate::readers::{Reader, Readers};

/// Where the logs are, and the open file once it was needed.
pub(crate) struct LogFile {
    path: PathBuf,
    options: SqliteOptions,
    open: tokio::sync::Mutex<Option<Arc<OpenLogs>>>,
    closed: AtomicBool,
    pub(crate) bell: LogBell,
}

/// The open file.
pub(crate) struct OpenLogs {
    readers: Readers,
    writer: Option<Writer<LogEngine>>,
    identity: Option<Identity>,
    /// A write found it damaged.
    is_damaged: AtomicBool,
    names: Mutex<Arc<Names>>,
}

impl LogFile {
    /// The logs of the store whose threads are in `path`.
    pub(crate) fn beside(path: &Path, options: SqliteOptions) -> Self {
        let mut name = path.file_stem().unwrap_or_default().to_owned();
        name.push("-logs");
        if let Some(extension) = path.extension() {
            name.push(".");
            name.push(extension);
        }
        let path = path.with_file_name(name);
        Self {
            bell: LogBell::at(&path),
            path,
            options,
            open: tokio::sync::Mutex::default(),
            closed: AtomicBool::new(false),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn retention(&self) -> Retention {
        self.options.retention
    }

    /// The open file; `None` where nothing was ever logged, because reading creates no file.
    pub(crate) async fn existing(&self) -> Result<Option<Arc<OpenLogs>>> {
        if !self.path.exists() {
            return self.check_open().map(|()| None);
        }
        self.opened(false).await.map(Some)
    }

    /// The open file, created where there is none. One that is damaged is set aside and begun anew:
    /// what is to be logged does not wait for somebody to look at it.
    pub(crate) async fn for_appending(&self) -> Result<Arc<OpenLogs>> {
        self.opened(true).await
    }

    async fn opened(&self, mend: bool) -> Result<Arc<OpenLogs>> {
        self.check_open()?;
        let mut slot = self.open.lock().await;
        let there = open::identity(&self.path);
        let mut condemned = None;
        if let Some(open) = &*slot {
            let is_damaged = mend && open.is_damaged.load(Ordering::Acquire);
            if open.identity == there && !is_damaged {
                return Ok(Arc::clone(open));
            }
            if is_damaged {
                condemned = open.identity;
            }
        }
        *slot = None;
        let prepared = match condemned {
            None => open::prepare(&self.path, LOGS, self.options).await,
            Some(_) => Err(Error::new(ErrorKind::Corrupted, "a write found the logs damaged")),
        };
        let access = match prepared {
            Err(error)
                if mend && error.kind() == ErrorKind::Corrupted && !self.options.read_only =>
            {
                tracing::warn!(%error, path = %self.path.display(), "damaged logs are set aside");
                open::begin_anew(&self.path, LOGS, self.options, condemned).await?
            }
            prepared => prepared?,
        };
        let writer = match access {
            Access::Full => {
                let engine =
                    LogEngine::new(&self.path, self.options.deadline, self.options.retention);
                let options =
                    WriterOptions { deadline: self.options.deadline, ..WriterOptions::default() };
                Some(Writer::spawn("threadkeep-logs", engine, options)?)
            }
            Access::ReadOnly => None,
        };
        let open = Arc::new(OpenLogs {
            readers: Readers::new(&self.path, self.options),
            writer,
            identity: open::identity(&self.path),
            is_damaged: AtomicBool::new(false),
            names: Mutex::default(),
        });
        *slot = Some(Arc::clone(&open));
        Ok(open)
    }

    pub(crate) fn writer<'a>(&self, open: &'a OpenLogs) -> Result<&'a Writer<LogEngine>> {
        open.writer.as_ref().ok_or_else(|| errors::read_only(&self.path, self.options))
    }

    pub(crate) async fn flush(&self) -> Result<()> {
        self.check_open()?;
        let open = self.open.lock().await.clone();
        match open.as_ref().and_then(|open| open.writer.as_ref()) {
            Some(writer) => writer.run(|_| ()).await,
            None => Ok(()),
        }
    }

    pub(crate) async fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.bell.close();
        if let Some(open) = self.open.lock().await.take() {
            if let Some(writer) = &open.writer {
                // A writer that ended already has nothing to wind up.
                let _ = writer.run(LogEngine::wind_up).await;
                writer.close().await;
            }
            open.readers.close().await;
        }
    }

    pub(crate) fn failed(&self, error: sqlx::Error, operation: &'static str) -> Error {
        translate(error, &self.path, operation)
    }

    fn check_open(&self) -> Result<()> {
        if self.closed.load(Ordering::Acquire) {
            return Err(
                Error::new(ErrorKind::Closed, "the store was closed").hint("open the store again")
            );
        }
        Ok(())
    }
}

impl OpenLogs {
    /// Lends a connection that reads.
    pub(crate) async fn lend(&self) -> Result<Reader<'_>> {
        self.readers.lend().await
    }

    /// Remembers that a write found the file damaged, if it did.
    pub(crate) fn note<T>(&self, written: Result<T>) -> Result<T> {
        if let Err(error) = &written
            && error.kind() == ErrorKind::Corrupted
        {
            self.is_damaged.store(true, Ordering::Release);
        }
        written
    }

    /// The names as of this state.
    pub(crate) async fn names(
        &self,
        reader: &mut Reader<'_>,
        state: State,
    ) -> Result<Arc<Names>, sqlx::Error> {
        let known = Arc::clone(&self.names.lock().unwrap_or_else(PoisonError::into_inner));
        if known.version == state.names {
            return Ok(known);
        }
        let names = Arc::new(Names::load(&mut reader.connection, state.names).await?);
        *self.names.lock().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&names);
        Ok(names)
    }
}
