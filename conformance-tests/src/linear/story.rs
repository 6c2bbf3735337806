//! What no order explains, as short as it can be told.

use std::fmt::{self, Write as _};
use std::rc::Rc;

use serde_json::Value;
use threadkeep_core::{DynamicToolSpec, Outcome, ThreadId, ThreadMetadata, ThreadSeed, Timestamp};

use super::search::{self, Stuck};
use super::{Answer, Call, Deed};
use crate::model::store::Model;

/// The story of calls that no order explains.
pub(super) fn tell(id: ThreadId, calls: &[Call]) -> String {
    let calls = shorten(id, calls);
    let Err(Stuck { order, state, next }) = search::explain(id, &calls) else {
        return format!("no order explains the calls on thread {id}:\n{}", lines(&calls));
    };
    let mut text = format!(
        "no order explains these calls on thread {id} (when they were made and answered, who made \
         them, what was asked, what was answered):\n{}",
        lines(&calls)
    );
    let numbers: Vec<_> = order.iter().map(|call| (call + 1).to_string()).collect();
    // Writing to a string does not fail.
    let _ = match numbers.as_slice() {
        [] => writeln!(text, "no call can come first:"),
        _ => writeln!(
            text,
            "the longest order that can be explained is {}, after which there is {}; then none of \
             these fits:",
            numbers.join(", "),
            state_words(id, &state),
        ),
    };
    for call in next {
        let _ = writeln!(text, "  {}. {}", call + 1, difference(id, &calls[call], &state));
    }
    text
}

/// The calls up to the first answer that cannot be explained, without reads that do not matter.
fn shorten(id: ThreadId, calls: &[Call]) -> Vec<Call> {
    let mut ends: Vec<_> = calls.iter().filter_map(|call| call.returned).collect();
    ends.sort_unstable();
    // What explains all the calls explains those up to any instant.
    let first = ends.partition_point(|end| search::explain(id, &until(calls, *end)).is_ok());
    let mut calls = ends.get(first).map_or_else(|| calls.to_vec(), |end| until(calls, *end));
    let mut at = calls.len();
    while at > 0 {
        at -= 1;
        if !calls[at].has_no_effect() {
            continue;
        }
        let without = calls.remove(at);
        if search::explain(id, &calls).is_ok() {
            calls.insert(at, without);
        }
    }
    calls
}

/// What was known of the calls at an instant.
fn until(calls: &[Call], instant: u64) -> Vec<Call> {
    let mut known = Vec::new();
    for call in calls.iter().filter(|call| call.called <= instant) {
        if call.returned.is_none_or(|returned| returned <= instant) {
            known.push(call.clone());
        } else if let Deed::Write { words, batch, .. } = &call.deed {
            let (words, batch) = (words.clone(), batch.clone());
            let deed = Deed::Write { words, batch, answer: Answer::Unknown };
            known.push(Call { returned: None, deed, ..*call });
        }
    }
    known
}

impl Call {
    /// Whether the call changed nothing, whatever was answered.
    fn has_no_effect(&self) -> bool {
        match &self.deed {
            Deed::Row { .. } | Deed::Tools(_) => true,
            Deed::Write { answer, .. } => matches!(answer, Answer::Refused(_)),
        }
    }
}

fn lines(calls: &[Call]) -> String {
    let lines = (1..).zip(calls).map(|(number, call)| format!("  {number}. {call}\n"));
    lines.collect()
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let end = self.returned.map_or_else(|| "never".into(), |end| end.to_string());
        write!(f, "{} to {end}, task {}: ", self.called, self.task)?;
        match &self.deed {
            Deed::Write { words, answer, .. } => write!(f, "{words}: {}", answer_words(answer)),
            Deed::Row { query: None, row } => write!(f, "row: {}", row_words(row.as_deref())),
            Deed::Row { query: Some(query), row } => {
                let archived = query.filter.archived;
                write!(f, "listed among {archived:?}: {}", row_words(row.as_deref()))
            }
            Deed::Tools(tools) => write!(f, "tools: {}", tools_words(tools.as_deref())),
        }
    }
}

/// Why a call does not fit in a state.
fn difference(id: ThreadId, call: &Call, state: &Rc<Model>) -> String {
    let (answered, expected) = match &call.deed {
        Deed::Write { answer: Answer::Unknown, .. } => {
            return "whose answer is unknown, and which does not help".into();
        }
        Deed::Write { batch, answer, .. } => {
            let expected = match Model::clone(state).write(batch) {
                Ok(outcomes) => Answer::Done(outcomes),
                Err(kind) => Answer::Refused(kind),
            };
            (answer_words(answer), answer_words(&expected))
        }
        Deed::Row { row, .. } => {
            let expected = search::expected_row(id, &call.deed, state);
            (row_words(row.as_deref()), row_words(expected))
        }
        Deed::Tools(tools) => {
            let expected = search::expected_tools(id, state);
            (tools_words(tools.as_deref()), tools_words(expected))
        }
    };
    if answered == expected {
        return format!("answered {answered}, which is right here but leads nowhere");
    }
    format!("answered {answered}\n     but right would be {expected}")
}

fn answer_words(answer: &Answer) -> String {
    match answer {
        Answer::Unknown => "unknown".into(),
        Answer::Refused(kind) => format!("refused ({kind})"),
        Answer::Done(outcomes) => {
            let one = |done: &Outcome| format!("{:?} at revision {}", done.effect, done.revision);
            outcomes.iter().map(one).collect::<Vec<_>>().join(", ")
        }
    }
}

fn state_words(id: ThreadId, state: &Model) -> String {
    let row = state.thread(id).and_then(|known| known.row.as_ref());
    let tools = search::expected_tools(id, state);
    let deleted = state.thread(id).and_then(|known| known.deleted_at);
    let deleted = deleted.map_or_else(String::new, |at| format!(", deleted at {at}"));
    format!("{}, {}{deleted}", row_words(row), tools_words(tools))
}

fn tools_words(tools: Option<&[DynamicToolSpec]>) -> String {
    match tools {
        None => "no tools".into(),
        Some(tools) => {
            let names: Vec<_> = tools.iter().map(DynamicToolSpec::name).collect();
            format!("the tools {}", names.join(", "))
        }
    }
}

/// The fields of a row that differ from those of a new one.
fn row_words(row: Option<&ThreadMetadata>) -> String {
    let Some(row) = row else {
        return "no row".into();
    };
    let new = ThreadSeed::new(row.id, "/", Timestamp::from_millis(0)).into_metadata();
    let (Ok(Value::Object(fields)), Ok(new)) =
        (serde_json::to_value(row), serde_json::to_value(new))
    else {
        return format!("{row:?}");
    };
    let differ = fields.iter().filter(|(name, value)| new.get(name) != Some(*value));
    let words: Vec<_> = differ.map(|(name, value)| format!("{name} {value}")).collect();
    format!("{{{}}}", words.join(", "))
}
