//! What the name of a rollout file says.

use std::path::Path;

use chrono::NaiveDateTime;

use crate::{ThreadId, Timestamp};

/// The parts of `rollout-YYYY-MM-DDTHH-MM-SS-THREAD.jsonl` or `…-THREAD_SEGMENT.jsonl`.
///
/// ```
/// use std::path::Path;
/// use threadkeep_core::rollout::RolloutName;
///
/// let name = RolloutName::of(Path::new(
///     "rollout-2026-03-24T21-27-50-019d2308-c368-7ca0-8331-65a7d470352c.jsonl.zst",
/// ));
/// assert_eq!(name.time.unwrap().to_string(), "2026-03-24T21:27:50.000Z");
/// assert!(name.thread.is_some() && name.segment.is_none());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RolloutName {
    /// The writer's local time, taken as UTC.
    pub time: Option<Timestamp>,
    /// The thread.
    pub thread: Option<ThreadId>,
    /// Which of the thread's files it is, where there may be several.
    pub segment: Option<ThreadId>,
}

const UUID_CHARS: usize = 36;

impl RolloutName {
    /// Reads a path's last component. What cannot be read is `None`.
    pub fn of(path: &Path) -> Self {
        let key = file_key(path);
        let stem = key.strip_suffix(".jsonl").unwrap_or(&key);
        let (thread, rest) = first_uuid(stem);
        let segment = rest.strip_prefix('_').and_then(uuid);
        Self { time: time(stem), thread, segment }
    }
}

/// The name of a rollout file without folders and without `.zst`: what it is known by wherever it
/// lies. Not Unicode is replaced.
pub fn file_key(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.strip_suffix(".zst").unwrap_or(&name).to_owned()
}

/// The first UUID in the text, and what follows it.
fn first_uuid(text: &str) -> (Option<ThreadId>, &str) {
    (0..text.len())
        .filter_map(|at| text.get(at..))
        .find_map(|from| Some((Some(uuid(from)?), &from[UUID_CHARS..])))
        .unwrap_or((None, ""))
}

/// The UUID the text begins with.
fn uuid(text: &str) -> Option<ThreadId> {
    let text = text.get(..UUID_CHARS)?;
    [8, 13, 18, 23].iter().all(|&at| text.as_bytes()[at] == b'-').then(|| text.parse().ok())?
}

fn time(stem: &str) -> Option<Timestamp> {
    let text = stem.strip_prefix("rollout-")?.get(..19)?;
    let time = NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H-%M-%S").ok()?;
    Some(time.and_utc().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_follows_the_thread() {
        let name = RolloutName::of(Path::new(
            "a/rollout-2026-09-30T17-01-36-01a0f184-ab47-7b92-81fe-2d65c1d6977f_01a0f18c-42f0-7e21-80e9-4a6270b5a550.jsonl",
        ));
        assert_eq!(name.thread.unwrap().to_string(), "01a0f184-ab47-7b92-81fe-2d65c1d6977f");
        assert_eq!(name.segment.unwrap().to_string(), "01a0f18c-42f0-7e21-80e9-4a6270b5a550");
    }

    #[test]
    fn other_names_say_nothing() {
        for name in ["rollout-tool-call.jsonl", "rollout-compact-codex-001.jsonl", "é", ""] {
            assert_eq!(RolloutName::of(Path::new(name)), RolloutName::default());
        }
    }
}
