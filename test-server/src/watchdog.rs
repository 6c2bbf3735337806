//! What ends a server when its owner is gone, however the owner went.

use std::path::Path;
use std::process::{Child, Stdio};

use std::os::unix::process::CommandExt;

use crate::error::{During, Result};
use crate::programs::bare;

/// A small shell process that waits for this process to close a pipe, by dropping this value or
/// by dying, and then ends the server and removes its folder.
#[derive(Debug)]
pub(crate) struct Watchdog(Child);

impl Watchdog {
    /// Starts watching over `folder`, in a process group of its own: signals to this process's
    /// group, such as Ctrl-C or a test runner's kill, must not reach it.
    pub(crate) fn start(folder: &Path) -> Result<Self> {
        bare("/bin/sh")
            .arg("-c")
            .arg(include_str!("watchdog.sh"))
            .arg("watchdog")
            .arg(folder)
            .current_dir("/")
            .stdin(Stdio::piped())
            // A runner that waits for the end of a test's output must not wait for the watchdog.
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .map(Self)
            .during("starting the watchdog")
    }

    /// Lets it do its work and waits until it has.
    pub(crate) fn finish(&mut self) {
        drop(self.0.stdin.take());
        // It fails only when there is nothing to wait for.
        let _ = self.0.wait();
    }
}
