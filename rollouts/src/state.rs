//! What is remembered of a file, so that it is not read twice.

use std::borrow::Cow;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use threadkeep_core::{Result, Store, ThreadId, Timestamp, path};

use crate::claim::Claim;
use crate::{Home, RolloutFile};

/// Grows whenever the meaning of rollout lines changes: what an older one left is read anew.
const VERSION: u32 = 1;

/// Checkpoints read at once.
const PAGE: usize = 10_000;

/// What is remembered of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FileState {
    size: u64,
    modified: i64,
    pub(crate) is: Content,
}

/// What a file was found to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    /// No thread's, for this reason.
    Skipped(String),
    /// A thread's.
    Part(Part),
}

/// What was read of a thread's file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) thread: ThreadId,
    /// How much of the text was read, in bytes.
    pub(crate) through: u64,
    /// The lines that could be read.
    pub(crate) readable: u64,
    /// When the file begins: the order of a thread's files.
    pub(crate) started: Timestamp,
    pub(crate) probes: Probes,
    /// Whether another file of the thread was taken in its place.
    pub(crate) lost: bool,
}

/// The stored form: a version, size and time of the file, and either why it was skipped or what
/// was read of it. There is one a file, so it is kept short.
type Stored<'a> = (u32, u64, i64, Option<Cow<'a, str>>, Option<StoredPart>);
/// The members of a [`Part`] in order.
type StoredPart = (ThreadId, u64, u64, i64, Probe, Probe, bool);

/// By what a file that grew is told from another file in its place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Probes {
    /// The beginning of the text.
    pub(crate) head: Probe,
    /// The beginning of the last line passed, which as a rule carries its time.
    pub(crate) last: Probe,
}

/// A few bytes of a text, known by their hash.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "(u64, u64, u64)", into = "(u64, u64, u64)")]
pub(crate) struct Probe {
    pub(crate) at: u64,
    pub(crate) bytes: u64,
    hash: u64,
}

impl Probe {
    /// The most bytes a probe is made of.
    pub(crate) const BYTES: usize = 128;

    /// A probe of what stands at `at`.
    pub(crate) fn new(at: u64, text: &[u8]) -> Self {
        let text = &text[..text.len().min(Self::BYTES)];
        // FNV-1a: the value is stored, so it must never change with the compiler.
        let hash = text.iter().fold(0xcbf2_9ce4_8422_2325, |hash: u64, &byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        Self { at, bytes: text.len() as u64, hash }
    }
}

impl FileState {
    pub(crate) fn new(file: &RolloutFile, is: Content) -> Self {
        Self { size: file.size, modified: file.modified_nanos(), is }
    }

    /// Whether the file is as it was.
    pub(crate) fn is_current(&self, file: &RolloutFile) -> bool {
        self.size == file.size && self.modified == file.modified_nanos()
    }

    /// Whether the file may have been written to at its end.
    pub(crate) fn may_have_grown(&self, file: &RolloutFile) -> bool {
        file.size > self.size && !file.is_compressed()
    }

    pub(crate) fn part(&self) -> Option<&Part> {
        match &self.is {
            Content::Part(part) => Some(part),
            Content::Skipped(_) => None,
        }
    }

    pub(crate) fn to_text(&self) -> String {
        let (skipped, part) = match &self.is {
            Content::Skipped(reason) => (Some(Cow::Borrowed(reason.as_str())), None),
            Content::Part(part) => (None, Some(part.stored())),
        };
        let stored: Stored<'_> = (VERSION, self.size, self.modified, skipped, part);
        // Only maps with keys that are no text fail, and there is none.
        serde_json::to_string(&stored).unwrap_or_default()
    }

    /// What [`to_text`](Self::to_text) wrote; `None` for anything else.
    fn from_text(text: &str) -> Option<Self> {
        let (version, size, modified, skipped, part): Stored<'_> =
            serde_json::from_str(text).ok()?;
        let is = match (skipped, part) {
            (Some(reason), None) => Content::Skipped(reason.into_owned()),
            (None, Some(part)) => Content::Part(Part::from_stored(part)),
            _ => return None,
        };
        (version == VERSION).then_some(Self { size, modified, is })
    }
}

impl Part {
    fn stored(&self) -> StoredPart {
        let Self { thread, through, readable, started, probes, lost } = *self;
        (thread, through, readable, started.as_millis(), probes.head, probes.last, lost)
    }

    fn from_stored((thread, through, readable, started, head, tail, lost): StoredPart) -> Self {
        let (started, probes) = (Timestamp::from_millis(started), Probes { head, last: tail });
        Self { thread, through, readable, started, probes, lost }
    }
}

impl From<(u64, u64, u64)> for Probe {
    fn from((at, bytes, hash): (u64, u64, u64)) -> Self {
        Self { at, bytes, hash }
    }
}

impl From<Probe> for (u64, u64, u64) {
    fn from(Probe { at, bytes, hash }: Probe) -> Self {
        (at, bytes, hash)
    }
}

/// How the files of one home are named in a store.
#[derive(Clone, Debug)]
pub(crate) struct Keys {
    root: PathBuf,
    prefix: String,
}

impl Keys {
    pub(crate) fn new(home: &Home) -> Self {
        let root = home.root().to_owned();
        let prefix = format!("file:{}/", path::to_text(&root));
        Self { root, prefix }
    }

    /// The key of a file of this home.
    pub(crate) fn of(&self, file: &Path) -> String {
        let inside = file.strip_prefix(&self.root).unwrap_or(file);
        format!("{}{}", self.prefix, path::to_text(inside))
    }

    /// The file of a key.
    pub(crate) fn path(&self, key: &str) -> PathBuf {
        self.root.join(path::from_text(key.strip_prefix(&self.prefix).unwrap_or(key)))
    }
}

/// Everything remembered of a home's files, by key. What cannot be read any more counts as never
/// remembered, but has its key here.
pub(crate) type States = HashMap<String, Option<FileState>>;

/// Loads what is remembered, and keeps the claim alive meanwhile, where there is one.
pub(crate) async fn load(
    store: &dyn Store,
    keys: &Keys,
    mut claim: Option<&mut Claim>,
) -> Result<States> {
    let mut states = States::new();
    let mut after = None;
    loop {
        if let Some(claim) = claim.as_deref_mut() {
            claim.keep_alive(store).await?;
        }
        let page = store.checkpoints(keys.prefix.clone(), after, PAGE).await?;
        let is_last = page.len() < PAGE;
        after = page.last().map(|checkpoint| checkpoint.key.clone());
        states.extend(page.into_iter().map(|found| {
            let state = FileState::from_text(&found.value);
            (found.key, state)
        }));
        if is_last {
            return Ok(states);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pinned: what an earlier run remembered must be understood.
    #[test]
    fn states_have_a_text_form() {
        let part = Part {
            thread: ThreadId::from_bytes([7; 16]),
            through: 90,
            readable: 4,
            started: Timestamp::from_millis(-5),
            probes: Probes { head: Probe::new(0, b"{}"), last: Probe::default() },
            lost: true,
        };
        let is = [Content::Part(part), Content::Skipped("a \"b\"".into())];
        let texts = is.map(|is| {
            let state = FileState { size: 100, modified: -1, is };
            let text = state.to_text();
            assert_eq!(FileState::from_text(&text), Some(state));
            text
        });
        let part = "\"07070707-0707-0707-0707-070707070707\",90,4,-5,\
                    [0,2,645223143103797797],[0,0,0],true";
        assert_eq!(texts[0], format!("[1,100,-1,null,[{part}]]"));
        assert_eq!(texts[1], r#"[1,100,-1,"a \"b\"",null]"#);
        assert_eq!(FileState::from_text(&texts[1].replacen('1', "2", 1)), None);
        assert_eq!(FileState::from_text("{}"), None);
    }

    #[test]
    fn keys_lead_back_to_files() {
        let keys = Keys::new(&Home::new("/nowhere/.codex"));
        let mut files = vec![PathBuf::from("/nowhere/.codex/sessions/2026/rollout-é.jsonl")];
        #[cfg(unix)]
        {
            use std::os::unix::ffi::OsStrExt as _;
            let odd = std::ffi::OsStr::from_bytes(b"sessions/rollout-\xff.jsonl");
            files.push(Path::new("/nowhere/.codex").join(odd));
        }
        for file in files {
            assert!(keys.of(&file).starts_with("file:/nowhere/.codex/"));
            assert_eq!(keys.path(&keys.of(&file)), file);
        }
    }
}
