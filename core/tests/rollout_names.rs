//! What the name of a rollout file says, and what it cannot say.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::Path;

use threadkeep_core::rollout::{RolloutName, file_key};
use threadkeep_core::{ThreadId, Timestamp};

const THREAD: &str = "019d2308-c368-7ca0-8331-65a7d470352c";

fn of(name: &str) -> (Option<Timestamp>, Option<ThreadId>) {
    let name = RolloutName::of(Path::new(name));
    assert_eq!(name.segment, None);
    (name.time, name.thread)
}

#[test]
fn a_name_says_when_the_thread_began_and_which_it_is() {
    let time = Some("2026-03-24T21:27:50.000Z".parse().unwrap());
    let thread = Some(THREAD.parse().unwrap());
    for end in ["jsonl", "jsonl.zst"] {
        let name = format!("a/b/rollout-2026-03-24T21-27-50-{THREAD}.{end}");
        assert_eq!(of(&name), (time, thread), "{name}");
    }
    assert_eq!(of(&format!("rollout-2026-02-30T21-27-50-{THREAD}.jsonl")), (None, thread));
    assert_eq!(of(&format!("{THREAD}.jsonl")), (None, thread));
    assert_eq!(of("rollout-2026-03-24T21-27-50.jsonl"), (time, None));
}

#[test]
fn a_file_keeps_its_key_where_it_is_moved_and_packed() {
    for path in ["sessions/2026/03/24/r.jsonl", "archived_sessions/r.jsonl.zst", "r.jsonl"] {
        assert_eq!(file_key(Path::new(path)), "r.jsonl");
    }
}
