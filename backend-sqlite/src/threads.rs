//! The file of threads.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use threadkeep_core::{
    Checkpoint, Error, ErrorKind, Outcome, Page, Result, ThreadId, ThreadMetadata, ThreadQuery,
    ThreadStore, WriteBatch, limits,
};
use threadkeep_migrations::sqlite::THREADS;
use threadkeep_writer::{Writer, WriterOptions};

use crate::open::{self, Access};
use crate::readers::{Reader, Readers};
use crate::writer::{ThreadEngine, WriteConnection, Written};
use crate::{SqliteOptions, SqliteStore, connect, errors};

/// So long a deletion waits for the logs of its threads: threads do not wait for logs.
const LOGS_WAIT: Duration = Duration::from_millis(50);

/// The open file: its writer and the connections that read.
pub(crate) struct ThreadFile {
    path: PathBuf,
    options: SqliteOptions,
    readers: Readers,
    /// `None` where the stored format allows this version only to read.
    writer: Option<Writer<ThreadEngine>>,
    closed: AtomicBool,
}

impl ThreadFile {
    pub(crate) async fn open(path: &Path, options: SqliteOptions) -> Result<Self> {
        let access = open::prepare(path, THREADS, options).await?;
        let write = connect::write_threads(path);
        let engine = ThreadEngine { connection: WriteConnection::new(path.to_owned(), write) };
        let writer_options =
            WriterOptions { deadline: options.deadline, ..WriterOptions::default() };
        let writer = match access {
            Access::Full => Some(Writer::spawn("threadkeep-write", engine, writer_options)?),
            Access::ReadOnly => None,
        };
        Ok(Self {
            path: path.to_owned(),
            options,
            readers: Readers::new(path, options),
            writer,
            closed: AtomicBool::new(false),
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Lends a connection that reads.
    pub(crate) async fn lend(&self) -> Result<Reader<'_>> {
        self.readers.lend().await
    }

    pub(crate) fn writer(&self) -> Result<&Writer<ThreadEngine>> {
        self.check_open()?;
        self.writer.as_ref().ok_or_else(|| errors::read_only(&self.path, self.options))
    }

    /// Waits for what was queued.
    pub(crate) async fn flush(&self) -> Result<()> {
        self.check_open()?;
        match &self.writer {
            Some(writer) => writer.run(|_| ()).await,
            None => Ok(()),
        }
    }

    pub(crate) async fn close(&self) {
        self.closed.store(true, Ordering::Release);
        if let Some(writer) = &self.writer {
            writer.close().await;
        }
        self.readers.close().await;
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

#[async_trait]
impl ThreadStore for SqliteStore {
    async fn threads(&self, ids: Vec<ThreadId>) -> Result<Vec<Option<ThreadMetadata>>> {
        self.threads.read_threads(&ids).await
    }

    async fn list(&self, query: ThreadQuery) -> Result<Page<ThreadMetadata>> {
        self.threads.read_page(&query).await
    }

    async fn list_ids(&self, query: ThreadQuery) -> Result<Page<ThreadId>> {
        self.threads.read_id_page(&query).await
    }

    async fn checkpoints(
        &self,
        prefix: String,
        after: Option<String>,
        limit: usize,
    ) -> Result<Vec<Checkpoint>> {
        limits::check_checkpoint_limit(limit)?;
        self.threads.read_checkpoints(&prefix, after.as_deref(), limit).await
    }

    async fn write(&self, batch: WriteBatch) -> Result<Vec<Outcome>> {
        let Written { outcomes, deleted } = self.threads.writer()?.submit(batch).await?;
        // The logs are in another file: what cannot be deleted there at once is left to `maintain`.
        if !deleted.is_empty() {
            match tokio::time::timeout(LOGS_WAIT, self.drop_logs(deleted)).await {
                Ok(Ok(_)) => {}
                Ok(Err(error)) => {
                    tracing::debug!(%error, "logs of deleted threads are left for maintenance");
                }
                Err(_) => tracing::debug!("logs of deleted threads are left for maintenance"),
            }
        }
        Ok(outcomes)
    }
}
