//! What a backend author tells the suite.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use threadkeep_core::{Capability, Error, ErrorKind, Result, Retention, Store, ThreadId};

use crate::FaultyDisk;

/// How the suite gets at a backend.
#[async_trait]
pub trait Fixture: Send + Sync + 'static {
    /// What the backend is called in reports, in lower case.
    fn name(&self) -> &str;

    /// What the backend can do, and why not where it cannot.
    fn declared(&self) -> Declared;

    /// What this machine lacks to run the backend at all, such as a server. No case is run then,
    /// and the reason is printed; where the variable `CI` is `true`, the run fails.
    fn lacking(&self) -> Option<String> {
        None
    }

    /// Opens a store in this folder, which exists and belongs to the suite alone.
    ///
    /// A persistent backend that is given the same folder again, also while the first handle is
    /// open, gives another handle onto the same data. The folder of a
    /// [`backup`](Store::backup) is opened in the same way.
    async fn open(&self, workspace: &Path) -> Result<Arc<dyn Store>>;

    /// The same, so that the store only reads. A backend that cannot do so does not declare
    /// [`Capability::ReadOnly`].
    async fn open_read_only(&self, workspace: &Path) -> Result<Arc<dyn Store>> {
        let _ = workspace;
        Err(Error::new(ErrorKind::Unsupported, "the fixture opens no store that only reads")
            .hint("implement open_read_only, or declare why not with without"))
    }

    /// The same as [`open`](Self::open), where the store keeps to this retention of its logs by
    /// itself: in [`maintain`](Store::maintain), and when it has nothing else to do. One that was
    /// opened otherwise prunes only when it is asked to.
    async fn open_keeping(&self, workspace: &Path, retention: Retention) -> Result<Arc<dyn Store>> {
        let _ = (workspace, retention);
        Err(Error::new(ErrorKind::Unsupported, "the fixture opens no store that prunes by itself")
            .hint("implement open_keeping, or declare why not with without_retention"))
    }

    /// Makes the logs, and only them, unusable for every handle; a lock is kept until the value is
    /// dropped or its process ends. A fixture that cannot do so says so in [`Self::declared`].
    async fn spoil_logs(&self, workspace: &Path, how: Spoiled) -> Result<Box<dyn Send>> {
        let _ = (workspace, how);
        Err(Error::new(ErrorKind::Unsupported, "the fixture has no way to spoil the logs")
            .hint("implement spoil_logs, or declare why not with without_spoiling"))
    }

    /// Damages what is stored of this thread's row, so that it is no longer what was written. No
    /// handle is open meanwhile. A fixture that cannot do so says so in [`Self::declared`].
    async fn tamper(&self, workspace: &Path, id: ThreadId) -> Result<()> {
        let _ = (workspace, id);
        Err(Error::new(ErrorKind::Unsupported, "the fixture has no way to damage a row")
            .hint("implement tamper, or declare why not with without_tamper"))
    }

    /// Makes, in this empty folder, a store as the previous stored format had it, empty of threads.
    /// A fixture that cannot do so says so in [`Self::declared`].
    async fn lay_down_previous_format(&self, workspace: &Path) -> Result<()> {
        let _ = workspace;
        Err(Error::new(ErrorKind::Unsupported, "the fixture knows no previous stored format").hint(
            "implement lay_down_previous_format, or declare why not with without_previous_format",
        ))
    }

    /// Takes what a write takes of the store of this folder, and keeps it until the value is
    /// dropped or its process ends: no handle can write meanwhile. A fixture that cannot do so says
    /// so in [`Self::declared`].
    async fn hold(&self, workspace: &Path) -> Result<Box<dyn Send>> {
        let _ = workspace;
        Err(Error::new(ErrorKind::Unsupported, "the fixture has no way to hold the write side")
            .hint("implement hold, or declare why not with without_hold"))
    }

    /// Waits until whatever a killed process had handed over is stored or given up. Only a server goes on
    /// with that by itself; any other fixture has nothing to wait for.
    async fn settle(&self, workspace: &Path) -> Result<()> {
        let _ = workspace;
        Ok(())
    }

    /// A new disk with nothing on it, which fails on command. A fixture without such disks says so
    /// in [`Self::declared`].
    fn disk(&self) -> Option<Arc<dyn FaultyDisk>> {
        None
    }
}

/// What is wrong with the logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spoiled {
    /// Somebody has what a write takes of them.
    Locked,
    /// Their files are not what was written.
    Damaged,
    /// Their files are gone.
    Deleted,
}

/// What a backend and its fixture can do. What is missing is missing for a reason.
///
/// ```
/// use threadkeep_conformance::Declared;
/// use threadkeep_core::Capability;
///
/// let declared = Declared::everything().without(Capability::Backup, "the server has its own");
/// # let _ = declared;
/// ```
#[derive(Clone, Debug, Default)]
pub struct Declared {
    missing: BTreeMap<Need, String>,
}

/// What a case may need.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Need {
    /// A capability of the backend.
    Backend(Capability),
    /// A fixture that can damage a row.
    Tamper,
    /// A fixture that can make a store of the previous stored format.
    PreviousFormat,
    /// A fixture that can keep every handle from writing.
    Hold,
    /// A fixture with a disk that fails on command.
    Faults,
    /// A fixture that opens stores which prune their logs by themselves.
    Retention,
    /// A fixture that can spoil the logs alone.
    Spoiling,
    /// A store whose files are in its folder, so that it can be put on a disk whose power is cut.
    PowerCut,
}

impl Declared {
    /// Every capability, and everything a fixture can do.
    pub fn everything() -> Self {
        Self::default()
    }

    /// Every capability, and a fixture that opens the store and does nothing else, for this reason:
    /// enough to begin with.
    pub fn least(reason: &str) -> Self {
        Self::default()
            .without_tamper(reason)
            .without_previous_format(reason)
            .without_hold(reason)
            .without_faults(reason)
            .without_retention(reason)
            .without_spoiling(reason)
    }

    /// The backend cannot do this.
    #[must_use]
    pub fn without(mut self, capability: Capability, reason: impl Into<String>) -> Self {
        self.missing.insert(Need::Backend(capability), reason.into());
        self
    }

    /// The fixture cannot damage a row.
    #[must_use]
    pub fn without_tamper(mut self, reason: impl Into<String>) -> Self {
        self.missing.insert(Need::Tamper, reason.into());
        self
    }

    /// There is no stored format before the present one, or the fixture cannot make it.
    #[must_use]
    pub fn without_previous_format(mut self, reason: impl Into<String>) -> Self {
        self.missing.insert(Need::PreviousFormat, reason.into());
        self
    }

    /// The fixture cannot keep others from writing.
    #[must_use]
    pub fn without_hold(mut self, reason: impl Into<String>) -> Self {
        self.missing.insert(Need::Hold, reason.into());
        self
    }

    /// The fixture has no disk that fails on command.
    #[must_use]
    pub fn without_faults(mut self, reason: impl Into<String>) -> Self {
        self.missing.insert(Need::Faults, reason.into());
        self
    }

    /// No store of the backend prunes its logs by itself.
    #[must_use]
    pub fn without_retention(mut self, reason: impl Into<String>) -> Self {
        self.missing.insert(Need::Retention, reason.into());
        self
    }

    /// The fixture cannot spoil the logs alone.
    #[must_use]
    pub fn without_spoiling(mut self, reason: impl Into<String>) -> Self {
        self.missing.insert(Need::Spoiling, reason.into());
        self
    }

    /// The store's files are not in its folder, so that no power can be cut.
    #[must_use]
    pub fn without_power_cut(mut self, reason: impl Into<String>) -> Self {
        self.missing.insert(Need::PowerCut, reason.into());
        self
    }

    /// What is missing, with the reason.
    pub(crate) fn missing(&self) -> impl Iterator<Item = (Need, &str)> {
        self.missing.iter().map(|(need, reason)| (*need, reason.as_str()))
    }

    pub(crate) fn has(&self, capability: Capability) -> bool {
        self.why_not(Need::Backend(capability)).is_none()
    }

    /// Why this is missing; `None` where it is there.
    pub(crate) fn why_not(&self, need: Need) -> Option<&str> {
        self.missing.get(&need).map(String::as_str)
    }
}

impl Need {
    /// Its name in reports.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Backend(capability) => capability.as_str(),
            Self::Tamper => "tamper",
            Self::PreviousFormat => "previous format",
            Self::Hold => "hold",
            Self::Faults => "faults",
            Self::Retention => "retention",
            Self::Spoiling => "spoiling",
            Self::PowerCut => "power cut",
        }
    }
}
