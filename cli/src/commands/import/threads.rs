//! What a row of Codex's table `threads` means here.

use std::path::PathBuf;

use threadkeep::rollout::RolloutName;
use threadkeep::{
    DEFAULT_PROVIDER, DynamicToolSpec, FieldPatch, NamePatch, ThreadId, ThreadPatch, ThreadSeed,
    Timestamp, UNKNOWN_SOURCE, path,
};

use super::cell::{Cell, Row};
use super::report::Report;
use super::times;

/// The table.
pub(super) const TABLE: &str = "threads";
/// Columns without which a row is nothing.
pub(super) const NEEDED: [&str; 2] = ["id", "rollout_path"];
/// The columns that have a place in a store. No version of Codex has had all of them.
pub(super) const KNOWN: [&str; 25] = [
    "id",
    "rollout_path",
    "created_at",
    "created_at_ms",
    "updated_at",
    "updated_at_ms",
    "source",
    "model_provider",
    "model",
    "cwd",
    "title",
    "name",
    "preview",
    "first_user_message",
    "has_user_event",
    "sandbox_policy",
    "approval_mode",
    "tokens_used",
    "archived",
    "archived_at",
    "archived_at_ms",
    "git_sha",
    "git_branch",
    "git_origin_url",
    "cli_version",
];
/// Columns that mostly repeat another, or only say where its value is from.
pub(super) const ECHOES: [(&str, &str); 3] =
    [("recency_at", "updated_at"), ("recency_at_ms", "updated_at_ms"), ("title_snapshot", "title")];
/// Columns that say of `name` and `title` where they are from, which their values show.
pub(super) const REMARKS: [&str; 2] = ["name_state", "title_state"];
/// Columns of messages, of which a store keeps the beginning: no more is read, because they have
/// been met with a million characters.
const LONG: [&str; 3] = ["title", "preview", "first_user_message"];
const LONG_CHARS: usize = 8_192;

/// A thread to be imported.
pub(super) struct Thread {
    pub(super) id: ThreadId,
    /// The id as the database spells it, by which other tables refer to it.
    pub(super) spelled: String,
    pub(super) seed: ThreadSeed,
    pub(super) title: Option<String>,
    pub(super) preview: Option<String>,
    pub(super) name: Option<String>,
    pub(super) model: Option<String>,
    pub(super) tokens_used: i64,
    pub(super) has_user_event: bool,
    pub(super) git: [Option<String>; 3],
    pub(super) updated_at: Timestamp,
    pub(super) tools: Vec<DynamicToolSpec>,
}

/// The columns to read, as SQL.
pub(super) fn sql(columns: &[String]) -> String {
    let one = |name: &String| {
        if LONG.contains(&name.as_str()) {
            format!("substr({name}, 1, {LONG_CHARS})")
        } else {
            name.clone()
        }
    };
    columns.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// Reads a row; names in the report what of it has no meaning here. `None` where it is no thread.
pub(super) fn read(row: &Row<'_>, report: &mut Report) -> Option<Thread> {
    let (spelled, id) = id(row, report)?;
    let mut fields = Fields { row, id: &spelled, report };
    let Some(rollout_path) = fields.path("rollout_path") else {
        report.leave_out("thread", "there is no path of a history file", spelled);
        return None;
    };
    let created = fields.time("created_at_ms").or(fields.time("created_at"));
    // The column of seconds is the later one where a version wrote that does not know the other.
    let updated = fields.time("updated_at_ms").max(fields.time("updated_at"));
    let created = created.or_else(|| RolloutName::of(&rollout_path).time).or(updated);
    let Some(created_at) = created else {
        report.leave_out("thread", "there is no time at which it began", spelled);
        return None;
    };
    let updated_at = updated.unwrap_or(created_at).max(created_at);
    let Words { title, preview, name, wrote } = fields.words();

    let is_archived = match row.get("archived") {
        Cell::Integer(flag) => *flag != 0,
        _ if row.has("archived_at") => fields.archived_at().is_some(),
        _ => path::is_archived(&rollout_path),
    };
    let archived_at = is_archived.then(|| fields.archived_at().unwrap_or(updated_at));

    let mut seed = ThreadSeed::new(id, rollout_path, created_at)
        .source(fields.text("source").unwrap_or_else(|| UNKNOWN_SOURCE.into()))
        .model_provider(fields.text("model_provider").unwrap_or_else(|| DEFAULT_PROVIDER.into()))
        .archived_at(archived_at);
    if let Some(cwd) = fields.path("cwd") {
        seed = seed.cwd(cwd);
    }
    if let Some(version) = fields.text("cli_version") {
        seed = seed.cli_version(version);
    }
    if let Some(policy) = fields.text("sandbox_policy") {
        seed = seed.sandbox_policy(policy);
    }
    if let Some(mode) = fields.text("approval_mode") {
        seed = seed.approval_mode(mode);
    }
    let model = fields.text("model");
    let tokens_used = fields.number("tokens_used").unwrap_or(0);
    let git = ["git_sha", "git_branch", "git_origin_url"].map(|column| fields.text(column));
    Some(Thread {
        id,
        spelled,
        seed,
        title,
        preview,
        name,
        model,
        tokens_used,
        has_user_event: wrote,
        git,
        updated_at,
        tools: Vec::new(),
    })
}

/// The id of a row, as it is spelled and as it is meant.
fn id(row: &Row<'_>, report: &mut Report) -> Option<(String, ThreadId)> {
    let cell = row.get("id");
    let (reason, name) = match cell {
        Cell::Null => ("there is no id", format!("row {}", row.number)),
        Cell::Text(text) if text.is_empty() => ("there is no id", format!("row {}", row.number)),
        Cell::Text(text) => match text.parse() {
            Ok(id) => return Some((text.clone(), id)),
            Err(_) => ("the id is no UUID", cell.shown()),
        },
        Cell::Integer(_) | Cell::Real(_) | Cell::Bytes(_) => ("the id is no UUID", cell.shown()),
    };
    report.leave_out("thread", reason, name);
    None
}

impl Thread {
    pub(super) fn is_archived(&self) -> bool {
        self.seed.clone().into_metadata().is_archived()
    }

    /// What it adds to a row that is there already: only what that row has not.
    pub(super) fn additions(&self) -> ThreadPatch {
        let row = self.seed.clone().into_metadata();
        let [sha, branch, origin] = &self.git;
        let mut patch = ThreadPatch::default();
        patch.model_provider = FieldPatch::SetIfEmpty(row.model_provider);
        patch.cwd = FieldPatch::SetIfEmpty(row.cwd);
        patch.sandbox_policy = FieldPatch::SetIfEmpty(row.sandbox_policy);
        patch.approval_mode = FieldPatch::SetIfEmpty(row.approval_mode);
        patch.cli_version = if_known(row.cli_version.as_ref());
        patch.title = self.title.clone().map_or(FieldPatch::Keep, FieldPatch::SetIfEmpty);
        patch.preview = if_known(self.preview.as_ref());
        patch.model = if_known(self.model.as_ref());
        patch.tokens_used = FieldPatch::SetIfEmpty(self.tokens_used.max(0));
        patch.has_user_event = self.has_user_event;
        patch.git_sha = if_known(sha.as_ref());
        patch.git_branch = if_known(branch.as_ref());
        patch.git_origin_url = if_known(origin.as_ref());
        patch.tools = (!self.tools.is_empty()).then(|| self.tools.clone());
        patch
    }

    /// What makes its row where there is none.
    pub(super) fn beginning(&self) -> ThreadPatch {
        let mut patch = self.additions();
        patch.name = self.naming();
        patch.updated_at = Some(self.updated_at);
        patch.newest_item_at = Some(self.updated_at);
        patch
    }

    /// Its name. Codex does not say since when, so that every dated one wins.
    pub(super) fn naming(&self) -> Option<NamePatch> {
        self.name.clone().map(|name| NamePatch { name: Some(name), at: None })
    }
}

/// An empty value is not worth a change.
fn if_known(value: Option<&String>) -> FieldPatch<Option<String>> {
    value.map_or(FieldPatch::Keep, |value| FieldPatch::SetIfEmpty(Some(value.clone())))
}

/// What people wrote.
struct Words {
    title: Option<String>,
    preview: Option<String>,
    name: Option<String>,
    /// Whether a person wrote at all.
    wrote: bool,
}

/// The fields of one row.
struct Fields<'a> {
    row: &'a Row<'a>,
    id: &'a str,
    report: &'a mut Report,
}

impl Fields<'_> {
    /// A text; `None` where it is empty.
    fn text(&mut self, column: &str) -> Option<String> {
        match self.row.get(column) {
            Cell::Null => None,
            Cell::Text(text) => Some(text.clone()).filter(|text| !text.is_empty()),
            Cell::Integer(number) => Some(number.to_string()),
            Cell::Real(_) | Cell::Bytes(_) => self.bad(column, "is no text"),
        }
    }

    fn path(&mut self, column: &str) -> Option<PathBuf> {
        match self.row.get(column) {
            #[cfg(unix)]
            Cell::Bytes(bytes) if !bytes.is_empty() => {
                use std::os::unix::ffi::OsStringExt as _;
                Some(std::ffi::OsString::from_vec(bytes.clone()).into())
            }
            _ => self.text(column).map(PathBuf::from),
        }
    }

    fn number(&mut self, column: &str) -> Option<i64> {
        match self.row.get(column) {
            Cell::Null => None,
            Cell::Integer(number) => Some(*number),
            Cell::Real(_) | Cell::Text(_) | Cell::Bytes(_) => self.bad(column, "is no number"),
        }
    }

    fn time(&mut self, column: &str) -> Option<Timestamp> {
        match self.row.get(column) {
            Cell::Null => None,
            cell => match times::millis(column, cell) {
                Some(millis) => Some(Timestamp::from_millis(millis)),
                None => self.bad(column, "is no time between the years 0 and 9999"),
            },
        }
    }

    fn archived_at(&mut self) -> Option<Timestamp> {
        self.time("archived_at_ms").or(self.time("archived_at"))
    }

    /// Leaves out one value.
    fn bad<T>(&mut self, column: &str, what: &str) -> Option<T> {
        let name = format!("{} of {}", self.row.get(column).shown(), self.id);
        self.report.leave_out("value", format!("{TABLE}.{column} {what}"), name);
        None
    }

    fn words(&mut self) -> Words {
        let trimmed = |text: Option<String>| {
            text.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
        };
        let title = trimmed(self.text("title"));
        let first = trimmed(self.text("first_user_message"));
        let preview = self.text("preview").or_else(|| first.clone());
        let mut name = trimmed(self.text("name"));
        // Before there was a column for names, a name replaced the title, which otherwise is part
        // of the first message.
        if !self.row.has("name")
            && let (Some(title), Some(first)) = (&title, &first)
            && !first.contains(title.as_str())
        {
            name = Some(title.clone());
        }
        let is_named_so = name.is_some() && name == title;
        let wrote = match self.row.get("has_user_event") {
            Cell::Integer(flag) if *flag != 0 => true,
            _ if first.is_some() || preview.is_some() => true,
            Cell::Null => title.is_some() && !self.row.has("preview"),
            _ => false,
        };
        let title = if is_named_so { first.or(title) } else { title.or(first) };
        Words { title, preview, name, wrote }
    }
}
