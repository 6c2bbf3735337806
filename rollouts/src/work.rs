//! Doing a job: reading a thread's files and finding out what the store is to be told.

use std::io::{Error, Result};

use threadkeep_core::rollout::Fold;
use threadkeep_core::{Mark, ThreadPatch, ThreadSeed, Timestamp};

use crate::SkippedFile;
use crate::candidate::{Candidate, take};
use crate::home::reason;
use crate::job::{Findings, Job, JobFile, Update};
use crate::read::{FileRead, Reader};
use crate::state::{Content, FileState};

/// Does a job. Files that cannot be read are named, and a thread that has one is left as it is:
/// its row is better than one without the file.
pub(crate) fn run(job: &Job, reader: &mut Reader, default_provider: &str) -> Findings {
    let mut found = Findings::default();
    let mut candidates = Vec::with_capacity(job.files.len());
    let mut failures = Vec::new();
    for file in &job.files {
        let is_opened = job.rebuild || !file.is_unchanged();
        found.opened += u64::from(is_opened);
        match look(job, file, reader, &mut found) {
            Ok(candidate) if candidate.part.readable > 0 => candidates.push(candidate),
            Ok(_) => {
                let reason = "no readable line".to_owned();
                let state = FileState::new(&file.file, Content::Skipped(reason.clone()));
                found.states.push((file.key.clone(), state));
                found.skip(file, reason);
            }
            Err(error) => failures.push((file, error)),
        }
    }
    let is_left_alone = failures.iter().any(|(file, _)| file.was_taken());
    for (file, error) in &failures {
        found.skip(file, reason(error));
    }
    if is_left_alone {
        return found.without_changes();
    }
    let (mut taken, lost) = take(candidates);
    match update(job, &mut taken, reader, default_provider, &mut found) {
        Ok(update) => found.update = update,
        Err((file, error)) => {
            found.skip(file, reason(&error));
            return found.without_changes();
        }
    }
    found.taken = taken.len() as u64;
    found.read = taken.iter().filter(|file| file.is_read).count() as u64;
    found.archived = taken.last().is_some_and(|last| last.file.file.archived);
    for candidate in taken {
        found.remember(candidate, false);
    }
    for (candidate, kept) in lost {
        found.duplicates.push(candidate.duplicate(&kept));
        found.remember(candidate, true);
    }
    found
}

impl Findings {
    pub(crate) fn skip(&mut self, file: &JobFile, reason: String) {
        self.skipped.push(SkippedFile { path: file.file.path.clone(), reason });
    }

    fn without_changes(self) -> Self {
        let Self { skipped, oddities, opened, .. } = self;
        Self { skipped, oddities, opened, ..Self::default() }
    }

    fn remember(&mut self, candidate: Candidate<'_>, lost: bool) {
        let mut part = candidate.part;
        part.lost = lost;
        let file = candidate.file;
        self.states.push((file.key.clone(), FileState::new(&file.file, Content::Part(part))));
    }

    /// Takes note of what was odd about a file, in place of what an earlier reading said.
    fn note<'a>(&mut self, file: &'a JobFile, mut read: FileRead) -> Candidate<'a> {
        self.oddities.retain(|(path, _)| *path != file.file.path);
        self.oddities.push((file.file.path.clone(), std::mem::take(&mut read.oddities)));
        Candidate::read(file, read)
    }
}

/// Finds out what is now to be known of a file, reading no more of it than needed.
fn look<'a>(
    job: &Job,
    file: &'a JobFile,
    reader: &mut Reader,
    found: &mut Findings,
) -> Result<Candidate<'a>> {
    if !job.rebuild {
        if file.is_unchanged()
            && let Some(known) = Candidate::known(file)
        {
            return Ok(known);
        }
        if let Some(part) = file.grown_part()
            && let Some(read) = reader.rest(&file.file, part)?
        {
            return Ok(found.note(file, read));
        }
    }
    Ok(found.note(file, reader.whole(&file.file, job.id)?))
}

/// What the store is to be told, reading whole what was not, where it must be.
fn update<'a>(
    job: &Job,
    taken: &mut Vec<Candidate<'a>>,
    reader: &mut Reader,
    default_provider: &str,
    found: &mut Findings,
) -> std::result::Result<Update, (&'a JobFile, Error)> {
    if taken.is_empty() {
        return Ok(Update::None);
    }
    let were_taken = job.files.iter().filter(|file| file.was_taken()).count();
    if !job.rebuild && were_taken > 0 && goes_on(taken, were_taken) {
        return Ok(more(taken, were_taken));
    }
    let is_new = !job.rebuild && were_taken == 0 && taken.iter().all(|file| file.is_whole);
    for candidate in taken.iter_mut().filter(|candidate| !candidate.is_whole) {
        let file = candidate.file;
        let read = reader.whole(&file.file, job.id).map_err(|error| (file, error))?;
        *candidate = found.note(file, read);
    }
    let Some(place) = taken.last().map(Candidate::place) else {
        return Ok(Update::None);
    };
    let began = taken.iter().find_map(|file| file.fold.as_ref()?.session_at());
    let began = began.unwrap_or(taken[0].part.started);
    let is_archived = taken.last().is_some_and(|last| last.file.file.archived);
    let seed = ThreadSeed::new(job.id, &place.path, began)
        .model_provider(default_provider)
        .archived_at(is_archived.then_some(place.modified));
    let (seed, patch) = (Box::new(seed), Box::new(patch(taken)));
    Ok(if is_new { Update::New(seed, patch, place) } else { Update::Anew(seed, patch) })
}

/// Whether the files are those that made the thread before, the last of them perhaps grown, and
/// perhaps later ones.
fn goes_on(taken: &[Candidate<'_>], were_taken: usize) -> bool {
    let Some((before, after)) = taken.split_at_checked(were_taken) else {
        return false;
    };
    let Some((last, earlier)) = before.split_last() else {
        return false;
    };
    before.iter().all(|file| file.file.was_taken() && !file.is_whole)
        && earlier.iter().all(|file| file.fold.is_none())
        && after.iter().all(|file| file.is_whole)
        // A row's mark orders files by name.
        && std::iter::once(last).chain(after).map(Candidate::key).is_sorted()
}

fn more(taken: &mut [Candidate<'_>], were_taken: usize) -> Update {
    let before = &taken[were_taken - 1];
    let known = before.file.known_part();
    let through = known.map_or(0, |known| known.through);
    let after = Mark { file: before.key(), through };
    let is_moved = before.file.moved && taken.len() == were_taken;
    let place = (is_moved || taken.len() > were_taken).then(|| taken[taken.len() - 1].place());
    if taken.iter().all(|file| file.fold.is_none()) {
        return place.map_or(Update::None, Update::Moved);
    }
    let mut patch = patch(taken);
    // Nothing new was read, but the file was written to: no mark, so that this is not passed over
    // as known already.
    patch.mark.take_if(|mark| *mark == after);
    Update::More { after, patch: Box::new(patch), place }
}

/// What was read of these files, as one.
fn patch(taken: &mut [Candidate<'_>]) -> ThreadPatch {
    let folds = taken.iter_mut().filter_map(|file| file.fold.take());
    let mut patch = folds.map(Fold::into_patch).fold(ThreadPatch::default(), ThreadPatch::then);
    patch.updated_at = taken.iter().map(|file| Timestamp::from(file.file.file.modified)).max();
    patch.mark = taken.last().map(|last| Mark { file: last.key(), through: last.part.through });
    patch
}
