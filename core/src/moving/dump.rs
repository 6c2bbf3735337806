//! Writing down what a store holds.

use serde::Serialize;

use super::line::{DUMP_VERSION, DumpHeader, FirstLine, LineOut};
use super::pages::{CheckpointPages, LogPages, ThreadPages};
use super::{Digest, Parts};
use crate::{DynamicToolSpec, Error, ErrorKind, Result, Skipped, Store};

/// How to [`Dump`].
#[derive(Clone, Debug)]
pub struct DumpOptions {
    parts: Parts,
    created_by: String,
    source: String,
}

impl DumpOptions {
    /// Threads, tools and checkpoints. `source` names the store, the same whenever it is dumped and
    /// no other's: by it a target remembers how far it has its log.
    pub fn new(source: impl Into<String>) -> Self {
        let created_by = concat!("threadkeep ", env!("CARGO_PKG_VERSION")).to_owned();
        Self { parts: Parts::new(), created_by, source: source.into() }
    }

    /// What is written down. Default: threads, tools and checkpoints.
    #[must_use]
    pub fn parts(mut self, parts: Parts) -> Self {
        self.parts = parts;
        self
    }

    /// The program that writes it. Default: this library and its version.
    #[must_use]
    pub fn created_by(mut self, program: impl Into<String>) -> Self {
        self.created_by = program.into();
        self
    }
}

/// A store being written down as lines of JSON, some at a time.
///
/// The format is laid down in `docs/DUMP.md`. Who dumps decides where the bytes go, and how fast:
/// the store is read as they are asked for, page by page.
///
/// ```
/// # use threadkeep_core::{Result, Store};
/// use threadkeep_core::moving::{Dump, DumpOptions};
///
/// async fn written_down(store: &dyn Store) -> Result<Vec<u8>> {
///     let mut dump = Dump::new(store, DumpOptions::new("mira's laptop"));
///     let mut text = Vec::new();
///     while let Some(lines) = dump.next().await? {
///         text.extend(lines);
///     }
///     Ok(text)
/// }
/// ```
pub struct Dump<'a> {
    store: &'a dyn Store,
    options: DumpOptions,
    place: Place<'a>,
    digest: Digest,
    skipped: Vec<Skipped>,
}

/// What comes next.
enum Place<'a> {
    Header,
    Threads(Box<ThreadPages<'a>>),
    Checkpoints(CheckpointPages<'a>),
    Logs(LogPages<'a>),
    Trailer,
    Ended,
}

impl<'a> Dump<'a> {
    /// The store is not read yet.
    pub fn new(store: &'a dyn Store, options: DumpOptions) -> Self {
        let digest = Digest::of_nothing(options.parts);
        Self { store, options, place: Place::Header, digest, skipped: Vec::new() }
    }

    /// The next lines, each whole, about 8 MiB at most unless a single thread has more; `None` at
    /// the end. A dump without its last line is refused when it is read.
    ///
    /// # Errors
    ///
    /// Those of the store. Asking again goes on where it failed.
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>> {
        loop {
            let mut lines = Vec::new();
            match &mut self.place {
                Place::Header => {
                    self.write_header(&mut lines)?;
                    self.place = Place::Threads(Box::new(ThreadPages::new(self.store)));
                }
                Place::Threads(pages) => match pages.next().await? {
                    Some(page) => {
                        for thread in &page.threads {
                            self.digest.add_thread(thread);
                            let tools = thread.tools.as_ref();
                            let tools = tools.map(|tools| tools.iter().map(DynamicToolSpec::json));
                            let tools = tools.map(Iterator::collect);
                            write(&mut lines, &LineOut::Thread { row: &thread.row, tools })?;
                        }
                        self.skipped.extend(page.skipped);
                        self.skipped.extend(page.skipped_tools);
                    }
                    None => self.place = self.after_threads().await?,
                },
                Place::Checkpoints(pages) => match pages.next().await? {
                    Some(page) => {
                        for checkpoint in &page {
                            self.digest.add_checkpoint(checkpoint);
                            let (key, value) = (&*checkpoint.key, &*checkpoint.value);
                            let revision = checkpoint.revision;
                            write(&mut lines, &LineOut::Checkpoint { key, value, revision })?;
                        }
                    }
                    None => self.place = self.after_checkpoints().await?,
                },
                Place::Logs(pages) => match pages.next().await? {
                    Some(page) => {
                        for row in &page.items {
                            self.digest.add_entry(&row.entry);
                            write(&mut lines, &LineOut::Log(row))?;
                        }
                    }
                    None => self.place = Place::Trailer,
                },
                Place::Trailer => {
                    write(&mut lines, &LineOut::End(&self.digest))?;
                    self.place = Place::Ended;
                }
                Place::Ended => return Ok(None),
            }
            if !lines.is_empty() {
                return Ok(Some(lines));
            }
        }
    }

    /// The digest of what was written down so far; at the end, that of the store, unless threads
    /// were passed over.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Threads that could not be read and are not in the dump, and threads that are in it without
    /// their tools because those could not be read.
    pub fn skipped(&self) -> &[Skipped] {
        &self.skipped
    }

    fn write_header(&self, lines: &mut Vec<u8>) -> Result<()> {
        let Parts { checkpoints, logs } = self.options.parts;
        let header = DumpHeader {
            version: DUMP_VERSION,
            created_by: self.options.created_by.clone(),
            source: self.options.source.clone(),
            checkpoints,
            logs,
        };
        write(lines, &FirstLine { threadkeep_dump: header })
    }

    async fn after_threads(&self) -> Result<Place<'a>> {
        if self.options.parts.checkpoints {
            return Ok(Place::Checkpoints(CheckpointPages::new(self.store)));
        }
        self.after_checkpoints().await
    }

    async fn after_checkpoints(&self) -> Result<Place<'a>> {
        if self.options.parts.logs {
            return Ok(Place::Logs(LogPages::after(self.store, 0).await?));
        }
        Ok(Place::Trailer)
    }
}

fn write(lines: &mut Vec<u8>, line: &impl Serialize) -> Result<()> {
    serde_json::to_writer(&mut *lines, line).map_err(|error| {
        Error::new(ErrorKind::Internal, "a line of the dump has no JSON")
            .during("dump")
            .with_source(error)
    })?;
    lines.push(b'\n');
    Ok(())
}
