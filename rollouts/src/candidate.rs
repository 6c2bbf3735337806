//! Which files make a thread, and in what order.

use std::path::{Path, PathBuf};

use threadkeep_core::ThreadId;
use threadkeep_core::rollout::{Fold, RolloutName, file_key};

use crate::Duplicate;
use crate::job::{JobFile, Place};
use crate::read::FileRead;
use crate::state::Part;

/// A file with what is now known of it.
pub(crate) struct Candidate<'a> {
    pub(crate) file: &'a JobFile,
    pub(crate) part: Part,
    /// What was read of it now, until it is used.
    pub(crate) fold: Option<Fold>,
    /// Whether anything was read of it.
    pub(crate) is_read: bool,
    /// Whether that was all of it.
    pub(crate) is_whole: bool,
    segment: Option<ThreadId>,
}

impl<'a> Candidate<'a> {
    fn new(file: &'a JobFile, part: Part, fold: Option<Fold>, is_whole: bool) -> Self {
        let segment = RolloutName::of(&file.file.path).segment;
        let is_read = fold.is_some();
        Self { file, part, fold, is_read, is_whole, segment }
    }

    /// A file that was not opened, if it is known.
    pub(crate) fn known(file: &'a JobFile) -> Option<Self> {
        Some(Self::new(file, file.known_part()?.clone(), None, false))
    }

    /// A file that was read.
    pub(crate) fn read(file: &'a JobFile, read: FileRead) -> Self {
        Self::new(file, read.part, Some(read.fold), read.is_whole)
    }

    pub(crate) fn path(&self) -> &'a Path {
        &self.file.file.path
    }

    pub(crate) fn key(&self) -> String {
        file_key(self.path())
    }

    pub(crate) fn place(&self) -> Place {
        let modified = self.file.file.modified.into();
        Place { path: self.path().to_owned(), modified }
    }

    pub(crate) fn duplicate(&self, kept: &Path) -> Duplicate {
        Duplicate { path: self.path().to_owned(), kept: kept.to_owned() }
    }

    /// Active beats archived, then the one with more readable lines, then the one written later.
    fn rank(&self) -> (bool, u64, i64) {
        (!self.file.file.archived, self.part.readable, self.file.file.modified_nanos())
    }
}

/// A file that lost, and against which.
pub(crate) type Lost<'a> = (Candidate<'a>, PathBuf);

/// Sorts candidates, which come by path, into those that make the thread, in order, and those
/// that lose against another of the same segment.
pub(crate) fn take(candidates: Vec<Candidate<'_>>) -> (Vec<Candidate<'_>>, Vec<Lost<'_>>) {
    let mut taken: Vec<Candidate<'_>> = Vec::with_capacity(candidates.len());
    let mut losers = Vec::new();
    for mut candidate in candidates {
        match taken.iter_mut().find(|other| other.segment == candidate.segment) {
            None => taken.push(candidate),
            Some(best) => {
                if candidate.rank() > best.rank() {
                    std::mem::swap(best, &mut candidate);
                }
                losers.push(candidate);
            }
        }
    }
    taken.sort_by(|a, b| (a.part.started, a.path()).cmp(&(b.part.started, b.path())));
    let kept = |loser: &Candidate<'_>| {
        let winner = taken.iter().find(|winner| winner.segment == loser.segment);
        winner.map(|winner| winner.path().to_owned()).unwrap_or_default()
    };
    let lost = losers.into_iter().map(|loser| {
        let kept = kept(&loser);
        (loser, kept)
    });
    let lost = lost.collect();
    (taken, lost)
}
