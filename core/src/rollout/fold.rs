//! From lines to a patch.

use super::{RolloutItem, RolloutLine, SessionMeta, TurnContext, UserMessage};
use crate::patch::{Emptiness, NamePatch};
use crate::thread::UNKNOWN_SOURCE;
use crate::{FieldPatch, ThreadId, ThreadPatch, Timestamp, limits};

/// What these lines say of thread `id`, in order.
///
/// `fold(a ++ b)` equals `fold(a).then(fold(b))`. The patch has no mark: whoever knows how far
/// into a file the lines reach sets it.
pub fn fold<'a>(id: ThreadId, lines: impl IntoIterator<Item = &'a RolloutLine>) -> ThreadPatch {
    let mut fold = Fold::new(id);
    for line in lines {
        fold.push(line);
    }
    fold.into_patch()
}

/// A [`fold`] that takes one line at a time and can tell when the thread began.
#[derive(Clone, Debug)]
pub struct Fold {
    id: ThreadId,
    patch: ThreadPatch,
    /// Whether the thread's own record was met.
    has_session: bool,
    session_at: Option<Timestamp>,
    first_line_at: Option<Timestamp>,
    started: bool,
}

impl Fold {
    /// Nothing said yet of this thread.
    pub fn new(id: ThreadId) -> Self {
        Self {
            id,
            patch: ThreadPatch::default(),
            has_session: false,
            session_at: None,
            first_line_at: None,
            started: false,
        }
    }

    /// Takes the next line.
    pub fn push(&mut self, line: &RolloutLine) {
        if !self.started {
            self.started = true;
            self.first_line_at = line.timestamp;
        }
        if line.timestamp > self.patch.newest_item_at {
            self.patch.newest_item_at = line.timestamp;
            self.patch.updated_at = line.timestamp;
        }
        match &line.item {
            RolloutItem::SessionMeta(meta) => self.session_meta(meta),
            RolloutItem::TurnContext(context) => self.turn_context(context),
            RolloutItem::TokenCount(total) => {
                self.patch.tokens_used = FieldPatch::Set((*total).max(0));
            }
            RolloutItem::UserMessage(message) => self.user_message(message),
            RolloutItem::ThreadName(name) => {
                let name = NamePatch { name: name.clone(), at: line.timestamp };
                if self.patch.name.as_ref().is_none_or(|before| before.at <= name.at) {
                    self.patch.name = Some(name);
                }
            }
            RolloutItem::Other | RolloutItem::Unknown => {}
        }
    }

    /// When the thread began, as far as the lines tell: by its own first record, else by the
    /// first line.
    pub fn started_at(&self) -> Option<Timestamp> {
        self.session_at().or(self.first_line_at)
    }

    /// When the thread began by its own first record.
    pub fn session_at(&self) -> Option<Timestamp> {
        self.session_at
    }

    /// The time the first line carries.
    pub fn first_line_at(&self) -> Option<Timestamp> {
        self.first_line_at
    }

    /// What the lines said.
    pub fn into_patch(self) -> ThreadPatch {
        self.patch
    }

    fn session_meta(&mut self, meta: &SessionMeta) {
        // A fork carries its parent's record, which says nothing of this thread.
        if meta.id.as_ref().and_then(|id| id.parse().ok()) != Some(self.id) {
            return;
        }
        if !self.has_session {
            self.has_session = true;
            self.session_at = meta.timestamp;
        }
        let patch = &mut self.patch;
        let source = meta.source.clone().unwrap_or_else(|| UNKNOWN_SOURCE.into());
        patch.source = FieldPatch::Set(source);
        set(&mut patch.model_provider, meta.model_provider.clone());
        set(&mut patch.model, meta.model.clone().map(Some));
        set_if_empty(&mut patch.cli_version, meta.cli_version.clone().map(Some));
        set(&mut patch.cwd, meta.cwd.clone());
        if let Some(git) = &meta.git {
            patch.git_sha = FieldPatch::Set(git.sha.clone());
            patch.git_branch = FieldPatch::Set(git.branch.clone());
            patch.git_origin_url = FieldPatch::Set(git.origin_url.clone());
        }
        if patch.tools.is_none() && !meta.dynamic_tools.is_empty() {
            patch.tools = Some(meta.dynamic_tools.clone());
        }
    }

    fn turn_context(&mut self, context: &TurnContext) {
        let patch = &mut self.patch;
        set(&mut patch.sandbox_policy, context.sandbox_policy.clone());
        set(&mut patch.approval_mode, context.approval_mode.clone());
        set(&mut patch.model, context.model.clone().map(Some));
        set_if_empty(&mut patch.cwd, context.cwd.clone());
    }

    fn user_message(&mut self, message: &UserMessage) {
        let patch = &mut self.patch;
        patch.has_user_event = true;
        let text = Some(&message.text).filter(|text| !text.is_empty());
        let title = text.map(|text| limits::cut(text, limits::TITLE_BYTES).to_owned());
        set_if_empty(&mut patch.title, title);
        let preview = text.cloned().or_else(|| message.has_images.then(|| "[Image]".into()));
        set_if_empty(&mut patch.preview, preview.map(Some));
    }
}

fn set<T>(field: &mut FieldPatch<T>, value: Option<T>) {
    if let Some(value) = value {
        *field = FieldPatch::Set(value);
    }
}

fn set_if_empty<T: Emptiness + Clone>(field: &mut FieldPatch<T>, value: Option<T>) {
    if let Some(value) = value {
        *field = std::mem::take(field).then(FieldPatch::SetIfEmpty(value));
    }
}
