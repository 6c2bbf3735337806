//! The bytes that a digest is made of.

use xxhash_rust::xxh3::Xxh3;

use crate::{DynamicToolSpec, LogEntry, ThreadId, ThreadMetadata, Timestamp, path};

/// A hash that is fed values in the form that the contract lays down.
struct Encoder(Xxh3);

impl Encoder {
    fn new() -> Self {
        Self(Xxh3::new())
    }

    fn text(&mut self, text: Option<&str>) {
        self.number(text.map_or(u64::MAX, |text| text.len() as u64));
        self.0.update(text.unwrap_or_default().as_bytes());
    }

    fn number(&mut self, number: u64) {
        self.0.update(&number.to_le_bytes());
    }

    fn signed(&mut self, number: i64) {
        self.0.update(&number.to_le_bytes());
    }

    fn time(&mut self, time: Option<Timestamp>) {
        // No time is that early, so it can stand for none.
        self.signed(time.map_or(i64::MIN, Timestamp::as_millis));
    }

    fn hash(self) -> u128 {
        self.0.digest128()
    }
}

/// The hash of a row.
pub(super) fn row(row: &ThreadMetadata) -> u128 {
    // Taken apart, so that a new field cannot be forgotten here.
    let ThreadMetadata {
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
        revision: _,
    } = row;
    let mut encoder = Encoder::new();
    encoder.0.update(id.as_bytes());
    for time in [Some(*created_at), Some(*updated_at), *named_at, *archived_at] {
        encoder.time(time);
    }
    encoder.signed(*tokens_used);
    encoder.number(*applied_through);
    encoder.0.update(&[u8::from(*has_user_event)]);
    for text in [
        Some(&*path::to_text(rollout_path)),
        Some(source),
        Some(model_provider),
        model.as_deref(),
        cli_version.as_deref(),
        Some(&*path::to_text(cwd)),
        Some(title),
        preview.as_deref(),
        name.as_deref(),
        Some(sandbox_policy),
        Some(approval_mode),
        git_sha.as_deref(),
        git_branch.as_deref(),
        git_origin_url.as_deref(),
        Some(applied_file),
    ] {
        encoder.text(text);
    }
    encoder.hash()
}

/// The hash of a thread's tools.
pub(super) fn tools(id: ThreadId, tools: &[DynamicToolSpec]) -> u128 {
    let mut encoder = Encoder::new();
    encoder.0.update(id.as_bytes());
    encoder.number(tools.len() as u64);
    for tool in tools {
        encoder.text(Some(tool.json()));
    }
    encoder.hash()
}

/// The hash of a checkpoint.
pub(super) fn checkpoint(key: &str, value: &str) -> u128 {
    let mut encoder = Encoder::new();
    encoder.text(Some(key));
    encoder.text(Some(value));
    encoder.hash()
}

/// The hash of a log entry.
pub(super) fn log_entry(entry: &LogEntry) -> u128 {
    let LogEntry { time, level, target, message, thread_id, process_id, module_path, file, line } =
        entry;
    let mut encoder = Encoder::new();
    encoder.signed(time.timestamp());
    encoder.number(u64::from(time.timestamp_subsec_nanos()));
    encoder.0.update(&[level.code()]);
    encoder.number(line.map_or(u64::MAX, u64::from));
    encoder.text(Some(target));
    for text in [message, thread_id, process_id, module_path, file] {
        encoder.text(text.as_deref());
    }
    encoder.hash()
}

/// The hash of a sequence that goes on with one more.
pub(super) fn chain(before: u128, next: u128) -> u128 {
    let mut hash = Xxh3::new();
    hash.update(&before.to_le_bytes());
    hash.update(&next.to_le_bytes());
    hash.digest128()
}
