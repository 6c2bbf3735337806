//! Reading a dump, strictly.

use memchr::memchr;

use super::line::{AnyVersion, DUMP_VERSION, DumpHeader, FirstLine, LineIn};
use super::{Digest, Moved, Parts};
use crate::{
    Checkpoint, DynamicToolSpec, Error, ErrorKind, LogRow, Result, ThreadMetadata, limits,
};

/// Bytes of one line at most: no thread that a store takes needs more, and whatever has no line
/// breaks is no dump.
const LINE_BYTES: usize = 1024 * 1024 * 1024;

/// What a line of a dump holds.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DumpItem {
    /// A thread.
    Thread {
        /// Its row.
        row: Box<ThreadMetadata>,
        /// Its tools, in order; `None` where it has none.
        tools: Option<Vec<DynamicToolSpec>>,
    },
    /// A checkpoint.
    Checkpoint(Checkpoint),
    /// A log entry.
    Log(Box<LogRow>),
}

/// A dump as it is read: bytes go in as they come, items come out.
///
/// ```
/// use threadkeep_core::moving::DumpReader;
///
/// fn threads(text: &[u8]) -> threadkeep_core::Result<u64> {
///     let mut reader = DumpReader::new();
///     reader.push(text);
///     while reader.next()?.is_some() {}
///     Ok(reader.finish()?.threads.count)
/// }
///
/// let error = threads(b"{\"threadkeep_dump\":{\"version\":2}}\n").unwrap_err();
/// assert_eq!(error.kind(), threadkeep_core::ErrorKind::SchemaTooNew);
/// ```
#[derive(Debug, Default)]
pub struct DumpReader {
    bytes: Vec<u8>,
    /// Where in `bytes` the next line begins.
    start: usize,
    /// Up to where no line break was found in it.
    seen: usize,
    lines: u64,
    header: Option<DumpHeader>,
    place: Place,
    digest: Digest,
    last_key: Option<String>,
    last_id: u64,
}

/// Lines come in this order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    #[default]
    Threads,
    Checkpoints,
    Logs,
    Ended,
}

impl DumpReader {
    /// Nothing read yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes in more of the text, cut anywhere. What is not asked for with [`next`](Self::next) is
    /// kept in memory.
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.drain(..self.start);
        self.seen -= self.start;
        self.start = 0;
        self.bytes.extend_from_slice(bytes);
    }

    /// The next item; `None` where more of the text is needed, or it has ended.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](ErrorKind::InvalidInput) where the text is no dump,
    /// [`SchemaTooNew`](ErrorKind::SchemaTooNew) where it is one of a newer version, and
    /// [`Corrupted`](ErrorKind::Corrupted), with the number of the line, for anything that is not
    /// what was written, such as a digest that is not that of the lines before it.
    #[allow(clippy::should_implement_trait, reason = "an iterator would have ended at a None")]
    pub fn next(&mut self) -> Result<Option<DumpItem>> {
        loop {
            let Some(length) = memchr(b'\n', &self.bytes[self.seen..]) else {
                self.seen = self.bytes.len();
                limits::check("a line of the dump", self.seen - self.start, LINE_BYTES, "bytes")
                    .map_err(|error| self.damaged("it is too long").with_source(error))?;
                return Ok(None);
            };
            let (from, to) = (self.start, self.seen + length);
            (self.start, self.seen) = (to + 1, to + 1);
            self.lines += 1;
            if let Some(item) = self.line(from, to)? {
                return Ok(Some(item));
            }
        }
    }

    /// What the first line says, once it was read.
    pub fn header(&self) -> Option<&DumpHeader> {
        self.header.as_ref()
    }

    /// Lines read so far.
    pub fn lines(&self) -> u64 {
        self.lines
    }

    /// Ends the reading of a text that was read whole, and answers its digest.
    ///
    /// # Errors
    ///
    /// [`Corrupted`](ErrorKind::Corrupted) where the text was cut, with how far it goes;
    /// [`InvalidInput`](ErrorKind::InvalidInput) where there is none.
    pub fn finish(&self) -> Result<Digest> {
        if self.place == Place::Ended && self.start == self.bytes.len() {
            return Ok(self.digest);
        }
        if self.place == Place::Ended {
            return Err(self.after_end());
        }
        if self.header.is_none() {
            return Err(if self.bytes.is_empty() {
                no_dump("it is empty")
            } else {
                no_dump("its first line does not end")
            });
        }
        let Digest { threads, checkpoints, logs, .. } = self.digest;
        let text = format!(
            "the dump is cut after line {}: it holds {} threads, {} checkpoints and {} log entries, \
             but not its last line",
            self.lines,
            threads.count,
            checkpoints.unwrap_or_default().count,
            logs.unwrap_or_default().count
        );
        Err(Error::new(ErrorKind::Corrupted, text)
            .during("load")
            .hint("load the whole dump: what is in the store already is not loaded twice"))
    }

    fn line(&mut self, from: usize, to: usize) -> Result<Option<DumpItem>> {
        let line = &self.bytes[from..to];
        if self.header.is_none() {
            let header = header(line)?;
            self.digest =
                Digest::of_nothing(Parts::new().checkpoints(header.checkpoints).logs(header.logs));
            self.header = Some(header);
            return Ok(None);
        }
        let line = serde_json::from_slice(line).map_err(|error| self.damaged(&because(&error)))?;
        match line {
            LineIn::Thread { row, tools } => self.thread(row, tools).map(Some),
            LineIn::Checkpoint { key, value, revision } => {
                self.checkpoint(Checkpoint { key, value, revision }).map(Some)
            }
            LineIn::Log(row) => self.entry(*row).map(Some),
            LineIn::End(digest) => self.end(digest).map(|()| None),
        }
    }

    fn thread(&mut self, mut row: Box<ThreadMetadata>, tools: Vec<String>) -> Result<DumpItem> {
        self.come_to(Place::Threads)?;
        row.normalise();
        row.validate().map_err(|error| self.refused(error))?;
        let tools = tools.into_iter().map(DynamicToolSpec::from_json);
        let tools: Vec<_> = tools.collect::<Result<_>>().map_err(|error| self.refused(error))?;
        let thread = Moved { row: *row, tools: Some(tools).filter(|tools| !tools.is_empty()) };
        self.digest.add_thread(&thread);
        Ok(DumpItem::Thread { row: Box::new(thread.row), tools: thread.tools })
    }

    fn checkpoint(&mut self, checkpoint: Checkpoint) -> Result<DumpItem> {
        self.come_to(Place::Checkpoints)?;
        if self.header.as_ref().is_some_and(|header| !header.checkpoints) {
            return Err(self.damaged("it is a checkpoint, of which the first line tells none"));
        }
        if self.last_key.as_ref().is_some_and(|last| *last >= checkpoint.key) {
            return Err(self.damaged("its key does not come after that of the line before"));
        }
        if super::is_private(&checkpoint.key) {
            return Err(self.damaged("its key is one of those that are never dumped"));
        }
        self.last_key = Some(checkpoint.key.clone());
        self.digest.add_checkpoint(&checkpoint);
        Ok(DumpItem::Checkpoint(checkpoint))
    }

    fn entry(&mut self, row: LogRow) -> Result<DumpItem> {
        self.come_to(Place::Logs)?;
        if self.header.as_ref().is_some_and(|header| !header.logs) {
            return Err(self.damaged("it is a log entry, of which the first line tells none"));
        }
        if row.id <= self.last_id {
            return Err(self.damaged("its number is not above that of the line before"));
        }
        self.last_id = row.id;
        let entry = row.entry.prepare().map_err(|error| self.refused(error))?;
        self.digest.add_entry(&entry);
        Ok(DumpItem::Log(Box::new(LogRow { id: row.id, entry })))
    }

    fn end(&mut self, digest: Digest) -> Result<()> {
        self.come_to(Place::Ended)?;
        let differences = digest.differences(&self.digest);
        if differences.is_empty() {
            return Ok(());
        }
        let text = format!(
            "what was read is not what was dumped, by its {}: read was {}, dumped {digest}",
            differences.join(" and "),
            self.digest
        );
        Err(self.damaged(&text))
    }

    fn come_to(&mut self, place: Place) -> Result<()> {
        if self.place == Place::Ended {
            return Err(self.after_end());
        }
        if place < self.place {
            return Err(self.damaged("it comes too late: threads come first, log entries last"));
        }
        self.place = place;
        Ok(())
    }

    fn after_end(&self) -> Error {
        let text = format!("the dump goes on after its end, line {}", self.lines);
        Error::new(ErrorKind::Corrupted, text).during("load").hint("load one dump after the other")
    }

    fn damaged(&self, what: &str) -> Error {
        let text = format!("line {} of the dump is damaged: {what}", self.lines.max(1));
        Error::new(ErrorKind::Corrupted, text)
            .during("load")
            .hint("dump the store again, or load another copy of the dump")
    }

    fn refused(&self, error: Error) -> Error {
        self.damaged(error.message()).with_source(error)
    }
}

fn header(line: &[u8]) -> Result<DumpHeader> {
    let first: FirstLine<AnyVersion> = serde_json::from_slice(line)
        .map_err(|error| no_dump("its first line does not say so").with_source(error))?;
    let version = first.threadkeep_dump.version;
    if version > DUMP_VERSION {
        let text = format!("the dump has version {version}, this program reads {DUMP_VERSION}");
        return Err(Error::new(ErrorKind::SchemaTooNew, text)
            .during("load")
            .hint("load it with the newer version of threadkeep that wrote it"));
    }
    let first: Result<FirstLine<DumpHeader>, _> = serde_json::from_slice(line);
    match first {
        Ok(first) if version == DUMP_VERSION => Ok(first.threadkeep_dump),
        Ok(_) => Err(no_dump(&format!("version {version} is none that was ever written"))),
        Err(error) => {
            let text = format!("line 1 of the dump is damaged: {}", because(&error));
            Err(Error::new(ErrorKind::Corrupted, text)
                .during("load")
                .hint("dump the store again, or load another copy of the dump"))
        }
    }
}

fn no_dump(why: &str) -> Error {
    Error::invalid_input(format!("the text is no dump: {why}"))
        .during("load")
        .hint("give what `threadkeep dump` wrote")
}

/// What is wrong with a line. The reader of JSON takes every line for the first one.
fn because(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    match text.strip_suffix(&place) {
        Some(what) => format!("{what}, at column {}", error.column()),
        None => text,
    }
}
