//! What a run did.

use std::path::PathBuf;
use std::time::Duration;

use crate::SkippedFile;
use crate::job::Findings;

/// What a run did. Lines, items and bytes are those of the files it opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct IndexReport {
    /// Rollout files found.
    pub files_seen: u64,
    /// Of these, opened.
    pub files_opened: u64,
    /// Of these, read and taken into their thread.
    pub indexed: u64,
    /// Files that were not opened, because they are as they were.
    pub unchanged: u64,
    /// Threads that the files found make.
    pub threads: u64,
    /// Of these, with their file among the archived ones.
    pub archived: u64,
    /// Files that lost against another file of the same thread, by path.
    pub duplicates: Vec<Duplicate>,
    /// What gave no thread, and why, by path; also what did so in an earlier run and is as it was.
    pub skipped: Vec<SkippedFile>,
    /// Complete lines that could not be read, the oversized among them.
    pub malformed_lines: u64,
    /// Lines longer than [`MAX_LINE_BYTES`](crate::MAX_LINE_BYTES), passed over.
    pub oversized_lines: u64,
    /// Lines of a type not known.
    pub unknown_items: u64,
    /// Files whose last line is not complete yet; it is read when it is.
    pub incomplete_tails: u64,
    /// Where the malformed and oversized lines are, by path.
    pub damage: Vec<DamagedFile>,
    /// Bytes read from disk.
    pub bytes_read: u64,
    /// How long it took, without waiting for another run.
    pub elapsed: Duration,
}

impl IndexReport {
    /// Adds what was found of one thread.
    pub(crate) fn add(&mut self, found: Findings) {
        self.files_opened += found.opened;
        self.indexed += found.read;
        self.threads += u64::from(found.taken > 0);
        self.archived += u64::from(found.archived);
        self.duplicates.extend(found.duplicates);
        self.skipped.extend(found.skipped);
        for (path, odd) in found.oddities {
            self.malformed_lines += odd.malformed;
            self.oversized_lines += odd.oversized;
            self.unknown_items += odd.unknown;
            self.incomplete_tails += u64::from(odd.is_cut);
            if odd.malformed > 0 {
                let (malformed, first_offsets) = (odd.malformed, odd.first_offsets);
                self.damage.push(DamagedFile { path, malformed, first_offsets });
            }
        }
    }

    /// Brings the lists into the order of paths, whoever was done first.
    pub(crate) fn sort(&mut self) {
        self.duplicates.sort_unstable_by(|a, b| a.path.cmp(&b.path));
        self.skipped.sort_unstable_by(|a, b| a.path.cmp(&b.path));
        self.damage.sort_unstable_by(|a, b| a.path.cmp(&b.path));
    }
}

/// A file that lost against another file of the same thread.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Duplicate {
    /// The file that lost.
    pub path: PathBuf,
    /// The one that was taken.
    pub kept: PathBuf,
}

/// A file with lines that could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DamagedFile {
    /// The file.
    pub path: PathBuf,
    /// Lines that could not be read, the oversized among them.
    pub malformed: u64,
    /// Where the first [`Self::OFFSETS`] of them begin, in bytes of the uncompressed text.
    pub first_offsets: Vec<u64>,
}

impl DamagedFile {
    /// How many offsets are kept of a file.
    pub const OFFSETS: usize = 20;
}
