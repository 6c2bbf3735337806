//! An independent oracle: what `list --any --include-empty --json` must print for a Codex home.
//!
//! Slow and plain on purpose. It shares no code with the program, reads every file whole, and
//! folds every line into a copy of the row, so that a bug here and the same bug there is unlikely.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod fold;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use chrono::{DateTime, NaiveDateTime, SecondsFormat, Utc};
use serde_json::{Value, json};
use uuid::Uuid;

use fold::{Row, apply, first_meta_id};

/// Everything a full index of one home must come to.
pub(crate) struct Expected {
    /// By thread id: the object printed for it, without `revision`.
    pub(crate) threads: BTreeMap<String, Value>,
    /// Files that hold no thread, with the reason.
    pub(crate) skipped: Vec<(PathBuf, String)>,
    /// Files that lost against another file of the same thread (and the same segment).
    pub(crate) duplicates: Vec<PathBuf>,
}

/// Reads the whole home and folds it.
pub(crate) fn expected(home: &Path) -> Expected {
    let (groups, skipped, duplicates) = sort_out(home);
    let threads = groups
        .into_iter()
        .map(|(id, files)| {
            let row = fold_files(&id, &files);
            let object = to_json(&id, &row, &files);
            (id, object)
        })
        .collect();
    Expected { threads, skipped, duplicates }
}

/// For each thread that has them: the `dynamic_tools` array as its own first record states it.
pub(crate) fn expected_tools(home: &Path) -> BTreeMap<String, Value> {
    let (groups, _, _) = sort_out(home);
    groups
        .into_iter()
        .filter_map(|(id, files)| fold_files(&id, &files).tools.map(|tools| (id, tools)))
        .collect()
}

/// One rollout file, read and taken apart.
struct Rollout {
    path: PathBuf,
    archived: bool,
    mtime: i64,
    thread: String,
    segment: Option<String>,
    /// The well-formed lines, in order.
    lines: Vec<String>,
    /// Bytes up to and including the last complete line.
    applied: usize,
    /// The time of the first line, else the one in the file name, else the file's own.
    started: i64,
}

type Groups = BTreeMap<String, Vec<Rollout>>;

/// Finds, reads, drops duplicates, and puts the segments of each thread in order.
fn sort_out(home: &Path) -> (Groups, Vec<(PathBuf, String)>, Vec<PathBuf>) {
    let mut winners: BTreeMap<(String, Option<String>), Rollout> = BTreeMap::new();
    let (mut skipped, mut duplicates) = (Vec::new(), Vec::new());
    for (folder, archived) in [("sessions", false), ("archived_sessions", true)] {
        for path in rollout_files(&home.join(folder)) {
            let file = match read(&path, archived) {
                Ok(file) => file,
                Err(reason) => {
                    skipped.push((path, reason));
                    continue;
                }
            };
            let key = (file.thread.clone(), file.segment.clone());
            match winners.get(&key) {
                Some(best) if rank(best) >= rank(&file) => duplicates.push(path),
                _ => duplicates.extend(winners.insert(key, file).map(|loser| loser.path)),
            }
        }
    }
    let mut groups = Groups::new();
    for ((thread, _), file) in winners {
        groups.entry(thread).or_default().push(file);
    }
    for files in groups.values_mut() {
        files.sort_by_key(|file| (file.started, file.path.clone()));
    }
    (groups, skipped, duplicates)
}

/// Active beats archived, then more readable lines, then the later modification time.
fn rank(file: &Rollout) -> (bool, usize, i64) {
    (!file.archived, file.lines.len(), file.mtime)
}

/// `rollout-*.jsonl` and `rollout-*.jsonl.zst` at any depth, in path order.
fn rollout_files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let Ok(entries) = fs::read_dir(folder) else {
        return found;
    };
    for entry in entries.flatten() {
        let path = entry.path();
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            found.extend(rollout_files(&path));
        } else if is_rollout(&name) {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn is_rollout(name: &str) -> bool {
    let plain = Path::new(name.strip_suffix(".zst").unwrap_or(name));
    name.starts_with("rollout-") && plain.extension().is_some_and(|extension| extension == "jsonl")
}

fn read(path: &Path, archived: bool) -> Result<Rollout, String> {
    let stored = fs::read(path).map_err(|error| error.to_string())?;
    let bytes = if path.extension().is_some_and(|extension| extension == "zst") {
        zstd::decode_all(stored.as_slice()).map_err(|error| error.to_string())?
    } else {
        stored
    };
    let (lines, applied) = readable_lines(&bytes);
    let first = lines.first().ok_or("no readable line")?;

    let name = path.file_name().unwrap().to_string_lossy().into_owned();
    let (in_name, segment) = ids_in_name(&name);
    let thread = if let Some(id) = in_name {
        id
    } else {
        let id = lines.iter().find_map(|line| first_meta_id(line));
        let id = id.ok_or("no id in the name, no session_meta")?;
        Uuid::parse_str(&id).map_err(|_| format!("the id `{id}` is no UUID"))?.to_string()
    };
    let mtime = mtime_ms(path);
    let first: Value = serde_json::from_str(first).unwrap();
    let started = first
        .get("timestamp")
        .and_then(Value::as_str)
        .and_then(instant)
        .or_else(|| time_in_name(&name))
        .unwrap_or(mtime);
    Ok(Rollout {
        path: path.to_path_buf(),
        archived,
        mtime,
        thread,
        segment,
        lines,
        applied,
        started,
    })
}

/// The well-formed lines, and how many bytes the complete lines (good or bad) take.
fn readable_lines(bytes: &[u8]) -> (Vec<String>, usize) {
    let mut lines = Vec::new();
    let mut applied = 0;
    let mut rest = bytes;
    while !rest.is_empty() {
        let length = rest.iter().position(|&byte| byte == b'\n').map_or(rest.len(), |at| at + 1);
        let (line, after) = rest.split_at(length);
        let ended = line.ends_with(b"\n");
        let content =
            if applied == 0 { line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line) } else { line };
        let text = std::str::from_utf8(content).ok().map(fold::replace_lone_surrogates);
        let json = text.as_deref().and_then(|text| serde_json::from_str::<Value>(text).ok());
        if !ended && json.is_none() {
            break;
        }
        applied += length;
        if let (Some(text), Some(_)) = (text, json) {
            // Whether a line is well formed depends on neither the row nor the thread.
            if apply(&mut Row::default(), "", &text).is_ok() {
                lines.push(text.trim().to_owned());
            }
        }
        rest = after;
    }
    (lines, applied)
}

/// The thread id, and the segment id after it, that a file name states.
fn ids_in_name(name: &str) -> (Option<String>, Option<String>) {
    let is_id = |at: usize| {
        let text = name.get(at..at + 36)?;
        Uuid::try_parse(text).ok().map(|id| id.to_string())
    };
    let Some((at, thread)) = (0..name.len()).find_map(|at| is_id(at).map(|id| (at, id))) else {
        return (None, None);
    };
    let next = at + 36;
    let segment = name[next..].starts_with('_').then(|| is_id(next + 1)).flatten();
    (Some(thread), segment)
}

fn time_in_name(name: &str) -> Option<i64> {
    let text = name.strip_prefix("rollout-")?.get(..19)?;
    let time = NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H-%M-%S").ok()?;
    Some(time.and_utc().timestamp_millis())
}

fn instant(text: &str) -> Option<i64> {
    DateTime::parse_from_rfc3339(text).ok().map(|time| time.timestamp_millis())
}

fn mtime_ms(path: &Path) -> i64 {
    let modified = fs::metadata(path).unwrap().modified().unwrap();
    i64::try_from(modified.duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

fn fold_files(id: &str, files: &[Rollout]) -> Row {
    let mut row = Row::default();
    for line in files.iter().flat_map(|file| &file.lines) {
        apply(&mut row, id, line).unwrap();
    }
    row
}

fn to_json(id: &str, row: &Row, files: &[Rollout]) -> Value {
    let (first, last) = (files.first().unwrap(), files.last().unwrap());
    let created = row.created_at.as_deref().and_then(instant).unwrap_or(first.started);
    let modified = files.iter().map(|file| file.mtime).max().unwrap();
    let or = |text: &Option<String>, default: &str| text.as_deref().unwrap_or(default).to_owned();
    json!({
        "id": id,
        "rollout_path": last.path.to_string_lossy(),
        "created_at": time(created),
        "updated_at": time(created.max(modified)),
        "source": or(&row.source, "unknown"),
        "model_provider": or(&row.model_provider, "openai"),
        "model": row.model,
        "cli_version": row.cli_version,
        "cwd": or(&row.cwd, ""),
        "title": row.title,
        "preview": row.preview,
        "name": row.name,
        "sandbox_policy": or(&row.sandbox_policy, "read-only"),
        "approval_mode": or(&row.approval_mode, "on-request"),
        "tokens_used": row.tokens_used,
        "has_user_event": row.has_user_event,
        "archived_at": last.archived.then(|| time(last.mtime)),
        "git_sha": row.git_sha,
        "git_branch": row.git_branch,
        "git_origin_url": row.git_origin_url,
        "applied_through": last.applied,
    })
}

fn time(ms: i64) -> String {
    let time: DateTime<Utc> = DateTime::from_timestamp_millis(ms).unwrap();
    time.to_rfc3339_opts(SecondsFormat::Millis, true)
}
