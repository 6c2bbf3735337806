//! What the name of a rollout file tells.

use std::path::Path;

use threadkeep_core::rollout::{RolloutName, file_key};
use threadkeep_core::{Effect, Mark, Result, Store, ThreadMetadata, ThreadSeed, ThreadStoreExt};

use super::say::{apply, at, change, id, patch, row, seed};
use crate::cases::{Tier, group};
use crate::lab::{Lab, Verdict};

group! { Tier::Examples;
    R_01: a_name_tells_the_time_and_the_thread,
    R_02: a_name_with_two_ids_tells_thread_and_segment,
    R_03: other_names_tell_what_they_can,
    R_04: a_file_is_known_wherever_it_lies,
}

const THREAD: &str = "019d2308-c368-7ca0-8331-65a7d470352c";
const SEGMENT: &str = "01a0f18c-42f0-7e21-80e9-4a6270b5a550";

/// Stores a thread that is what the name of its file says, if that says enough.
async fn stored(store: &dyn Store, path: &str) -> Result<Option<ThreadMetadata>> {
    let name = RolloutName::of(Path::new(path));
    let (Some(thread), Some(time)) = (name.thread, name.time) else {
        return Ok(None);
    };
    store.upsert_thread(ThreadSeed::new(thread, path, time).into_metadata()).await?;
    store.get_thread(thread).await
}

async fn a_name_tells_the_time_and_the_thread(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    for end in ["jsonl", "jsonl.zst"] {
        for folder in ["", "/home/.codex/sessions/2026/03/24/", "C:\\sessions/"] {
            let path = format!("{folder}rollout-2026-03-24T21-27-50-{THREAD}.{end}");
            let row = stored(&store, &path).await?;
            let told = row.map(|row| (row.id.to_string(), row.created_at.to_string()));
            assert_eq!(told, Some((THREAD.into(), "2026-03-24T21:27:50.000Z".into())), "{path}");
            assert_eq!(RolloutName::of(Path::new(&path)).segment, None);
        }
    }
    Ok(())
}

async fn a_name_with_two_ids_tells_thread_and_segment(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    let path = format!("/sessions/rollout-2026-09-30T17-01-36-{THREAD}_{SEGMENT}.jsonl");
    let name = RolloutName::of(Path::new(&path));
    assert_eq!(name.segment.map(|segment| segment.to_string()).as_deref(), Some(SEGMENT));
    let row = stored(&store, &path).await?;
    assert_eq!(row.map(|row| row.id.to_string()).as_deref(), Some(THREAD));
    // Anything but an underscore makes no segment.
    let path = path.replace('_', "-");
    assert_eq!(RolloutName::of(Path::new(&path)).segment, None);
    Ok(())
}

async fn other_names_tell_what_they_can(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    for (name, time, thread) in [
        ("rollout-2026-03-24T21-27-50.jsonl".to_owned(), true, false),
        (format!("{THREAD}.jsonl"), false, true),
        (format!("copy of {THREAD}.jsonl"), false, true),
        (format!("rollout-2026-13-24T21-27-50-{THREAD}.jsonl"), false, true),
        (format!("rollout-2026-03-24T21-27-50-{}.jsonl", THREAD.replace('-', "")), true, false),
        (format!("rollout-2026-03-24T21-27-50-{}.jsonl", &THREAD[1..]), true, false),
        ("rollout-tool-call.jsonl".into(), false, false),
        ("\u{e9}".into(), false, false),
        (String::new(), false, false),
    ] {
        let told = RolloutName::of(Path::new(&name));
        assert_eq!((told.time.is_some(), told.thread.is_some()), (time, thread), "{name:?}");
        assert_eq!(stored(&store, &name).await?, None, "{name:?}");
    }
    Ok(())
}

async fn a_file_is_known_wherever_it_lies(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    let read_from = |path: &str| {
        let file = file_key(Path::new(path));
        apply(seed(1), patch(|patch| patch.mark = Some(Mark { file, through: 100 })))
    };
    change(&store, read_from("/home/sessions/2026/rollout-b.jsonl")).await?;
    for same in ["rollout-b.jsonl", "/archived_sessions/rollout-b.jsonl", "rollout-b.jsonl.zst"] {
        assert_eq!(change(&store, read_from(same)).await?.effect, Effect::Unchanged, "{same}");
    }
    assert_eq!(change(&store, read_from("/home/rollout-c.jsonl")).await?.effect, Effect::Updated);
    let row = row(&store, 1).await?;
    assert_eq!((row.id, row.created_at), (id(1), at(1)));
    assert_eq!(row.applied_file, "rollout-c.jsonl");
    Ok(())
}
