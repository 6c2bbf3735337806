//! Backups, moving from store to store, and files of other origin.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use threadkeep_core::{
    Change, Direction, DynamicToolSpec, Effect, ErrorKind, LogEntry, LogFilter, LogLevel, LogQuery,
    LogStoreExt, Result, Store, ThreadMetadata, ThreadQuery, ThreadStoreExt, WriteBatch,
};

use super::say::{
    apply, at, change, delete, id, patch, patch_of, put, row, seed, store_all, thread, thread_with,
    title,
};
use super::{BACKUP, PERSISTENT};
use crate::cases::{Tier, group};
use crate::fixture::Need;
use crate::lab::{Failure, Lab, Verdict};

group! { Tier::Examples;
    S_10: a_backup_is_a_store_with_everything_in_it [BACKUP],
    S_11: a_backup_goes_over_nothing [BACKUP],
    S_12: a_backup_holds_no_half_batch [BACKUP],
    S_13: content_moves_from_store_to_store_unchanged,
    S_20: files_that_are_no_store_are_refused_untouched [PERSISTENT],
    S_21: a_store_of_the_previous_format_is_upgraded [PERSISTENT, Need::PreviousFormat],
}

fn entry(message: &str) -> LogEntry {
    let mut entry = LogEntry::new(at(0).to_datetime(), LogLevel::Warn, "target", message);
    entry.time += chrono::TimeDelta::nanoseconds(123_456_789);
    entry.thread_id = Some("some thread".into());
    entry
}

fn checkpoint(key: &str, value: &str) -> Change {
    Change::SetCheckpoint { key: key.into(), value: Some(value.into()) }
}

/// Some of everything.
async fn fill(store: &dyn Store) -> Result<()> {
    let rows = (1..=40).map(|number| {
        thread_with(number, |row| {
            row.created_at = at(i64::from(number % 7) - 3);
            row.archived_at = (number % 3 == 0).then(|| at(77));
            row.has_user_event = number % 4 != 0;
            row.title = "grüße\0 \u{1F980}".repeat(number as usize);
            row.preview = (number % 2 == 0).then(String::new);
            row.applied_through = u64::MAX - u64::from(number);
        })
    });
    store_all(store, rows).await?;
    for number in [1, 2, 5] {
        let json = format!(r#"{{ "name":"t","b":1.00,"a":[1e400,{number}] }}"#);
        let tools = vec![DynamicToolSpec::from_json(json)?];
        store.persist_dynamic_tools(id(number), Some(tools)).await?;
    }
    change(store, delete(5, 1_000)).await?;
    let batch = WriteBatch::new().and(checkpoint("", "empty")).and(checkpoint("a\0b", "\u{1F980}"));
    store.write(batch).await?;
    store.insert_logs(vec![entry("b"), entry("a"), entry("")]).await?;
    Ok(())
}

/// What can be read out of a store, numbers that count writes left out.
#[derive(Debug, PartialEq)]
struct Content {
    rows: Vec<ThreadMetadata>,
    tools: Vec<(ThreadMetadata, Vec<DynamicToolSpec>)>,
    checkpoints: BTreeMap<String, String>,
    logs: Vec<LogEntry>,
}

async fn read(store: &dyn Store) -> Result<Content> {
    let mut query = ThreadQuery::everything().limit(7);
    let mut rows = Vec::new();
    loop {
        let page = store.list(query.clone()).await?;
        rows.extend(page.items);
        match page.next {
            Some(next) => query = query.after(next),
            None => break,
        }
    }
    for row in &mut rows {
        row.revision = 0;
    }
    let mut tools = Vec::new();
    for row in &rows {
        if let Some(found) = store.dynamic_tools(row.id).await? {
            tools.push((row.clone(), found));
        }
    }
    let checkpoints = store.checkpoints(String::new(), None, 1_000).await?;
    let checkpoints = checkpoints.into_iter().map(|found| (found.key, found.value)).collect();
    let all = LogQuery::new(LogFilter::new()).direction(Direction::Ascending);
    let logs = store.query(all).await?.items.into_iter().map(|row| row.entry).collect();
    Ok(Content { rows, tools, checkpoints, logs })
}

async fn write(store: &dyn Store, content: &Content) -> Result<()> {
    store_all(store, content.rows.iter().cloned()).await?;
    for (row, tools) in &content.tools {
        store.persist_dynamic_tools(row.id, Some(tools.clone())).await?;
    }
    let mut batch = WriteBatch::new();
    for (key, value) in &content.checkpoints {
        batch.push(checkpoint(key, value));
    }
    store.write(batch).await?;
    store.insert_logs(content.logs.clone()).await?;
    Ok(())
}

async fn a_backup_is_a_store_with_everything_in_it(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    fill(&store).await?;
    let copy = lab.beside("copy");
    store.backup(copy.clone()).await?;
    let (before, revision) = (read(&store).await?, row(&store, 1).await?.revision);
    change(&store, delete(1, 200)).await?;
    store.insert_log(entry("since")).await?;

    let copy = lab.open_at(&copy).await?;
    assert_eq!(read(&copy).await?, before);
    assert_eq!(row(&copy, 1).await?.revision, revision);
    assert!(copy.check().await?.is_sound());
    let late = patch(|patch| patch.newest_item_at = Some(at(999)));
    assert_eq!(change(&copy, apply(seed(5), late)).await?.effect, Effect::Tombstoned);
    // Each goes its own way from there.
    change(&copy, patch_of(2, title("in the copy"))).await?;
    assert_ne!(row(&store, 2).await?.title, "in the copy");
    Ok(())
}

async fn a_backup_goes_over_nothing(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    store_all(&store, [thread(1)]).await?;
    let copy = lab.beside("copy");
    store.backup(copy.clone()).await?;
    store_all(&store, [thread(2)]).await?;
    let before = files(&copy)?;
    assert!(store.backup(copy.clone()).await.is_err(), "a backup went over another");
    assert_eq!(files(&copy)?, before);

    let taken = lab.beside("taken");
    std::fs::create_dir(&taken)?;
    std::fs::write(taken.join("a letter"), "dear Ann")?;
    let before = files(&taken)?;
    assert!(store.backup(taken.clone()).await.is_err(), "a backup went into a folder in use");
    assert_eq!(files(&taken)?, before);
    Ok(())
}

async fn a_backup_holds_no_half_batch(lab: &Lab) -> Verdict {
    const ROUNDS: u32 = 200;
    let store = lab.open().await?;
    store_all(&store, [thread(1), thread(2)]).await?;
    let writer = Arc::clone(&store);
    let writing = tokio::spawn(async move {
        for round in 0..ROUNDS {
            let text = title(&round.to_string());
            let batch = WriteBatch::new()
                .and(patch_of(1, text.clone()))
                .and(put(thread(100 + round)))
                .and(patch_of(2, text));
            writer.write(batch).await?;
        }
        Ok::<_, threadkeep_core::Error>(())
    });
    let mut copies = Vec::new();
    while copies.is_empty() || (copies.len() < 5 && !writing.is_finished()) {
        let copy = lab.beside(&format!("copy {}", copies.len()));
        store.backup(copy.clone()).await?;
        copies.push(copy);
    }
    match writing.await {
        Ok(result) => result?,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
    for copy in copies {
        let copy = lab.open_at(&copy).await?;
        let (one, other) = (row(&copy, 1).await?, row(&copy, 2).await?);
        assert_eq!(one.revision, other.revision);
        assert_eq!(copy.stats().await?.threads, 1 + one.revision);
        assert!(copy.check().await?.is_sound());
    }
    Ok(())
}

async fn content_moves_from_store_to_store_unchanged(lab: &Lab) -> Verdict {
    let first = lab.open().await?;
    fill(&first).await?;
    let content = read(&first).await?;
    assert_eq!((content.rows.len(), content.tools.len(), content.logs.len()), (39, 2, 3));
    let mut moved = read(&first).await?;
    for name in ["second", "third"] {
        let folder = lab.beside(name);
        std::fs::create_dir(&folder)?;
        let next = lab.open_at(&folder).await?;
        write(&next, &moved).await?;
        moved = read(&next).await?;
        assert_eq!(moved, content, "in the {name} store");
    }
    Ok(())
}

/// The files of a folder with their bytes.
fn files(folder: &Path) -> Verdict<BTreeMap<PathBuf, Vec<u8>>> {
    let mut files = BTreeMap::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_file() {
            let bytes = std::fs::read(&path)?;
            files.insert(path, bytes);
        }
    }
    Ok(files)
}

async fn files_that_are_no_store_are_refused_untouched(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    fill(&store).await?;
    store.close().await?;
    drop(store);
    let names = files(&lab.workspace())?.into_keys();
    let names: Vec<_> = names.filter_map(|path| path.file_name().map(ToOwned::to_owned)).collect();
    let mut refused = 0;
    for (number, name) in names.iter().enumerate() {
        // A file at the place of the store, not at that of a side file, is in the way.
        let folder = lab.beside(&number.to_string());
        std::fs::create_dir(&folder)?;
        let foreign = folder.join(name);
        let letter = "a letter to Ann, long enough to be a file of any kind. ".repeat(200);
        std::fs::write(&foreign, &letter)?;
        if let Err(error) = lab.open_at(&folder).await {
            assert_eq!(error.kind(), ErrorKind::Corrupted, "{error:?}");
            assert!(error.hint_text().is_some(), "{error} does not say what to do");
            assert_eq!(std::fs::read(&foreign)?, letter.as_bytes(), "the file was changed");
            refused += 1;
        }
    }
    if names.is_empty() {
        return Err(Failure::cannot_run("the backend keeps no files in its folder"));
    }
    assert!(refused > 0, "every file of a store could be another: {names:?}");
    Ok(())
}

async fn a_store_of_the_previous_format_is_upgraded(lab: &Lab) -> Verdict {
    lab.setting().fixture.lay_down_previous_format(&lab.workspace()).await?;
    let store = lab.open().await?;
    assert_eq!(read(&store).await?.rows, []);
    fill(&store).await?;
    let before = read(&store).await?;
    assert_eq!(before.rows.len(), 39);
    let store = lab.reopen(store).await?;
    assert_eq!(read(&store).await?, before);
    assert!(store.check().await?.is_sound());
    Ok(())
}
