//! Finding the databases of Codex: their names carry the number of their shape.

use std::path::{Path, PathBuf};

use threadkeep::{Error, ErrorKind, Result};

/// Where Codex has its databases, should they not be in its home.
const SQLITE_HOME: &str = "CODEX_SQLITE_HOME";

/// What Codex keeps in databases of their own, and a store has no place for.
const STRANGERS: [&str; 4] = ["goals", "memories", "queue", "thread_history"];

/// Databases of one kind in one folder: the newest, and the others.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) newest: Option<PathBuf>,
    /// The newer first.
    pub(super) others: Vec<PathBuf>,
}

/// The state databases of a home, or of the folder that the environment names for them.
pub(super) fn state(home: &Path) -> Result<Found> {
    let found = inside(home, "state")?;
    if found.newest.is_some() {
        return Ok(found);
    }
    if let Some(folder) = std::env::var_os(SQLITE_HOME).filter(|folder| !folder.is_empty()) {
        let folder = PathBuf::from(folder);
        let found = inside(&folder, "state")?;
        if found.newest.is_some() {
            return Ok(found);
        }
    }
    let text = format!("there is no state database of Codex in {}", home.display());
    Err(Error::new(ErrorKind::NotFound, text)
        .hint("name it with --db, such as --db ~/.codex/state_5.sqlite"))
}

/// The log databases beside a state database.
pub(super) fn logs(state: &Path) -> Result<Found> {
    inside(state.parent().unwrap_or(Path::new("")), "logs")
}

/// Other databases of Codex beside a state database, by name.
pub(super) fn strangers(state: &Path) -> Vec<String> {
    let beside = state.parent().and_then(|folder| folder.read_dir().ok()).into_iter().flatten();
    let names = beside.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
    let mut names: Vec<_> =
        names.filter(|name| STRANGERS.iter().any(|stem| number(name, stem).is_some())).collect();
    names.sort_unstable();
    names
}

fn inside(folder: &Path, stem: &str) -> Result<Found> {
    let unreadable = |error: std::io::Error| {
        let text = format!("{} cannot be looked into", folder.display());
        Error::new(ErrorKind::Io, text).with_source(error).hint("name the database with --db")
    };
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let mut found = Vec::new();
    for entry in folder.read_dir().map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        // Also through links, which is why the path is asked and not the entry.
        if let Some(number) = number(&name, stem).filter(|_| path.is_file()) {
            found.push((number, path));
        }
    }
    found.sort_unstable_by(|a, b| b.cmp(a));
    let mut found = found.into_iter().map(|(_, path)| path);
    Ok(Found { newest: found.next(), others: found.collect() })
}

/// The number in a name such as `state_5.sqlite`; 0 where there is none. `None` for other names.
fn number(name: &str, stem: &str) -> Option<u64> {
    let name = name.strip_suffix(".sqlite").or_else(|| name.strip_suffix(".db"))?;
    match name.strip_prefix(stem)? {
        "" => Some(0),
        rest => {
            let digits = rest.strip_prefix('_')?;
            digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_a_shape_is_in_the_name() {
        for (name, expected) in [
            ("state_5.sqlite", Some(5)),
            ("state_12.db", Some(12)),
            ("state.db", Some(0)),
            ("state.sqlite", Some(0)),
            ("state_5.sqlite-wal", None),
            ("state_5.sqlite.bak", None),
            ("state_.sqlite", None),
            ("state_5a.sqlite", None),
            ("state_99999999999999999999.sqlite", None),
            ("states.db", None),
            ("logs_2.sqlite", None),
        ] {
            assert_eq!(number(name, "state"), expected, "{name}");
        }
    }
}
