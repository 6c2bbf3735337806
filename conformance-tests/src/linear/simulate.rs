//! Plans played by one hand, on the model, with a fault planted or none.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use proptest::prelude::Rng as _;
use proptest::test_runner::TestRng;
use threadkeep_core::{
    Archived, Change, DynamicToolSpec, Error, Outcome, ThreadId, ThreadMetadata, WriteBatch,
};

use super::plan::{Manner, Plan, Request, plan};
use super::{History, When, threads};
use crate::lab::Verdict;
use crate::model::store::Model;
use crate::random;

/// What the store does wrong, once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    None,
    /// Answers a read with the row before a change that was acknowledged.
    StaleRead,
    /// Acknowledges a write and forgets it. Not one with a name, which its repetition mends.
    LostWrite,
    /// Applies an acknowledged write again later.
    WrittenTwice,
}

#[derive(Clone)]
enum Wish {
    Write { words: String, batch: WriteBatch, given_up: bool },
    Rows,
    Tools(ThreadId),
    List(Archived),
}

enum Answer {
    /// The rows that gave way are kept for stale reads.
    Written(Result<Vec<Outcome>, Error>, Vec<ThreadMetadata>),
    /// The write was given up.
    Nothing,
    Rows(Vec<Option<ThreadMetadata>>),
    Tools(Option<Vec<DynamicToolSpec>>),
    Listed(Vec<ThreadMetadata>),
}

/// A call on its way.
struct Way {
    wish: Wish,
    called: u64,
    answer: Option<Answer>,
}

#[derive(Default)]
struct Player {
    steps: usize,
    wishes: VecDeque<Wish>,
    way: Option<Way>,
    /// The revisions seen last.
    seen: BTreeMap<ThreadId, u64>,
}

/// What was told of a simulated store.
pub(super) struct Told {
    pub(super) history: History,
    /// The same without the writes that were given up and never took effect. In the history such a
    /// write may explain what a fault did.
    pub(super) sober: History,
    /// Whether the fault is in it.
    pub(super) planted: bool,
}

/// A write that takes effect sometime or never.
struct Late {
    batch: WriteBatch,
    /// What was told of it by whoever gave it up; `None` where it is applied a second time.
    given_up: Option<(When, String)>,
}

struct Simulation {
    plan: Plan,
    fault: Fault,
    planted: bool,
    random: TestRng,
    model: Model,
    now: u64,
    history: History,
    sober: History,
    late: Vec<Late>,
    /// The row before the last acknowledged change, and when that was acknowledged.
    outdated: BTreeMap<ThreadId, (u64, ThreadMetadata)>,
}

/// Plays the plan of a seed.
pub(super) fn simulate(seed: u64, fault: Fault) -> Verdict<Told> {
    let plan = plan(seed, 0)?;
    let mut players: Vec<_> = plan.tasks.iter().map(|_| Player::default()).collect();
    let mut simulation = Simulation {
        plan,
        fault,
        planted: false,
        random: random::rng(seed),
        model: Model::default(),
        now: 0,
        history: History::default(),
        sober: History::default(),
        late: Vec::new(),
        outdated: BTreeMap::new(),
    };
    let mut playing: BTreeSet<usize> = (0..players.len()).collect();
    while !playing.is_empty() {
        let lot = simulation.below(playing.len());
        let Some(&task) = playing.iter().nth(lot) else { break };
        if !simulation.advance(task, &mut players[task])? {
            playing.remove(&task);
        }
        simulation.perhaps_late()?;
    }
    let mut wishes = vec![Wish::Rows];
    wishes.extend(simulation.plan.threads().into_iter().map(Wish::Tools));
    let mut reader = Player { steps: usize::MAX, wishes: wishes.into(), ..Player::default() };
    while simulation.advance(players.len(), &mut reader)? {}
    let Simulation { history, sober, planted, .. } = simulation;
    Ok(Told { history, sober, planted })
}

impl Simulation {
    fn below(&mut self, bound: usize) -> usize {
        self.random.next_u32() as usize % bound
    }

    fn tick(&mut self) -> u64 {
        self.now += 1;
        self.now
    }

    /// Goes one step on with what a task does; `false` where nothing is left.
    fn advance(&mut self, task: usize, player: &mut Player) -> Verdict<bool> {
        match player.way.take() {
            Some(Way { wish, called, answer: None }) => {
                let answer = Some(self.take_effect(&wish, called));
                player.way = Some(Way { wish, called, answer });
            }
            Some(Way { wish, called, answer: Some(answer) }) => {
                let when = When { task, called, returned: self.tick() };
                self.note(when, wish, answer, &mut player.seen)?;
            }
            None => {
                if player.wishes.is_empty() {
                    self.wish(task, player)?;
                }
                let Some(wish) = player.wishes.pop_front() else {
                    return Ok(false);
                };
                player.way = Some(Way { wish, called: self.tick(), answer: None });
            }
        }
        Ok(true)
    }

    /// What the next step of the plan is made of.
    fn wish(&mut self, task: usize, player: &mut Player) -> Verdict {
        let steps = self.plan.tasks.get(task).map_or(&[][..], Vec::as_slice);
        let Some(step) = steps.get(player.steps) else {
            return Ok(());
        };
        player.steps += 1;
        let first = match &step.request {
            Request::Rows => Wish::Rows,
            Request::Tools(number) => Wish::Tools(self.plan.thread(*number)),
            Request::List(archived) => Wish::List(*archived),
            Request::Write(changes, manner) => {
                let unique = format!("{task}.{}", player.steps);
                let (words, batch) = self.plan.batch(changes, *manner, &unique, &player.seen)?;
                let write =
                    |given_up| Wish::Write { words: words.clone(), batch: batch.clone(), given_up };
                if matches!(manner, Manner::Twice | Manner::GivenUp { repeated: true, .. }) {
                    player.wishes.push_front(write(false));
                }
                write(matches!(manner, Manner::GivenUp { .. }))
            }
        };
        player.wishes.push_front(first);
        Ok(())
    }

    fn take_effect(&mut self, wish: &Wish, called: u64) -> Answer {
        match wish {
            Wish::Write { given_up: true, .. } => Answer::Nothing,
            Wish::Write { batch, .. } => self.write(batch),
            Wish::Tools(id) => {
                Answer::Tools(self.model.thread(*id).and_then(|known| known.tools.clone()))
            }
            Wish::List(archived) => {
                let query = self.plan.listing(*archived);
                Answer::Listed(self.model.list(&query, None).into_iter().cloned().collect())
            }
            Wish::Rows => {
                let ids = self.plan.threads();
                let mut rows: Vec<_> = ids.iter().map(|id| self.row(*id)).collect();
                let lot = self.below(ids.len());
                let outdated = self.outdated.get(&ids[lot]).filter(|(since, _)| *since < called);
                if self.fault == Fault::StaleRead
                    && !self.planted
                    && let Some((_, row)) = outdated
                {
                    rows[lot] = Some(row.clone());
                    self.planted = true;
                }
                Answer::Rows(rows)
            }
        }
    }

    fn write(&mut self, batch: &WriteBatch) -> Answer {
        let mut after = self.model.clone();
        let answer = match after.write(batch) {
            Ok(outcomes) => outcomes,
            Err(kind) => {
                return Answer::Written(Err(Error::new(kind, self.culprit(batch))), vec![]);
            }
        };
        let changed = changed(&self.model, &after, batch);
        let gone: Vec<_> = changed.iter().filter_map(|id| self.row(*id)).collect();
        let unnamed = batch.id().is_none();
        let unlucky = !self.planted && self.below(4) == 0;
        if unlucky && self.fault == Fault::LostWrite && unnamed && !changed.is_empty() {
            self.planted = true;
            return Answer::Written(Ok(answer), vec![]);
        }
        if unlucky && self.fault == Fault::WrittenTwice && unnamed {
            self.late.push(Late { batch: batch.clone(), given_up: None });
        }
        self.model = after;
        Answer::Written(Ok(answer), gone)
    }

    /// The thread for which the batch is refused.
    fn culprit(&self, batch: &WriteBatch) -> String {
        let mut tried = WriteBatch::new();
        for (change, expect) in batch.changes() {
            tried.push_if(*expect, change.clone());
            if self.model.clone().write(&tried).is_err() {
                break;
            }
        }
        let last = tried.changes().last().map(|(change, _)| change.clone().into());
        last.map_or_else(String::new, |last: WriteBatch| format!("{:?}", threads(&last)))
    }

    /// Lets a write take effect that nobody waits for.
    fn perhaps_late(&mut self) -> Verdict {
        if self.late.is_empty() || self.below(10) > 0 {
            return Ok(());
        }
        let lot = self.below(self.late.len());
        let Late { batch, given_up } = self.late.swap_remove(lot);
        let before = self.model.clone();
        if given_up.is_none() && self.planted || self.model.write(&batch).is_err() {
            return Ok(());
        }
        if let Some((when, words)) = given_up {
            return self.sober.write(when, &words, &batch, None);
        }
        self.planted = !changed(&before, &self.model, &batch).is_empty();
        Ok(())
    }

    fn note(
        &mut self,
        when: When,
        wish: Wish,
        answer: Answer,
        seen: &mut BTreeMap<ThreadId, u64>,
    ) -> Verdict {
        match (wish, answer) {
            (Wish::Write { words, batch, .. }, Answer::Written(answer, gone)) => {
                for row in gone {
                    self.outdated.insert(row.id, (when.returned, row));
                }
                for ((change, _), done) in batch.changes().iter().zip(answer.iter().flatten()) {
                    for id in threads(&change.clone().into()) {
                        seen.insert(id, done.revision);
                    }
                }
                self.sober.write(when, &words, &batch, Some(&answer))?;
                return self.history.write(when, &words, &batch, Some(&answer));
            }
            (Wish::Write { words, batch, .. }, _) => {
                self.history.write(when, &words, &batch, None)?;
                if self.below(2) == 0 {
                    self.late.push(Late { batch, given_up: Some((when, words)) });
                }
            }
            (Wish::List(archived), Answer::Listed(rows)) => {
                let (ids, query) = (self.plan.threads(), self.plan.listing(archived));
                self.both(|told| told.listed(when, &ids, &query, &rows));
            }
            (Wish::Tools(id), Answer::Tools(tools)) => {
                self.both(|told| told.tools(when, id, tools.clone()));
            }
            (_, Answer::Rows(rows)) => {
                let ids = self.plan.threads();
                seen.extend(rows.iter().flatten().map(|row| (row.id, row.revision)));
                self.both(|told| told.rows(when, &ids, &rows));
            }
            _ => {}
        }
        Ok(())
    }

    fn both(&mut self, tell: impl Fn(&mut History)) {
        tell(&mut self.history);
        tell(&mut self.sober);
    }

    fn row(&self, id: ThreadId) -> Option<ThreadMetadata> {
        self.model.thread(id).and_then(|known| known.row.clone())
    }
}

/// The threads of a batch whose rows or revisions differ.
fn changed(before: &Model, after: &Model, batch: &WriteBatch) -> Vec<ThreadId> {
    let state = |model: &Model, id| {
        let row = model.thread(id).and_then(|known| known.row.clone());
        (row, model.revision(&Change::Unarchive { id, path: None }))
    };
    let mut ids = threads(batch);
    ids.retain(|id| state(before, *id) != state(after, *id));
    ids
}
