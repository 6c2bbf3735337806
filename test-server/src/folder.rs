//! Where servers keep their files: a folder that the server's account can reach.

use std::env;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::account::Account;
use crate::error::{During, Error, Result};

/// A Unix socket's whole path has at most 107 bytes; this leaves room for what comes below.
const LONGEST: usize = 60;

/// Free bytes from which memory is used; containers often have a few megabytes only.
const ROOM: u64 = 4 << 30;

/// The first of the usual temporary folders that is short enough and whose parents `account` may
/// pass through.
pub(crate) fn base(account: &Account) -> Result<PathBuf> {
    [env::temp_dir(), PathBuf::from("/tmp"), PathBuf::from("/var/tmp")]
        .into_iter()
        .filter_map(|folder| fs::canonicalize(folder).ok())
        .find(|folder| folder.as_os_str().len() <= LONGEST && reachable(folder, account))
        .ok_or_else(|| {
            Error::Missing("a temporary folder with a short path that all may pass".to_owned())
        })
}

/// The file system in memory where Linux has it and it has room, else `disk`. Copying a cluster's
/// thousand small files there takes a tenth of the time.
pub(crate) fn fastest(disk: &Path, account: &Account) -> PathBuf {
    let memory = Path::new("/dev/shm");
    let room = rustix::fs::statvfs(memory).map_or(0, |it| it.f_bavail.saturating_mul(it.f_frsize));
    let base = if room >= ROOM && reachable(memory, account) { memory } else { disk };
    base.to_owned()
}

/// A new folder below `base`, the account's own and closed to others. It is the caller's to remove.
pub(crate) fn fresh(base: &Path, account: &Account) -> Result<PathBuf> {
    let folder = tempfile::Builder::new()
        .prefix("threadkeep-postgres-")
        .tempdir_in(base)
        .during(format_args!("creating a folder in {}", base.display()))?
        .keep();
    account.own(&folder)?;
    Ok(folder)
}

fn reachable(folder: &Path, account: &Account) -> bool {
    folder.ancestors().all(|part| {
        let Ok(found) = fs::metadata(part) else { return false };
        let open = 0o001;
        let own = 0o100;
        found.mode() & open != 0 || (found.uid() == account.user() && found.mode() & own != 0)
    })
}
