//! Finding the rollout files of a Codex home.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs::{self, DirEntry, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use threadkeep_core::{Error, ErrorKind, Result};

/// The folder of active threads' files, and that of archived ones.
const FOLDERS: [(&str, bool); 2] = [("sessions", false), ("archived_sessions", true)];

/// A Codex home: the folder that holds `sessions` and `archived_sessions`. Nothing is ever
/// written in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Home {
    root: PathBuf,
}

/// What lies in a home.
#[derive(Clone, Debug, Default)]
pub struct Scan {
    /// Its rollout files, by path.
    pub files: Vec<RolloutFile>,
    /// What could not be looked into: folders without permission, links that lead nowhere or in a
    /// circle, things that are named like a rollout file and are none.
    pub problems: Vec<SkippedFile>,
}

/// A rollout file as it was found, unopened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RolloutFile {
    /// Where it is; absolute where the home is.
    pub path: PathBuf,
    /// Whether it lies in the folder of archived threads.
    pub archived: bool,
    /// Its bytes on disk.
    pub size: u64,
    /// When it was last written; the start of 1970 where the system does not say.
    pub modified: SystemTime,
}

/// Something that could not be indexed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SkippedFile {
    /// The file or folder.
    pub path: PathBuf,
    /// Why.
    pub reason: String,
}

impl Home {
    /// The home at this folder, made absolute and free of links where it exists, so that it has
    /// one name however it is reached.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        let root = root.into();
        let absolute = root.canonicalize().or_else(|_| std::path::absolute(&root));
        Self { root: absolute.unwrap_or(root) }
    }

    /// The folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Fails where there is no such folder.
    pub(crate) fn check(&self) -> Result<()> {
        let root = self.root.display();
        let (kind, message) = match fs::metadata(&self.root) {
            Ok(found) if found.is_dir() => return Ok(()),
            Ok(_) => (ErrorKind::InvalidInput, format!("{root} is no folder")),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                (ErrorKind::NotFound, format!("there is no Codex home at {root}"))
            }
            Err(error) => (ErrorKind::Io, format!("the Codex home {root}: {}", reason(&error))),
        };
        Err(Error::new(kind, message).hint("give the folder that holds `sessions`"))
    }

    /// Finds every `rollout-*.jsonl` and `rollout-*.jsonl.zst`, at any depth, without opening
    /// one. Links are followed, each folder is visited once. Blocks on the file system.
    pub fn scan(&self) -> Scan {
        let mut walk = Walk::default();
        for (name, archived) in FOLDERS {
            let path = self.root.join(name);
            // A home without one of the folders is a young home.
            if let Ok(real) = path.canonicalize() {
                walk.folders.push(Folder { path, real, archived });
            } else if path.is_symlink() {
                walk.problem(path, "a link that leads nowhere");
            }
        }
        walk.run();
        // As bytes: comparing paths by their parts takes many times as long.
        walk.scan.files.sort_unstable_by(|a, b| a.path.as_os_str().cmp(b.path.as_os_str()));
        walk.scan.problems.sort_unstable_by(|a, b| a.path.cmp(&b.path));
        walk.scan
    }
}

impl RolloutFile {
    /// Whether its text is compressed.
    pub fn is_compressed(&self) -> bool {
        self.path.extension() == Some(OsStr::new("zst"))
    }

    /// When it was last written, in nanoseconds after the start of 1970.
    pub(crate) fn modified_nanos(&self) -> i64 {
        let nanos = |nanos: u128| i64::try_from(nanos).unwrap_or(i64::MAX);
        match self.modified.duration_since(UNIX_EPOCH) {
            Ok(after) => nanos(after.as_nanos()),
            Err(before) => -nanos(before.duration().as_nanos()),
        }
    }
}

struct Folder {
    path: PathBuf,
    /// The path without links, by which a folder is known.
    real: PathBuf,
    archived: bool,
}

#[derive(Default)]
struct Walk {
    scan: Scan,
    folders: Vec<Folder>,
    /// Folders reached by a link wait, so that a folder is met under its own path if it has one
    /// in the home.
    linked: Vec<Folder>,
    visited: HashSet<PathBuf>,
}

impl Walk {
    fn run(&mut self) {
        while let Some(folder) = self.folders.pop().or_else(|| self.linked.pop()) {
            if !self.visited.insert(folder.real.clone()) {
                continue;
            }
            match fs::read_dir(&folder.path) {
                Ok(entries) => entries.for_each(|entry| match entry {
                    Ok(entry) => self.entry(&folder, &entry),
                    Err(error) => self.problem(folder.path.clone(), reason(&error)),
                }),
                Err(error) => self.problem(folder.path, reason(&error)),
            }
        }
    }

    fn entry(&mut self, folder: &Folder, entry: &DirEntry) {
        let name = entry.file_name();
        let is_link = entry.file_type().is_ok_and(|kind| kind.is_symlink());
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if is_folder {
            let (path, real) = (entry.path(), folder.real.join(&name));
            self.folders.push(Folder { path, real, archived: folder.archived });
        } else if is_link || is_rollout(&name) {
            let metadata = if is_link { fs::metadata(entry.path()) } else { entry.metadata() };
            match metadata {
                Ok(found) if found.is_dir() => self.link(folder, entry.path()),
                _ if !is_rollout(&name) => {}
                Ok(found) if found.is_file() => self.file(folder, entry.path(), &found),
                Ok(_) => self.problem(entry.path(), "not a regular file"),
                Err(error) => self.problem(entry.path(), reason(&error)),
            }
        }
    }

    fn link(&mut self, folder: &Folder, path: PathBuf) {
        match path.canonicalize() {
            Ok(real) if folder.real.starts_with(&real) => {
                self.problem(path, "a link to a folder that it lies in");
            }
            Ok(real) => self.linked.push(Folder { path, real, archived: folder.archived }),
            Err(error) => self.problem(path, reason(&error)),
        }
    }

    fn file(&mut self, folder: &Folder, path: PathBuf, found: &Metadata) {
        let modified = found.modified().unwrap_or(UNIX_EPOCH);
        let (archived, size) = (folder.archived, found.len());
        self.scan.files.push(RolloutFile { path, archived, size, modified });
    }

    fn problem(&mut self, path: PathBuf, reason: impl Into<String>) {
        self.scan.problems.push(SkippedFile { path, reason: reason.into() });
    }
}

fn is_rollout(name: &OsStr) -> bool {
    let name = name.as_encoded_bytes();
    let name = name.strip_suffix(b".zst").unwrap_or(name);
    name.starts_with(b"rollout-") && name.ends_with(b".jsonl")
}

/// What the system says of a failure, without the code that only programs read.
pub(crate) fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    text.split_once(" (os error").map_or(text.as_str(), |(words, _)| words).to_owned()
}
