//! What becomes of one row.

use std::path::Path;

use threadkeep_core::{FieldPatch, ThreadMetadata, ThreadPatch};

/// The row after a patch; `None` where the row has applied as much already.
pub(super) fn patched(row: &ThreadMetadata, patch: &ThreadPatch) -> Option<ThreadMetadata> {
    if let Some(mark) = &patch.mark {
        let same_file = mark.file == row.applied_file;
        if mark.file < row.applied_file || (same_file && mark.through <= row.applied_through) {
            return None;
        }
    }
    let mut next = row.clone();
    text(&mut next.source, &patch.source);
    text(&mut next.model_provider, &patch.model_provider);
    text(&mut next.title, &patch.title);
    text(&mut next.sandbox_policy, &patch.sandbox_policy);
    text(&mut next.approval_mode, &patch.approval_mode);
    optional(&mut next.model, &patch.model);
    optional(&mut next.cli_version, &patch.cli_version);
    optional(&mut next.preview, &patch.preview);
    optional(&mut next.git_sha, &patch.git_sha);
    optional(&mut next.git_branch, &patch.git_branch);
    optional(&mut next.git_origin_url, &patch.git_origin_url);
    let no_cwd = next.cwd.as_os_str().is_empty();
    field(&mut next.cwd, &patch.cwd, no_cwd);
    let no_tokens = next.tokens_used == 0;
    field(&mut next.tokens_used, &patch.tokens_used, no_tokens);
    next.has_user_event = next.has_user_event || patch.has_user_event;
    if let Some(naming) = &patch.name
        && (naming.at >= next.named_at)
    {
        next.name.clone_from(&naming.name);
        next.named_at = naming.at;
    }
    if let Some(updated_at) = patch.updated_at {
        next.updated_at = next.updated_at.max(updated_at);
    }
    if let Some(mark) = &patch.mark {
        next.applied_file.clone_from(&mark.file);
        next.applied_through = mark.through;
    }
    Some(next)
}

fn text(value: &mut String, patch: &FieldPatch<String>) {
    let empty = value.is_empty();
    field(value, patch, empty);
}

fn optional(value: &mut Option<String>, patch: &FieldPatch<Option<String>>) {
    let empty = value.as_deref().unwrap_or_default().is_empty();
    field(value, patch, empty);
}

fn field<T: Clone>(value: &mut T, patch: &FieldPatch<T>, empty: bool) {
    match patch {
        FieldPatch::Keep => {}
        FieldPatch::Set(next) => *value = next.clone(),
        FieldPatch::SetIfEmpty(next) => {
            if empty {
                *value = next.clone();
            }
        }
    }
}

/// As many whole characters as fit.
pub(super) fn cut(text: &str, bytes: usize) -> String {
    let mut kept = String::new();
    for character in text.chars() {
        if kept.len() + character.len_utf8() > bytes {
            break;
        }
        kept.push(character);
    }
    kept
}

/// Whether one of the folders above a file is that of archived threads.
pub(super) fn in_archive(file: &Path) -> bool {
    file.ancestors().skip(1).any(|folder| folder.ends_with("archived_sessions"))
}
