//! One initialised cluster a machine, which every server starts as a copy of.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::account::Account;
use crate::error::{During, Error, Result};
use crate::programs::{Programs, bare, run};

const PREFIX: &str = "threadkeep-postgres-template-";

/// A template is used for this long, and removed a while after. A system that empties its
/// temporary folder by age so never leaves half a template in use.
const LIFE: Duration = Duration::from_hours(4 * 24);

/// Copies the template to `data`, making the template first where there is none.
///
/// Several processes may do this at once; one of them makes the template under a file lock.
pub(crate) fn copy(base: &Path, programs: &Programs, account: &Account, data: &Path) -> Result<()> {
    let template = ensure(base, programs, account)?;
    let mut cp = bare("cp");
    account.apply(&mut cp);
    run(cp.current_dir(base).arg("-a").arg(template.join("data")).arg(data)).map(drop)
}

fn ensure(base: &Path, programs: &Programs, account: &Account) -> Result<PathBuf> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let period = now.as_secs() / LIFE.as_secs();
    let own = format!("{PREFIX}{}-{}-", programs.version, account.user());
    let template = base.join(format!("{own}{period}"));
    if ready(&template, account) {
        return Ok(template);
    }
    let lock = base.join(format!("{PREFIX}{}.lock", rustix::process::geteuid().as_raw()));
    let lock = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&lock)
        .during(format_args!("opening {}", lock.display()))?;
    lock.lock().during("locking the template")?;
    if ready(&template, account) {
        return Ok(template);
    }
    remove_old(base, &own);
    initialise(base, programs, account, &template)?;
    Ok(template)
}

/// The name can be guessed, so whose it is decides whether it is trusted.
fn ready(template: &Path, account: &Account) -> bool {
    fs::symlink_metadata(template).is_ok_and(|it| it.is_dir() && it.uid() == account.user())
}

fn initialise(base: &Path, programs: &Programs, account: &Account, template: &Path) -> Result<()> {
    let folder = crate::folder::fresh(base, account)?;
    let made = run(programs
        .command("initdb", account, &folder)
        .args(["--no-sync", "-U", crate::USER, "--auth=trust", "-E", "UTF8", "--locale=C", "-D"])
        .arg(folder.join("data")));
    let made = made.and_then(|_| {
        fs::rename(&folder, template)
            .map_err(|cause| Error::failed("putting the template in its place", cause))
    });
    if made.is_err() {
        // Nothing can be done about leftovers, and the first error matters more.
        let _ = fs::remove_dir_all(&folder);
    }
    made
}

fn remove_old(base: &Path, own: &str) {
    let old = LIFE * 2;
    for entry in fs::read_dir(base).into_iter().flatten().flatten() {
        let named = entry.file_name().to_str().is_some_and(|name| name.starts_with(own));
        let age = entry.metadata().ok().and_then(|it| it.modified().ok()?.elapsed().ok());
        if named && age.is_some_and(|age| age > old) {
            // Another process may be at the same; what is left is removed the next time.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}
