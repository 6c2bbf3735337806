//! What the tasks of a random history do.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, TestRunner};
use threadkeep_core::{
    Archived, BatchId, Change, DynamicToolSpec, Expect, FieldPatch, Result, ThreadId, ThreadPatch,
    ThreadQuery, ThreadSeed, Timestamp, WriteBatch,
};

use super::condition;
use crate::lab::{Failure, Verdict};
use crate::random;

/// How many threads a history may have.
const THREADS: u32 = 3;

/// What every task of a history does, in order.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// No other history in the same store has this number.
    number: u32,
    threads: u32,
    /// Each on the handle of its number, counted round and round.
    pub(crate) tasks: Vec<Vec<Step>>,
}

#[derive(Clone, Debug)]
pub(crate) struct Step {
    /// Whether others may run first.
    pub(crate) yields: bool,
    pub(crate) request: Request,
}

#[derive(Clone, Debug)]
pub(crate) enum Request {
    Write(Vec<Wanted>, Manner),
    Rows,
    Tools(u32),
    List(Archived),
}

/// How a batch is handed over.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Manner {
    Once,
    /// By its name to two handles at once.
    Twice,
    /// Given up after so many milliseconds, and repeated by its name or not.
    GivenUp {
        after: u64,
        repeated: bool,
    },
}

/// A change of one thread. Whatever value it sets is set by no other change.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted {
    thread: u32,
    kind: Kind,
    /// For what has a time; later ones win.
    millis: i64,
    condition: Condition,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Title,
    PreviewIfEmpty,
    Put,
    Apply,
    ApplyNewer,
    Rebuild,
    Rename,
    ToolsOnce,
    Tools,
    Archive,
    Unarchive,
    Move,
    Delete,
}

#[derive(Clone, Copy, Debug)]
enum Condition {
    Nothing,
    Absence,
    /// The revision the task saw last.
    Seen,
}

/// The plan that a seed gives.
pub(crate) fn plan(seed: u64, number: u32) -> Verdict<Plan> {
    let mut runner = TestRunner::new_with_rng(Config::default(), random::rng(seed));
    let tasks = (4..=8_usize, 15..=28_usize)
        .prop_flat_map(|(tasks, steps)| vec(vec(step(), steps), tasks..=tasks));
    let plan = (2..=THREADS, tasks).new_tree(&mut runner);
    let (threads, tasks) = plan.map_err(|reason| Failure::new(reason.message()))?.current();
    Ok(Plan { number, threads, tasks })
}

fn step() -> impl Strategy<Value = Step> {
    let batch = prop_oneof![5 => vec(wanted(), 1), 1 => vec(wanted(), 2..4)];
    let manner = prop_oneof![
        16 => Just(Manner::Once),
        1 => Just(Manner::Twice),
        1 => (0..3_u64, any::<bool>())
            .prop_map(|(after, repeated)| Manner::GivenUp { after, repeated }),
    ];
    let archived = select(vec![Archived::Any, Archived::Active, Archived::Archived]);
    let request = prop_oneof![
        6 => (batch, manner).prop_map(|(changes, manner)| Request::Write(changes, manner)),
        2 => Just(Request::Rows),
        1 => (0..THREADS).prop_map(Request::Tools),
        1 => archived.prop_map(Request::List),
    ];
    (any::<bool>(), request).prop_map(|(yields, request)| Step { yields, request })
}

fn wanted() -> impl Strategy<Value = Wanted> {
    let condition = prop_oneof![
        6 => Just(Condition::Nothing),
        1 => Just(Condition::Absence),
        2 => Just(Condition::Seen),
    ];
    let kind = prop_oneof![
        6 => Just(Kind::Title),
        3 => Just(Kind::Put),
        3 => Just(Kind::Apply),
        2 => Just(Kind::ApplyNewer),
        2 => select(vec![Kind::ToolsOnce, Kind::Tools]),
        4 => select(vec![Kind::Archive, Kind::Unarchive, Kind::Move]),
        3 => select(vec![Kind::PreviewIfEmpty, Kind::Rename, Kind::Rebuild]),
        1 => Just(Kind::Delete),
    ];
    (0..THREADS, kind, 0..6_i64, condition).prop_map(|(thread, kind, millis, condition)| Wanted {
        thread,
        kind,
        millis,
        condition,
    })
}

impl Plan {
    pub(crate) fn threads(&self) -> Vec<ThreadId> {
        (0..self.threads).map(|thread| self.thread(thread)).collect()
    }

    /// One of the threads.
    pub(crate) fn thread(&self, number: u32) -> ThreadId {
        let mut bytes = [0; 16];
        bytes[8..12].copy_from_slice(&self.number.to_be_bytes());
        bytes[12..].copy_from_slice(&(number % self.threads).to_be_bytes());
        ThreadId::from_bytes(bytes)
    }

    /// Lists these threads and no others.
    pub(crate) fn listing(&self, archived: Archived) -> ThreadQuery {
        ThreadQuery::everything().archived(archived).cwd(self.cwd())
    }

    /// The batch of a step in words and as a value. `unique` is what it sets; `seen` are the
    /// revisions seen last.
    pub(crate) fn batch(
        &self,
        changes: &[Wanted],
        manner: Manner,
        unique: &str,
        seen: &BTreeMap<ThreadId, u64>,
    ) -> Result<(String, WriteBatch)> {
        let mut words = Vec::new();
        let mut batch = WriteBatch::new();
        if !matches!(manner, Manner::Once | Manner::GivenUp { repeated: false, .. }) {
            let name = BatchId::new();
            words.push(format!("batch {name}"));
            batch = batch.with_id(name);
        }
        for wanted in changes {
            let thread = self.thread(wanted.thread);
            let expect = match wanted.condition {
                Condition::Nothing => Expect::Any,
                Condition::Absence => Expect::Absent,
                Condition::Seen => Expect::Revision(seen.get(&thread).copied().unwrap_or(0)),
            };
            let number = wanted.thread % self.threads;
            words.push(format!(
                "{:?} {unique} of thread {number} at {} ms{}",
                wanted.kind,
                wanted.millis,
                condition(expect)
            ));
            batch.push_if(expect, self.change(*wanted, thread, unique)?);
        }
        Ok((words.join(", "), batch))
    }

    fn change(&self, wanted: Wanted, id: ThreadId, unique: &str) -> Result<Change> {
        let at = Timestamp::from_millis(wanted.millis);
        let seed = ThreadSeed::new(id, format!("/sessions/{unique}"), at).cwd(self.cwd());
        let mut patch = ThreadPatch::default();
        patch.title = FieldPatch::Set(unique.into());
        Ok(match wanted.kind {
            Kind::Title => Change::Patch(id, Box::new(patch)),
            Kind::PreviewIfEmpty => {
                let mut patch = ThreadPatch::default();
                patch.preview = FieldPatch::SetIfEmpty(Some(unique.into()));
                Change::Patch(id, Box::new(patch))
            }
            Kind::Put => {
                let mut row = seed.into_metadata();
                row.title = unique.into();
                Change::Put(Box::new(row))
            }
            Kind::Apply => Change::Apply(Box::new(seed), Box::new(patch)),
            Kind::ApplyNewer => {
                // Newer than any deletion.
                patch.newest_item_at = Some(Timestamp::from_millis(100));
                Change::Apply(Box::new(seed), Box::new(patch))
            }
            Kind::Rebuild => Change::Rebuild(Box::new(seed), Box::new(patch)),
            Kind::Rename => Change::Rename { id, name: Some(unique.into()), at },
            Kind::ToolsOnce | Kind::Tools => {
                let replace = matches!(wanted.kind, Kind::Tools);
                let tools = vec![DynamicToolSpec::function(unique, "", "{}")?];
                Change::SetTools { id, tools, replace }
            }
            Kind::Archive => Change::Archive { id, path: None, at },
            Kind::Unarchive => Change::Unarchive { id, path: None },
            Kind::Move => {
                let folder = if wanted.millis < 3 { "sessions" } else { "archived_sessions" };
                Change::Move { id, path: format!("/{folder}/{unique}").into(), archived_at: at }
            }
            Kind::Delete => Change::Delete { id, at },
        })
    }

    fn cwd(&self) -> String {
        format!("/{}", self.number)
    }
}
