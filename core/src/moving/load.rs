//! Putting a dump into a store.

use super::checkpoints::CheckpointTarget;
use super::logs::LogTarget;
use super::pages::{PAGE_BYTES, PAGE_ENTRIES, PAGE_THREADS, bytes_of};
use super::threads::ThreadTarget;
use super::{CopyReport, DumpHeader, DumpItem, DumpReader, Moved, OnConflict};
use crate::{Checkpoint, LogRow, Result, Store};

/// How to [`Load`].
#[derive(Clone, Debug, Default)]
pub struct LoadOptions {
    on_conflict: OnConflict,
    logs_as: Option<String>,
}

impl LoadOptions {
    /// A conflict is refused, and the log has the name that the dump gives it.
    pub fn new() -> Self {
        Self::default()
    }

    /// What happens where the store holds something else. Default: [`OnConflict::Refuse`].
    #[must_use]
    pub fn on_conflict(mut self, policy: OnConflict) -> Self {
        self.on_conflict = policy;
        self
    }

    /// The name by which the store remembers how far it has the dump's log, in place of the one in
    /// the dump.
    #[must_use]
    pub fn logs_as(mut self, name: impl Into<String>) -> Self {
        self.logs_as = Some(name.into());
        self
    }
}

/// A dump being put into a store, as its bytes come.
///
/// As with a [`copy`](super::copy), loading again changes nothing, and a load that failed goes on
/// when the same dump is loaded again. Nothing but the digest in its last line tells of a text that
/// was changed, so that a dump that may be damaged is better read whole with a [`DumpReader`]
/// first.
///
/// ```
/// # use threadkeep_core::{Result, Store};
/// use threadkeep_core::moving::{CopyReport, Load, LoadOptions};
///
/// async fn fill(store: &dyn Store, text: &[u8]) -> Result<CopyReport> {
///     let mut load = Load::new(store, LoadOptions::new());
///     for bytes in text.chunks(64 * 1024) {
///         load.feed(bytes).await?;
///     }
///     load.finish().await
/// }
/// ```
pub struct Load<'a> {
    store: &'a dyn Store,
    options: LoadOptions,
    reader: DumpReader,
    threads: Batch<Moved>,
    checkpoints: Batch<Checkpoint>,
    checkpoint_target: CheckpointTarget<'a>,
    entries: Batch<LogRow>,
    log_target: Option<LogTarget<'a>>,
    report: CopyReport,
}

/// What waits to be put in as one.
struct Batch<T> {
    items: Vec<T>,
    bytes: usize,
    most: usize,
}

impl<T> Batch<T> {
    fn new(most: usize) -> Self {
        Self { items: Vec::new(), bytes: 0, most }
    }

    fn push(&mut self, item: T, bytes: usize) {
        self.items.push(item);
        self.bytes += bytes;
    }

    fn is_full(&self) -> bool {
        self.items.len() >= self.most || self.bytes >= PAGE_BYTES
    }

    fn take(&mut self) -> Vec<T> {
        self.bytes = 0;
        std::mem::take(&mut self.items)
    }
}

impl<'a> Load<'a> {
    /// Nothing loaded yet.
    pub fn new(store: &'a dyn Store, options: LoadOptions) -> Self {
        let checkpoint_target = CheckpointTarget::new(store, options.on_conflict);
        Self {
            store,
            options,
            reader: DumpReader::new(),
            threads: Batch::new(PAGE_THREADS),
            checkpoints: Batch::new(PAGE_THREADS * 4),
            checkpoint_target,
            entries: Batch::new(PAGE_ENTRIES),
            log_target: None,
            report: CopyReport::default(),
        }
    }

    /// Takes in more of the text, cut anywhere, and puts into the store what is ready.
    ///
    /// # Errors
    ///
    /// Those of [`DumpReader::next`] and of the store, and
    /// [`Conflict`](crate::ErrorKind::Conflict) where the log is not the one loaded under its name
    /// before. What was loaded until then stays; the load cannot go on, but can be made again.
    pub async fn feed(&mut self, bytes: &[u8]) -> Result<()> {
        self.reader.push(bytes);
        while let Some(item) = self.reader.next()? {
            match item {
                DumpItem::Thread { row, tools } => {
                    let thread = Moved { row: *row, tools };
                    let bytes = thread.bytes();
                    self.threads.push(thread, bytes);
                    if self.threads.is_full() {
                        self.put_threads().await?;
                    }
                }
                DumpItem::Checkpoint(checkpoint) => {
                    self.put_threads().await?;
                    let bytes = bytes_of(&checkpoint);
                    self.checkpoints.push(checkpoint, bytes);
                    if self.checkpoints.is_full() {
                        self.put_checkpoints().await?;
                    }
                }
                DumpItem::Log(row) => {
                    self.put_threads().await?;
                    self.put_checkpoints().await?;
                    self.take_entry(*row).await?;
                }
            }
        }
        Ok(())
    }

    /// Puts in what is left, once the whole text was taken in.
    ///
    /// # Errors
    ///
    /// Those of [`DumpReader::finish`] and of the store.
    pub async fn finish(mut self) -> Result<CopyReport> {
        self.reader.finish()?;
        self.put_threads().await?;
        self.put_checkpoints().await?;
        self.put_entries().await?;
        if let Some(target) = self.log_target.take() {
            target.finish().await?;
        }
        self.store.flush().await?;
        Ok(self.report)
    }

    /// What came of it so far.
    pub fn report(&self) -> &CopyReport {
        &self.report
    }

    /// What the first line of the dump says, once it was read.
    pub fn header(&self) -> Option<&DumpHeader> {
        self.reader.header()
    }

    async fn put_threads(&mut self) -> Result<()> {
        if self.threads.items.is_empty() {
            return Ok(());
        }
        let target = ThreadTarget { store: self.store, on_conflict: self.options.on_conflict };
        target.put(self.threads.take(), &mut self.report).await
    }

    async fn put_checkpoints(&mut self) -> Result<()> {
        let checkpoints = self.checkpoints.take();
        self.checkpoint_target.put(&checkpoints, &mut self.report).await
    }

    async fn take_entry(&mut self, row: LogRow) -> Result<()> {
        if self.log_target.is_none() {
            let given = self.options.logs_as.as_ref();
            let name = given.or(self.reader.header().map(|header| &header.source));
            let name = name.cloned().unwrap_or_default();
            self.log_target = Some(LogTarget::open(self.store, &name).await?);
        }
        if let Some(target) = &self.log_target
            && row.id <= target.copied()
        {
            target.check(&row)?;
            self.report.logs.already += 1;
            return Ok(());
        }
        let bytes = size_of::<LogRow>() + usize::try_from(row.entry.text_bytes()).unwrap_or(0);
        self.entries.push(row, bytes);
        if self.entries.is_full() { self.put_entries().await } else { Ok(()) }
    }

    async fn put_entries(&mut self) -> Result<()> {
        let entries = self.entries.take();
        if let Some(target) = &mut self.log_target {
            self.report.logs.copied += entries.len() as u64;
            target.append(entries).await?;
        }
        Ok(())
    }
}
