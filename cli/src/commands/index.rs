//! `index`: reads the home into the store.

use std::sync::Arc;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;
use serde_json::{Value, json};
use threadkeep::path;
use threadkeep::rollouts::{self, IndexOptions, IndexProgress, IndexReport};

use crate::app::App;
use crate::args::IndexArgs;
use crate::exit::{Done, Failure};
use crate::output::{Output, stderr, text};

pub(super) async fn run(app: &mut App, args: &IndexArgs) -> Result<Done, Failure> {
    let home = app.existing_home()?;
    let store = app.open().await?;
    let bar = bar(&app.output);
    let shown = bar.clone();
    let options = IndexOptions::new()
        .full(args.full)
        .progress(Arc::new(move |progress| show(&shown, progress)));
    let result = rollouts::index(&*store, &home, options).await;
    bar.finish_and_clear();
    let report = result?;

    if app.output.is_json() {
        app.output.object(&Object::from(&report))?;
    } else {
        app.output.line(summary(&report))?;
        app.output.finish()?;
        name_files(&report);
    }
    for file in &report.damage {
        let offsets: Vec<_> = file.first_offsets.iter().map(u64::to_string).collect();
        let more = if file.malformed > offsets.len() as u64 { ", …" } else { "" };
        app.output.detail(format_args!(
            "{}: {} at byte {}{more}",
            path::to_text(&file.path),
            text::count(file.malformed, "malformed line"),
            offsets.join(", ")
        ));
    }
    if report.files_seen == 0 && report.skipped.is_empty() {
        let note = format!("there are no rollout files in {}", home.root().display());
        let hint = "name the Codex home, which holds the folder sessions, with --home";
        app.output.note(&note, Some(hint));
    }
    Ok(Done::in_part(!report.skipped.is_empty()))
}

/// A bar on a terminal; elsewhere one that is never drawn.
fn bar(output: &Output) -> ProgressBar {
    let target = if output.is_json() {
        ProgressDrawTarget::hidden()
    } else {
        // Hides itself where stderr is no terminal.
        ProgressDrawTarget::stderr()
    };
    let template = "{bar:30} {percent:>3} %  {msg}  {decimal_bytes_per_sec}, {eta} left";
    let bar = ProgressBar::with_draw_target(Some(0), target);
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style.progress_chars("━╸ ")),
        Err(_) => bar,
    }
}

fn show(bar: &ProgressBar, progress: IndexProgress) {
    bar.set_length(progress.bytes_total);
    bar.set_position(progress.bytes_done);
    bar.set_message(format!(
        "{} of {}",
        text::number(progress.files_done),
        text::count(progress.files_total, "file")
    ));
}

fn summary(report: &IndexReport) -> String {
    let mut line = format!(
        "{}: {} indexed, {} unchanged; {} ({} archived), {}, {} skipped, {}, {}",
        text::count(report.files_seen, "file"),
        text::number(report.indexed),
        text::number(report.unchanged),
        text::count(report.threads, "thread"),
        text::number(report.archived),
        text::count(report.duplicates.len(), "duplicate"),
        text::number(report.skipped.len() as u64),
        text::count(report.malformed_lines, "malformed line"),
        text::count(report.unknown_items, "unknown item"),
    );
    if report.oversized_lines > 0 {
        line.push_str(", ");
        line.push_str(&text::count(report.oversized_lines, "oversized line"));
    }
    line.push_str("; ");
    line.push_str(&text::bytes(report.bytes_read));
    line.push_str(" in ");
    line.push_str(&text::duration(report.elapsed));
    line
}

fn name_files(report: &IndexReport) {
    for lost in &report.duplicates {
        let (path, kept) = (path::to_text(&lost.path), path::to_text(&lost.kept));
        stderr::line(&format!("duplicate: {path}: kept {kept}"));
    }
    for file in &report.skipped {
        stderr::line(&format!("skipped: {}: {}", path::to_text(&file.path), file.reason));
    }
}

/// A run as one JSON object.
#[derive(Serialize)]
struct Object {
    files_seen: u64,
    files_opened: u64,
    indexed: u64,
    unchanged: u64,
    threads: u64,
    archived: u64,
    duplicates: Vec<Value>,
    skipped: Vec<Value>,
    malformed_lines: u64,
    oversized_lines: u64,
    unknown_items: u64,
    incomplete_tails: u64,
    bytes_read: u64,
    elapsed_ms: u64,
}

impl From<&IndexReport> for Object {
    fn from(report: &IndexReport) -> Self {
        let text = |path| path::to_text(path).into_owned();
        Self {
            files_seen: report.files_seen,
            files_opened: report.files_opened,
            indexed: report.indexed,
            unchanged: report.unchanged,
            threads: report.threads,
            archived: report.archived,
            duplicates: report
                .duplicates
                .iter()
                .map(|lost| json!({ "path": text(&lost.path), "kept": text(&lost.kept) }))
                .collect(),
            skipped: report
                .skipped
                .iter()
                .map(|file| json!({ "path": text(&file.path), "reason": file.reason }))
                .collect(),
            malformed_lines: report.malformed_lines,
            oversized_lines: report.oversized_lines,
            unknown_items: report.unknown_items,
            incomplete_tails: report.incomplete_tails,
            bytes_read: report.bytes_read,
            elapsed_ms: u64::try_from(report.elapsed.as_millis()).unwrap_or(u64::MAX),
        }
    }
}
