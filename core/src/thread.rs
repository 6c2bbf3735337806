//! A thread's metadata, and what a new one starts from.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::Xxh3;

use crate::{Error, Result, ThreadId, Timestamp, limits, path};

/// What is known of a thread without reading its history.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ThreadMetadata {
    /// The thread.
    pub id: ThreadId,
    /// Where the history file is now; never empty.
    #[serde(with = "path::as_text")]
    pub rollout_path: PathBuf,
    /// When the thread began.
    pub created_at: Timestamp,
    /// When its history last changed. Never moves back, except by a replacing change.
    pub updated_at: Timestamp,
    /// What started it: `cli`, `vscode`, `exec`, `mcp`, …, `unknown`, or the compact JSON of a
    /// sub-agent's origin.
    pub source: String,
    /// The provider of its model.
    pub model_provider: String,
    /// The model last used.
    pub model: Option<String>,
    /// The version of the agent that began it.
    pub cli_version: Option<String>,
    /// The folder it works in; empty while none was seen.
    #[serde(with = "path::as_text")]
    pub cwd: PathBuf,
    /// The first words a person wrote, at most [`limits::TITLE_BYTES`]; empty before that.
    pub title: String,
    /// The first message a person wrote, at most [`limits::PREVIEW_BYTES`]; `[Image]` where it
    /// was images alone.
    pub preview: Option<String>,
    /// The name a person gave it.
    pub name: Option<String>,
    /// When that name was given or taken away, so that the later of two wins.
    pub named_at: Option<Timestamp>,
    /// What the agent may do to the machine, as the agent wrote it.
    pub sandbox_policy: String,
    /// When the agent asks first, as the agent wrote it.
    pub approval_mode: String,
    /// Tokens used in all, as last reported; never negative.
    pub tokens_used: i64,
    /// Whether a person ever wrote in it.
    pub has_user_event: bool,
    /// When it was archived; `None` while it is active.
    pub archived_at: Option<Timestamp>,
    /// The commit its folder was at.
    pub git_sha: Option<String>,
    /// The branch its folder was on.
    pub git_branch: Option<String>,
    /// Where its repository comes from.
    pub git_origin_url: Option<String>,
    /// The name of the rollout file that `applied_through` counts in; empty before the first.
    pub applied_file: String,
    /// How many bytes of that file this row reflects.
    pub applied_through: u64,
    /// Grows by one at every committed change of this row, also over a deletion; 0 before the
    /// first.
    pub revision: u64,
}

/// Rows are equal when every field is, paths by their spelling: `/a` and `/a/` are equal paths, but
/// not the same row.
impl PartialEq for ThreadMetadata {
    fn eq(&self, other: &Self) -> bool {
        // Taken apart, so that a new field cannot be forgotten here.
        let Self {
            id,
            rollout_path,
            created_at,
            updated_at,
            source,
            model_provider,
            model,
            cli_version,
            cwd,
            title,
            preview,
            name,
            named_at,
            sandbox_policy,
            approval_mode,
            tokens_used,
            has_user_event,
            archived_at,
            git_sha,
            git_branch,
            git_origin_url,
            applied_file,
            applied_through,
            revision,
        } = self;
        *id == other.id
            && rollout_path.as_os_str() == other.rollout_path.as_os_str()
            && *created_at == other.created_at
            && *updated_at == other.updated_at
            && *source == other.source
            && *model_provider == other.model_provider
            && *model == other.model
            && *cli_version == other.cli_version
            && cwd.as_os_str() == other.cwd.as_os_str()
            && *title == other.title
            && *preview == other.preview
            && *name == other.name
            && *named_at == other.named_at
            && *sandbox_policy == other.sandbox_policy
            && *approval_mode == other.approval_mode
            && *tokens_used == other.tokens_used
            && *has_user_event == other.has_user_event
            && *archived_at == other.archived_at
            && *git_sha == other.git_sha
            && *git_branch == other.git_branch
            && *git_origin_url == other.git_origin_url
            && *applied_file == other.applied_file
            && *applied_through == other.applied_through
            && *revision == other.revision
    }
}

impl Eq for ThreadMetadata {}

impl ThreadMetadata {
    /// Whether the thread is archived.
    pub const fn is_archived(&self) -> bool {
        self.archived_at.is_some()
    }

    /// A checksum over every field, stored beside the row and verified when it is read.
    pub fn checksum(&self) -> u64 {
        let mut hash = Xxh3::new();
        hash.update(self.id.as_bytes());
        hash.update(&self.created_at.as_millis().to_le_bytes());
        hash.update(&self.updated_at.as_millis().to_le_bytes());
        hash.update(&self.tokens_used.to_le_bytes());
        hash.update(&[u8::from(self.has_user_event)]);
        hash.update(&self.applied_through.to_le_bytes());
        hash.update(&self.revision.to_le_bytes());
        for time in [self.named_at, self.archived_at] {
            // i64::MIN is no valid time, so it can stand for none.
            hash.update(&time.map_or(i64::MIN, Timestamp::as_millis).to_le_bytes());
        }
        self.each_text(|_, text| {
            let length = text.map_or(u64::MAX, |text| text.len() as u64);
            hash.update(&length.to_le_bytes());
            hash.update(text.unwrap_or_default().as_bytes());
        });
        hash.digest()
    }

    /// Brings what a caller gave into the stored form: texts cut, tokens not negative.
    pub(crate) fn normalise(&mut self) {
        limits::cut_in_place(&mut self.title, limits::TITLE_BYTES);
        if let Some(preview) = &mut self.preview {
            limits::cut_in_place(preview, limits::PREVIEW_BYTES);
        }
        self.tokens_used = self.tokens_used.max(0);
    }

    pub(crate) fn validate(&self) -> Result<()> {
        validate_rollout_path(&self.rollout_path)?;
        let mut result = Ok(());
        self.each_text(|field, text| {
            if result.is_ok() {
                let bytes = text.map_or(0, str::len);
                result = limits::check(field, bytes, limits::TEXT_BYTES, "bytes");
            }
        });
        result
    }

    fn each_text(&self, mut visit: impl FnMut(&'static str, Option<&str>)) {
        visit("rollout_path", Some(&path::to_text(&self.rollout_path)));
        visit("source", Some(&self.source));
        visit("model_provider", Some(&self.model_provider));
        visit("model", self.model.as_deref());
        visit("cli_version", self.cli_version.as_deref());
        visit("cwd", Some(&path::to_text(&self.cwd)));
        visit("title", Some(&self.title));
        visit("preview", self.preview.as_deref());
        visit("name", self.name.as_deref());
        visit("sandbox_policy", Some(&self.sandbox_policy));
        visit("approval_mode", Some(&self.approval_mode));
        visit("git_sha", self.git_sha.as_deref());
        visit("git_branch", self.git_branch.as_deref());
        visit("git_origin_url", self.git_origin_url.as_deref());
        visit("applied_file", Some(&self.applied_file));
    }
}

/// What a thread's row starts from when its first items are applied.
///
/// ```
/// use threadkeep_core::{ThreadId, ThreadSeed, Timestamp};
///
/// let seed = ThreadSeed::new(
///     ThreadId::new(),
///     "/home/ann/.codex/sessions/2026/03/01/rollout-x.jsonl",
///     Timestamp::from_millis(0),
/// )
/// .source("cli");
/// let row = seed.into_metadata();
/// assert_eq!((row.source.as_str(), row.model_provider.as_str()), ("cli", "openai"));
/// assert_eq!(row.updated_at, row.created_at);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ThreadSeed(ThreadMetadata);

/// The provider of a thread that names none, unless the program was given another default.
pub const DEFAULT_PROVIDER: &str = "openai";
/// The source of a thread whose file names none.
pub const UNKNOWN_SOURCE: &str = "unknown";

impl ThreadSeed {
    /// A thread with this history file, begun at this time; everything else has its default.
    pub fn new(id: ThreadId, rollout_path: impl Into<PathBuf>, created_at: Timestamp) -> Self {
        Self(ThreadMetadata {
            id,
            rollout_path: rollout_path.into(),
            created_at,
            updated_at: created_at,
            source: UNKNOWN_SOURCE.into(),
            model_provider: DEFAULT_PROVIDER.into(),
            model: None,
            cli_version: None,
            cwd: PathBuf::new(),
            title: String::new(),
            preview: None,
            name: None,
            named_at: None,
            sandbox_policy: "read-only".into(),
            approval_mode: "on-request".into(),
            tokens_used: 0,
            has_user_event: false,
            archived_at: None,
            git_sha: None,
            git_branch: None,
            git_origin_url: None,
            applied_file: String::new(),
            applied_through: 0,
            revision: 0,
        })
    }

    /// What started the thread. Default: [`UNKNOWN_SOURCE`].
    #[must_use]
    pub fn source(mut self, source: impl Into<String>) -> Self {
        self.0.source = source.into();
        self
    }

    /// The provider to assume while the history names none. Default: [`DEFAULT_PROVIDER`].
    #[must_use]
    pub fn model_provider(mut self, provider: impl Into<String>) -> Self {
        self.0.model_provider = provider.into();
        self
    }

    /// The folder the thread works in.
    #[must_use]
    pub fn cwd(mut self, cwd: impl Into<PathBuf>) -> Self {
        self.0.cwd = cwd.into();
        self
    }

    /// The version of the agent.
    #[must_use]
    pub fn cli_version(mut self, version: impl Into<String>) -> Self {
        self.0.cli_version = Some(version.into());
        self
    }

    /// The sandbox policy to start with. Default: `read-only`.
    #[must_use]
    pub fn sandbox_policy(mut self, policy: impl Into<String>) -> Self {
        self.0.sandbox_policy = policy.into();
        self
    }

    /// The approval mode to start with. Default: `on-request`.
    #[must_use]
    pub fn approval_mode(mut self, mode: impl Into<String>) -> Self {
        self.0.approval_mode = mode.into();
        self
    }

    /// When the thread was archived, for a history file found among the archived ones.
    #[must_use]
    pub fn archived_at(mut self, time: impl Into<Option<Timestamp>>) -> Self {
        self.0.archived_at = time.into();
        self
    }

    /// A seed that is the whole row.
    pub(crate) fn of_row(row: ThreadMetadata) -> Self {
        Self(row)
    }

    /// The thread.
    pub fn id(&self) -> ThreadId {
        self.0.id
    }

    /// Its history file.
    pub fn rollout_path(&self) -> &Path {
        &self.0.rollout_path
    }

    /// The row as it is before any item was applied.
    pub fn into_metadata(self) -> ThreadMetadata {
        self.0
    }

    pub(crate) fn as_metadata(&self) -> &ThreadMetadata {
        &self.0
    }
}

pub(crate) fn validate_rollout_path(rollout_path: &Path) -> Result<()> {
    if rollout_path.as_os_str().is_empty() {
        return Err(Error::invalid_input("rollout_path is empty")
            .hint("give the path of the thread's history file"));
    }
    let bytes = rollout_path.as_os_str().len();
    limits::check("rollout_path", bytes, limits::TEXT_BYTES, "bytes")
}
