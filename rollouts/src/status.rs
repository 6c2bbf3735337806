//! How an index compares with the files, without opening one.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use threadkeep_core::{Result, Store, ThreadId, ThreadQuery, limits};

use crate::plan::{Known, Matched};
use crate::state::{Content, Keys, Part, load};
use crate::wait::blocking;
use crate::{Home, SkippedFile};

/// How an index compares with the files of a home.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct IndexStatus {
    /// Every file found, by path.
    pub files: Vec<FileStatus>,
    /// Indexed threads of this home whose file is not there any more, by id.
    pub missing: Vec<MissingFile>,
    /// What could not be looked into.
    pub problems: Vec<SkippedFile>,
}

/// A file, and how the index stands to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileStatus {
    /// The file.
    pub path: PathBuf,
    /// How the index stands to it.
    pub state: FileState,
}

/// How the index stands to a file.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FileState {
    /// It is indexed as it is.
    Ok,
    /// It was written to, replaced or moved since.
    Behind {
        /// How much of its text the index has read, in bytes.
        through: u64,
    },
    /// The index has never seen it.
    NotIndexed,
    /// It is as it was when it lost against another file of its thread.
    Duplicate,
    /// It is as it was when it gave no thread, for this reason.
    Skipped(String),
}

/// A thread without its file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissingFile {
    /// The thread.
    pub id: ThreadId,
    /// Where its file was.
    pub path: PathBuf,
}

/// How many files of a home stand how to the index.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct StatusCounts {
    /// Indexed as they are, duplicates among them.
    pub ok: u64,
    /// Changed or moved since.
    pub behind: u64,
    /// Never seen.
    pub not_indexed: u64,
    /// Without a thread, for a known reason.
    pub skipped: u64,
    /// Threads without their file.
    pub missing: u64,
}

impl IndexStatus {
    /// The numbers.
    pub fn counts(&self) -> StatusCounts {
        let mut counts =
            StatusCounts { missing: self.missing.len() as u64, ..StatusCounts::default() };
        for file in &self.files {
            *match file.state {
                FileState::Ok | FileState::Duplicate => &mut counts.ok,
                FileState::Behind { .. } => &mut counts.behind,
                FileState::NotIndexed => &mut counts.not_indexed,
                FileState::Skipped(_) => &mut counts.skipped,
            } += 1;
        }
        counts
    }

    /// Whether a run would find nothing to do.
    pub fn is_complete(&self) -> bool {
        let counts = self.counts();
        counts.behind + counts.not_indexed == 0
    }
}

/// Compares an index with the files of a home. No file is opened; nothing is written.
///
/// # Errors
///
/// [`NotFound`](threadkeep_core::ErrorKind::NotFound) where there is no such home, and what the
/// store fails with.
pub async fn status(store: &dyn Store, home: &Home) -> Result<IndexStatus> {
    let Matched { files, problems, .. } = matched(store, home).await?;
    let missing = missing(store, home, &files).await?;
    let files =
        files.into_iter().map(|known| FileStatus { state: state(&known), path: known.file.path });
    Ok(IndexStatus { files: files.collect(), missing, problems })
}

/// How many files a run would open, or take note of being elsewhere. No file is opened, no
/// thread is read, nothing is written.
///
/// # Errors
///
/// Those of [`status`].
pub async fn unseen_files(store: &dyn Store, home: &Home) -> Result<u64> {
    let files = matched(store, home).await?.files;
    Ok(files.iter().filter(|known| !known.is_current()).count() as u64)
}

async fn matched(store: &dyn Store, home: &Home) -> Result<Matched> {
    home.check()?;
    let keys = Keys::new(home);
    let states = load(store, &keys, None).await?;
    let home = home.clone();
    blocking(move || Matched::new(home.scan(), &keys, states)).await
}

fn state(known: &Known) -> FileState {
    let through = |part: &Part| part.through;
    match &known.state {
        None => FileState::NotIndexed,
        Some(state) if !known.is_current() => {
            FileState::Behind { through: state.part().map_or(0, through) }
        }
        Some(state) => match &state.is {
            Content::Skipped(reason) => FileState::Skipped(reason.clone()),
            Content::Part(part) if part.lost => FileState::Duplicate,
            Content::Part(_) => FileState::Ok,
        },
    }
}

/// Threads whose file should be in the home's folders and is not.
async fn missing(store: &dyn Store, home: &Home, files: &[Known]) -> Result<Vec<MissingFile>> {
    let found: HashSet<&Path> = files.iter().map(|known| known.file.path.as_path()).collect();
    let mut missing = Vec::new();
    let mut query = Some(ThreadQuery::everything().limit(limits::PAGE_ITEMS));
    while let Some(page_query) = query {
        let page = store.list(page_query.clone()).await?;
        missing.extend(page.items.into_iter().filter_map(|row| {
            let path = row.rollout_path;
            let is_missing = path.starts_with(home.root()) && !found.contains(path.as_path());
            is_missing.then_some(MissingFile { id: row.id, path })
        }));
        query = page.next.map(|cursor| page_query.after(cursor));
    }
    let mut missing = blocking(move || {
        missing.retain(|thread| !thread.path.exists());
        missing
    })
    .await?;
    missing.sort_unstable_by_key(|thread| thread.id);
    Ok(missing)
}
