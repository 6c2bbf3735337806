//! What is said of a move, while it goes on and after.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::{Map, Value, json};
use threadkeep::moving::{CopyConflict, CopyReport, Counts, Digest, Found, PartDigest};
use threadkeep::{Skipped, Subject};

use crate::app::App;
use crate::exit::Failure;
use crate::output::{Output, stderr, text};

/// A line that tells how far it is, on a terminal; elsewhere one that is never drawn.
pub(super) fn bar(output: &Output) -> ProgressBar {
    let target = if output.is_json() {
        ProgressDrawTarget::hidden()
    } else {
        // Hides itself where stderr is no terminal.
        ProgressDrawTarget::stderr()
    };
    let bar = ProgressBar::with_draw_target(None, target);
    match ProgressStyle::with_template("{spinner} {msg}") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

/// How far a dump, or the reading of one, is.
pub(super) fn show(bar: &ProgressBar, threads: u64, entries: u64) {
    let mut message = text::count(threads, "thread");
    if entries > 0 {
        message.push_str(", ");
        message.push_str(&entries_of(entries));
    }
    bar.set_message(message);
    bar.tick();
}

pub(super) fn entries_of(entries: u64) -> String {
    match entries {
        1 => "1 log entry".to_owned(),
        entries => format!("{} log entries", text::number(entries)),
    }
}

/// Prints what came of a copy or a load, and names what is not as it should be.
pub(super) fn report(
    app: &mut App,
    report: &CopyReport,
    verified: Option<&(Digest, Digest)>,
    elapsed: Duration,
) -> Result<(), Failure> {
    if app.output.is_json() {
        let digest = verified.map(|(from, to)| json!({ "from": from, "to": to }));
        app.output.object(&json!({
            "threads": counts(&report.threads),
            "tools": report.tools,
            "checkpoints": counts(&report.checkpoints),
            "logs": { "copied": report.logs.copied, "already": report.logs.already },
            "conflicts": report.conflicts.iter().map(conflict).collect::<Vec<_>>(),
            "skipped": skipped(&report.skipped),
            "digests": digest,
            "elapsed_ms": u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX),
        }))?;
    } else {
        app.output.line(summary(report, elapsed))?;
        app.output.finish()?;
        report.conflicts.iter().for_each(|one| stderr::line(&format!("conflict: {one}")));
        name_skipped(&report.skipped);
        let named = report.conflicts.len() as u64;
        let conflicts = report.threads.conflicts + report.checkpoints.conflicts;
        if conflicts > named {
            stderr::line(&format!("and {} more", text::count(conflicts - named, "conflict")));
        }
    }
    if report.threads.conflicts + report.checkpoints.conflicts > 0 {
        let hint = "say which of the two is to stay with --on-conflict keep, replace or newer";
        app.output.note("what is in conflict was left as it is", Some(hint));
    }
    if report.checkpoints.left_out > 0 {
        let left_out = text::count(report.checkpoints.left_out, "checkpoint");
        let note = format!("{left_out} left out, because not all threads are as in the source");
        app.output.note(&note, Some("index again to bring those threads up to their files"));
    }
    Ok(())
}

/// Says that log entries of any age do not last in a store that keeps to a retention.
pub(super) fn note_retention(app: &mut App, report: &CopyReport) {
    if report.logs.copied > 0 {
        let hint = "open the store with ?retention=off to keep them";
        app.output.note("old log entries go when the store is next used", Some(hint));
    }
}

/// Names threads that could not be read.
pub(super) fn name_skipped(skipped: &[Skipped]) {
    for Skipped { id, reason } in skipped {
        stderr::line(&format!("skipped: thread {id}: {reason}"));
    }
}

pub(super) fn skipped(skipped: &[Skipped]) -> Vec<Value> {
    skipped.iter().map(|one| json!({ "id": one.id, "reason": one.reason })).collect()
}

fn summary(report: &CopyReport, elapsed: Duration) -> String {
    let mut parts = vec![text::count(report.threads.total(), "thread") + &each(&report.threads)];
    if report.tools > 0 {
        parts.push(format!("tools of {}", text::count(report.tools, "thread")));
    }
    if report.checkpoints.total() > 0 {
        let checkpoints = text::count(report.checkpoints.total(), "checkpoint");
        parts.push(checkpoints + &each(&report.checkpoints));
    }
    if report.logs.copied + report.logs.already > 0 {
        parts.push(entries_of(report.logs.copied));
    }
    parts.push(format!("in {}", text::duration(elapsed)));
    parts.join("; ")
}

/// `: 12 created, 1 unchanged`, what there is none of left out.
fn each(counts: &Counts) -> String {
    let some = [
        (counts.created, "created"),
        (counts.replaced, "replaced"),
        (counts.unchanged, "unchanged"),
        (counts.kept, "kept"),
        (counts.conflicts, "in conflict"),
        (counts.skipped, "skipped"),
        (counts.left_out, "left out"),
    ];
    let some = some.into_iter().filter(|(count, _)| *count > 0);
    let some: Vec<_> = some.map(|(n, what)| format!("{} {what}", text::number(n))).collect();
    if some.is_empty() { String::new() } else { format!(": {}", some.join(", ")) }
}

fn counts(counts: &Counts) -> Value {
    json!({
        "created": counts.created,
        "replaced": counts.replaced,
        "unchanged": counts.unchanged,
        "kept": counts.kept,
        "conflicts": counts.conflicts,
        "skipped": counts.skipped,
        "left_out": counts.left_out,
    })
}

fn conflict(conflict: &CopyConflict) -> Value {
    let mut object = Map::new();
    match &conflict.subject {
        Subject::Thread(id) => object.insert("thread".into(), json!(id)),
        Subject::Checkpoint(key) => object.insert("checkpoint".into(), json!(key)),
    };
    object.insert("source_revision".into(), json!(conflict.revision));
    let (found, revision, reason) = match &conflict.found {
        Found::Present { revision } => ("present", Some(*revision), None),
        Found::Deleted { revision } => ("deleted", Some(*revision), None),
        Found::Damaged { reason } => ("damaged", None, Some(reason.as_str())),
        _ => ("unknown", None, None),
    };
    object.insert("found".into(), json!(found));
    object.insert("target_revision".into(), json!(revision));
    if let Some(reason) = reason {
        object.insert("reason".into(), json!(reason));
    }
    Value::Object(object)
}

/// Where two digests part, for people.
pub(super) fn differences(from: &Digest, to: &Digest) -> String {
    let of = |part: Option<PartDigest>| match part {
        Some(part) => format!("{} ({part})", text::number(part.count)),
        None => "none".to_owned(),
    };
    let pairs = from.parts().into_iter().zip(to.parts());
    let parted = pairs.filter(|((_, from), (_, to))| from != to);
    let parted = parted
        .map(|((name, from), (_, to))| format!("{name}: {} in FROM, {} in TO", of(from), of(to)));
    parted.collect::<Vec<_>>().join("; ")
}
