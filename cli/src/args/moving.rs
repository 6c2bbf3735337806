//! What is moved, and where to.

use std::path::PathBuf;

use clap::ValueEnum;
use threadkeep::moving::{OnConflict, Parts};

#[derive(Debug, clap::Args)]
pub(crate) struct CopyArgs {
    /// The store to copy, a URL as for --store; it is only read
    pub(crate) from: String,

    /// The store to copy into, which is made where there is none
    pub(crate) to: String,

    #[command(flatten)]
    pub(crate) parts: PartArgs,

    #[command(flatten)]
    pub(crate) conflict: ConflictArgs,

    /// The name by which TO remembers how far it has the log of FROM [default: the URL of FROM with
    /// the name of this machine]
    #[arg(long, value_name = "NAME", requires = "logs")]
    pub(crate) logs_as: Option<String>,

    /// Read both stores in the end and compare their digests: exit code 1 says that they differ
    #[arg(long)]
    pub(crate) verify: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct DumpArgs {
    /// The file to write, zstd where it ends with .zst; - is stdout
    #[arg(default_value = "-")]
    pub(crate) file: PathBuf,

    #[command(flatten)]
    pub(crate) parts: PartArgs,

    /// The name by which a store remembers how far it has this log [default: the URL of the store
    /// with the name of this machine]
    #[arg(long, value_name = "NAME", requires = "logs")]
    pub(crate) logs_as: Option<String>,

    /// Compress with zstd, whatever the name
    #[arg(long)]
    pub(crate) zstd: bool,

    /// Write over a file that is there
    #[arg(long)]
    pub(crate) force: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct LoadArgs {
    /// The dump to read, plain or zstd; - is stdin
    #[arg(default_value = "-")]
    pub(crate) file: PathBuf,

    #[command(flatten)]
    pub(crate) conflict: ConflictArgs,

    /// The name by which the store remembers how far it has the log of the dump [default: the one
    /// in the dump]
    #[arg(long, value_name = "NAME")]
    pub(crate) logs_as: Option<String>,

    /// Only read the dump and say whether it is whole
    #[arg(long, conflicts_with_all = ["on_conflict", "logs_as"])]
    pub(crate) check: bool,
}

/// What is moved beside threads and their tools.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct PartArgs {
    /// Log entries too
    #[arg(long)]
    pub(crate) logs: bool,

    /// Not the checkpoints of indexing: the next index then reads every file once more
    #[arg(long)]
    pub(crate) no_checkpoints: bool,
}

impl From<PartArgs> for Parts {
    fn from(args: PartArgs) -> Self {
        Self::new().checkpoints(!args.no_checkpoints).logs(args.logs)
    }
}

#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct ConflictArgs {
    /// What becomes of a thread that the target has with other content, or has deleted
    #[arg(long, value_name = "POLICY", value_enum, default_value_t = Policy::Refuse)]
    pub(crate) on_conflict: Policy,
}

/// What becomes of a thread that the target has with other content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Policy {
    /// It stays and is named, and the exit code is 4; all others are moved
    Refuse,
    /// It stays
    Keep,
    /// It is replaced, or comes back
    Replace,
    /// It is replaced where the other one changed later
    Newer,
}

impl From<Policy> for OnConflict {
    fn from(policy: Policy) -> Self {
        match policy {
            Policy::Refuse => Self::Refuse,
            Policy::Keep => Self::Keep,
            Policy::Replace => Self::Replace,
            Policy::Newer => Self::Newer,
        }
    }
}
