//! Where things are: the Codex home, and the store when none is named.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use threadkeep::{Error, ErrorKind, Result};

/// The Codex home: what was asked for, else `~/.codex`.
pub(crate) fn codex_home(asked: Option<PathBuf>) -> Result<PathBuf> {
    let home = match asked {
        Some(home) if !home.as_os_str().is_empty() => home,
        _ => user_home()?.join(".codex"),
    };
    // What is stored must not depend on the folder the program was started in.
    std::path::absolute(&home).map_err(|error| {
        Error::new(ErrorKind::Io, format!("{}: the path cannot be made absolute", home.display()))
            .with_source(error)
    })
}

/// The URL of the store in the user's data folder, whose own folder is made where it is missing.
pub(crate) fn default_store() -> Result<String> {
    let folder = store_folder()?;
    create_private(&folder).map_err(|error| {
        Error::new(ErrorKind::Io, format!("the folder {} cannot be made", folder.display()))
            .with_source(error)
            .hint("make it yourself, or choose a store with --store sqlite:PATH")
    })?;
    default_store_url()
}

/// The same URL, whether anything is there or not.
pub(crate) fn default_store_url() -> Result<String> {
    let path = store_folder()?.join("threads.db");
    let Some(path) = path.to_str() else {
        return Err(Error::invalid_input(format!("{} is not UTF-8", path.display()))
            .hint("choose a store with --store sqlite:PATH"));
    };
    Ok(format!("sqlite:{path}"))
}

fn store_folder() -> Result<PathBuf> {
    Ok(data_folder()?.join("threadkeep"))
}

fn user_home() -> Result<PathBuf> {
    env::home_dir().filter(|home| !home.as_os_str().is_empty()).ok_or_else(|| {
        Error::new(ErrorKind::NotFound, "your home folder is not known")
            .hint("set HOME, or give --home and --store")
    })
}

fn data_folder() -> Result<PathBuf> {
    if cfg!(windows)
        && let Some(folder) = absolute(env::var_os("LOCALAPPDATA"))
    {
        return Ok(folder);
    }
    if cfg!(target_os = "macos") {
        return Ok(user_home()?.join("Library/Application Support"));
    }
    match absolute(env::var_os("XDG_DATA_HOME")) {
        Some(folder) => Ok(folder),
        None => Ok(user_home()?.join(".local/share")),
    }
}

/// The base directory specification has relative paths ignored.
fn absolute(value: Option<OsString>) -> Option<PathBuf> {
    value.map(PathBuf::from).filter(|path| path.is_absolute())
}

fn create_private(folder: &Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}
