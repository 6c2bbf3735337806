//! Handles that only read.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;
use std::{fs, io};

use threadkeep_core::{
    Applied, Capability, Change, DynamicToolSpec, ErrorKind, Follow, LogFilter, LogQuery,
    LogStore as _, Result, Retention, Store, ThreadQuery, ThreadStore as _, ThreadStoreExt as _,
    WriteBatch,
};

use super::entries::{append, entries_of, entry};
use super::follow::Told;
use super::say::{change, delete, fails, id, patch_of, put, store_all, thread, title};
use super::{MULTI_PROCESS, PERSISTENT};
use crate::cases::{Tier, group};
use crate::fixture::Need;
use crate::lab::{Failure, Lab, Verdict};

group! { Tier::Examples;
    P_60: who_only_reads_sees_what_a_writer_committed [PERSISTENT, MULTI_PROCESS, READ_ONLY],
    P_60: who_only_reads_sees_a_store_that_was_closed [PERSISTENT, READ_ONLY],
    P_60: who_only_reads_can_follow_the_logs [PERSISTENT, MULTI_PROCESS, READ_ONLY],
    P_61: who_only_reads_is_refused_every_write [PERSISTENT, READ_ONLY],
    P_62: reading_only_creates_no_file [PERSISTENT, READ_ONLY],
    P_62: reading_only_needs_no_leave_to_write [PERSISTENT, READ_ONLY],
    P_63: reading_only_finds_no_store_where_there_is_none [READ_ONLY],
}

const READ_ONLY: Need = Need::Backend(Capability::ReadOnly);

async fn fill(store: &dyn Store) -> Result<()> {
    store_all(store, [thread(1), thread(2), thread(3)]).await?;
    let tools = vec![DynamicToolSpec::function("a", "", "{}")?];
    store.persist_dynamic_tools(id(1), Some(tools)).await?;
    let checkpoint = Change::SetCheckpoint { key: "key".into(), value: Some("value".into()) };
    change(store, checkpoint).await?;
    change(store, delete(3, 100)).await?;
    store.append(vec![entry("a"), entry("b")]).await.map(drop)
}

/// What every kind of question is answered.
async fn seen(store: &dyn Store) -> Result<String> {
    let rows = store.threads(vec![id(1), id(2), id(3)]).await?;
    let list = store.list(ThreadQuery::everything()).await?;
    let ids = store.list_ids(ThreadQuery::everything().limit(1)).await?;
    let tools = store.dynamic_tools(id(1)).await?;
    let checkpoints = store.checkpoints(String::new(), None, 10).await?;
    let logs = store.query(LogQuery::new(LogFilter::new())).await?;
    let newest = store.max_log_id(LogFilter::new()).await?;
    let stats = store.stats().await?;
    let counts = (stats.threads, stats.threads_with_tools, stats.tombstones, stats.log_entries);
    let check = store.check().await?;
    store.changed(newest, Duration::from_millis(1)).await?;
    Ok(format!(
        "{rows:#?}\n{list:#?}\n{ids:#?}\n{tools:#?}\n{checkpoints:#?}\n{logs:#?}\n{newest}\n\
         {counts:?}\n{check:?}"
    ))
}

async fn who_only_reads_sees_what_a_writer_committed(lab: &Lab) -> Verdict {
    let writer = lab.open().await?;
    fill(&*writer).await?;
    let reader = lab.open_read_only().await?;
    assert_eq!(seen(&*reader).await?, seen(&*writer).await?);
    for round in 0..3 {
        change(&*writer, patch_of(1, title(&round.to_string()))).await?;
        append(&*writer, entries_of("t", 2)).await?;
        assert_eq!(seen(&*reader).await?, seen(&*writer).await?, "after {round} more commits");
    }
    writer.prune(Retention::thread_rows(1), Duration::from_secs(30)).await?;
    assert_eq!(seen(&*reader).await?, seen(&*writer).await?);
    let last = seen(&*writer).await?;
    writer.close().await?;
    assert_eq!(seen(&*reader).await?, last, "after the writer went");
    Ok(reader.close().await?)
}

async fn who_only_reads_sees_a_store_that_was_closed(lab: &Lab) -> Verdict {
    let writer = lab.open().await?;
    fill(&*writer).await?;
    let before = seen(&*writer).await?;
    writer.close().await?;
    for _ in 0..2 {
        let reader = lab.open_read_only().await?;
        assert_eq!(seen(&*reader).await?, before);
        reader.close().await?;
        fails(reader.threads(vec![id(1)]).await, ErrorKind::Closed);
    }
    Ok(())
}

async fn who_only_reads_can_follow_the_logs(lab: &Lab) -> Verdict {
    let writer = lab.open().await?;
    fill(&*writer).await?;
    let reader = lab.open_read_only().await?;
    let follow = Follow::new(LogFilter::new(), reader.max_log_id(LogFilter::new()).await?);
    let mut told = Told::by(&reader, follow.poll(Duration::from_millis(50)));
    for _ in 0..3 {
        for id in append(&*writer, entries_of("t", 2)).await? {
            assert_eq!(told.entry().await?.id, id);
        }
    }
    Ok(())
}

async fn who_only_reads_is_refused_every_write(lab: &Lab) -> Verdict {
    let writer = lab.open().await?;
    fill(&*writer).await?;
    let before = seen(&*writer).await?;
    writer.close().await?;
    let reader = lab.open_read_only().await?;
    let budget = Duration::from_secs(1);
    let tools = vec![DynamicToolSpec::function("b", "", "{}")?];
    let checkpoint = Change::SetCheckpoint { key: "key".into(), value: None };
    let batches: [WriteBatch; 5] = [
        put(thread(4)).into(),
        patch_of(1, title("refused")).into(),
        delete(1, 200).into(),
        Change::SetTools { id: id(2), tools, replace: false }.into(),
        checkpoint.into(),
    ];
    let mut refused = Vec::new();
    for batch in batches {
        refused.push(fails(reader.write(batch).await, ErrorKind::ReadOnly));
    }
    refused.push(fails(reader.append(vec![entry("refused")]).await, ErrorKind::ReadOnly));
    refused.push(fails(reader.prune(Retention::thread_rows(0), budget).await, ErrorKind::ReadOnly));
    refused.push(fails(reader.maintain(budget).await, ErrorKind::ReadOnly));
    for error in refused {
        assert_eq!(error.outcome(), Applied::NotApplied, "{error:?}");
        assert!(error.hint_text().is_some(), "{error:?} has no hint");
    }
    assert_eq!(seen(&*reader).await?, before);
    reader.close().await?;
    // Nothing was put off until somebody may write, either.
    let writer = lab.open().await?;
    assert_eq!(seen(&*writer).await?, before);
    Ok(())
}

/// The files of a folder, and the bytes of each.
fn files(folder: &Path) -> io::Result<BTreeMap<String, Vec<u8>>> {
    let mut files = BTreeMap::new();
    for found in fs::read_dir(folder)? {
        let path = found?.path();
        if path.is_file() {
            files.insert(path.display().to_string(), fs::read(path)?);
        }
    }
    Ok(files)
}

async fn reading_only_creates_no_file(lab: &Lab) -> Verdict {
    let writer = lab.open().await?;
    fill(&*writer).await?;
    writer.close().await?;
    let before = files(&lab.workspace())?;
    let reader = lab.open_read_only().await?;
    seen(&*reader).await?;
    let names = |files: &BTreeMap<String, Vec<u8>>| files.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&files(&lab.workspace())?), names(&before), "while it is open");
    reader.close().await?;
    drop(reader);
    let after = files(&lab.workspace())?;
    assert_eq!(names(&after), names(&before), "after it was closed");
    for (name, bytes) in after {
        assert!(bytes == before[&name], "{name} was changed");
    }
    Ok(())
}

async fn reading_only_needs_no_leave_to_write(lab: &Lab) -> Verdict {
    let writer = lab.open().await?;
    fill(&*writer).await?;
    let before = seen(&*writer).await?;
    writer.close().await?;
    let folder = lab.workspace();
    writable(&folder, false)?;
    let read = read_only_there(lab, &before).await;
    // Otherwise nobody could clean up.
    writable(&folder, true)?;
    read
}

async fn read_only_there(lab: &Lab, before: &str) -> Verdict {
    if fs::write(lab.workspace().join("written"), "").is_ok() {
        return Err(Failure::cannot_run("this user may write everywhere"));
    }
    let reader = lab.open_read_only().await?;
    assert_eq!(seen(&*reader).await?, before);
    fails(reader.append(vec![entry("refused")]).await, ErrorKind::ReadOnly);
    Ok(reader.close().await?)
}

/// Lets a folder and its files be written, or not.
fn writable(folder: &Path, writable: bool) -> Verdict {
    let set = |path: &Path| {
        let mut permissions = fs::metadata(path)?.permissions();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;

            let mode = permissions.mode();
            permissions.set_mode(if writable { mode | 0o200 } else { mode & !0o222 });
        }
        #[cfg(not(unix))]
        permissions.set_readonly(!writable);
        fs::set_permissions(path, permissions)
    };
    for found in fs::read_dir(folder)? {
        set(&found?.path())?;
    }
    Ok(set(folder)?)
}

async fn reading_only_finds_no_store_where_there_is_none(lab: &Lab) -> Verdict {
    let Err(error) = lab.open_read_only().await else {
        return Err(Failure::new("a store was opened where there is none"));
    };
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error:?}");
    assert!(error.hint_text().is_some(), "{error:?} has no hint");
    assert!(files(&lab.workspace())?.is_empty(), "files were made");
    let gone = lab.beside("no folder");
    assert!(lab.setting().fixture.open_read_only(&gone).await.is_err());
    assert!(!gone.exists(), "a folder was made");
    Ok(())
}
