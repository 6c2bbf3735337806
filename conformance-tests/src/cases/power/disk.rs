//! A disk whose power can be cut: a file with a file system in it, which holds what was flushed
//! to it and nothing else.
//!
//! It is mounted where no other process sees it, with hardly ever a flush that nobody asked for.
//! What the file holds while the writing process is stopped is what a disk holds after a power cut.

use std::env;
use std::fs::{self, File};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use crate::lab::{Failure, Lab, Verdict};
use crate::role::Actor;

/// Bytes that a disk has room for; the file is as long as what is on it.
const SIZE: u64 = 64 * 1024 * 1024;
/// How long the threads of a process may take to stop, each in the middle of a call.
const PATIENCE: Duration = Duration::from_secs(10);

/// Mounts a disk for a process that is run in place of the shell.
const RUN: &str = r#"mount -o loop,commit=300 "$1" "$2" && exec "$3""#;
/// Mounts a disk for a process, and unmounts it when that has ended.
const RUN_AND_UNMOUNT: &str =
    r#"mount -o loop,commit=300 "$1" "$2" || exit; "$3"; ended=$?; umount "$2" && exit $ended"#;
/// Makes a file system with the folder of a store.
const FORMAT: &str = r#"PATH="$PATH:/usr/sbin:/sbin"; mkfs.ext4 -q "$1" && mount -o loop "$1" "$2" &&
    mkdir "$2/store" && umount "$2""#;

/// A disk that is not mounted.
pub(super) struct Disk {
    image: PathBuf,
}

/// Where disks are made and mounted.
pub(super) struct Bay<'a> {
    lab: &'a Lab,
    mount: PathBuf,
    disks: u32,
}

impl<'a> Bay<'a> {
    pub(super) fn new(lab: &'a Lab) -> Verdict<Self> {
        let mount = lab.beside("mount");
        fs::create_dir(&mount)?;
        Ok(Self { lab, mount, disks: 0 })
    }

    /// The folder of the store, for a process that has a disk.
    fn workspace(&self) -> PathBuf {
        self.mount.join("store")
    }

    /// A disk with nothing on it.
    pub(super) fn format(&mut self) -> Verdict<Disk> {
        let disk = self.next();
        File::create(&disk.image)?.set_len(SIZE)?;
        let cannot = |why: String| {
            let needs = "power cuts need root, loop devices, unshare, mount, and mkfs.ext4";
            Failure::cannot_run(format!("{needs}: {why}"))
        };
        let formatted = self.command(FORMAT, &disk)?.output();
        let formatted = formatted.map_err(|error| cannot(error.to_string()))?;
        if formatted.status.success() {
            return Ok(disk);
        }
        Err(cannot(String::from_utf8_lossy(&formatted.stderr).trim().to_owned()))
    }

    /// A disk as this one is at the moment, which has to be one at which nothing writes.
    pub(super) fn copy(&mut self, disk: &Disk) -> Verdict<Disk> {
        let copy = self.next();
        let mut from = File::open(&disk.image)?;
        let mut to = File::create(&copy.image)?;
        to.set_len(SIZE)?;
        let mut block = vec![0; 64 * 1024];
        let empty = block.clone();
        for start in (0..SIZE).step_by(block.len()) {
            from.read_exact(&mut block)?;
            if block != empty {
                to.seek(SeekFrom::Start(start))?;
                to.write_all(&block)?;
            }
        }
        Ok(copy)
    }

    /// Starts this binary in a role, with the disk for a store. The disk may be thrown away then.
    pub(super) fn start(&self, disk: &Disk, role: &str) -> Verdict<Actor> {
        let command = self.command(RUN, disk)?;
        self.lab.setting().start_by(command, role, &self.workspace(), "")
    }

    /// Plays a role to its end with the disk for a store. What it wrote is on the disk then.
    pub(super) fn play(&self, disk: &Disk, role: &str, argument: &str) -> Verdict {
        let command = self.command(RUN_AND_UNMOUNT, disk)?;
        self.lab.setting().start_by(command, role, &self.workspace(), argument)?.finish()
    }

    fn next(&mut self) -> Disk {
        self.disks += 1;
        Disk { image: self.lab.beside(&format!("disk {}", self.disks)) }
    }

    /// A shell that sees mounts of its own; the script is told the image, where to mount it, and
    /// this program.
    fn command(&self, script: &str, disk: &Disk) -> Verdict<Command> {
        let mut command = Command::new("unshare");
        command.args(["-m", "sh", "-c", script, "sh"]);
        command.arg(&disk.image).arg(&self.mount).arg(env::current_exe()?);
        Ok(command)
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.image);
    }
}

/// Stops a process and waits until it has: each of its threads goes on to the end of the call to
/// the system that it is in.
pub(super) fn freeze(actor: &Actor) -> Verdict {
    actor.stop()?;
    let tasks = Path::new("/proc").join(actor.id().to_string()).join("task");
    let until = Instant::now() + PATIENCE;
    while !all_stopped(&tasks)? {
        if Instant::now() > until {
            return Err(Failure::new("the writing process does not stop"));
        }
        thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}

fn all_stopped(tasks: &Path) -> Verdict<bool> {
    for task in fs::read_dir(tasks)? {
        // One that has ended in the meantime writes nothing more.
        let stat = fs::read_to_string(task?.path().join("stat")).unwrap_or_default();
        // The state comes after the name, which may hold anything.
        let state = stat.rsplit(')').next().and_then(|rest| rest.trim_start().chars().next());
        if !matches!(state, None | Some('T' | 'Z' | 'X')) {
            return Ok(false);
        }
    }
    Ok(true)
}
