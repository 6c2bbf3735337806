//! Who runs an indexing, and whether it still lives.

use std::collections::HashSet;
use std::fs;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use threadkeep_core::BatchId;

/// One run of one process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Owner {
    /// The name of the machine, for people.
    pub(crate) host: String,
    /// Within what a process number means something: the boot of a kernel, and the process
    /// namespace. Empty where the system does not say.
    machine: String,
    pub(crate) pid: u32,
    /// When the process began, as the kernel counts. Empty where the system does not say.
    started: String,
    /// The run.
    token: String,
}

/// The runs of this process, so that one that was dropped is known to be no more.
static RUNNING: LazyLock<Mutex<HashSet<String>>> = LazyLock::new(Mutex::default);

fn running() -> MutexGuard<'static, HashSet<String>> {
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Counts a run among those of this process until it is dropped.
#[derive(Debug)]
pub(crate) struct Running(String);

impl Drop for Running {
    fn drop(&mut self) {
        running().remove(&self.0);
    }
}

impl Owner {
    /// A new run of this process.
    pub(crate) fn new() -> (Self, Running) {
        let token = BatchId::new().to_string();
        running().insert(token.clone());
        let pid = std::process::id();
        let started = started(pid).unwrap_or_default();
        let owner = Self { host: host(), machine: machine(), pid, started, token: token.clone() };
        (owner, Running(token))
    }

    /// Whether this run is known to be no more. One that may live on is not.
    pub(crate) fn is_dead(&self) -> bool {
        if self.machine.is_empty() || self.machine != machine() {
            return false;
        }
        let is_process = started(self.pid).is_some_and(|started| started == self.started);
        !is_process || (self.pid == std::process::id() && !running().contains(&self.token))
    }
}

fn host() -> String {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let name = name.or_else(|| std::env::var("HOSTNAME").ok());
    let name = name.or_else(|| std::env::var("COMPUTERNAME").ok());
    name.map(|name| name.trim().to_owned()).unwrap_or_default()
}

fn machine() -> String {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok();
    let space = fs::read_link("/proc/self/ns/pid").ok();
    match (boot, space) {
        (Some(boot), Some(space)) => format!("{} {}", boot.trim(), space.display()),
        _ => String::new(),
    }
}

/// When a process began, if it is there.
fn started(pid: u32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name of the program, in parentheses, may contain anything.
    let (_, after_name) = stat.rsplit_once(')')?;
    after_name.split_whitespace().nth(19).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_lives_until_it_is_dropped() {
        let (owner, running) = Owner::new();
        assert!(!owner.is_dead());
        drop(running);
        assert_eq!(owner.is_dead(), cfg!(target_os = "linux"));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn another_process_with_the_number_is_not_the_owner() {
        let (owner, _running) = Owner::new();
        assert!(Owner { started: "1".into(), ..owner.clone() }.is_dead());
        assert!(Owner { pid: u32::MAX, ..owner.clone() }.is_dead());
        assert!(!Owner { machine: "elsewhere".into(), pid: u32::MAX, ..owner }.is_dead());
    }
}
