//! A small disk for tests of what happens when a disk is full.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::process::geteuid;

use crate::error::{During, Error, Result};
use crate::programs::{bare, run};
use crate::server::Server;

/// A tablespace on a file system of its own and of limited size, in memory. Unmounted on drop, after
/// which what the server kept there is lost.
#[derive(Debug)]
pub struct Tablespace {
    name: String,
    folder: PathBuf,
}

impl Server {
    /// Mounts a small disk and makes it a tablespace.
    ///
    /// [`Error::Missing`] where this process may not mount (not root, or a container without the
    /// right) or the server was given.
    pub fn small_disk(&self, megabytes: u32) -> Result<Tablespace> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);

        let private = self.private()?;
        if !geteuid().is_root() {
            return Err(Error::Missing("the right to mount a small disk (root)".to_owned()));
        }
        let name = format!("disk_{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        // The watchdog unmounts folders of this name.
        let folder = private.process.folder().join(name.replace('_', "-"));
        fs::create_dir(&folder).during("creating the small disk's folder")?;
        let (user, group) = private.process.account.other().unwrap_or_default();
        run(bare("mount")
            .args(["-t", "tmpfs", "-o"])
            .arg(format!("size={megabytes}m,mode=0700,uid={user},gid={group}"))
            .arg("tmpfs")
            .arg(&folder))
        .map_err(|cause| Error::Missing(format!("a mounted small disk: {cause}")))?;
        // From here on, dropping the value unmounts.
        let tablespace = Tablespace { name, folder };
        // The folder that the server uses must be empty, and its own.
        let space = tablespace.folder.join("space");
        fs::create_dir(&space).during("creating the tablespace's folder")?;
        private.process.account.own(&space)?;
        self.psql(&format!(
            "create tablespace {} location '{}'",
            tablespace.name,
            space.display()
        ))?;
        Ok(tablespace)
    }
}

impl Tablespace {
    /// The tablespace's name in SQL; it needs no quotes.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where the disk is mounted.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Takes all room that is left, until [`empty`](Self::empty).
    pub fn fill(&self) -> Result<()> {
        let mut file = File::options()
            .create(true)
            .append(true)
            .open(self.filler())
            .during("opening the filler")?;
        let mut size = 64 * 1024;
        while size > 0 {
            match file.write_all(&vec![1; size]) {
                Ok(()) => {}
                Err(cause) if cause.kind() == io::ErrorKind::StorageFull => size /= 2,
                Err(cause) => return Err(Error::failed("filling the small disk", cause)),
            }
        }
        Ok(())
    }

    /// Gives back the room that [`fill`](Self::fill) took.
    pub fn empty(&self) -> Result<()> {
        fs::remove_file(self.filler()).during("removing the filler")
    }

    /// Changes the disk's size; what is on it stays.
    pub fn resize(&self, megabytes: u32) -> Result<()> {
        run(bare("mount").arg("-o").arg(format!("remount,size={megabytes}m")).arg(&self.folder))
            .map(drop)
    }

    fn filler(&self) -> PathBuf {
        self.folder.join("filler")
    }
}

impl Drop for Tablespace {
    fn drop(&mut self) {
        // The server may have files open there, hence lazily; the watchdog tries again.
        let _ = run(bare("umount").arg("-l").arg(&self.folder));
    }
}
