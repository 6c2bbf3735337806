//! PostgreSQL's own programs: where they are, and how they are run.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::account::Account;
use crate::error::{During, Error, Result};

/// Where Debian and its relatives keep one folder a major version.
const DEBIAN: &str = "/usr/lib/postgresql";

/// The folder that holds `initdb` and `postgres`.
#[derive(Clone, Debug)]
pub(crate) struct Programs {
    folder: PathBuf,
    /// Which binary this is, so that another one never uses its template cluster.
    pub(crate) version: String,
}

impl Programs {
    /// Those on `PATH`, else the newest of Debian's.
    pub(crate) fn find() -> Result<Self> {
        let on_path = env::var_os("PATH")
            .into_iter()
            .flat_map(|path| env::split_paths(&path).collect::<Vec<_>>());
        let folder =
            on_path.chain(debian()).find_map(|folder| complete(&folder)).ok_or_else(|| {
                Error::Missing(format!("no initdb and postgres on PATH or in {DEBIAN}/*/bin"))
            })?;
        let output = Command::new(folder.join("postgres"))
            .arg("--version")
            .output()
            .during("postgres --version")?;
        let text = String::from_utf8_lossy(&output.stdout);
        // "postgres (PostgreSQL) 15.18 (Debian …)"
        let version = text.split_whitespace().nth(2).unwrap_or("unknown").to_owned();
        Ok(Self { folder, version })
    }

    /// One of the programs, run as `account` and with nothing of this process's environment that
    /// could change what it does (`PGHOST`, `PGOPTIONS`, `LC_ALL` and more).
    pub(crate) fn command(&self, program: &str, account: &Account, folder: &Path) -> Command {
        let beside = self.folder.join(program);
        let mut command = if beside.is_file() { bare(beside) } else { bare(Path::new(program)) };
        account.apply(&mut command);
        command.current_dir(folder);
        command
    }
}

/// `psql`, on `PATH` or beside the newest server.
pub(crate) fn psql() -> Command {
    let beside = debian().into_iter().map(|folder| folder.join("psql")).find(|it| it.is_file());
    let on_path = env::var_os("PATH")
        .and_then(|path| env::split_paths(&path).map(|it| it.join("psql")).find(|it| it.is_file()));
    bare(on_path.or(beside).unwrap_or_else(|| PathBuf::from("psql")))
}

/// A command with no environment but where to find programs.
pub(crate) fn bare(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.env_clear().env("LC_ALL", "C");
    if let Some(path) = env::var_os("PATH") {
        command.env("PATH", path);
    }
    command
}

/// Runs to the end and gives what was printed; anything but success is an error with its words.
pub(crate) fn run(command: &mut Command) -> Result<String> {
    let name = Path::new(command.get_program())
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let output = command.output().map_err(|cause| match cause.kind() {
        std::io::ErrorKind::NotFound => Error::Missing(format!("the program {name}")),
        _ => Error::failed(&name, cause),
    })?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(Error::failed(
            format_args!("{name} ended with {}", output.status),
            String::from_utf8_lossy(&output.stderr).trim(),
        ))
    }
}

/// Where a folder's server really is, if it has one: `PATH` may hold links to some programs only.
fn complete(folder: &Path) -> Option<PathBuf> {
    let postgres = folder.join("postgres").canonicalize().ok()?;
    let real = postgres.parent()?;
    real.join("initdb").is_file().then(|| real.to_owned())
}

/// Debian's folders, newest version first.
fn debian() -> Vec<PathBuf> {
    let mut found: Vec<(u32, PathBuf)> = fs::read_dir(DEBIAN)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let major = entry.file_name().to_str()?.parse().ok()?;
            Some((major, entry.path().join("bin")))
        })
        .collect();
    found.sort();
    found.into_iter().rev().map(|(_, folder)| folder).collect()
}
