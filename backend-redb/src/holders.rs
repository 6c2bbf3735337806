//! Who has a store open: notes in the lock file beside it, so that whoever is refused learns why.
//!
//! They are for people. What is refused is decided by redb's locks, which go with their process; a
//! note that could not be written, or that outlived a killed process for a while, changes nothing.

use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use threadkeep_core::{Error, ErrorKind, Timestamp};

use crate::Sharing;
use crate::files::Files;

/// How long to wait for the lock file. Whoever has it opens or creates the store.
const PATIENCE: Duration = Duration::from_millis(50);

/// One process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Holder {
    process: u32,
    program: String,
    sharing: Sharing,
    since: Timestamp,
}

/// Notes that this process has the store at `path` open since this time.
pub(crate) fn enter(files: &dyn Files, path: &Path, sharing: Sharing, since: Timestamp) {
    let program = std::env::current_exe().ok();
    let program = program.as_deref().and_then(Path::file_name).unwrap_or_default();
    let this = Holder {
        process: std::process::id(),
        program: program.to_string_lossy().into_owned(),
        sharing,
        since,
    };
    change(files, path, |holders| holders.push(this));
}

/// Notes that this process has closed it.
pub(crate) fn leave(files: &dyn Files, path: &Path) {
    change(files, path, |_| {});
}

/// Rewrites the notes without those of this process and of processes that have ended.
fn change(files: &dyn Files, path: &Path, change: impl FnOnce(&mut Vec<Holder>)) {
    let Ok(_lock) = files.lock(path, PATIENCE) else { return };
    let mut holders = read(files, path);
    holders.retain(|holder| holder.process != std::process::id());
    change(&mut holders);
    let lines: Vec<_> =
        holders.iter().filter_map(|holder| serde_json::to_string(holder).ok()).collect();
    if let Err(error) = files.set_note(path, &lines.join("\n")) {
        tracing::debug!(%error, "who has the store open was not noted");
    }
}

fn read(files: &dyn Files, path: &Path) -> Vec<Holder> {
    let text = files.note(path).unwrap_or_default();
    let holders = text.lines().filter_map(|line| serde_json::from_str::<Holder>(line).ok());
    holders.filter(|holder| is_alive(holder.process)).collect()
}

/// Whether there is such a process; where that cannot be asked, there is.
fn is_alive(process: u32) -> bool {
    !cfg!(target_os = "linux") || Path::new("/proc").join(process.to_string()).exists()
}

/// The refusal of a store that others have open in a way that admits nobody else.
pub(crate) fn locked(files: &dyn Files, path: &Path, sharing: Sharing, cause: Error) -> Error {
    let holders: Vec<_> = read(files, path).iter().map(Holder::describe).collect();
    let by = match holders.as_slice() {
        [] => "by a process that left no note".to_owned(),
        holders => format!("by {}", holders.join(", ")),
    };
    let text = format!("{} cannot be opened as {sharing}: it is open {by}", path.display());
    Error::new(ErrorKind::Locked, text)
        .hint("close it there, or open it in the same way if that is auto")
        .with_source(cause)
}

impl Holder {
    fn describe(&self) -> String {
        let Self { process, program, sharing, since } = self;
        format!("process {process} ({program}) as {sharing} since {since}")
    }
}
