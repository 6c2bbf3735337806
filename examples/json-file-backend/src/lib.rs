//! A complete threadkeep backend in a few hundred lines: everything in one JSON file.
//!
//! It is made to be read, beside `docs/WRITING-A-BACKEND.md`, which walks through it. It passes the
//! whole conformance suite; it is also slow, because every commit writes the whole file.
//!
//! | file | what it does |
//! |---|---|
//! | `state.rs` | everything that is stored, and what a batch of changes does to it |
//! | `row.rs` | a row as text, with its checksum |
//! | `list.rs` | one page of a listing |
//! | `logs.rs` | log entries |
//! | `file.rs` | reading the file, replacing it, and the lock around that |
//! | `errors.rs` | what the system says, in the words of the contract |
//! | `writer.rs` | one commit for all changes that wait |
//! | `store.rs` | the traits, each method a line or two |

mod errors;
mod file;
mod list;
mod logs;
mod row;
mod state;
mod store;
mod writer;

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};

use errors::{closed, failed_task};
use file::StoreFile;
use state::State;
use threadkeep_core::{LogBell, Result};
use threadkeep_writer::{Writer, WriterOptions};
use writer::FileEngine;

/// A handle onto the store in a folder. Any number of handles, also in other processes, share it.
pub struct JsonFileStore {
    file: Arc<StoreFile>,
    writer: Writer<FileEngine>,
    closed: AtomicBool,
    bell: LogBell,
}

impl JsonFileStore {
    /// Opens the store in this folder, which must exist, and creates it where there is none.
    ///
    /// # Errors
    ///
    /// [`Corrupted`](threadkeep_core::ErrorKind::Corrupted) where the file is no store,
    /// [`SchemaTooNew`](threadkeep_core::ErrorKind::SchemaTooNew) where a newer version wrote it.
    pub async fn open(folder: impl AsRef<Path>) -> Result<Self> {
        let file = Arc::new(StoreFile::in_folder(folder.as_ref()));
        let options = WriterOptions::default();
        let opened = Arc::clone(&file);
        blocking(move || opened.create(options.deadline)).await.map_err(|e| e.during("open"))?;
        let engine = FileEngine::new(Arc::clone(&file));
        let writer = Writer::spawn("threadkeep-json-file", engine, options)?;
        let bell = LogBell::at(folder.as_ref());
        Ok(Self { file, writer, closed: AtomicBool::new(false), bell })
    }

    /// Looks at the state as it is now.
    async fn read<T: Send + 'static>(
        &self,
        operation: &'static str,
        read: impl FnOnce(&State) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let file = self.file(operation)?;
        let read = blocking(move || read(&*file.current()?)).await;
        read.map_err(|error| error.during(operation))
    }

    /// Changes the state, and answers once that is stored. A change that fails changes nothing.
    async fn change<T: Send + 'static>(
        &self,
        operation: &'static str,
        change: impl FnOnce(&mut State) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.file(operation)?;
        let (tell, told) = mpsc::channel();
        let job = Box::new(move |state: &mut State| {
            // Whoever asked may have gone away.
            let _ = tell.send(change(state)?);
            Ok(())
        });
        self.writer.submit(job).await.map_err(|error| error.during(operation))?;
        told.recv().map_err(|error| failed_task(error).maybe_applied())
    }

    /// The file, until the handle is closed.
    fn file(&self, operation: &'static str) -> Result<Arc<StoreFile>> {
        if self.closed.load(Ordering::Acquire) {
            return Err(closed().during(operation));
        }
        Ok(Arc::clone(&self.file))
    }
}

/// Runs what blocks where it blocks nobody.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(failed_task(error)))
}
