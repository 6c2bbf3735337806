//! What every case is given: a folder of its own and a way to open the backend there.

use std::fmt;
use std::panic::Location;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use threadkeep_core::{Capability, Result, Retention, Store, ThreadId};
use tokio::runtime::Builder;

use crate::fixture::{Declared, Spoiled};
use crate::setting::Setting;

/// A setting and a folder to open its backend in. The folder goes with the value.
pub(crate) struct Lab {
    setting: Setting,
    folder: TempDir,
}

/// How a case ended.
pub(crate) type Verdict<T = ()> = Result<T, Failure>;

/// Why a case failed, where it was not an assertion, or why it could not be run here.
#[derive(Debug)]
pub(crate) struct Failure {
    message: String,
    /// What a random case began from.
    pub(crate) seed: Option<u64>,
    /// Whether nothing is wrong but the case cannot be run on this machine.
    pub(crate) skipped: bool,
}

impl Lab {
    pub(crate) fn new(setting: &Setting) -> Verdict<Self> {
        let folder = tempfile::Builder::new().prefix("threadkeep-").tempdir()?;
        std::fs::create_dir(folder.path().join("store"))?;
        Ok(Self { setting: setting.clone(), folder })
    }

    /// A handle onto the store.
    pub(crate) async fn open(&self) -> Result<Arc<dyn Store>> {
        self.setting.fixture.open(&self.workspace()).await
    }

    /// Another handle onto the same data, or the same handle where nothing would be left.
    pub(crate) async fn reopen(&self, store: Arc<dyn Store>) -> Result<Arc<dyn Store>> {
        if !self.declares(Capability::Persistent) {
            return Ok(store);
        }
        store.close().await?;
        drop(store);
        self.open().await
    }

    /// A store in another folder of the lab.
    pub(crate) async fn open_at(&self, folder: &Path) -> Result<Arc<dyn Store>> {
        self.setting.fixture.open(folder).await
    }

    /// A handle that only reads.
    pub(crate) async fn open_read_only(&self) -> Result<Arc<dyn Store>> {
        self.setting.fixture.open_read_only(&self.workspace()).await
    }

    /// A handle of a store that keeps to this retention by itself.
    pub(crate) async fn open_keeping(&self, retention: Retention) -> Result<Arc<dyn Store>> {
        self.setting.fixture.open_keeping(&self.workspace(), retention).await
    }

    pub(crate) async fn spoil_logs(&self, how: Spoiled) -> Result<Box<dyn Send>> {
        self.setting.fixture.spoil_logs(&self.workspace(), how).await
    }

    /// A path in the lab that nothing is at.
    pub(crate) fn beside(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) async fn tamper(&self, id: ThreadId) -> Result<()> {
        self.setting.fixture.tamper(&self.workspace(), id).await
    }

    pub(crate) fn declares(&self, capability: Capability) -> bool {
        self.declared().has(capability)
    }

    pub(crate) fn declared(&self) -> Declared {
        self.setting.fixture.declared()
    }

    pub(crate) fn setting(&self) -> &Setting {
        &self.setting
    }

    /// The folder of the store.
    pub(crate) fn workspace(&self) -> PathBuf {
        self.folder.path().join("store")
    }
}

/// Runs a case in a lab of its own.
pub(crate) fn run_case(
    setting: &Setting,
    case: impl for<'a> FnOnce(&'a Lab) -> Pin<Box<dyn Future<Output = Verdict> + Send + 'a>>
    + Send
    + 'static,
) -> Verdict {
    let lab = Lab::new(setting)?;
    run_within(setting.options.patience, async move { case(&lab).await })
}

/// Runs a case to its end, or until patience ends, on a runtime of its own: backends may spawn
/// tasks, block a thread, and use timers.
pub(crate) fn run_within<T: Send + 'static>(
    patience: Duration,
    case: impl Future<Output = Verdict<T>> + Send + 'static,
) -> Verdict<T> {
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    // On a task of its own, a case that blocks its thread does not block the clock.
    let task = runtime.spawn(case);
    let ended = runtime.block_on(async { tokio::time::timeout(patience, task).await });
    runtime.shutdown_timeout(Duration::from_secs(1));
    match ended {
        Ok(Ok(verdict)) => verdict,
        Ok(Err(error)) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(error) => Err(Failure::new(error.to_string())),
        },
        Err(_) => Err(Failure::new(format!("still running after {} s", patience.as_secs()))),
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Failure {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), seed: None, skipped: false }
    }

    /// The case cannot be run on this machine.
    pub(crate) fn cannot_run(reason: impl Into<String>) -> Self {
        Self { message: reason.into(), seed: None, skipped: true }
    }

    /// What the failing random sequence began from.
    pub(crate) fn at_seed(self, seed: u64) -> Self {
        Self { seed: Some(seed), ..self }
    }

    /// The same failure, with what was going on.
    pub(crate) fn during(self, what: impl fmt::Display) -> Self {
        Self { message: format!("{what}: {}", self.message), ..self }
    }
}

/// The place of the `?`, the error with everything it knows.
impl From<threadkeep_core::Error> for Failure {
    #[track_caller]
    fn from(error: threadkeep_core::Error) -> Self {
        Self::new(format!("{}: {error}\n{error:?}", Location::caller()))
    }
}

impl From<std::io::Error> for Failure {
    #[track_caller]
    fn from(error: std::io::Error) -> Self {
        Self::new(format!("{}: {error}", Location::caller()))
    }
}
