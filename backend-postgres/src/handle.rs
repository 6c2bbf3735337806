//! What all clones of a handle share: the connections that read, and the writers.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use threadkeep_core::{LogBell, Result};
use threadkeep_writer::{Writer, WriterOptions};

use crate::cluster::{Cluster, Purpose};
use crate::errors::{closed, read_only};
use crate::log_listener::Listener;
use crate::log_reader::Seen;
use crate::log_writer::LogEngine;
use crate::open::{self, Access};
use crate::options::PostgresOptions;
use crate::readers::Readers;
use crate::runtime;
use crate::write_connection::WriteConnection;
use crate::writer::ThreadEngine;

/// So long opening waits for a server at most.
const OPEN_WAIT: Duration = Duration::from_secs(3);

pub(crate) struct Handle {
    pub(crate) options: PostgresOptions,
    /// What errors call the store.
    pub(crate) place: Arc<str>,
    /// Reads that see what was written.
    pub(crate) readers: Arc<Readers>,
    /// Reads that may be stale: lists and pages of logs, where the URL names replicas.
    pub(crate) list_readers: Arc<Readers>,
    writers: Option<Writers>,
    pub(crate) bell: Arc<LogBell>,
    /// What was seen of the logs.
    pub(crate) seen: Arc<Seen>,
    pub(crate) listener: Listener,
    closed: AtomicBool,
}

struct Writers {
    threads: Writer<ThreadEngine>,
    logs: Writer<LogEngine>,
}

impl Handle {
    pub(crate) async fn open(options: PostgresOptions) -> Result<Self> {
        let place: Arc<str> = options.place().into();
        let cluster = Arc::new(Cluster::new(&options));
        let (read, stale) = if options.read_only {
            (Purpose::Read, Purpose::ReadStale)
        } else {
            (Purpose::Write, Purpose::ReadStale)
        };
        let readers = |purpose| {
            let (cluster, place) = (Arc::clone(&cluster), Arc::clone(&place));
            Readers::new(cluster, purpose, place, options.deadline, options.readers)
        };
        let for_rows = readers(read);
        let for_lists = if cluster.has_replicas() { readers(stale) } else { Arc::clone(&for_rows) };
        let access = {
            let (cluster, options, place) =
                (Arc::clone(&cluster), options.clone(), Arc::clone(&place));
            let readers = Arc::clone(&for_rows);
            runtime::run(async move {
                let until = Instant::now() + options.deadline;
                let mut connection = cluster
                    .connect(read, until.min(Instant::now() + OPEN_WAIT))
                    .await
                    .map_err(|error| error.translate(&place, "open"))?;
                let access = open::prepare(&mut connection, &options, until).await?;
                readers.adopt(connection);
                Ok(access)
            })
            .await?
        };
        let bell = Arc::new(LogBell::at(place.as_ref().as_ref()));
        let writers = if access == Access::Full && !options.read_only {
            let connection = || {
                let (cluster, readers) = (Arc::clone(&cluster), Arc::clone(&for_rows));
                WriteConnection::new(cluster, readers, Arc::clone(&place))
            };
            let writer_options =
                WriterOptions { deadline: options.deadline, ..WriterOptions::default() };
            let threads = ThreadEngine::new(connection(), &options);
            let logs = LogEngine::new(connection(), &options, Arc::clone(&bell));
            Some(Writers {
                threads: Writer::spawn("threadkeep-write", threads, writer_options)?,
                logs: Writer::spawn("threadkeep-log", logs, writer_options)?,
            })
        } else {
            None
        };
        let listener = Listener::new(Arc::clone(&cluster), &options, Arc::clone(&bell));
        Ok(Self {
            options,
            place,
            readers: for_rows,
            list_readers: for_lists,
            writers,
            bell,
            seen: Arc::default(),
            listener,
            closed: AtomicBool::new(false),
        })
    }

    pub(crate) fn check_open(&self) -> Result<()> {
        if self.closed.load(Ordering::Acquire) { Err(closed()) } else { Ok(()) }
    }

    /// The writer of threads.
    pub(crate) fn threads(&self) -> Result<&Writer<ThreadEngine>> {
        self.writers().map(|writers| &writers.threads)
    }

    /// The writer of logs.
    pub(crate) fn logs(&self) -> Result<&Writer<LogEngine>> {
        self.writers().map(|writers| &writers.logs)
    }

    fn writers(&self) -> Result<&Writers> {
        self.check_open()?;
        self.writers.as_ref().ok_or_else(|| read_only(&self.place, self.options.read_only))
    }

    /// Waits for what was queued.
    pub(crate) async fn flush(&self) -> Result<()> {
        self.check_open()?;
        if let Some(writers) = &self.writers {
            writers.threads.run(|_| ()).await?;
            writers.logs.run(|_| ()).await?;
        }
        Ok(())
    }

    pub(crate) async fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.listener.close();
        self.bell.close();
        if let Some(writers) = &self.writers {
            writers.threads.close().await;
            writers.logs.close().await;
        }
        self.readers.close().await;
        self.list_readers.close().await;
    }
}
