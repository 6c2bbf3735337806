//! What the lines of a rollout say, as far as a thread's metadata depends on it.

use std::path::PathBuf;

use crate::{DynamicToolSpec, Timestamp};

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RolloutLine {
    /// The time it carries; the oldest files have none on most lines.
    pub timestamp: Option<Timestamp>,
    /// What it says.
    pub item: RolloutItem,
}

/// What a line says.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RolloutItem {
    /// Where a thread comes from.
    SessionMeta(Box<SessionMeta>),
    /// How the next turn runs.
    TurnContext(Box<TurnContext>),
    /// Tokens used in all so far.
    TokenCount(i64),
    /// Something a person wrote.
    UserMessage(UserMessage),
    /// A person named the thread; `None` takes the name away.
    ThreadName(Option<String>),
    /// Something known that tells nothing about the thread's metadata.
    Other,
    /// A type of line or payload that is not known; never an error.
    Unknown,
}

/// Where a thread comes from. Members that are absent, null or empty are `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SessionMeta {
    /// The thread it speaks of; a fork carries its parent's too.
    pub id: Option<String>,
    /// When that thread began.
    pub timestamp: Option<Timestamp>,
    /// What started it; an object as its compact JSON.
    pub source: Option<String>,
    /// The provider of its model.
    pub model_provider: Option<String>,
    /// Its model.
    pub model: Option<String>,
    /// The version of the agent.
    pub cli_version: Option<String>,
    /// The folder it works in.
    pub cwd: Option<PathBuf>,
    /// The state of that folder's repository.
    pub git: Option<Git>,
    /// The tools it was started with.
    pub dynamic_tools: Vec<DynamicToolSpec>,
}

/// The state of a repository.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Git {
    /// The commit.
    pub sha: Option<String>,
    /// The branch.
    pub branch: Option<String>,
    /// Where it was cloned from.
    pub origin_url: Option<String>,
}

/// How a turn runs. Members that are absent, null or empty are `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TurnContext {
    /// The folder it works in.
    pub cwd: Option<PathBuf>,
    /// What the agent may do; an object as its compact JSON.
    pub sandbox_policy: Option<String>,
    /// When it asks first; an object as its compact JSON.
    pub approval_mode: Option<String>,
    /// The model it uses.
    pub model: Option<String>,
}

/// Something a person wrote.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserMessage {
    /// The words after an editor's context, trimmed, at most
    /// [`PREVIEW_BYTES`](crate::limits::PREVIEW_BYTES).
    pub text: String,
    /// Whether images came with it.
    pub has_images: bool,
}
