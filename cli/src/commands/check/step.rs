//! What a check tries, and what it finds.

use std::time::Instant;

use serde::Serialize;
use threadkeep::rollouts::{self, FileState, Home};
use threadkeep::{Error, ErrorKind, Store, ThreadId, ThreadQuery, path};

use crate::output::text;

/// What one step of the check found.
#[derive(Serialize)]
pub(super) struct Step {
    pub(super) name: &'static str,
    pub(super) verdict: Verdict,
    pub(super) summary: String,
    pub(super) findings: Vec<Finding>,
    /// What to do about them.
    pub(super) hint: Option<String>,
}

/// The graver, the greater.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Verdict {
    Ok,
    Behind,
    Damaged,
}

/// Something that is not as it should be.
#[derive(Serialize)]
pub(super) struct Finding {
    pub(super) what: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<ThreadId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

/// One real list, and a thread to read.
pub(super) async fn list(store: &dyn Store) -> Result<(Step, Option<ThreadId>), Error> {
    let start = Instant::now();
    let page = match store.list(ThreadQuery::everything()).await {
        Ok(page) => page,
        Err(error) => return Ok((Step::failed("list", error)?, None)),
    };
    let verdict = if page.skipped.is_empty() { Verdict::Ok } else { Verdict::Damaged };
    let summary = format!(
        "a page of {} in {}",
        text::count(page.items.len(), "thread"),
        text::duration(start.elapsed())
    );
    Ok((Step::new("list", verdict, &summary), page.items.first().map(|row| row.id)))
}

/// One real read.
pub(super) async fn read(store: &dyn Store, id: Option<ThreadId>) -> Result<Step, Error> {
    let Some(id) = id else {
        return Ok(Step::new("read", Verdict::Ok, "there is no thread to read"));
    };
    let start = Instant::now();
    match store.threads(vec![id]).await {
        Ok(_) => {
            let summary = format!("thread {id} in {}", text::duration(start.elapsed()));
            Ok(Step::new("read", Verdict::Ok, &summary))
        }
        Err(error) => Step::failed("read", error),
    }
}

/// The store against its checksums.
///
/// `index` is the command that indexes the home, as it is for `files`.
pub(super) async fn integrity(store: &dyn Store, index: &str) -> Result<Step, Error> {
    let report = match store.check().await {
        Ok(report) => report,
        Err(error) => return Step::failed("store", error),
    };
    let verdict = if report.is_sound() { Verdict::Ok } else { Verdict::Damaged };
    let threads = text::count(report.threads, "thread");
    let summary = if report.is_sound() {
        format!("{threads}, all as they were written")
    } else {
        let wrong = report.damaged.len() + report.problems.len();
        format!("{threads}, {}", text::count(wrong, "fault"))
    };
    let mut step = Step::new("store", verdict, &summary);
    step.hint = match (report.problems.is_empty(), report.damaged.is_empty()) {
        (true, true) => None,
        (true, false) => {
            Some(format!("run `{index} --full` to make the rows anew from their files"))
        }
        (false, _) => Some(format!("put the store's files aside, then run `{index}`")),
    };
    for damaged in report.damaged {
        step.find("damaged", Some(damaged.id), None, Some(damaged.reason));
    }
    for problem in report.problems {
        step.find("fault", None, None, Some(problem));
    }
    Ok(step)
}

/// The index against the files.
pub(super) async fn files(store: &dyn Store, home: &Home, index: &str) -> Result<Step, Error> {
    let status = match rollouts::status(store, home).await {
        Ok(status) => status,
        Err(error) => return Step::failed("files", error),
    };
    let counts = status.counts();
    let differs = counts.behind + counts.not_indexed + counts.missing > 0;
    let verdict =
        if differs || !status.problems.is_empty() { Verdict::Behind } else { Verdict::Ok };
    let summary: Vec<_> = [
        (counts.ok, "ok"),
        (counts.behind, "behind"),
        (counts.not_indexed, "not indexed"),
        (counts.missing, "missing"),
        (counts.skipped, "skipped by index"),
        (status.problems.len() as u64, "unreadable"),
    ]
    .into_iter()
    .filter(|(count, what)| *count > 0 || *what == "ok")
    .map(|(count, what)| format!("{} {what}", text::number(count)))
    .collect();
    let mut step = Step::new("files", verdict, &summary.join(", "));
    step.hint = if counts.behind + counts.not_indexed > 0 {
        Some(format!("run `{index}`"))
    } else if counts.missing > 0 {
        Some("put the missing files back, or delete their threads with `threadkeep delete`".into())
    } else if !status.problems.is_empty() {
        Some(format!("make what is unreadable readable, then run `{index}`"))
    } else {
        None
    };
    for file in status.files {
        let (what, reason) = match file.state {
            FileState::Behind { .. } => ("behind", None),
            FileState::NotIndexed => ("not indexed", None),
            FileState::Skipped(reason) => ("skipped", Some(reason)),
            _ => continue,
        };
        step.find(what, None, Some(path::to_text(&file.path).into_owned()), reason);
    }
    for gone in status.missing {
        let path = path::to_text(&gone.path).into_owned();
        step.find("missing file", Some(gone.id), Some(path), None);
    }
    for problem in status.problems {
        let path = path::to_text(&problem.path).into_owned();
        step.find("unreadable", None, Some(path), Some(problem.reason));
    }
    // By sort, so that each can be cut short; within one, in the order they came.
    step.findings.sort_by_key(|finding| finding.what);
    Ok(step)
}

impl Verdict {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Behind => "behind",
            Self::Damaged => "damaged",
        }
    }
}

impl Step {
    pub(super) fn new(name: &'static str, verdict: Verdict, summary: &str) -> Self {
        Self { name, verdict, summary: summary.to_owned(), findings: Vec::new(), hint: None }
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Damage is what a check looks for; any other error ends it.
    fn failed(name: &'static str, error: Error) -> Result<Self, Error> {
        match error.kind() {
            ErrorKind::Corrupted => {
                let step = Self::new(name, Verdict::Damaged, &error.to_string());
                Ok(Self { hint: error.hint_text().map(str::to_owned), ..step })
            }
            _ => Err(error),
        }
    }

    fn find(
        &mut self,
        what: &'static str,
        id: Option<ThreadId>,
        path: Option<String>,
        reason: Option<String>,
    ) {
        self.findings.push(Finding { what, id, path, reason });
    }
}

impl Finding {
    /// Its line for people.
    pub(super) fn line(&self) -> String {
        let id = self.id.map(|id| id.to_string());
        let words: Vec<_> = [id.as_deref(), self.path.as_deref(), self.reason.as_deref()]
            .into_iter()
            .flatten()
            .collect();
        words.join(": ")
    }
}
