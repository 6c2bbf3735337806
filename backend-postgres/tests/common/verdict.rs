//! The judge: what was acknowledged against what is there.

use std::collections::{BTreeMap, HashMap};
use std::time::Instant;

use threadkeep_core::{Applied, Direction, LogFilter, LogQuery, LogStore as _, ThreadStore as _};
use threadkeep_postgres::PostgresStore;

use super::appender::{Appends, messages};
use super::follower::Told;
use super::writer::{Fate, Problem, Steps, checkpoint, thread};

/// What was found.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    pub(crate) acknowledged: usize,
    /// Not acknowledged, and there.
    pub(crate) there_all_the_same: usize,
    /// Acknowledged, and not there: when each was acknowledged, by writer.
    pub(crate) lost: Vec<(String, Instant)>,
    /// What is there more than once, or was answered so.
    pub(crate) doubled: Vec<String>,
    /// Said not to be applied, and there.
    pub(crate) phantoms: Vec<String>,
    /// Acknowledged before something that is there, and not there: losses that are not the newest.
    pub(crate) holes: Vec<String>,
    /// What a follower was told otherwise than it is.
    pub(crate) followed_wrong: Vec<String>,
    pub(crate) errors: BTreeMap<String, usize>,
    /// One error in full for each line above.
    pub(crate) examples: BTreeMap<String, String>,
}

impl Verdict {
    /// Nothing lost, doubled or otherwise than it was said.
    pub(crate) fn assert_exact(&self) {
        assert!(self.lost.is_empty(), "lost: {:?}", self.lost);
        self.assert_nothing_wrong();
    }

    /// The same, but that acknowledged writes may be lost.
    pub(crate) fn assert_nothing_wrong(&self) {
        assert!(self.doubled.is_empty(), "doubled: {:?}", self.doubled);
        assert!(self.phantoms.is_empty(), "said not to be applied: {:?}", self.phantoms);
        assert!(self.followed_wrong.is_empty(), "followed: {:?}", self.followed_wrong);
    }

    /// Every error is one of these kinds.
    pub(crate) fn assert_kinds(&self, kinds: &[&str]) {
        for (error, example) in &self.examples {
            assert!(kinds.iter().any(|kind| error.starts_with(kind)), "{error}: {example}");
        }
    }

    fn count(&mut self, errors: &[Problem]) {
        for Problem { kind, outcome, text } in errors {
            let line = format!("{kind:?} {outcome:?}");
            *self.errors.entry(line.clone()).or_default() += 1;
            self.examples.entry(line).or_insert_with(|| text.clone());
        }
    }

    /// One write: what was said of it, and whether it is there.
    fn weigh<T>(&mut self, name: impl Fn() -> String, fate: &Fate<T>, there: bool) {
        match fate {
            Fate::Acknowledged { at, .. } => {
                self.acknowledged += 1;
                if !there {
                    self.lost.push((name(), *at));
                }
            }
            Fate::Failed { outcome, kind } if there => {
                self.there_all_the_same += 1;
                if *outcome == Applied::NotApplied {
                    self.phantoms.push(format!("{} {kind:?}", name()));
                }
            }
            Fate::Failed { .. } => {}
        }
    }

    /// The writes of one writer in their order: of those acknowledged before `until`, the lost ones
    /// have to be the last.
    fn look_for_holes<T>(&mut self, name: &str, fates: &[Fate<T>], there: &[bool], until: Instant) {
        let mut lost = None;
        for (nth, (fate, there)) in fates.iter().zip(there).enumerate() {
            let Fate::Acknowledged { at, .. } = fate else { continue };
            match (lost, there) {
                _ if *at >= until => return,
                (None, false) => lost = Some(nth),
                (Some(lost), true) => self.holes.push(format!("{name}: {lost} lost, {nth} there")),
                _ => {}
            }
        }
    }
}

/// All entries, by number.
pub(crate) async fn all_logs(store: &PostgresStore) -> Vec<(u64, String)> {
    let mut rows = Vec::new();
    loop {
        let after = rows.last().map_or(0, |(id, _)| *id);
        let query = LogQuery::new(LogFilter::new().after_id(after))
            .direction(Direction::Ascending)
            .limit(LogQuery::MAX_LIMIT);
        let page = store.query(query).await.unwrap();
        rows.extend(
            page.items.into_iter().map(|row| (row.id, row.entry.message.unwrap_or_default())),
        );
        if !page.more {
            return rows;
        }
    }
}

/// Compares what was said with what is there. Before `loss`, where there may be one, losses have to
/// be the newest.
pub(crate) async fn judge(
    store: &PostgresStore,
    steps: Vec<Steps>,
    appends: Vec<Appends>,
    told: Option<Told>,
    rows: Vec<(u64, String)>,
    loss: Option<Instant>,
) -> Verdict {
    let mut verdict = Verdict::default();
    for steps in steps {
        judge_steps(&mut verdict, store, &steps, loss).await;
    }
    judge_appends(&mut verdict, &appends, &rows, loss);
    if let Some(told) = told {
        verdict.count(&told.errors);
        if loss.is_none() {
            judge_told(&mut verdict, &told, &rows);
        }
    }
    verdict
}

async fn judge_steps(
    verdict: &mut Verdict,
    store: &PostgresStore,
    steps: &Steps,
    loss: Option<Instant>,
) {
    let number = steps.number;
    verdict.count(&steps.errors);
    verdict.doubled.extend(steps.odd.iter().cloned());
    let ids: Vec<_> = (0..steps.fates.len()).map(|step| thread(number, step)).collect();
    let mut there = Vec::new();
    for ids in ids.chunks(500) {
        let found = store.threads(ids.to_vec()).await.unwrap();
        there.extend(found.iter().map(Option::is_some));
    }
    for (step, fate) in steps.fates.iter().enumerate() {
        verdict.weigh(|| format!("step {step} of writer {number}"), fate, there[step]);
    }
    if let Some(loss) = loss {
        verdict.look_for_holes(&format!("writer {number}"), &steps.fates, &there, loss);
    }
    let applied = there.iter().filter(|there| **there).count() as u64;
    let revision = store.checkpoints(checkpoint(number), None, 1).await.unwrap();
    let revision = revision.first().map_or(0, |checkpoint| checkpoint.revision);
    if revision != applied * 2 {
        verdict.doubled.push(format!(
            "writer {number}: {applied} steps are there, and its checkpoint was set {revision} times"
        ));
    }
}

fn judge_appends(
    verdict: &mut Verdict,
    appends: &[Appends],
    rows: &[(u64, String)],
    loss: Option<Instant>,
) {
    let mut found: HashMap<&str, Vec<u64>> = HashMap::new();
    for (id, message) in rows {
        found.entry(message).or_default().push(*id);
    }
    for (message, ids) in &found {
        if ids.len() > 1 {
            verdict.doubled.push(format!("{message} under {ids:?}"));
        }
    }
    if !rows.is_sorted_by(|before, after| before.0 < after.0) {
        verdict.doubled.push("log entries are not in the order of their numbers".to_owned());
    }
    for appends in appends {
        let number = appends.number;
        verdict.count(&appends.errors);
        let mut all_there = Vec::new();
        for (nth, fate) in appends.fates.iter().enumerate() {
            let ids = messages(number, nth).map(|it| found.get(&*it).map(|ids| ids[0]));
            let there = match (fate, ids) {
                (Fate::Acknowledged { answer, .. }, [Some(first), Some(last)]) => {
                    if (first, last) != (answer.first, answer.last) && loss.is_none() {
                        verdict.doubled.push(format!(
                            "append {nth} of {number} is {first} to {last}, was said to be {answer:?}"
                        ));
                    }
                    true
                }
                (_, [None, None]) => false,
                (Fate::Failed { .. }, [Some(_), Some(_)]) => true,
                _ => {
                    verdict
                        .doubled
                        .push(format!("append {nth} of {number} is half there: {ids:?}"));
                    true
                }
            };
            all_there.push(there);
            verdict.weigh(|| format!("append {nth} of {number}"), fate, there);
        }
        if let Some(loss) = loss {
            verdict.look_for_holes(&format!("appender {number}"), &appends.fates, &all_there, loss);
        }
    }
}

/// A follower is told each entry once, in order.
fn judge_told(verdict: &mut Verdict, told: &Told, rows: &[(u64, String)]) {
    if told.gaps > 0 {
        verdict.followed_wrong.push(format!("{} gaps", told.gaps));
    }
    let differ = told.entries.iter().zip(rows).find(|(told, row)| told != row);
    if let Some((told, row)) = differ {
        verdict.followed_wrong.push(format!("told {told:?}, is {row:?}"));
    } else if told.entries.len() != rows.len() {
        let lengths = (told.entries.len(), rows.len());
        verdict.followed_wrong.push(format!("told and are: {lengths:?}"));
    }
}
