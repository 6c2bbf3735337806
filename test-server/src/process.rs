//! The processes of one cluster: starting, signalling, waiting.

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::account::Account;
use crate::error::{During, Error, Result};
use crate::programs::Programs;

/// How often a state is looked at that nobody tells about.
const POLL: Duration = Duration::from_millis(5);

/// The cluster in a folder, running or not.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) programs: Programs,
    pub(crate) account: Account,
    folder: PathBuf,
    postmaster: Mutex<Option<Child>>,
}

impl Process {
    pub(crate) fn new(programs: Programs, account: Account, folder: PathBuf) -> Self {
        Self { programs, account, folder, postmaster: Mutex::new(None) }
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    fn postmaster(&self) -> MutexGuard<'_, Option<Child>> {
        // The child is the same whatever the thread that panicked was doing.
        self.postmaster.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts it without waiting until it takes connections.
    pub(crate) fn spawn(&self) -> Result<()> {
        let log = self.folder.join("log");
        let log = File::options()
            .create(true)
            .append(true)
            .open(&log)
            .during(format_args!("opening {}", log.display()))?;
        let errors = log.try_clone().during("opening the log twice")?;
        let child = self
            .programs
            .command("postgres", &self.account, &self.folder)
            .arg("-D")
            .arg(self.data())
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors)
            .process_group(0)
            .spawn()
            .during("starting postgres")?;
        *self.postmaster() = Some(child);
        Ok(())
    }

    pub(crate) fn is_running(&self) -> bool {
        self.postmaster().as_mut().is_some_and(|child| matches!(child.try_wait(), Ok(None)))
    }

    /// Waits until connections are taken.
    pub(crate) fn wait_until_ready(&self, limit: Duration) -> Result<()> {
        let end = Instant::now() + limit;
        loop {
            let Some(pid) = self.postmaster().as_ref().map(Child::id) else {
                return Err(Error::Failed("the server was not started".to_owned()));
            };
            if self.says_ready(pid) {
                return Ok(());
            }
            if !self.is_running() {
                return Err(Error::failed("the server ended at its start", self.log_tail()));
            }
            if Instant::now() > end {
                return Err(Error::failed("the server is not ready in time", self.log_tail()));
            }
            sleep(POLL);
        }
    }

    /// Line 1 of the file is the process, line 8 its state; the file of a killed server stays.
    fn says_ready(&self, pid: u32) -> bool {
        let text = fs::read_to_string(self.data().join("postmaster.pid")).unwrap_or_default();
        let mut lines = text.lines().map(str::trim);
        lines.next() == Some(pid.to_string().as_str())
            && lines.nth(6).is_some_and(|state| matches!(state, "ready" | "standby"))
    }

    /// The last lines of the server's log.
    pub(crate) fn log_tail(&self) -> String {
        let text = fs::read(self.folder.join("log")).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(15)..].join("\n")
    }

    /// Signals the postmaster alone.
    pub(crate) fn signal(&self, signal: Signal) {
        let mut postmaster = self.postmaster();
        let Some(child) = postmaster.as_mut() else { return };
        if matches!(child.try_wait(), Ok(None)) {
            // It may end at any time, which is no fault.
            let _ = kill_process(Pid::from_child(child), signal);
        }
    }

    /// Signals every process of the server, also those that start meanwhile.
    pub(crate) fn signal_all(&self, signal: Signal) {
        self.signal(signal);
        let mut before = Vec::new();
        loop {
            let now = self.all();
            if now.iter().all(|pid| before.contains(pid)) {
                return;
            }
            for pid in &now {
                // It may end at any time, which is no fault.
                let _ = kill_process(*pid, signal);
            }
            before = now;
        }
    }

    /// SIGKILL to every process, and waits until all are gone.
    pub(crate) fn kill(&self) {
        // On hold, the postmaster cannot answer the death of its children with new ones.
        self.signal(Signal::STOP);
        loop {
            let all = self.all();
            for pid in &all {
                // It may end at any time, which is no fault.
                let _ = kill_process(*pid, Signal::KILL);
            }
            if all.is_empty() {
                break;
            }
            sleep(Duration::from_millis(1));
        }
        self.signal(Signal::KILL);
        self.reap();
    }

    /// Waits until the postmaster is gone, however long that takes.
    pub(crate) fn reap(&self) {
        if let Some(mut child) = self.postmaster().take() {
            // It fails only when there is nothing to wait for.
            let _ = child.wait();
        }
    }

    /// Waits until the postmaster is gone.
    pub(crate) fn wait_until_gone(&self, limit: Duration) -> Result<()> {
        let end = Instant::now() + limit;
        while self.is_running() {
            if Instant::now() > end {
                return Err(Error::failed("the server does not stop", self.log_tail()));
            }
            sleep(POLL);
        }
        self.reap();
        Ok(())
    }

    /// A server's processes are those that work in its data folder. Where there is no `/proc`,
    /// only the postmaster is known; its children end by themselves when it does.
    fn all(&self) -> Vec<Pid> {
        let data = self.data();
        fs::read_dir("/proc")
            .into_iter()
            .flatten()
            .flatten()
            .filter(|entry| fs::read_link(entry.path().join("cwd")).is_ok_and(|it| it == data))
            .filter_map(|entry| Pid::from_raw(entry.file_name().to_str()?.parse().ok()?))
            .collect()
    }
}
