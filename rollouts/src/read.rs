//! Reading one rollout file.

use std::io::{Read, Result, Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;

use threadkeep_core::rollout::{Fold, RolloutItem, RolloutName, SessionMeta, parse_line};
use threadkeep_core::{ThreadId, Timestamp};

use crate::lines::{Buffer, Lines};
use crate::meter::{Meter, Metered};
use crate::state::{Part, Probe, Probes};
use crate::{DamagedFile, RolloutFile};

/// Reads files, one after the other.
pub(crate) struct Reader {
    buffer: Buffer,
    meter: Arc<Meter>,
}

impl Default for Reader {
    fn default() -> Self {
        Self::new(Arc::default())
    }
}

/// What reading a file gave.
pub(crate) struct FileRead {
    /// What is to be remembered.
    pub(crate) part: Part,
    /// What the lines said.
    pub(crate) fold: Fold,
    /// What was odd about them.
    pub(crate) oddities: Oddities,
    /// Whether it was read from the start.
    pub(crate) is_whole: bool,
}

/// What was odd about the lines of a file.
#[derive(Debug, Default)]
pub(crate) struct Oddities {
    pub(crate) malformed: u64,
    pub(crate) oversized: u64,
    pub(crate) unknown: u64,
    pub(crate) is_cut: bool,
    pub(crate) first_offsets: Vec<u64>,
}

impl Reader {
    pub(crate) fn new(meter: Arc<Meter>) -> Self {
        Self { buffer: Buffer::new(), meter }
    }

    /// Reads a file from its start.
    pub(crate) fn whole(&mut self, file: &RolloutFile, id: ThreadId) -> Result<FileRead> {
        let source = open(&file.path, &self.meter)?;
        let part = Part {
            thread: id,
            through: 0,
            readable: 0,
            started: Timestamp::from(file.modified),
            probes: Probes::default(),
            lost: false,
        };
        let mut read = self.lines(source, part)?;
        read.is_whole = true;
        let started = read.fold.first_line_at().or_else(|| RolloutName::of(&file.path).time);
        read.part.started = started.unwrap_or(read.part.started);
        Ok(read)
    }

    /// Reads what was added to a file; `None` where it is not the file it was.
    pub(crate) fn rest(&mut self, file: &RolloutFile, part: &Part) -> Result<Option<FileRead>> {
        let mut source = Metered::open(&file.path, &self.meter)?;
        for probe in [part.probes.head, part.probes.last] {
            source.seek(SeekFrom::Start(probe.at))?;
            let mut text = Vec::with_capacity(Probe::BYTES);
            source.by_ref().take(probe.bytes).read_to_end(&mut text)?;
            if Probe::new(probe.at, &text) != probe {
                return Ok(None);
            }
        }
        source.seek(SeekFrom::Start(part.through))?;
        self.lines(source, part.clone()).map(Some)
    }

    /// The first `session_meta` of a file that names a thread and that `wanted` accepts, and
    /// whether any line could be read before.
    pub(crate) fn session_meta(
        &mut self,
        path: &Path,
        wanted: impl Fn(&str) -> bool,
    ) -> Result<(Option<Box<SessionMeta>>, bool)> {
        let source = open(path, &self.meter)?;
        let mut lines = Lines::new(source, 0, &mut self.buffer);
        let mut is_readable = false;
        while let Some(line) = lines.next()? {
            let Ok(Some(parsed)) = parse_line(line.text.unwrap_or_default()) else {
                continue;
            };
            is_readable = true;
            if let RolloutItem::SessionMeta(meta) = parsed.item
                && meta.id.as_deref().is_some_and(&wanted)
            {
                return Ok((Some(meta), true));
            }
        }
        Ok((None, is_readable))
    }

    fn lines(&mut self, source: impl Read, mut part: Part) -> Result<FileRead> {
        let mut fold = Fold::new(part.thread);
        let mut oddities = Oddities::default();
        let (mut last_at, mut last) = (None, Vec::with_capacity(Probe::BYTES));
        let mut lines = Lines::new(source, part.through, &mut self.buffer);
        while let Some(line) = lines.next()? {
            let parsed = line.text.map(parse_line);
            let is_good = matches!(parsed, Some(Ok(_)));
            // A last line without its end is read if it is whole, else when it has grown.
            if !line.is_complete && !matches!(parsed, Some(Ok(Some(_)))) {
                oddities.is_cut = !is_good;
                break;
            }
            part.through = line.end;
            if !is_good {
                oddities.malformed += 1;
                oddities.oversized += u64::from(parsed.is_none());
                if oddities.first_offsets.len() < DamagedFile::OFFSETS {
                    oddities.first_offsets.push(line.at);
                }
            }
            let text = line.text.unwrap_or_default();
            if line.at == 0 {
                part.probes.head = Probe::new(0, text);
            }
            last_at = Some(line.at);
            last.clear();
            last.extend_from_slice(&text[..text.len().min(Probe::BYTES)]);
            if let Some(Ok(Some(parsed))) = parsed {
                part.readable += 1;
                oddities.unknown += u64::from(parsed.item == RolloutItem::Unknown);
                fold.push(&parsed);
            }
        }
        if let Some(at) = last_at {
            part.probes.last = Probe::new(at, &last);
        }
        Ok(FileRead { part, fold, oddities, is_whole: false })
    }
}

fn open(path: &Path, meter: &Arc<Meter>) -> Result<Box<dyn Read>> {
    let file = Metered::open(path, meter)?;
    if path.extension().is_some_and(|extension| extension == "zst") {
        Ok(Box::new(zstd::Decoder::new(file)?))
    } else {
        Ok(Box::new(file))
    }
}
