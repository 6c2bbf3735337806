//! The tools a rollout file names.

use std::path::Path;

use threadkeep_core::{DynamicToolSpec, Error, ErrorKind, Result, ThreadId};

use crate::home::reason;
use crate::read::Reader;

/// The tools that the first record of this thread in its rollout file names, reading no further
/// than that; `None` where it names none, or where the file has no such record.
///
/// Blocks on the file system.
///
/// # Errors
///
/// [`NotFound`](ErrorKind::NotFound) where there is no such file, [`Io`](ErrorKind::Io) where it
/// cannot be read.
pub fn first_record_tools(path: &Path, id: ThreadId) -> Result<Option<Vec<DynamicToolSpec>>> {
    let mut reader = Reader::default();
    let found = reader.session_meta(path, |found| found.parse().ok() == Some(id));
    let (meta, _) = found.map_err(|error| {
        let kind = match error.kind() {
            std::io::ErrorKind::NotFound => ErrorKind::NotFound,
            _ => ErrorKind::Io,
        };
        Error::new(kind, format!("rollout file {}: {}", path.display(), reason(&error)))
            .hint("index the home again if the file was moved")
            .with_source(error)
    })?;
    Ok(meta.map(|meta| meta.dynamic_tools).filter(|tools| !tools.is_empty()))
}
