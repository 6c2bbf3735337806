//! A thread's row.

use serde::{Deserialize, Serialize};
use threadkeep_core::{Result, ThreadId, ThreadMetadata, ThreadSeed, Timestamp, path};

use super::frame;

const VERSION: u8 = 1;

/// Bytes before the fields: the revision, which is told of a damaged row too.
const REVISION: usize = 8;

/// The fields, in this order; the id is the key. Times are milliseconds since 1970.
#[derive(Serialize, Deserialize)]
struct Fields<'a> {
    rollout_path: &'a str,
    created_at: i64,
    updated_at: i64,
    source: &'a str,
    model_provider: &'a str,
    model: Option<&'a str>,
    cli_version: Option<&'a str>,
    cwd: &'a str,
    title: &'a str,
    preview: Option<&'a str>,
    name: Option<&'a str>,
    named_at: Option<i64>,
    sandbox_policy: &'a str,
    approval_mode: &'a str,
    tokens_used: i64,
    has_user_event: bool,
    archived_at: Option<i64>,
    git_sha: Option<&'a str>,
    git_branch: Option<&'a str>,
    git_origin_url: Option<&'a str>,
    applied_file: &'a str,
    applied_through: u64,
}

/// The value of a row, to be stored under the bytes of its id.
pub fn encode_thread(row: &ThreadMetadata) -> Result<Vec<u8>> {
    let fields = Fields {
        rollout_path: &path::to_text(&row.rollout_path),
        created_at: row.created_at.as_millis(),
        updated_at: row.updated_at.as_millis(),
        source: &row.source,
        model_provider: &row.model_provider,
        model: row.model.as_deref(),
        cli_version: row.cli_version.as_deref(),
        cwd: &path::to_text(&row.cwd),
        title: &row.title,
        preview: row.preview.as_deref(),
        name: row.name.as_deref(),
        named_at: row.named_at.map(Timestamp::as_millis),
        sandbox_policy: &row.sandbox_policy,
        approval_mode: &row.approval_mode,
        tokens_used: row.tokens_used,
        has_user_event: row.has_user_event,
        archived_at: row.archived_at.map(Timestamp::as_millis),
        git_sha: row.git_sha.as_deref(),
        git_branch: row.git_branch.as_deref(),
        git_origin_url: row.git_origin_url.as_deref(),
        applied_file: &row.applied_file,
        applied_through: row.applied_through,
    };
    let mut body = row.revision.to_be_bytes().to_vec();
    body.extend(frame::to_bytes(&fields)?);
    Ok(frame::seal(VERSION, row.id.as_bytes(), &body))
}

/// The row of a value stored under this id; [`Corrupted`](threadkeep_core::ErrorKind::Corrupted)
/// where it is not what was written.
pub fn decode_thread(id: ThreadId, bytes: &[u8]) -> Result<ThreadMetadata> {
    let body = frame::open(VERSION, id.as_bytes(), bytes)?;
    let (revision, fields) = body
        .split_first_chunk::<REVISION>()
        .ok_or_else(|| frame::damaged("it ends within its revision"))?;
    let fields: Fields<'_> = frame::from_bytes(fields)?;
    let text = |text: Option<&str>| text.map(str::to_owned);
    let rollout_path = path::from_text(fields.rollout_path);
    let created_at = Timestamp::from_millis(fields.created_at);
    let mut row = ThreadSeed::new(id, rollout_path, created_at).into_metadata();
    row.updated_at = Timestamp::from_millis(fields.updated_at);
    row.source = fields.source.into();
    row.model_provider = fields.model_provider.into();
    row.model = text(fields.model);
    row.cli_version = text(fields.cli_version);
    row.cwd = path::from_text(fields.cwd);
    row.title = fields.title.into();
    row.preview = text(fields.preview);
    row.name = text(fields.name);
    row.named_at = fields.named_at.map(Timestamp::from_millis);
    row.sandbox_policy = fields.sandbox_policy.into();
    row.approval_mode = fields.approval_mode.into();
    row.tokens_used = fields.tokens_used;
    row.has_user_event = fields.has_user_event;
    row.archived_at = fields.archived_at.map(Timestamp::from_millis);
    row.git_sha = text(fields.git_sha);
    row.git_branch = text(fields.git_branch);
    row.git_origin_url = text(fields.git_origin_url);
    row.applied_file = fields.applied_file.into();
    row.applied_through = fields.applied_through;
    row.revision = u64::from_be_bytes(*revision);
    Ok(row)
}

/// The revision of a row whose value may be damaged, as far as it can be read.
pub fn thread_revision(bytes: &[u8]) -> u64 {
    let revision = bytes.get(frame::HEADER..).and_then(<[u8]>::first_chunk::<REVISION>);
    revision.map_or(0, |revision| u64::from_be_bytes(*revision))
}
