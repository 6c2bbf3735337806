//! What an import did, and what it left out, by name.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use indicatif::ProgressBar;
use serde::Serialize;
use serde_json::{Value, json};
use threadkeep::{Error, path};

use crate::output::{Output, stderr, text};

/// Names that are kept of those that were left out for one reason; all are counted.
const NAMES: usize = 100;
/// Names that are printed of these where people read them.
const PRINTED: usize = 10;

/// What an import did.
#[derive(Debug, Default)]
pub(super) struct Report {
    pub(super) state: PathBuf,
    /// Files whose log entries were read.
    pub(super) log_files: Vec<PathBuf>,
    pub(super) threads: Threads,
    pub(super) tools: Tools,
    pub(super) logs: Logs,
    left_out: BTreeMap<(&'static str, String), Group>,
    spinner: Option<ProgressBar>,
}

/// What became of the rows of threads.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(super) struct Threads {
    pub(super) seen: u64,
    /// Were not in the store.
    pub(super) created: u64,
    /// Were there, and something of theirs was not.
    pub(super) filled: u64,
    /// Were there with all this.
    pub(super) unchanged: u64,
    /// Were deleted from the store after they last changed, and stay so.
    pub(super) deleted: u64,
    pub(super) left_out: u64,
    /// Archived in Codex, active in the store, and left so.
    pub(super) active_here: u64,
}

/// Tools of the threads that were imported.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(super) struct Tools {
    pub(super) threads: u64,
    pub(super) tools: u64,
}

/// What became of log entries.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(super) struct Logs {
    pub(super) imported: u64,
    /// An earlier import had them.
    pub(super) before: u64,
    pub(super) left_out: u64,
    /// Imported, and so old that a store that keeps to the usual retention drops them.
    pub(super) old: u64,
}

/// What was left out for one reason.
#[derive(Debug, Default)]
struct Group {
    count: u64,
    names: Vec<String>,
}

impl Report {
    /// Of an import that is about to begin.
    pub(super) fn new(state: PathBuf, output: &Output) -> Self {
        // Hides itself where stderr is no terminal.
        let spinner = (!output.is_json()).then(ProgressBar::new_spinner);
        Self { state, spinner, ..Self::default() }
    }

    /// Shows how far it is, on a terminal.
    pub(super) fn show(&self) {
        if let Some(spinner) = &self.spinner {
            let threads = text::count(self.threads.seen, "thread");
            let logs = text::count(self.logs.imported, "log row");
            spinner.set_message(format!("{threads}, {logs}"));
            spinner.tick();
        }
    }

    /// Leaves out one thing, which has a name.
    pub(super) fn leave_out(
        &mut self,
        unit: &'static str,
        reason: impl Into<String>,
        name: String,
    ) {
        let group = self.left_out.entry((unit, reason.into())).or_default();
        group.count += 1;
        if group.names.len() < NAMES {
            group.names.push(name);
        }
    }

    /// Leaves out so many things, should there be any.
    pub(super) fn leave_out_all(&mut self, unit: &'static str, reason: String, count: u64) {
        if count > 0 {
            self.left_out.entry((unit, reason)).or_default().count += count;
        }
    }

    /// Leaves out what follows a row of a damaged table.
    pub(super) fn cut_short(&mut self, table: &str, damage: &Error, after: i64) {
        let reason = format!("{table} cannot be read to its end: {}", damage.message());
        self.leave_out("table", reason, format!("after row {after}"));
    }

    /// Whether something was left out.
    pub(super) fn is_partial(&self) -> bool {
        !self.left_out.is_empty()
    }

    /// Prints it: the sum on stdout, and what was left out on stderr, or all as one object.
    pub(super) fn print(&self, output: &mut Output, elapsed: Duration) -> std::io::Result<()> {
        if let Some(spinner) = &self.spinner {
            spinner.finish_and_clear();
        }
        if output.is_json() {
            return output.object(&self.object(elapsed));
        }
        output.line(text::one_line(&self.summary(elapsed)))?;
        output.finish()?;
        for ((unit, reason), group) in &self.left_out {
            let mut line = format!("left out: {}: {reason}", text::count(group.count, unit));
            if !group.names.is_empty() {
                line.push_str(": ");
                line.push_str(&group.names[..group.names.len().min(PRINTED)].join(", "));
                if group.count > PRINTED as u64 {
                    line.push_str(", …");
                }
            }
            stderr::line(&line);
        }
        Ok(())
    }

    fn summary(&self, elapsed: Duration) -> String {
        let Threads { seen, created, filled, unchanged, deleted, left_out, .. } = self.threads;
        let deleted = match deleted {
            0 => String::new(),
            deleted => format!(", {} deleted before", text::number(deleted)),
        };
        format!(
            "{}: {}: {} new, {} completed, {} as they were, {} left out{deleted}; {} of {}; {}, {} \
             imported before, {} left out; in {}",
            text::path(&self.state),
            text::count(seen, "thread"),
            text::number(created),
            text::number(filled),
            text::number(unchanged),
            text::number(left_out),
            text::count(self.tools.tools, "tool"),
            text::count(self.tools.threads, "thread"),
            text::count(self.logs.imported, "log row"),
            text::number(self.logs.before),
            text::number(self.logs.left_out),
            text::duration(elapsed)
        )
    }

    fn object(&self, elapsed: Duration) -> Value {
        let left_out: Vec<_> = self
            .left_out
            .iter()
            .map(|((unit, reason), group)| {
                json!({
                    "what": unit, "reason": reason, "count": group.count, "names": group.names,
                })
            })
            .collect();
        let files: Vec<_> = self.log_files.iter().map(|file| path::to_text(file)).collect();
        json!({
            "db": path::to_text(&self.state),
            "log_dbs": files,
            "threads": self.threads,
            "tools": self.tools,
            "logs": self.logs,
            "left_out": left_out,
            "elapsed_ms": u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX),
        })
    }
}
