//! The model as a reference state machine: what may come next depends on what came before.

use proptest::prelude::*;
use proptest_state_machine::ReferenceStateMachine;
use threadkeep_core::LogRow;

use super::generate;
use super::ops::{self, Op, Script, Step};
use super::store::Model;

/// How long a sequence may be.
const STEPS: usize = 60;
/// How many handles there may be.
const HANDLES: usize = 3;

/// What is stored, and on how many handles the sequence works.
#[derive(Clone, Debug)]
pub(crate) struct State {
    handles: usize,
    model: Model,
}

/// Generates sequences. They are run by [`compare`](super::compare) and not by the state machine
/// tests of the library, which know no async calls and want panics for answers.
struct Machine;

impl ReferenceStateMachine for Machine {
    type State = State;
    type Transition = Step;

    fn init_state() -> BoxedStrategy<State> {
        (1..=HANDLES).prop_map(|handles| State { handles, model: Model::default() }).boxed()
    }

    fn transitions(state: &State) -> BoxedStrategy<Step> {
        generate::step(state.handles, state.model.greatest_log_id()).boxed()
    }

    fn apply(mut state: State, step: &Step) -> State {
        let model = &mut state.model;
        match &step.op {
            Op::Write(name, changes) => {
                let batch = ops::batch(*name, changes, |change| model.revision(change));
                // A refused batch changes nothing.
                let _ = model.write(&batch);
            }
            Op::Append(entries) => {
                // The numbers a backend gives out are its own; these come close.
                let rows = (model.greatest_log_id() + 1..).zip(entries.clone());
                let rows = rows.map(|(id, entry)| LogRow { id, entry }).collect();
                model.append(rows);
            }
            Op::DeleteLogsBefore(time) => {
                model.delete_logs_before(*time);
            }
            Op::Prune(limits) => {
                model.prune(limits);
            }
            Op::Maintain | Op::Flush | Op::Reopen { .. } => {}
        }
        state
    }
}

/// Sequences of operations.
pub(crate) fn script() -> impl Strategy<Value = Script> {
    Machine::sequential_strategy(1..=STEPS).prop_map(|(state, steps, seen)| Script {
        handles: state.handles,
        steps,
        seen,
    })
}
