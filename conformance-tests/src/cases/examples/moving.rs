//! Copies, dumps, and the digest they are compared by.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use threadkeep_core::hooks::{Call, Hook, Hooked};
use threadkeep_core::moving::{
    CopyOptions, Dump, DumpOptions, Load, LoadOptions, Parts, copy, digest,
};
use threadkeep_core::{
    Change, Checkpoint, Direction, DynamicToolSpec, Error, ErrorKind, LogEntry, LogFilter,
    LogLevel, LogQuery, LogRow, LogStoreExt as _, Result, Store, ThreadMetadata, ThreadQuery,
    ThreadStoreExt as _, WriteBatch,
};

use super::say::{at, change, delete, fails, id, put, store_all, thread, thread_with};
use crate::cases::{Tier, group};
use crate::diff::same;
use crate::lab::{Lab, Verdict};

group! { Tier::Examples;
    S_14: a_digest_is_as_it_is_laid_down,
    S_14: a_digest_does_not_know_how_a_store_came_about,
    S_15: a_copy_has_the_digest_of_its_source,
    S_15: copying_again_changes_nothing,
    S_15: a_copy_goes_on_with_what_came_since,
    S_15: another_log_of_the_same_name_is_not_taken_for_it,
    S_16: a_copy_that_failed_is_made_whole,
    S_19: a_dump_that_is_loaded_has_the_digest_of_its_source,
    S_19: loading_again_changes_nothing,
}

const ALL: Parts = Parts::new().logs(true);
const THREADS: u32 = 40;
const ENTRIES: u32 = 70;

/// Another store, that holds nothing.
pub(super) async fn another(lab: &Lab, name: &str) -> Verdict<Arc<dyn Store>> {
    let folder = lab.beside(name);
    std::fs::create_dir(&folder)?;
    Ok(lab.open_at(&folder).await?)
}

fn entry(number: u32, message: &str) -> LogEntry {
    let level = LogLevel::ALL[number as usize % 5];
    let mut entry =
        LogEntry::new(at(i64::from(number % 3)).to_datetime(), level, "target", message);
    entry.line = number.is_multiple_of(2).then_some(number);
    entry.thread_id = number.is_multiple_of(4).then(|| id(number).to_string());
    entry
}

pub(super) fn tool(name: &str) -> Result<DynamicToolSpec> {
    DynamicToolSpec::from_json(format!("{{ \"name\":\"{name}\",\n\"a\":[1.00,-0.0] }}"))
}

pub(super) fn checkpoint(key: &str, value: &str) -> Change {
    Change::SetCheckpoint { key: key.into(), value: Some(value.into()) }
}

/// More of everything than fits into one page.
async fn fill(store: &dyn Store) -> Result<()> {
    let rows = (1..=THREADS).map(|number| {
        thread_with(number, |row| {
            row.created_at = at(i64::from(number % 7));
            row.archived_at = (number % 3 == 0).then(|| at(77));
            row.has_user_event = number % 4 != 0;
            row.name = (number % 5 == 0).then(|| "a name\0".into());
        })
    });
    store_all(store, rows).await?;
    for number in [2, 3, 39] {
        store.persist_dynamic_tools(id(number), Some(vec![tool("a")?, tool("b")?])).await?;
    }
    let mut batch = WriteBatch::new().and(checkpoint("claim:/home", "somebody's"));
    for number in 0..40 {
        batch.push(checkpoint(&format!("file:{number}%"), &format!("read {number}")));
    }
    store.write(batch).await?;
    let entries = (0..ENTRIES).map(|number| entry(number, &format!("entry {}", number / 2)));
    store.insert_logs(entries.collect()).await?;
    Ok(())
}

/// All that can be read, with what counts changes.
#[derive(Debug, PartialEq)]
struct Held {
    rows: Vec<ThreadMetadata>,
    checkpoints: Vec<Checkpoint>,
    logs: Vec<LogRow>,
}

async fn held(store: &dyn Store) -> Result<Held> {
    let rows = store.list(ThreadQuery::everything().limit(1_000)).await?.items;
    let checkpoints = store.checkpoints(String::new(), None, 1_000).await?;
    let all = LogQuery::new(LogFilter::new()).direction(Direction::Ascending).limit(1_000);
    Ok(Held { rows, checkpoints, logs: store.query(all).await?.items })
}

async fn a_digest_is_as_it_is_laid_down(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    same("the digest of nothing", &digest(&*store, ALL).await?.to_string(), &NOTHING.to_owned())?;
    let mut full = thread(1);
    full.archived_at = Some(at(-5));
    full.name = Some(String::new());
    full.tokens_used = i64::MAX;
    full.applied_through = u64::MAX;
    store_all(&*store, [thread_with(2, |row| row.title = "grüße\0".into()), full]).await?;
    store.persist_dynamic_tools(id(1), Some(vec![tool("a")?])).await?;
    change(&*store, checkpoint("file:/a", "read")).await?;
    store.insert_logs(vec![entry(0, "zero"), entry(1, "one")]).await?;
    same("the digest", &digest(&*store, ALL).await?.to_string(), &LAID_DOWN.to_owned())
}

const NOTHING: &str = "threads 0 00000000000000000000000000000000, \
                       tools 0 00000000000000000000000000000000, \
                       checkpoints 0 00000000000000000000000000000000, \
                       logs 0 00000000000000000000000000000000";
const LAID_DOWN: &str = "threads 2 35eac29134d673bafdbf05b645faf691, \
                         tools 1 c7e03ca249a5350348605cdadacb73a1, \
                         checkpoints 1 2f7626907c1c801233348718e5a92555, \
                         logs 2 648916237a9a33e636a186c9ebebfb5e";

async fn a_digest_does_not_know_how_a_store_came_about(lab: &Lab) -> Verdict {
    let one = lab.open().await?;
    fill(&*one).await?;
    let two = another(lab, "two").await?;
    change(&*two, put(thread(3))).await?;
    change(&*two, delete(3, 1_000)).await?;
    change(&*two, put(thread(1_000))).await?;
    change(&*two, delete(1_000, 1_000)).await?;
    store_all(&*two, (1..=THREADS).rev().map(thread)).await?;
    two.insert_log(entry(7, "of another time")).await?;
    two.delete_logs_before(at(1_000).to_datetime()).await?;
    change(&*two, checkpoint("copy:logs:elsewhere", "its own")).await?;
    fill(&*two).await?;
    same("the digest", &digest(&*two, ALL).await?, &digest(&*one, ALL).await?)
}

async fn a_copy_has_the_digest_of_its_source(lab: &Lab) -> Verdict {
    let from = lab.open().await?;
    fill(&*from).await?;
    let to = another(lab, "to").await?;
    let report = copy(&*from, &*to, &CopyOptions::new().logs("from")).await?;
    same("threads created", &report.threads.created, &u64::from(THREADS))?;
    same("threads with tools", &report.tools, &3)?;
    same("entries copied", &report.logs.copied, &u64::from(ENTRIES))?;
    assert!(report.is_whole(), "{report:?}");
    let rows = held(&*to).await?.rows;
    let revisions: Vec<_> = rows.iter().map(|row| row.revision).filter(|one| *one != 1).collect();
    same("revisions of more than one change", &revisions, &Vec::new())?;
    same("the digest", &digest(&*to, ALL).await?, &digest(&*from, ALL).await?)?;
    // What was not asked for is not there.
    let to = another(lab, "threads alone").await?;
    copy(&*from, &*to, &CopyOptions::new().checkpoints(false)).await?;
    let held = held(&*to).await?;
    assert_eq!(
        (held.rows.len(), held.checkpoints.len(), held.logs.len()),
        (THREADS as usize, 0, 0)
    );
    Ok(())
}

async fn copying_again_changes_nothing(lab: &Lab) -> Verdict {
    let from = lab.open().await?;
    fill(&*from).await?;
    let to = another(lab, "to").await?;
    let options = CopyOptions::new().logs("from");
    copy(&*from, &*to, &options).await?;
    let before = held(&*to).await?;
    let report = copy(&*from, &*to, &options).await?;
    same("what the target holds", &held(&*to).await?, &before)?;
    same("threads unchanged", &report.threads.unchanged, &u64::from(THREADS))?;
    same("checkpoints unchanged", &report.checkpoints.unchanged, &40)?;
    same("entries copied", &report.logs.copied, &0)
}

async fn a_copy_goes_on_with_what_came_since(lab: &Lab) -> Verdict {
    let from = lab.open().await?;
    fill(&*from).await?;
    let to = another(lab, "to").await?;
    let options = CopyOptions::new().logs("from");
    copy(&*from, &*to, &options).await?;
    // The newest of what was copied goes, too.
    from.delete_logs_before(at(1_000).to_datetime()).await?;
    store_all(&*from, [thread(800)]).await?;
    from.insert_logs(vec![entry(1, "new"), entry(2, "new")]).await?;
    to.insert_log(entry(3, "the target's own")).await?;
    let report = copy(&*from, &*to, &options).await?;
    assert_eq!((report.threads.created, report.logs.copied), (1, 2), "{report:?}");
    let report = copy(&*from, &*to, &options).await?;
    assert_eq!((report.threads.created, report.logs.copied), (0, 0), "{report:?}");
    let logs = held(&*to).await?.logs;
    same("entries", &logs.len(), &(ENTRIES as usize + 3))
}

async fn another_log_of_the_same_name_is_not_taken_for_it(lab: &Lab) -> Verdict {
    let from = lab.open().await?;
    fill(&*from).await?;
    let to = another(lab, "to").await?;
    copy(&*from, &*to, &CopyOptions::new().logs("a name")).await?;
    for entries in [1, ENTRIES] {
        let other = another(lab, &format!("other of {entries}")).await?;
        let entries = (0..entries).map(|number| entry(number, "other"));
        other.insert_logs(entries.collect()).await?;
        let before = held(&*to).await?;
        let error = fails(
            copy(&*other, &*to, &CopyOptions::new().logs("a name")).await,
            ErrorKind::Conflict,
        );
        assert!(error.to_string().contains("a name") && error.hint_text().is_some(), "{error:?}");
        same("what the target holds", &held(&*to).await?, &before)?;
    }
    Ok(())
}

/// Fails one of the calls that write, before it is made or after.
struct Nth {
    left: AtomicU64,
    after: bool,
}

impl Nth {
    fn comes(&self, call: &Call) -> bool {
        // A flush writes nothing, and comes last.
        call.writes && call.operation != "flush" && self.left.fetch_sub(1, Ordering::Relaxed) == 1
    }
}

impl Hook for Nth {
    fn before(&self, call: &Call) -> Result<()> {
        let fails = !self.after && self.comes(call);
        if fails { Err(Error::new(ErrorKind::Io, "on purpose")) } else { Ok(()) }
    }

    fn after(&self, call: &Call, _: Duration, _: Option<&Error>) -> Result<()> {
        let fails = self.after && self.comes(call);
        if fails { Err(Error::new(ErrorKind::Io, "on purpose").maybe_applied()) } else { Ok(()) }
    }
}

async fn a_copy_that_failed_is_made_whole(lab: &Lab) -> Verdict {
    let from = lab.open().await?;
    fill(&*from).await?;
    let expected = digest(&*from, Parts::new()).await?;
    let options = CopyOptions::new().logs("from");
    let mut calls = [0; 2];
    for after in [false, true] {
        for nth in 1.. {
            let to = another(lab, &format!("to {after} {nth}")).await?;
            let hook = Nth { left: AtomicU64::new(nth), after };
            let failing = Hooked::new(Arc::clone(&to)).with(hook);
            let result = copy(&*from, &failing, &options).await;
            let has_ended = result.is_ok();
            if !has_ended {
                fails(result, ErrorKind::Io);
                to.insert_log(entry(0, "the target's own")).await?;
                copy(&*from, &*to, &options).await?;
                calls[usize::from(after)] += 1;
            }
            let what = format!("after a failure of call {nth}, made: {after}");
            is_once(&what, &*from, &*to).await?;
            let found = digest(&*to, Parts::new()).await?;
            same(&format!("the digest {what}"), &found, &expected)?;
            to.close().await?;
            if has_ended {
                break;
            }
        }
    }
    // Pages of 32 and 8 threads, and of 32 and 9 checkpoints, one of them private; each append has a checkpoint before it, and
    // the last one after it.
    assert!(calls == [9, 9], "{calls:?}");
    Ok(())
}

/// The entries of the one are in the other, each once and in order.
async fn is_once(what: &str, from: &dyn Store, to: &dyn Store) -> Verdict {
    let entries = |held: Held| {
        let entries = held.logs.into_iter().map(|row| row.entry);
        let entries = entries.filter(|entry| entry.message.as_deref() != Some("the target's own"));
        entries.collect::<Vec<_>>()
    };
    let (expected, found) = (entries(held(from).await?), entries(held(to).await?));
    same(&format!("the log {what}"), &found, &expected)
}

/// The whole text of a dump.
pub(super) async fn dump(store: &dyn Store, name: &str) -> Result<Vec<u8>> {
    let mut dump = Dump::new(store, DumpOptions::new(name).parts(ALL));
    let mut text = Vec::new();
    while let Some(lines) = dump.next().await? {
        text.extend(lines);
    }
    Ok(text)
}

async fn a_dump_that_is_loaded_has_the_digest_of_its_source(lab: &Lab) -> Verdict {
    let from = lab.open().await?;
    fill(&*from).await?;
    let text = dump(&*from, "from").await?;
    let to = another(lab, "to").await?;
    let mut load = Load::new(&*to, LoadOptions::new());
    for bytes in text.chunks(1_000) {
        load.feed(bytes).await?;
    }
    let report = load.finish().await?;
    assert!(report.is_whole(), "{report:?}");
    same("threads created", &report.threads.created, &u64::from(THREADS))?;
    same("entries loaded", &report.logs.copied, &u64::from(ENTRIES))?;
    same("the digest", &digest(&*to, ALL).await?, &digest(&*from, ALL).await?)
}

async fn loading_again_changes_nothing(lab: &Lab) -> Verdict {
    let from = lab.open().await?;
    fill(&*from).await?;
    let text = dump(&*from, "from").await?;
    let to = another(lab, "to").await?;
    let mut before = None;
    for time in 1..=2 {
        let mut load = Load::new(&*to, LoadOptions::new());
        load.feed(&text).await?;
        let report = load.finish().await?;
        assert!(report.is_whole(), "{report:?}");
        let held = held(&*to).await?;
        if let Some(before) = &before {
            same("what the target holds", &held, before)?;
            same("entries known", &report.logs.already, &u64::from(ENTRIES))?;
        }
        before = Some(held);
        assert_eq!(report.threads.unchanged > 0, time == 2);
    }
    Ok(())
}
