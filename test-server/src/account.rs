//! Who the server runs as: PostgreSQL refuses to run as root.

use std::fs;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use rustix::process::geteuid;

use crate::error::{During, Error, Result};

/// Accounts that exist to hold no rights, best first.
const CANDIDATES: [&str; 2] = ["postgres", "nobody"];

/// The account that servers run as.
#[derive(Clone, Debug)]
pub(crate) struct Account {
    /// User and group to change to; `None` where this process is not root and stays who it is.
    other: Option<(u32, u32)>,
}

impl Account {
    /// This process's own account, or one without rights when this process is root.
    pub(crate) fn choose() -> Result<Self> {
        if !geteuid().is_root() {
            return Ok(Self { other: None });
        }
        let accounts = fs::read_to_string("/etc/passwd").during("reading /etc/passwd")?;
        let other = CANDIDATES.iter().find_map(|name| find(&accounts, name)).ok_or_else(|| {
            Error::Missing("root may not run PostgreSQL, and there is no other account".to_owned())
        })?;
        Ok(Self { other: Some(other) })
    }

    /// The user's number.
    pub(crate) fn user(&self) -> u32 {
        self.other.map_or_else(|| geteuid().as_raw(), |(user, _)| user)
    }

    /// User and group, where they are not this process's own.
    pub(crate) fn other(&self) -> Option<(u32, u32)> {
        self.other
    }

    /// Makes a command run as this account.
    pub(crate) fn apply(&self, command: &mut Command) {
        if let Some((user, group)) = self.other {
            command.uid(user).gid(group);
        }
    }

    /// Makes a file or folder this account's.
    pub(crate) fn own(&self, path: &Path) -> Result<()> {
        match self.other {
            None => Ok(()),
            Some((user, group)) => chown(path, Some(user), Some(group))
                .during(format_args!("chown {}", path.display())),
        }
    }
}

/// User and group numbers of a line of `/etc/passwd`.
fn find(accounts: &str, name: &str) -> Option<(u32, u32)> {
    accounts.lines().find_map(|line| {
        let mut fields = line.split(':');
        if fields.next() != Some(name) {
            return None;
        }
        let user = fields.nth(1)?.parse().ok()?;
        let group = fields.next()?.parse().ok()?;
        Some((user, group))
    })
}

#[cfg(test)]
mod tests {
    use super::find;

    #[test]
    fn an_account_is_found_by_its_whole_name() {
        let accounts =
            "root:x:0:0::/root:/bin/sh\npostgres2:x:7:8::/:/\npostgres:x:101:104:a,b:/:/";
        assert_eq!(find(accounts, "postgres"), Some((101, 104)));
        assert_eq!(find(accounts, "nobody"), None);
    }
}
