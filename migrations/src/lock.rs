//! The lock around creating and upgrading a store.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use threadkeep_core::{Error, ErrorKind, Result};

/// Held while a store is created or upgraded, so that of many processes that start together one
/// does it and the others find it done.
///
/// It is a lock of the operating system on a file beside the store, named like it with `.lock`
/// added: it goes with the process that holds it, however that ends. The file stays. Opening a
/// store that is up to date does not need it.
#[derive(Debug)]
pub struct UpgradeLock(File);

const POLL: Duration = Duration::from_millis(5);

impl UpgradeLock {
    /// Waits for the lock of the store at `path`, blocking the thread for up to `wait`.
    ///
    /// # Errors
    ///
    /// [`Busy`](ErrorKind::Busy) when the time is up, [`Io`](ErrorKind::Io) where the file system
    /// cannot lock or the file cannot be made.
    pub fn acquire(path: &Path, wait: Duration) -> Result<Self> {
        let path = lock_path(path);
        let failed = |error: std::io::Error| {
            Error::new(ErrorKind::Io, format!("cannot lock {}", path.display()))
                .hint("check that the folder may be written to and that its file system has locks")
                .with_source(error)
        };
        let file = private(OpenOptions::new().read(true).write(true).create(true).truncate(false))
            .open(&path)
            .map_err(failed)?;
        let start = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Self(file)),
                Err(TryLockError::Error(error)) => return Err(failed(error)),
                Err(TryLockError::WouldBlock) if start.elapsed() < wait => std::thread::sleep(POLL),
                Err(TryLockError::WouldBlock) => {
                    return Err(Error::new(
                        ErrorKind::Busy,
                        format!("another process is creating or upgrading the store: {} was locked for {wait:?}", path.display()),
                    )
                    .hint("wait until it has finished, then open the store again"));
                }
            }
        }
    }
}

impl Drop for UpgradeLock {
    fn drop(&mut self) {
        // Closing the file would unlock it too; this only says so.
        let _ = self.0.unlock();
    }
}

/// The lock file of the store at `path`.
pub fn lock_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    name.into()
}

/// Makes files that only their owner may read.
#[cfg(unix)]
fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600)
}

#[cfg(not(unix))]
fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    options
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_holder_at_a_time() {
        let path = std::env::temp_dir().join(format!("threadkeep-lock-{}", std::process::id()));
        let held = UpgradeLock::acquire(&path, Duration::ZERO).unwrap();
        let error = UpgradeLock::acquire(&path, Duration::from_millis(10)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Busy);
        drop(held);
        UpgradeLock::acquire(&path, Duration::ZERO).unwrap();
        std::fs::remove_file(lock_path(&path)).unwrap();
    }
}
