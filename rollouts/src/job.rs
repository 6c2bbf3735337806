//! The work on one thread, and what comes of it.

use std::path::PathBuf;

use threadkeep_core::{Mark, ThreadId, ThreadPatch, ThreadSeed, Timestamp};

use crate::candidate::{Candidate, take};
use crate::read::Oddities;
use crate::state::{FileState, Part};
use crate::{Duplicate, RolloutFile, SkippedFile};

/// The work on one thread.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) id: ThreadId,
    /// All its files, by path.
    pub(crate) files: Vec<JobFile>,
    /// Keys of checkpoints that go: of files that are no more, or lie elsewhere.
    pub(crate) gone: Vec<String>,
    /// Whether the row is to be made anew from the whole history.
    pub(crate) rebuild: bool,
    /// How often the store was found to be another than thought.
    pub(crate) attempts: u32,
    /// The revision of the row when that was last so.
    pub(crate) seen: Option<u64>,
}

/// A file of a thread.
#[derive(Debug)]
pub(crate) struct JobFile {
    pub(crate) file: RolloutFile,
    /// The key of its checkpoint.
    pub(crate) key: String,
    /// What is remembered of it.
    pub(crate) known: Option<FileState>,
    /// Whether that was remembered under another path.
    pub(crate) moved: bool,
}

/// What came of a job.
#[derive(Default)]
pub(crate) struct Findings {
    pub(crate) update: Update,
    /// What is to be remembered, by key.
    pub(crate) states: Vec<(String, FileState)>,
    pub(crate) duplicates: Vec<Duplicate>,
    pub(crate) skipped: Vec<SkippedFile>,
    pub(crate) oddities: Vec<(PathBuf, Oddities)>,
    /// Files that are part of the thread.
    pub(crate) taken: u64,
    /// Of these, read now.
    pub(crate) read: u64,
    /// Files that were opened.
    pub(crate) opened: u64,
    /// Whether the last of them lies among the archived ones.
    pub(crate) archived: bool,
}

/// What the store is to be told of a thread.
#[derive(Default)]
pub(crate) enum Update {
    /// Nothing.
    #[default]
    None,
    /// A thread met for the first time.
    New(Box<ThreadSeed>, Box<ThreadPatch>, Place),
    /// The history goes on.
    More {
        /// The row must have come this far, or it lacks what is between.
        after: Mark,
        patch: Box<ThreadPatch>,
        /// Where its last file is, if that was not so before.
        place: Option<Place>,
    },
    /// The last file lies elsewhere.
    Moved(Place),
    /// The history is another, or was never read whole for this row.
    Anew(Box<ThreadSeed>, Box<ThreadPatch>),
}

/// Where a file is, and when it was last written.
pub(crate) struct Place {
    pub(crate) path: PathBuf,
    pub(crate) modified: Timestamp,
}

impl Findings {
    /// About how many bytes they take.
    pub(crate) fn weight(&self) -> u64 {
        const USUAL: u64 = 4 * 1024;

        let patch = match &self.update {
            Update::New(_, patch, _) | Update::Anew(_, patch) | Update::More { patch, .. } => patch,
            Update::None | Update::Moved(_) => return USUAL,
        };
        let tools = patch.tools.iter().flatten();
        USUAL + tools.map(|tool| tool.json().len() as u64).sum::<u64>()
    }
}

impl JobFile {
    /// Whether it is as it was, wherever it is.
    pub(crate) fn is_unchanged(&self) -> bool {
        self.known.as_ref().is_some_and(|known| known.is_current(&self.file))
    }

    pub(crate) fn known_part(&self) -> Option<&Part> {
        self.known.as_ref().and_then(FileState::part)
    }

    /// Whether it made the thread when it was last looked at.
    pub(crate) fn was_taken(&self) -> bool {
        self.known_part().is_some_and(|part| !part.lost)
    }

    /// What is remembered of it, if it may have been written to at its end since.
    pub(crate) fn grown_part(&self) -> Option<&Part> {
        let known = self.known.as_ref().filter(|known| known.may_have_grown(&self.file))?;
        known.part()
    }
}

impl Job {
    pub(crate) fn new(id: ThreadId, rebuild: bool) -> Self {
        Self { id, files: Vec::new(), gone: Vec::new(), rebuild, attempts: 0, seen: None }
    }

    /// The same job, from the start, because the store is not what it was taken for.
    pub(crate) fn again(self, seen: Option<u64>) -> Self {
        Self { rebuild: true, attempts: self.attempts + 1, seen, ..self }
    }

    /// What the job would come to by what is remembered, if there is nothing to do.
    pub(crate) fn known_findings(&self) -> Option<Findings> {
        let is_current = |file: &JobFile| file.is_unchanged() && !file.moved;
        if self.rebuild || !self.files.iter().all(is_current) {
            return None;
        }
        let known = |file| Candidate::known(file);
        let (taken, lost) = take(self.files.iter().map(known).collect::<Option<_>>()?);
        let is_so =
            taken.iter().all(|file| !file.part.lost) && lost.iter().all(|(file, _)| file.part.lost);
        is_so.then(|| Findings {
            taken: taken.len() as u64,
            archived: taken.last().is_some_and(|last| last.file.file.archived),
            duplicates: lost.iter().map(|(file, kept)| file.duplicate(kept)).collect(),
            ..Findings::default()
        })
    }

    /// Bytes that are likely to be read.
    pub(crate) fn bytes(&self) -> u64 {
        let bytes = |file: &JobFile| {
            let size = file.file.size;
            match file.grown_part() {
                _ if self.rebuild => size,
                _ if file.is_unchanged() => 0,
                Some(part) => size.saturating_sub(part.through),
                None => size,
            }
        };
        self.files.iter().map(bytes).sum()
    }
}
