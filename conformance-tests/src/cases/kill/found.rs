//! What is there after a kill or a power cut, and what is wrong with it.

use std::collections::{BTreeMap, BTreeSet};

use threadkeep_core::{Direction, LogFilter, LogQuery, Store, ThreadQuery};

use super::plan::{Plan, key, tool};
use crate::cases::examples::say::{id, number};
use crate::lab::{Failure, Verdict};
use crate::rules::Rule;

/// What a lane may be found to have done.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::cases) struct Lane {
    /// The last step that was acknowledged, or found once before.
    pub(in crate::cases) acknowledged: u32,
    /// The last step that can have been begun.
    pub(in crate::cases) begun: u32,
}

/// What is broken where something acknowledged is lost, where half a batch is there, and where the
/// store is not sound.
#[derive(Clone, Copy, Debug)]
pub(in crate::cases) struct Rules {
    pub(in crate::cases) lost: Rule,
    pub(in crate::cases) half: Rule,
    pub(in crate::cases) unsound: Rule,
}

/// The broken rules, each with what shows it.
pub(in crate::cases) struct Problems {
    rules: Rules,
    found: Vec<(Rule, String)>,
}

impl Problems {
    fn add(&mut self, rule: Rule, text: String) {
        self.found.push((rule, text));
    }

    /// A failure, unless there are none.
    pub(in crate::cases) fn verdict(self) -> Verdict {
        if self.found.is_empty() {
            return Ok(());
        }
        let lines = self.found.iter().map(|(rule, text)| format!("\nbreaks {}: {text}", rule.id));
        Err(Failure::new(lines.collect::<String>()))
    }

    /// Whether a lane got as far as it must have, and no further than it can have.
    fn compare(&mut self, what: &str, step: u32, lane: Lane) {
        let Lane { acknowledged, begun } = lane;
        if step < acknowledged {
            let text = format!("{what} is at step {step}; step {acknowledged} was acknowledged");
            self.add(self.rules.lost, text);
        } else if step > begun {
            self.add(
                self.rules.half,
                format!("{what} is at step {step}; only step {begun} was begun"),
            );
        }
    }
}

/// Looks at everything in the store, and answers how far each lane got.
pub(in crate::cases) async fn look(
    store: &dyn Store,
    plan: Plan,
    lanes: &[Lane],
    rules: Rules,
) -> Verdict<(Vec<u32>, Problems)> {
    let mut problems = Problems { rules, found: Vec::new() };
    let mut made: BTreeMap<u32, BTreeSet<u32>> = BTreeMap::new();
    let mut heads = BTreeMap::new();
    let mut threads = 0;
    let mut query = ThreadQuery::everything().limit(1_000);
    loop {
        let page = store.list(query.clone()).await?;
        for skipped in &page.skipped {
            problems.add(rules.unsound, format!("a listing passes over {skipped:?}"));
        }
        for row in page.items {
            threads += 1;
            let number = number(row.id);
            match plan.origin(number) {
                (lane, 0) => drop(heads.insert(lane, row.title)),
                (lane, _) => drop(made.entry(lane).or_default().insert(number)),
            }
        }
        let Some(next) = page.next else { break };
        query = query.after(next);
    }
    let report = store.check().await?;
    if !report.is_sound() || report.threads != threads {
        problems.add(
            rules.unsound,
            format!("{threads} threads are listed, and the check found {report:?}"),
        );
    }
    let mut steps = Vec::new();
    for (lane, allowed) in plan.all_lanes().zip(lanes) {
        let step = if plan.is_logs(lane) {
            logs(store, plan, *allowed, &mut problems).await?
        } else {
            let made = made.remove(&lane).unwrap_or_default();
            let head = heads.remove(&lane);
            batches(store, plan, lane, *allowed, (head, made), &mut problems).await?
        };
        steps.push(step);
    }
    Ok((steps, problems))
}

/// How far a lane of batches got: everything its batches write has to say the same.
async fn batches(
    store: &dyn Store,
    plan: Plan,
    lane: u32,
    allowed: Lane,
    (head, made): (Option<String>, BTreeSet<u32>),
    problems: &mut Problems,
) -> Verdict<u32> {
    let rules = problems.rules;
    let value = store.checkpoints(key(lane), None, 1).await?.pop().map(|found| found.value);
    let step = value.as_ref().and_then(|value| value.parse().ok()).unwrap_or(0);
    problems.compare(&format!("lane {lane}"), step, allowed);

    let tools = store.dynamic_tools(id(Plan::head(lane))).await?;
    let same = match step {
        0 => head.is_none() && tools.is_none(),
        _ => head == value && tools.as_deref() == Some(&[tool(step)?]),
    };
    if !same {
        problems.add(
            rules.half,
            format!(
                "a batch of lane {lane} sets a checkpoint, a title and a tool to its step; they \
                 are {value:?}, {head:?} and {tools:?}"
            ),
        );
    }

    let expected: BTreeSet<u32> = plan.kept(lane, step).collect();
    let by_step = |numbers: Vec<u32>| {
        let mut steps: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
        for number in numbers {
            steps.entry(plan.origin(number).1).or_default().push(number);
        }
        steps
    };
    for (missing, numbers) in by_step(expected.difference(&made).copied().collect()) {
        let all = plan.made(lane, missing).len();
        let text = format!(
            "lane {lane} is at step {step}; of the {all} threads that step {missing} made, {} are \
             missing",
            numbers.len()
        );
        problems.add(if numbers.len() == all { rules.lost } else { rules.half }, text);
    }
    for (other, numbers) in by_step(made.difference(&expected).copied().collect()) {
        let count = numbers.len();
        let text =
            format!("lane {lane} is at step {step}; {count} threads of step {other} are there");
        problems.add(rules.half, text);
    }
    Ok(step)
}

/// How far the lane of logs got: each append is there whole, once, in order.
async fn logs(
    store: &dyn Store,
    plan: Plan,
    allowed: Lane,
    problems: &mut Problems,
) -> Verdict<u32> {
    let rules = problems.rules;
    let query = LogQuery::new(LogFilter::new()).direction(Direction::Ascending);
    let mut query = query.limit(LogQuery::MAX_LIMIT);
    let mut found = Vec::new();
    loop {
        let page = store.query(query.clone()).await?;
        query.filter.after_id = page.items.last().map(|row| row.id);
        found.extend(page.items.into_iter().map(|row| row.entry.message.unwrap_or_default()));
        if !page.more {
            break;
        }
    }
    let newest = found.last().and_then(|text| text.split(' ').next()?.parse().ok());
    let step: u32 = newest.unwrap_or(0);
    problems.compare("the log", step, allowed);
    let expected: Vec<String> = (1..=step).flat_map(|step| plan.messages(step)).collect();
    if found != expected {
        let place = found.iter().zip(&expected).take_while(|(one, other)| one == other).count();
        let (there, wanted) = (found.get(place), expected.get(place));
        // Whether an append is missing as a whole or in part, something of it is lost.
        let whole = there.is_some_and(|text| text.ends_with(" 1"))
            && place.is_multiple_of(plan.width as usize);
        let text = format!(
            "entry {place} of the log is {there:?}, not {wanted:?}, in an append of {}",
            plan.width
        );
        problems.add(if whole { rules.lost } else { rules.half }, text);
    }
    Ok(step)
}
