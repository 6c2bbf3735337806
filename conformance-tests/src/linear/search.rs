//! The search of Wing and Gong, with the memory that Lowe gave it: depth first through the orders
//! in which the calls may have taken effect, never twice from the same calls and the same state.

use std::collections::HashMap;
use std::rc::Rc;

use threadkeep_core::{DynamicToolSpec, ThreadId, ThreadMetadata};

use super::{Answer, Call, Deed};
use crate::model::store::Model;

/// How far the best order came.
pub(super) struct Stuck {
    /// The calls it explains, by index.
    pub(super) order: Vec<usize>,
    /// The state they lead to.
    pub(super) state: Rc<Model>,
    /// The calls that might come next, none of which fits.
    pub(super) next: Vec<usize>,
}

/// What a call would do in a state.
enum Step {
    /// Its answer is not right there, or it is not worth trying.
    Wrong,
    /// Its answer is right and the state stays.
    Right,
    /// Its answer is right, or unknown, and this is the state after it.
    Changed(Rc<Model>),
}

/// A place in the search: the call that led from here, and what else could have.
struct Frame {
    chosen: usize,
    others: Vec<(usize, Rc<Model>)>,
}

/// The calls that took effect.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Done(Vec<u64>);

/// Looks for an order of the calls, which are sorted by the instant they began.
pub(super) fn explain(id: ThreadId, calls: &[Call]) -> Result<(), Stuck> {
    let mut seen: HashMap<Done, Vec<Rc<Model>>> = HashMap::new();
    let mut done = Done(vec![0; calls.len() / 64 + 1]);
    let mut state = Rc::new(Model::default());
    let mut path: Vec<Frame> = Vec::new();
    let mut best = Stuck { order: Vec::new(), state: Rc::clone(&state), next: Vec::new() };
    loop {
        let next = possible(calls, &done);
        // Calls of unknown outcome may just as well never take effect.
        if next.iter().all(|&call| calls[call].returned.is_none()) {
            return Ok(());
        }
        if path.len() > best.order.len() || best.next.is_empty() {
            let order = path.iter().map(|frame| frame.chosen).collect();
            best = Stuck { order, state: Rc::clone(&state), next: next.clone() };
        }
        let mut others = Vec::new();
        for call in next.into_iter().rev() {
            match step(id, &calls[call], &state) {
                Step::Wrong => {}
                Step::Right => {
                    // Whatever order explains the rest also does so after this call, which changes
                    // nothing here and, having this answer, changes nothing anywhere else.
                    others = vec![(call, Rc::clone(&state))];
                    break;
                }
                Step::Changed(after) => others.push((call, after)),
            }
        }
        path.push(Frame { chosen: usize::MAX, others });
        state = loop {
            let Some(frame) = path.last_mut() else {
                return Err(best);
            };
            done.remove(frame.chosen);
            let Some((call, after)) = frame.others.pop() else {
                path.pop();
                continue;
            };
            frame.chosen = call;
            done.insert(call);
            let states = seen.entry(done.clone()).or_default();
            if !states.contains(&after) {
                states.push(Rc::clone(&after));
                break after;
            }
        };
    }
}

/// The calls that may take effect next: no other one ended before they began.
fn possible(calls: &[Call], done: &Done) -> Vec<usize> {
    let mut first_end = u64::MAX;
    let mut next = Vec::new();
    for (at, call) in calls.iter().enumerate() {
        if call.called > first_end {
            break;
        }
        if !done.contains(at) {
            first_end = first_end.min(call.returned.unwrap_or(u64::MAX));
            next.push(at);
        }
    }
    next
}

fn step(id: ThreadId, call: &Call, before: &Rc<Model>) -> Step {
    let right = |right: bool| if right { Step::Right } else { Step::Wrong };
    match &call.deed {
        Deed::Row { row, .. } => right(expected_row(id, &call.deed, before) == row.as_deref()),
        Deed::Tools(tools) => right(expected_tools(id, before) == tools.as_deref()),
        Deed::Write { batch, answer, .. } => {
            let mut after = Model::clone(before);
            let expected = after.write(batch);
            match (answer, expected) {
                (Answer::Refused(kind), Err(expected)) => right(*kind == expected),
                (Answer::Done(outcomes), Ok(expected)) if *outcomes == expected => {
                    if after == **before { Step::Right } else { Step::Changed(Rc::new(after)) }
                }
                (Answer::Unknown, Ok(_)) if after != **before => Step::Changed(Rc::new(after)),
                _ => Step::Wrong,
            }
        }
    }
}

/// The row that a read has to answer in this state.
pub(super) fn expected_row<'a>(
    id: ThreadId,
    read: &Deed,
    state: &'a Model,
) -> Option<&'a ThreadMetadata> {
    match read {
        Deed::Row { query: Some(query), .. } => state.list(query, None).into_iter().next(),
        _ => state.thread(id).and_then(|known| known.row.as_ref()),
    }
}

/// The tools that a read has to answer in this state.
pub(super) fn expected_tools(id: ThreadId, state: &Model) -> Option<&[DynamicToolSpec]> {
    state.thread(id).and_then(|known| known.tools.as_deref())
}

impl Done {
    fn contains(&self, call: usize) -> bool {
        self.0[call / 64] & (1 << (call % 64)) != 0
    }

    fn insert(&mut self, call: usize) {
        self.0[call / 64] |= 1 << (call % 64);
    }

    /// Calls beyond the last were never in it.
    fn remove(&mut self, call: usize) {
        if let Some(word) = self.0.get_mut(call / 64) {
            *word &= !(1 << (call % 64));
        }
    }
}
