//! How many files and threads a process has while the store is used.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::Rng as _;
use threadkeep_core::{
    Change, DynamicToolSpec, Error, Expect, LogFilter, LogQuery, Result, Store, ThreadQuery,
    WriteBatch,
};
use tokio::time::{Instant, sleep};

use super::calls::{self, GROUP, Turn};
use super::drops::{Cut, promptly};
use crate::cases::examples::say::{id, put, thread};
use crate::cases::{Tier, group};
use crate::lab::{Failure, Lab, Verdict, run_within};
use crate::random;
use crate::role::{Part, Role};
use crate::setting::Setting;

group! { sync Tier::Runtime;
    P_53: ten_thousand_calls_leave_nothing_open,
    P_53: two_hundred_handles_leave_nothing_open,
}

const CALLS: &str = "runtime-calls";
const HANDLES: &str = "runtime-handles";

pub(super) fn roles() -> Vec<Role> {
    vec![Role { name: CALLS, play: make_calls }, Role { name: HANDLES, play: open_handles }]
}

/// How many more there may be of each in the end than in the middle.
const SLACK: usize = 8;
/// Whoever is busy longer than this, hangs.
const PATIENCE: Duration = Duration::from_mins(2);
/// What was dropped may be closed in the background, in this time.
const SETTLING: Duration = Duration::from_secs(5);

fn ten_thousand_calls_leave_nothing_open(setting: &Setting) -> Verdict {
    count_in_another_process(setting, CALLS)
}

fn two_hundred_handles_leave_nothing_open(setting: &Setting) -> Verdict {
    count_in_another_process(setting, HANDLES)
}

fn count_in_another_process(setting: &Setting, role: &str) -> Verdict {
    Held::now().map_err(|failure| {
        Failure::cannot_run(format!("open files are counted in /proc, as Linux has it: {failure}"))
    })?;
    let lab = Lab::new(setting)?;
    let seed = setting.options.seed;
    let counted = setting.start(role, &lab.workspace(), &seed.to_string())?.finish();
    counted.map_err(|failure| failure.at_seed(seed))
}

/// What the process holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Held {
    files: usize,
    threads: usize,
}

impl Held {
    fn now() -> Verdict<Self> {
        let status = fs::read_to_string("/proc/self/status")?;
        let threads = status.lines().find_map(|line| line.strip_prefix("Threads:"));
        let threads = threads.and_then(|count| count.trim().parse().ok());
        let threads = threads.ok_or_else(|| Failure::new("the status names no threads"))?;
        Ok(Self { files: fs::read_dir("/proc/self/fd")?.count(), threads })
    }

    fn is_at_most(self, other: Self) -> bool {
        self.files <= other.files && self.threads <= other.threads
    }

    /// Waits until there are no more than this.
    async fn no_more_than(most: Self) -> Verdict<Self> {
        let until = Instant::now() + SETTLING;
        loop {
            let held = Self::now()?;
            if held.is_at_most(most) || Instant::now() > until {
                return Ok(held);
            }
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until nothing changes any more.
    async fn settled() -> Verdict<Self> {
        let until = Instant::now() + SETTLING;
        let mut same = 0;
        let mut held = Self::now()?;
        while same < 10 && Instant::now() < until {
            sleep(Duration::from_millis(20)).await;
            let now = Self::now()?;
            same = if now == held { same + 1 } else { 0 };
            held = now;
        }
        Ok(held)
    }
}

/// Does something very often, counts in the middle and in the end.
struct Count {
    done: u32,
    all: u32,
    middle: Held,
}

impl Count {
    fn to(all: u32) -> Self {
        Self { done: 0, all, middle: Held::default() }
    }

    /// Notes that it was done once more, and what for.
    async fn did(&mut self) -> Verdict {
        self.done += 1;
        if self.done == self.all / 2 {
            self.middle = Held::settled().await?;
        }
        if self.done < self.all {
            return Ok(());
        }
        let Self { all, middle: Held { files, threads }, .. } = *self;
        let end = Held::no_more_than(Held { files: files + SLACK, threads: threads + SLACK });
        let end = end.await?;
        if end.is_at_most(Held { files: files + SLACK, threads: threads + SLACK }) {
            return Ok(());
        }
        Err(Failure::new(format!(
            "after {} of {all} there were {files} files and {threads} threads, after all {all} \
             {} files and {} threads",
            all / 2,
            end.files,
            end.threads
        )))
    }
}

fn make_calls(part: Part) -> Verdict {
    run_within(PATIENCE, async move {
        let mut random = random::rng(part.argument.parse().unwrap_or_default());
        let calls: Vec<_> = calls::reads().into_iter().chain(calls::writes()).collect();
        let stage = Stage::open(part).await?;
        let mut turn = stage.turn.clone();
        let mut count = Count::to(10_000);
        let (mut failing, mut dropped) = (0, 0);
        for number in 2..10_002 {
            turn.number = number;
            turn.nowhere.set_extension(number.to_string());
            if number % 8 == 0 {
                dropped += 1;
                let call = &calls[dropped % calls.len()];
                let polls = random.next_u32() % 12;
                let cut = Cut { polls, once_woken: random.next_u32().is_multiple_of(2) };
                cut.drop_it((call.run)(turn.clone())).await?.transpose()?;
                // Whole ones would fill the disk.
                let _ = fs::remove_dir_all(&turn.nowhere);
            } else if number % 8 == 4 {
                promptly("threads", turn.store.threads(vec![id(3)])).await??;
            } else {
                failing += 1;
                promptly("a call that fails", stage.fail(failing)).await??;
            }
            count.did().await?;
        }
        Ok(())
    })
}

fn open_handles(part: Part) -> Verdict {
    run_within(PATIENCE, async move {
        let mut stage = Stage::open(part).await?;
        let mut count = Count::to(200);
        for number in 2..202 {
            let Turn { fixture, workspace, .. } = &stage.turn;
            let store = fixture.open(workspace).await?;
            stage.turn.number = number;
            calls::fill(&Turn { store: Arc::clone(&store), ..stage.turn.clone() }).await?;
            store.list(ThreadQuery::new()).await?;
            if number % 4 == 0 {
                drop(store);
            } else {
                store.close().await?;
            }
            count.did().await?;
        }
        Ok(())
    })
}

/// Where calls fail.
struct Stage {
    turn: Turn,
    /// A handle that was closed.
    closed: Arc<dyn Store>,
}

impl Stage {
    async fn open(part: Part) -> Verdict<Self> {
        let Part { fixture, workspace, .. } = part;
        let store = fixture.open(&workspace).await?;
        let closed = fixture.open(&workspace).await?;
        closed.close().await?;
        let nowhere = workspace.with_file_name("nowhere");
        let turn = Turn { fixture, store, workspace, nowhere, number: 1, size: 3 };
        calls::fill(&turn).await?;
        Ok(Self { turn, closed })
    }

    /// Makes a call that has to fail, each time another.
    async fn fail(&self, number: u32) -> Verdict {
        const KINDS: u32 = 16;
        let Self { turn: Turn { store, workspace, .. }, closed } = self;
        let (what, error) = match number % KINDS {
            0 => ("list: limit 0", error(store.list(ThreadQuery::new().limit(0)).await)),
            1 => ("list_ids: limit", error(store.list_ids(ThreadQuery::new().limit(1_001)).await)),
            2 => ("list: cursor of another query", foreign_cursor(&**store).await?),
            3 => ("checkpoints: limit 0", error(store.checkpoints(String::new(), None, 0).await)),
            4 => {
                let query = LogQuery::new(LogFilter::new()).limit(0);
                ("query: limit 0", error(store.query(query).await))
            }
            5 | 6 => ("write: conflict", error(store.write(refused(Expect::Revision(0))).await)),
            7 => ("write: already there", error(store.write(refused(Expect::Absent)).await)),
            8 | 9 => ("write: key too long", error(store.write(too_long().into()).await)),
            10 => ("write: no such thread", error(store.write(toolless()?.into()).await)),
            11 => ("backup: onto a store", error(store.backup(workspace.clone()).await)),
            12 => ("backup: below a file", error(store.backup(below_a_file()?).await)),
            13 => ("list: closed", error(closed.list(ThreadQuery::new()).await)),
            14 => ("write: closed", error(closed.write(too_long().into()).await)),
            _ => ("stats: closed", error(closed.stats().await)),
        };
        match error {
            Some(_) => Ok(()),
            None => Err(Failure::new(format!("{what}: it did not fail"))),
        }
    }
}

fn error<T>(result: Result<T>) -> Option<Error> {
    result.err()
}

async fn foreign_cursor(store: &dyn Store) -> Result<Option<Error>> {
    let page = store.list(ThreadQuery::everything().limit(1)).await?;
    let Some(cursor) = page.next else { return Ok(None) };
    Ok(error(store.list(ThreadQuery::new().source("another").after(cursor)).await))
}

/// A batch whose last change cannot be made.
fn refused(expect: Expect) -> WriteBatch {
    let first = Change::SetCheckpoint { key: "refused".into(), value: Some(String::new()) };
    let existing = GROUP.threads().next().unwrap_or_default();
    WriteBatch::new().and(first).and_if(expect, put(thread(existing)))
}

fn too_long() -> Change {
    Change::SetCheckpoint { key: "long".repeat(10_000), value: None }
}

fn toolless() -> Result<Change> {
    let tools = vec![DynamicToolSpec::function("a", "", "{}")?];
    Ok(Change::SetTools { id: id(77), tools, replace: true })
}

/// A path that no folder can be made at.
fn below_a_file() -> Verdict<std::path::PathBuf> {
    let file = std::env::current_exe()?;
    Ok(Path::new(&file).join("copy"))
}
