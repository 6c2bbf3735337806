//! How far the log was read: cursors on the command line and in files.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use threadkeep::{Error, ErrorKind, LogCursor};

use super::read::Log;
use crate::args::SelectArgs;

/// More than any cursor has.
const BYTES: u64 = 200;

/// Where reading begins, and how far it came.
#[derive(Debug, Default)]
pub(super) struct Position {
    start: Option<LogCursor>,
    reached: LogCursor,
    file: Option<PathBuf>,
}

impl Position {
    pub(super) fn read(args: &SelectArgs) -> Result<Self, Error> {
        let start = match (&args.after, &args.cursor_file) {
            (Some(text), _) => Some(text.parse()?),
            (None, Some(path)) => stored(path)?,
            (None, None) => None,
        };
        let reached = start.unwrap_or_default();
        Ok(Self { start, reached, file: args.cursor_file.clone() })
    }

    /// Refuses a position that the store never had.
    pub(super) fn check(&self, log: &Log<'_>) -> Result<(), Error> {
        let known = log.newest_id().max(log.deleted_through());
        match self.start {
            Some(start) if start.id() > known => {
                let beyond = format!("the cursor {start} is behind the end of the log");
                let error = Error::new(ErrorKind::InvalidCursor, beyond);
                Err(match &self.file {
                    None => error.hint("use it with the store that gave it, or start without one"),
                    Some(file) => error.hint(format!(
                        "use it with the store that gave it, or delete {} to begin anew",
                        file.display()
                    )),
                })
            }
            _ => Ok(()),
        }
    }

    /// The position to begin after, where one was given.
    pub(super) fn start(&self) -> Option<LogCursor> {
        self.start
    }

    pub(super) fn reached(&self) -> LogCursor {
        self.reached
    }

    /// Everything up to here was handed over. Where a file keeps the position, it does so when this
    /// returns.
    pub(super) fn reach(&mut self, reached: LogCursor) -> Result<(), Error> {
        if let Some(path) = &self.file
            && (self.start.is_none() || reached != self.reached)
        {
            store(path, reached).map_err(|error| unusable(path, "written", error))?;
            // From now on the file is there.
            self.start = Some(reached);
        }
        self.reached = reached;
        Ok(())
    }
}

/// The cursor in a file; `None` where there is no file yet, or an empty one.
fn stored(path: &Path) -> Result<Option<LogCursor>, Error> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return folder_exists(path).map(|()| None);
        }
        Err(error) => return Err(unusable(path, "read", error)),
    };
    let mut bytes = Vec::new();
    file.take(BYTES).read_to_end(&mut bytes).map_err(|error| unusable(path, "read", error))?;
    let text = String::from_utf8_lossy(&bytes);
    match text.trim() {
        "" => Ok(None),
        text => text.parse().map(Some).map_err(|_| {
            let what = format!("the file {} holds no cursor of a log", path.display());
            Error::new(ErrorKind::InvalidCursor, what)
                .hint("delete it to begin anew, or name another with --cursor-file")
        }),
    }
}

/// Whether a file can be made there: to learn it only after everything was printed would have it
/// printed again.
fn folder_exists(path: &Path) -> Result<(), Error> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    match folder {
        Some(folder) if !folder.is_dir() => {
            let what = format!("there is no folder {} for the cursor file", folder.display());
            Err(Error::new(ErrorKind::NotFound, what)
                .hint("make the folder, or name another file with --cursor-file"))
        }
        _ => Ok(()),
    }
}

/// Replaces the file in one step, so that whoever reads it, also after a crash, finds a whole
/// cursor.
fn store(path: &Path, cursor: LogCursor) -> io::Result<()> {
    // What a link leads to is replaced, not the link.
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.tmp", std::process::id()));
    let beside = path.with_file_name(name);
    fs::write(&beside, format!("{cursor}\n"))?;
    fs::rename(&beside, &path).inspect_err(|_| {
        let _ = fs::remove_file(&beside);
    })
}

fn unusable(path: &Path, what: &str, error: io::Error) -> Error {
    Error::new(ErrorKind::Io, format!("the cursor file {} cannot be {what}", path.display()))
        .with_source(error)
        .hint("name a file that you may read and write with --cursor-file")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(path: &Path) -> Result<Position, Error> {
        let start = stored(path)?;
        let reached = start.unwrap_or_default();
        Ok(Position { start, reached, file: Some(path.to_owned()) })
    }

    #[test]
    fn a_file_is_made_and_replaced_and_nothing_is_left_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("seen");
        let mut position = of(&path).unwrap();
        assert_eq!(position.start(), None);
        position.reach(LogCursor::new(0)).unwrap();
        assert_eq!(of(&path).unwrap().start(), Some(LogCursor::new(0)), "also of an empty log");
        position.reach(LogCursor::new(7)).unwrap();
        let written = fs::metadata(&path).unwrap().modified().unwrap();
        position.reach(LogCursor::new(7)).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().modified().unwrap(), written);
        let again = of(&path).unwrap();
        assert_eq!((again.start(), again.reached()), (Some(position.reached()), LogCursor::new(7)));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn files_that_hold_something_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("seen");
        fs::write(&path, " \n").unwrap();
        assert_eq!(of(&path).unwrap().start(), None);
        let long = "l".repeat(100_000);
        for text in [&b"nonsense"[..], b"l1-7-00000000", b"\xff\xfe", long.as_bytes()] {
            fs::write(&path, text).unwrap();
            let error = of(&path).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidCursor);
            assert!(error.to_string().contains("seen") && error.hint_text().is_some(), "{error}");
        }
        assert_eq!(of(folder.path()).unwrap_err().kind(), ErrorKind::Io);
        let error = of(&folder.path().join("no/such")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
    }

    #[cfg(unix)]
    #[test]
    fn a_link_stays_a_link() {
        let folder = tempfile::tempdir().unwrap();
        let (link, path) = (folder.path().join("link"), folder.path().join("seen"));
        fs::write(&path, "").unwrap();
        std::os::unix::fs::symlink(&path, &link).unwrap();
        of(&link).unwrap().reach(LogCursor::new(3)).unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(of(&path).unwrap().start(), Some(LogCursor::new(3)));
    }
}
