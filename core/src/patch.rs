//! A change of some of a thread's fields, as a value that composes.

use std::path::PathBuf;

use crate::{DynamicToolSpec, Result, ThreadMetadata, Timestamp, limits, tools};

/// What happens to one field.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum FieldPatch<T> {
    /// It stays as it is.
    #[default]
    Keep,
    /// It becomes this.
    Set(T),
    /// It becomes this where it has no value yet.
    SetIfEmpty(T),
}

/// Values that can stand for "not seen yet".
pub trait Emptiness {
    /// Whether this value stands for "not seen yet".
    fn is_empty_value(&self) -> bool;
}

impl Emptiness for String {
    fn is_empty_value(&self) -> bool {
        self.is_empty()
    }
}

impl Emptiness for PathBuf {
    fn is_empty_value(&self) -> bool {
        self.as_os_str().is_empty()
    }
}

impl Emptiness for i64 {
    // A row holds no negative number: it becomes 0 there, so it has to count as 0 here.
    fn is_empty_value(&self) -> bool {
        *self <= 0
    }
}

impl<T: Emptiness> Emptiness for Option<T> {
    fn is_empty_value(&self) -> bool {
        self.as_ref().is_none_or(Emptiness::is_empty_value)
    }
}

impl<T: Emptiness + Clone> FieldPatch<T> {
    /// This patch and then that one, as one.
    #[must_use]
    pub fn then(self, next: Self) -> Self {
        match (self, next) {
            (first, Self::Keep) => first,
            (_, Self::Set(value)) => Self::Set(value),
            (Self::Keep, Self::SetIfEmpty(value)) => Self::SetIfEmpty(value),
            (Self::Set(first), Self::SetIfEmpty(value)) => {
                Self::Set(if first.is_empty_value() { value } else { first })
            }
            (Self::SetIfEmpty(first), Self::SetIfEmpty(value)) => {
                Self::SetIfEmpty(if first.is_empty_value() { value } else { first })
            }
        }
    }

    /// Changes the field.
    pub fn apply_to(&self, field: &mut T) {
        match self {
            Self::Set(value) => field.clone_from(value),
            Self::SetIfEmpty(value) if field.is_empty_value() => field.clone_from(value),
            Self::Keep | Self::SetIfEmpty(_) => {}
        }
    }

    fn value(&self) -> Option<&T> {
        match self {
            Self::Keep => None,
            Self::Set(value) | Self::SetIfEmpty(value) => Some(value),
        }
    }
}

/// A name given by a person, or taken away, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamePatch {
    /// The name; `None` takes it away.
    pub name: Option<String>,
    /// When; of two, the later wins. `None` loses against every known time.
    pub at: Option<Timestamp>,
}

/// How far into a thread's history a patch reaches.
///
/// Marks are ordered by file name, then by bytes. Rollout file names begin with their time, so a
/// later file of the same thread follows an earlier one, and a file keeps its mark when it moves
/// between folders.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark {
    /// The name of the file, without folders and without `.zst`.
    pub file: String,
    /// Bytes from the start of its (uncompressed) text.
    pub through: u64,
}

/// A change of some of a thread's fields.
///
/// Patches compose: [`then`](Self::then) is associative and has `ThreadPatch::default()` as its
/// identity. A patch with a [`Mark`] at or behind the row's mark does nothing, so replaying a
/// history is harmless.
///
/// ```
/// use threadkeep_core::{FieldPatch, ThreadPatch};
///
/// let mut first = ThreadPatch::default();
/// first.title = FieldPatch::SetIfEmpty("fix the build".into());
/// let mut second = ThreadPatch::default();
/// second.title = FieldPatch::SetIfEmpty("and the tests".into());
/// assert_eq!(first.clone().then(second).title, first.title);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ThreadPatch {
    /// See [`ThreadMetadata::source`].
    pub source: FieldPatch<String>,
    /// See [`ThreadMetadata::model_provider`].
    pub model_provider: FieldPatch<String>,
    /// See [`ThreadMetadata::model`].
    pub model: FieldPatch<Option<String>>,
    /// See [`ThreadMetadata::cli_version`].
    pub cli_version: FieldPatch<Option<String>>,
    /// See [`ThreadMetadata::cwd`].
    pub cwd: FieldPatch<PathBuf>,
    /// See [`ThreadMetadata::title`].
    pub title: FieldPatch<String>,
    /// See [`ThreadMetadata::preview`].
    pub preview: FieldPatch<Option<String>>,
    /// See [`ThreadMetadata::name`]; the later of two wins.
    pub name: Option<NamePatch>,
    /// See [`ThreadMetadata::sandbox_policy`].
    pub sandbox_policy: FieldPatch<String>,
    /// See [`ThreadMetadata::approval_mode`].
    pub approval_mode: FieldPatch<String>,
    /// See [`ThreadMetadata::tokens_used`].
    pub tokens_used: FieldPatch<i64>,
    /// `true` sets [`ThreadMetadata::has_user_event`]; `false` leaves it.
    pub has_user_event: bool,
    /// See [`ThreadMetadata::git_sha`].
    pub git_sha: FieldPatch<Option<String>>,
    /// See [`ThreadMetadata::git_branch`].
    pub git_branch: FieldPatch<Option<String>>,
    /// See [`ThreadMetadata::git_origin_url`].
    pub git_origin_url: FieldPatch<Option<String>>,
    /// The tools the thread was started with; stored where none are stored yet.
    pub tools: Option<Vec<DynamicToolSpec>>,
    /// [`ThreadMetadata::updated_at`] becomes at least this.
    pub updated_at: Option<Timestamp>,
    /// The newest time an item of the history carries; a deleted thread stays deleted unless this
    /// is after the deletion.
    pub newest_item_at: Option<Timestamp>,
    /// How far into the history this reaches.
    pub mark: Option<Mark>,
}

impl ThreadPatch {
    /// This patch and then that one, as one.
    #[must_use]
    pub fn then(self, next: Self) -> Self {
        Self {
            source: self.source.then(next.source),
            model_provider: self.model_provider.then(next.model_provider),
            model: self.model.then(next.model),
            cli_version: self.cli_version.then(next.cli_version),
            cwd: self.cwd.then(next.cwd),
            title: self.title.then(next.title),
            preview: self.preview.then(next.preview),
            name: match (self.name, next.name) {
                (Some(first), Some(second)) if second.at < first.at => Some(first),
                (first, second) => second.or(first),
            },
            sandbox_policy: self.sandbox_policy.then(next.sandbox_policy),
            approval_mode: self.approval_mode.then(next.approval_mode),
            tokens_used: self.tokens_used.then(next.tokens_used),
            has_user_event: self.has_user_event || next.has_user_event,
            git_sha: self.git_sha.then(next.git_sha),
            git_branch: self.git_branch.then(next.git_branch),
            git_origin_url: self.git_origin_url.then(next.git_origin_url),
            tools: match (self.tools, next.tools) {
                // An empty list stores nothing, so the next one may.
                (Some(first), Some(second)) if first.is_empty() => Some(second),
                (first, second) => first.or(second),
            },
            updated_at: self.updated_at.max(next.updated_at),
            newest_item_at: self.newest_item_at.max(next.newest_item_at),
            mark: self.mark.max(next.mark),
        }
    }

    /// Changes the row. Tools are stored beside it, by [`reduce`](crate::Record::reduce).
    ///
    /// Answers `false` and changes nothing where the row has applied this much already.
    pub fn apply_to(&self, row: &mut ThreadMetadata) -> bool {
        if self.is_behind(row) {
            return false;
        }
        self.source.apply_to(&mut row.source);
        self.model_provider.apply_to(&mut row.model_provider);
        self.model.apply_to(&mut row.model);
        self.cli_version.apply_to(&mut row.cli_version);
        self.cwd.apply_to(&mut row.cwd);
        self.title.apply_to(&mut row.title);
        self.preview.apply_to(&mut row.preview);
        if let Some(patch) = &self.name
            && patch.at >= row.named_at
        {
            row.name.clone_from(&patch.name);
            row.named_at = patch.at;
        }
        self.sandbox_policy.apply_to(&mut row.sandbox_policy);
        self.approval_mode.apply_to(&mut row.approval_mode);
        self.tokens_used.apply_to(&mut row.tokens_used);
        row.has_user_event |= self.has_user_event;
        self.git_sha.apply_to(&mut row.git_sha);
        self.git_branch.apply_to(&mut row.git_branch);
        self.git_origin_url.apply_to(&mut row.git_origin_url);
        row.updated_at = row.updated_at.max(self.updated_at.unwrap_or(Timestamp::MIN));
        if let Some(mark) = &self.mark {
            row.applied_file.clone_from(&mark.file);
            row.applied_through = mark.through;
        }
        row.normalise();
        true
    }

    fn is_behind(&self, row: &ThreadMetadata) -> bool {
        self.mark.as_ref().is_some_and(|mark| {
            (mark.file.as_str(), mark.through) <= (row.applied_file.as_str(), row.applied_through)
        })
    }

    pub(crate) fn validate(&self) -> Result<()> {
        let texts = [
            ("source", self.source.value()),
            ("model_provider", self.model_provider.value()),
            ("model", self.model.value().and_then(Option::as_ref)),
            ("cli_version", self.cli_version.value().and_then(Option::as_ref)),
            ("title", self.title.value()),
            ("preview", self.preview.value().and_then(Option::as_ref)),
            ("name", self.name.as_ref().and_then(|patch| patch.name.as_ref())),
            ("sandbox_policy", self.sandbox_policy.value()),
            ("approval_mode", self.approval_mode.value()),
            ("git_sha", self.git_sha.value().and_then(Option::as_ref)),
            ("git_branch", self.git_branch.value().and_then(Option::as_ref)),
            ("git_origin_url", self.git_origin_url.value().and_then(Option::as_ref)),
            ("applied_file", self.mark.as_ref().map(|mark| &mark.file)),
        ];
        for (field, text) in texts {
            limits::check(field, text.map_or(0, String::len), limits::TEXT_BYTES, "bytes")?;
        }
        let cwd = self.cwd.value().map_or(0, |cwd| cwd.as_os_str().len());
        limits::check("cwd", cwd, limits::TEXT_BYTES, "bytes")?;
        self.tools.as_deref().map_or(Ok(()), tools::validate)
    }
}
