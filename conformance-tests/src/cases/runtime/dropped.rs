//! Futures that are dropped after every number of polls.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

use proptest::prelude::Rng as _;
use threadkeep_core::{
    Capability, Change, DynamicToolSpec, ErrorKind, LogEntry, LogFilter, LogLevel, LogQuery, Store,
    ThreadQuery, WriteBatch,
};
use tokio::task::JoinSet;

use super::calls::{self, GROUP, Turn};
use super::drops::{Cut, Cuts, promptly};
use super::whole::Group;
use crate::cases::examples::say::{at, delete, id, put, thread};
use crate::cases::{Tier, group};
use crate::lab::{Failure, Lab, Verdict};
use crate::random;

group! { Tier::Runtime;
    P_51: dropped_calls_leave_no_lock,
    P_51: dropped_openings_leave_no_lock,
    P_51: dropped_closings_leave_no_lock,
    P_51: eight_tasks_that_drop_calls_leave_no_lock,
    P_52: dropped_batches_are_whole_or_not_there,
    P_52: dropped_batches_with_a_name_are_applied_once,
    P_52: dropped_appends_are_whole_or_not_there,
    P_52: dropped_deletions_are_whole_or_not_done,
}

/// Rows or entries of one call.
const SIZE: u32 = 3;

/// What calls are made with.
struct Desk<'a> {
    lab: &'a Lab,
    store: Arc<dyn Store>,
    /// A handle of its own onto the same data, where there is such a thing.
    other: Option<Arc<dyn Store>>,
    turns: u32,
}

impl<'a> Desk<'a> {
    async fn open(lab: &'a Lab) -> Verdict<Self> {
        let store = lab.open().await?;
        let both = [Capability::Persistent, Capability::MultiProcess];
        let other = if both.into_iter().all(|capability| lab.declares(capability)) {
            Some(lab.open().await?)
        } else {
            None
        };
        let mut desk = Self { lab, store, other, turns: 0 };
        calls::fill(&desk.turn()).await?;
        Ok(desk)
    }

    fn turn(&mut self) -> Turn {
        self.turns += 1;
        Turn {
            fixture: Arc::clone(&self.lab.setting().fixture),
            store: Arc::clone(&self.store),
            workspace: self.lab.workspace(),
            nowhere: self.nowhere(),
            number: self.turns,
            size: SIZE,
        }
    }

    fn nowhere(&self) -> PathBuf {
        self.lab.beside(&format!("turn {}", self.turns))
    }

    /// Fails where something is held that a call needs: through this handle, or through another.
    async fn nothing_is_locked(&mut self) -> Verdict {
        self.turns += 1;
        let store = &self.store;
        promptly("a listing", store.list(ThreadQuery::new())).await??;
        promptly("a write", store.write(GROUP.batch(self.turns)?)).await??;
        if let Some(other) = &self.other {
            self.turns += 1;
            promptly("a write of another handle", other.write(GROUP.batch(self.turns)?)).await??;
        }
        Ok(())
    }

    /// Closes the store, which has to be sound.
    async fn end_soundly(self) -> Verdict {
        for store in [Some(self.store), self.other].into_iter().flatten() {
            let report = promptly("a check", store.check()).await??;
            if !report.is_sound() {
                return Err(Failure::new(format!("the store is not sound: {report:?}")));
            }
            promptly("a flush", store.flush()).await??;
            promptly("closing", store.close()).await??;
        }
        Ok(())
    }
}

async fn dropped_calls_leave_no_lock(lab: &Lab) -> Verdict {
    let mut desk = Desk::open(lab).await?;
    for call in calls::reads().into_iter().chain(calls::writes()) {
        let mut cuts = Cuts::all();
        while let Some(cut) = cuts.next {
            let script = format!("{}, {cut}", call.name);
            let ended = cut.drop_it((call.run)(desk.turn())).await;
            let ended = ended.map_err(|failure| failure.during(&script))?;
            cuts.go_on(ended.transpose()?.is_some());
            let free = desk.nothing_is_locked().await;
            free.map_err(|failure| failure.during(format!("after: {script}")))?;
        }
    }
    desk.end_soundly().await
}

async fn dropped_openings_leave_no_lock(lab: &Lab) -> Verdict {
    let mut number = 0;
    for new in [true, false] {
        let mut cuts = Cuts::all();
        while let Some(cut) = cuts.next {
            number += 1;
            let folder = lab.beside(&format!("store {number}"));
            std::fs::create_dir(&folder)?;
            if !new {
                let store = lab.open_at(&folder).await?;
                store.write(GROUP.batch(1)?).await?;
                store.close().await?;
            }
            let opened = cut.drop_it(lab.open_at(&folder)).await?.transpose()?;
            cuts.go_on(opened.is_some());
            drop(opened);
            let what = if new { "a new store" } else { "a store that was there" };
            can_be_used(lab, &folder)
                .await
                .map_err(|failure| failure.during(format!("after: open of {what}, {cut}")))?;
        }
    }
    Ok(())
}

async fn can_be_used(lab: &Lab, folder: &std::path::Path) -> Verdict {
    let store = promptly("another opening", lab.open_at(folder)).await??;
    promptly("a write", store.write(GROUP.batch(2)?)).await??;
    let mark = GROUP.mark(&store).await?;
    assert_eq!(mark, 2, "a write onto the store opened anew");
    let report = promptly("a check", store.check()).await??;
    assert!(report.is_sound(), "{report:?}");
    Ok(promptly("closing", store.close()).await??)
}

async fn dropped_closings_leave_no_lock(lab: &Lab) -> Verdict {
    let mut desk = Desk::open(lab).await?;
    let mut cuts = Cuts::all();
    while let Some(cut) = cuts.next {
        let store = lab.open().await?;
        let turn = Turn { store: Arc::clone(&store), ..desk.turn() };
        calls::fill(&turn).await?;
        let ended = cut.drop_it(store.close()).await?.transpose()?;
        cuts.go_on(ended.is_some());
        let closed = async {
            desk.nothing_is_locked().await?;
            match promptly("a listing of the same handle", store.list(ThreadQuery::new())).await? {
                Err(error) if error.kind() != ErrorKind::Closed => return Err(error.into()),
                _ => {}
            }
            promptly("closing again", store.close()).await??;
            let after = store.list(ThreadQuery::new()).await;
            let kind = after.as_ref().map_err(threadkeep_core::Error::kind).err();
            assert_eq!(kind, Some(ErrorKind::Closed), "a listing after closing again");
            Ok(())
        };
        closed.await.map_err(|failure: Failure| failure.during(format!("after: close, {cut}")))?;
    }
    desk.end_soundly().await
}

async fn eight_tasks_that_drop_calls_leave_no_lock(lab: &Lab) -> Verdict {
    let mut desk = Desk::open(lab).await?;
    for seed in lab.setting().seeds(1) {
        let mut tasks = JoinSet::new();
        for task in 0..TASKS {
            tasks.spawn(drop_calls(desk.turn(), task, seed));
            // Each task numbers its turns by itself.
            desk.turns += TURNS;
        }
        while let Some(ended) = tasks.join_next().await {
            match ended {
                Ok(verdict) => verdict.map_err(|failure| failure.at_seed(seed))?,
                Err(error) => std::panic::resume_unwind(error.into_panic()),
            }
        }
        desk.nothing_is_locked().await.map_err(|failure| failure.at_seed(seed))?;
    }
    desk.end_soundly().await
}

/// Tasks at once.
const TASKS: u32 = 8;
/// Calls that each of them makes.
const TURNS: u32 = 24;

/// Makes calls and drops them, all at random.
async fn drop_calls(first: Turn, task: u32, seed: u64) -> Verdict {
    let mut random = random::rng(seed.wrapping_mul(u64::from(TASKS)).wrapping_add(task.into()));
    let calls: Vec<_> = calls::reads().into_iter().chain(calls::writes()).collect();
    let own = Group(100 + task);
    let mut script = String::new();
    for number in first.number..first.number + TURNS {
        let nowhere = first.nowhere.with_extension(number.to_string());
        let turn = Turn { nowhere, number, ..first.clone() };
        let cut =
            Cut { polls: random.next_u32() % 16, once_woken: random.next_u32().is_multiple_of(2) };
        let call = &calls[random.next_u32() as usize % calls.len()];
        // Writing to a string does not fail.
        let _ = writeln!(script, "  task {task}: {}, {cut}", call.name);
        let story = |failure: Failure| failure.during(format!("one task of {TASKS}:\n{script}"));
        cut.drop_it((call.run)(turn)).await.map_err(story)?.transpose()?;
        let write = first.store.write(own.batch(number)?);
        cut.drop_it(write).await.map_err(story)?.transpose()?;
        promptly("a flush", first.store.flush()).await.map_err(story)??;
        own.mark(&first.store).await.map_err(story)?;
    }
    Ok(())
}

async fn dropped_batches_are_whole_or_not_there(lab: &Lab) -> Verdict {
    let mut desk = Desk::open(lab).await?;
    let mut before = GROUP.mark(&desk.store).await?;
    let mut cuts = Cuts::all();
    while let Some(cut) = cuts.next {
        let story =
            |failure: Failure| failure.during(format!("after: write of a batch, {cut}; flush"));
        let number = desk.turn().number;
        let write = desk.store.write(GROUP.batch(number)?);
        let ended = cut.drop_it(write).await.map_err(story)?.transpose()?.is_some();
        cuts.go_on(ended);
        promptly("a flush", desk.store.flush()).await??;
        let mark = GROUP.mark(&desk.store).await.map_err(story)?;
        let fits = mark == number || (mark == before && !ended);
        if !fits {
            let text = format!("the mark is {mark}; it was {before}, {number} was written");
            return Err(story(Failure::new(text)));
        }
        before = mark;
    }
    desk.end_soundly().await
}

async fn dropped_batches_with_a_name_are_applied_once(lab: &Lab) -> Verdict {
    let mut desk = Desk::open(lab).await?;
    let mut cuts = Cuts::all();
    while let Some(cut) = cuts.next {
        let number = desk.turn().number;
        let before = GROUP.revision(&desk.store).await?;
        let write = desk.store.write(GROUP.named_batch(number)?);
        cuts.go_on(cut.drop_it(write).await?.transpose()?.is_some());
        let again = desk.store.write(GROUP.named_batch(number)?);
        promptly("the same write again", again).await??;
        let mark = GROUP.mark(&desk.store).await?;
        let times = GROUP.revision(&desk.store).await? - before;
        if (mark, times) != (number, 1) {
            return Err(Failure::new(format!(
                "after: write of a batch with a name, {cut}; the same again: it was applied \
                 {times} times, the mark is {mark} in place of {number}"
            )));
        }
    }
    desk.end_soundly().await
}

async fn dropped_appends_are_whole_or_not_there(lab: &Lab) -> Verdict {
    let mut desk = Desk::open(lab).await?;
    let mut cuts = Cuts::all();
    while let Some(cut) = cuts.next {
        let text = format!("dropped in turn {:06}", desk.turn().number);
        let entries = vec![entry(&text); SIZE as usize];
        let ended = cut.drop_it(desk.store.append(entries)).await?.transpose()?.is_some();
        cuts.go_on(ended);
        promptly("a flush", desk.store.flush()).await??;
        let page = desk.store.query(LogQuery::new(LogFilter::new().message(text))).await?;
        let fits = page.items.len() == SIZE as usize || (page.items.is_empty() && !ended);
        if !fits {
            return Err(Failure::new(format!(
                "after: append of {SIZE} entries, {cut}; flush: {} of them are there",
                page.items.len()
            )));
        }
    }
    desk.end_soundly().await
}

async fn dropped_deletions_are_whole_or_not_done(lab: &Lab) -> Verdict {
    let mut desk = Desk::open(lab).await?;
    let mut cuts = Cuts::all();
    while let Some(cut) = cuts.next {
        let number = desk.turn().number;
        let store = &desk.store;
        promptly("a write", store_trio(&**store)).await??;
        let key = format!("deleted in turn {number}");
        let mut batch = WriteBatch::new();
        for number in TRIO {
            batch.push(delete(number, 1));
        }
        batch.push(Change::SetCheckpoint { key: key.clone(), value: Some(String::new()) });
        let ended = cut.drop_it(store.write(batch)).await?.transpose()?.is_some();
        cuts.go_on(ended);
        promptly("a flush", store.flush()).await??;
        let what = what_is_left(&**store, &key).await?;
        let none = Left { checkpoint: true, ..Left::default() };
        let all = Left { rows: 3, tools: 3, logs: 3, checkpoint: false };
        if what != none && (ended || what != all) {
            return Err(Failure::new(format!(
                "after: deletion of three threads in one batch with a checkpoint, {cut}; flush; \
                 maintain: neither all nor nothing is left of them: {what:?}"
            )));
        }
    }
    desk.end_soundly().await
}

/// Threads that are deleted together.
const TRIO: [u32; 3] = [11, 12, 13];

/// How much there is of each.
#[derive(Debug, Default, PartialEq, Eq)]
struct Left {
    rows: usize,
    tools: usize,
    logs: usize,
    checkpoint: bool,
}

async fn store_trio(store: &dyn Store) -> Verdict {
    let mut batch = WriteBatch::new();
    for number in TRIO {
        let tools = vec![DynamicToolSpec::function("a", "", "{}")?];
        batch.push(put(thread(number)));
        batch.push(Change::SetTools { id: id(number), tools, replace: true });
    }
    store.write(batch).await?;
    // Those of the round before are there where nothing was deleted.
    for number in TRIO {
        let filter = LogFilter::new().thread(id(number).to_string());
        if store.max_log_id(filter).await? == 0 {
            let mut entry = entry("of a thread");
            entry.thread_id = Some(id(number).to_string());
            store.append(vec![entry]).await?;
        }
    }
    Ok(())
}

async fn what_is_left(store: &dyn Store, key: &str) -> Verdict<Left> {
    // What belongs to deleted threads may go only now.
    while !promptly("maintenance", store.maintain(super::drops::PROMPT)).await??.done {}
    let rows = store.threads(TRIO.map(id).to_vec()).await?;
    let mut left = Left { rows: rows.into_iter().flatten().count(), ..Left::default() };
    for number in TRIO {
        left.tools += usize::from(store.dynamic_tools(id(number)).await?.is_some());
        let filter = LogFilter::new().thread(id(number).to_string());
        left.logs += store.query(LogQuery::new(filter)).await?.items.len();
    }
    left.checkpoint = !store.checkpoints(key.to_owned(), None, 1).await?.is_empty();
    Ok(left)
}

fn entry(message: &str) -> LogEntry {
    LogEntry::new(at(0).to_datetime(), LogLevel::Info, "target", message)
}
