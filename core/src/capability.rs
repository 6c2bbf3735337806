//! What a backend can do beyond the contract's core.

use std::collections::BTreeSet;

/// Something not every backend can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Capability {
    /// What was acknowledged is there after the process ends.
    Persistent,
    /// What was acknowledged is there after a power cut.
    Durable,
    /// Several processes may have the store open at once.
    MultiProcess,
    /// [`Store::backup`](crate::Store::backup) works.
    Backup,
    /// A store can be opened that only reads: in a folder it cannot write, while others write.
    ReadOnly,
}

impl Capability {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Persistent, Self::Durable, Self::MultiProcess, Self::Backup, Self::ReadOnly];

    /// Its name in reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Persistent => "persistent",
            Self::Durable => "durable",
            Self::MultiProcess => "multi-process",
            Self::Backup => "backup",
            Self::ReadOnly => "read-only",
        }
    }
}

/// What a backend can do.
///
/// ```
/// use threadkeep_core::{Capabilities, Capability};
///
/// let capabilities = Capabilities::none().with(Capability::Persistent);
/// assert!(capabilities.has(Capability::Persistent));
/// assert!(!capabilities.has(Capability::Backup));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Capabilities(BTreeSet<Capability>);

impl Capabilities {
    /// Nothing beyond the core.
    pub fn none() -> Self {
        Self::default()
    }

    /// Also this.
    #[must_use]
    pub fn with(mut self, capability: Capability) -> Self {
        self.0.insert(capability);
        self
    }

    /// Whether it can do this.
    pub fn has(&self, capability: Capability) -> bool {
        self.0.contains(&capability)
    }
}
