//! What a random sequence is made of: short to print, and made smaller part by part.

use std::fmt::{self, Write as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use chrono::{DateTime, Utc};
use threadkeep_core::{
    BatchId, Change, DynamicToolSpec, Expect, FieldPatch, LogEntry, LogFilter, LogQuery, Mark,
    NamePatch, ThreadId, ThreadMetadata, ThreadPatch, ThreadQuery, ThreadSeed, Timestamp,
    WriteBatch,
};

use crate::diff::shortened;

/// A sequence, in order, and on how many handles.
#[derive(Clone)]
pub(crate) struct Script {
    pub(crate) handles: usize,
    pub(crate) steps: Vec<Step>,
    /// Counts the steps that were run, so that making a failing sequence smaller can begin by
    /// leaving out the others.
    pub(crate) seen: Option<Arc<AtomicUsize>>,
}

/// One operation and what is asked after it.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    /// The handle it is made on; the same is asked.
    pub(crate) handle: usize,
    pub(crate) op: Op,
    pub(crate) probes: Vec<Probe>,
}

/// Something that may change what is stored, or must not.
#[derive(Clone, Debug)]
pub(crate) enum Op {
    /// A batch, with one of a few names or none.
    Write(Option<u8>, Vec<(Wanted, Expectation)>),
    Append(Vec<LogEntry>),
    DeleteLogsBefore(DateTime<Utc>),
    /// What each thread keeps, and from when on.
    Prune(Limits),
    Maintain,
    Flush,
    /// A new handle onto the same data; the old one is closed, or only dropped.
    Reopen {
        close: bool,
    },
}

/// What is kept of the logs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) before: Option<DateTime<Utc>>,
    pub(crate) thread_rows: Option<u64>,
    pub(crate) thread_bytes: Option<u64>,
}

/// A change.
#[derive(Clone, Debug)]
pub(crate) enum Wanted {
    Put(ThreadId, Vec<Field>),
    Apply(ThreadId, Seed, Vec<Part>),
    Rebuild(ThreadId, Seed, Vec<Part>),
    Patch(ThreadId, Vec<Part>),
    Other(Change),
}

/// What a change expects.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Expectation {
    Nothing,
    Absence,
    /// The revision there was before the batch.
    Current,
    Revision(u64),
}

/// What a row starts from.
#[derive(Clone, Debug)]
pub(crate) struct Seed {
    pub(crate) path: PathBuf,
    pub(crate) created_at: Timestamp,
    pub(crate) provider: String,
    pub(crate) archived_at: Option<Timestamp>,
}

/// One field of a row.
#[derive(Clone, Debug)]
pub(crate) enum Field {
    RolloutPath(PathBuf),
    CreatedAt(Timestamp),
    UpdatedAt(Timestamp),
    Source(String),
    Provider(String),
    Model(Option<String>),
    CliVersion(Option<String>),
    Cwd(PathBuf),
    Title(String),
    Preview(Option<String>),
    Name(Option<String>),
    NamedAt(Option<Timestamp>),
    Sandbox(String),
    Approval(String),
    Tokens(i64),
    UserEvent(bool),
    ArchivedAt(Option<Timestamp>),
    GitSha(Option<String>),
    GitBranch(Option<String>),
    GitOrigin(Option<String>),
    Applied(String, u64),
}

/// One field of a patch.
#[derive(Clone, Debug)]
pub(crate) enum Part {
    Source(FieldPatch<String>),
    Provider(FieldPatch<String>),
    Model(FieldPatch<Option<String>>),
    CliVersion(FieldPatch<Option<String>>),
    Cwd(FieldPatch<PathBuf>),
    Title(FieldPatch<String>),
    Preview(FieldPatch<Option<String>>),
    Name(Option<String>, Option<Timestamp>),
    Sandbox(FieldPatch<String>),
    Approval(FieldPatch<String>),
    Tokens(FieldPatch<i64>),
    UserEvent,
    GitSha(FieldPatch<Option<String>>),
    GitBranch(FieldPatch<Option<String>>),
    GitOrigin(FieldPatch<Option<String>>),
    Tools(Vec<DynamicToolSpec>),
    UpdatedAt(Timestamp),
    NewestItemAt(Timestamp),
    Mark(String, u64),
}

/// A question.
#[derive(Clone, Debug)]
pub(crate) enum Probe {
    /// All pages of a listing.
    List(ThreadQuery),
    Checkpoints {
        prefix: String,
        after: Option<String>,
        limit: usize,
    },
    Logs(LogQuery),
    MaxLogId(LogFilter),
    /// A page of a size that there is not, of everything that has pages.
    BadLimit(usize),
    /// A page of one listing, asked for with the cursor of another.
    ForeignCursor(Box<(ThreadQuery, ThreadQuery)>),
}

impl fmt::Debug for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        for (number, step) in (1..).zip(&self.steps) {
            write!(text, "  {number}. ")?;
            if self.handles > 1 {
                write!(text, "on handle {}: ", step.handle + 1)?;
            }
            writeln!(text, "{:?}", step.op)?;
            for probe in &step.probes {
                writeln!(text, "     then {probe:?}")?;
            }
        }
        f.write_str(&shortened(&text))
    }
}

/// The batch of a write. `current` tells the revision there is of what a change works on.
pub(crate) fn batch(
    name: Option<u8>,
    changes: &[(Wanted, Expectation)],
    current: impl Fn(&Change) -> u64,
) -> WriteBatch {
    let mut batch = WriteBatch::new();
    if let Some(name) = name {
        batch = batch.with_id(BatchId::from_bytes([name; 16]));
    }
    for (wanted, expectation) in changes {
        let change = wanted.change();
        let expect = match *expectation {
            Expectation::Nothing => Expect::Any,
            Expectation::Absence => Expect::Absent,
            Expectation::Current => Expect::Revision(current(&change)),
            Expectation::Revision(revision) => Expect::Revision(revision),
        };
        batch.push_if(expect, change);
    }
    batch
}

impl Wanted {
    fn change(&self) -> Change {
        match self.clone() {
            Self::Put(id, fields) => {
                let seed = ThreadSeed::new(id, "/sessions/put.jsonl", Timestamp::from_millis(0));
                let mut row = seed.into_metadata();
                row.has_user_event = true;
                for field in fields {
                    field.set(&mut row);
                }
                Change::Put(Box::new(row))
            }
            Self::Apply(id, seed, parts) => {
                Change::Apply(Box::new(seed.seed(id)), Box::new(patch(parts)))
            }
            Self::Rebuild(id, seed, parts) => {
                Change::Rebuild(Box::new(seed.seed(id)), Box::new(patch(parts)))
            }
            Self::Patch(id, parts) => Change::Patch(id, Box::new(patch(parts))),
            Self::Other(change) => change,
        }
    }
}

impl Seed {
    fn seed(self, id: ThreadId) -> ThreadSeed {
        ThreadSeed::new(id, self.path, self.created_at)
            .model_provider(self.provider)
            .archived_at(self.archived_at)
    }
}

impl Field {
    fn set(self, row: &mut ThreadMetadata) {
        match self {
            Self::RolloutPath(path) => row.rollout_path = path,
            Self::CreatedAt(time) => row.created_at = time,
            Self::UpdatedAt(time) => row.updated_at = time,
            Self::Source(text) => row.source = text,
            Self::Provider(text) => row.model_provider = text,
            Self::Model(text) => row.model = text,
            Self::CliVersion(text) => row.cli_version = text,
            Self::Cwd(path) => row.cwd = path,
            Self::Title(text) => row.title = text,
            Self::Preview(text) => row.preview = text,
            Self::Name(text) => row.name = text,
            Self::NamedAt(time) => row.named_at = time,
            Self::Sandbox(text) => row.sandbox_policy = text,
            Self::Approval(text) => row.approval_mode = text,
            Self::Tokens(count) => row.tokens_used = count,
            Self::UserEvent(seen) => row.has_user_event = seen,
            Self::ArchivedAt(time) => row.archived_at = time,
            Self::GitSha(text) => row.git_sha = text,
            Self::GitBranch(text) => row.git_branch = text,
            Self::GitOrigin(text) => row.git_origin_url = text,
            Self::Applied(file, through) => {
                row.applied_file = file;
                row.applied_through = through;
            }
        }
    }
}

pub(crate) fn patch(parts: Vec<Part>) -> ThreadPatch {
    let mut patch = ThreadPatch::default();
    for part in parts {
        match part {
            Part::Source(value) => patch.source = value,
            Part::Provider(value) => patch.model_provider = value,
            Part::Model(value) => patch.model = value,
            Part::CliVersion(value) => patch.cli_version = value,
            Part::Cwd(value) => patch.cwd = value,
            Part::Title(value) => patch.title = value,
            Part::Preview(value) => patch.preview = value,
            Part::Name(name, at) => patch.name = Some(NamePatch { name, at }),
            Part::Sandbox(value) => patch.sandbox_policy = value,
            Part::Approval(value) => patch.approval_mode = value,
            Part::Tokens(value) => patch.tokens_used = value,
            Part::UserEvent => patch.has_user_event = true,
            Part::GitSha(value) => patch.git_sha = value,
            Part::GitBranch(value) => patch.git_branch = value,
            Part::GitOrigin(value) => patch.git_origin_url = value,
            Part::Tools(tools) => patch.tools = Some(tools),
            Part::UpdatedAt(time) => patch.updated_at = Some(time),
            Part::NewestItemAt(time) => patch.newest_item_at = Some(time),
            Part::Mark(file, through) => patch.mark = Some(Mark { file, through }),
        }
    }
    patch
}
