//! What the lines of a rollout say of a thread: one line after the other, straight from the
//! contract, on the text of each member.
//!
//! Slow and plain on purpose: it shares no code with the fold it is there to judge. Only what JSON
//! is at all is left to a library.

use chrono::DateTime;
use serde::de::IgnoredAny;
use threadkeep_core::{ThreadId, ThreadMetadata, Timestamp};

use super::json::{Malformed, Members, Read, depth};

const REQUEST: &str = "## My request for Codex:";
const INJECTED: [&str; 11] = [
    "<environment_context>",
    "<user_instructions>",
    "<permissions",
    "<collaboration_mode>",
    "<INSTRUCTIONS>",
    "<turn_aborted>",
    "<subagent_notification>",
    "<recommended_plugins>",
    "<user_shell_command>",
    "<skill",
    "# AGENTS.md instructions",
];

/// A thread while its lines are read.
#[derive(Clone, Debug)]
pub(crate) struct Folded {
    pub(crate) row: ThreadMetadata,
    /// The exact texts of its tools.
    pub(crate) tools: Option<Vec<String>>,
    /// How many lines could be read; without any there is no row.
    pub(crate) readable: u64,
    /// Whether its own first record was met, and the time in it.
    has_own_record: bool,
    own_record_at: Option<Timestamp>,
    first_line_at: Option<Timestamp>,
}

impl Folded {
    /// A thread of which nothing was read.
    pub(crate) fn new(id: ThreadId, provider: &str) -> Self {
        let begun = Timestamp::MIN;
        let row = ThreadMetadata {
            id,
            rollout_path: "".into(),
            created_at: begun,
            updated_at: begun,
            source: "unknown".into(),
            model_provider: provider.into(),
            model: None,
            cli_version: None,
            cwd: "".into(),
            title: String::new(),
            preview: None,
            name: None,
            named_at: None,
            sandbox_policy: "read-only".into(),
            approval_mode: "on-request".into(),
            tokens_used: 0,
            has_user_event: false,
            archived_at: None,
            git_sha: None,
            git_branch: None,
            git_origin_url: None,
            applied_file: String::new(),
            applied_through: 0,
            revision: 0,
        };
        Self {
            row,
            tools: None,
            readable: 0,
            has_own_record: false,
            own_record_at: None,
            first_line_at: None,
        }
    }

    /// Reads what is left of a file, and answers how many bytes count.
    pub(crate) fn read(&mut self, text: &[u8]) -> usize {
        let mut through = 0;
        for line in text.split_inclusive(|byte| *byte == b'\n') {
            let before = self.readable;
            self.line(line);
            // The agent may not have written more of it yet.
            if line.last() != Some(&b'\n') && self.readable == before {
                break;
            }
            through += line.len();
        }
        through
    }

    /// When the thread began, as far as its lines tell.
    pub(crate) fn began(&self) -> Option<Timestamp> {
        self.own_record_at.or(self.first_line_at)
    }

    /// Gives the thread a name, unless it has a later one.
    pub(crate) fn name(&mut self, name: Option<String>, at: Option<Timestamp>) {
        if at >= self.row.named_at {
            self.row.name = name;
            self.row.named_at = at;
        }
    }

    fn line(&mut self, line: &[u8]) {
        let line = line.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(line);
        let Ok(text) = std::str::from_utf8(line) else {
            return;
        };
        let mut next = self.clone();
        if next.fold(text.trim_ascii()).is_ok() {
            next.readable += 1;
            *self = next;
        }
    }

    fn fold(&mut self, text: &str) -> Read<()> {
        serde_json::from_str::<IgnoredAny>(text).map_err(|_| Malformed)?;
        let line = Members::of(text).ok_or(Malformed)?;
        let kind = line.string("type")?;
        let time = line.string("timestamp")?.and_then(|text| time(&text));
        if self.readable == 0 {
            self.first_line_at = time;
        }
        let payload = || line.object("payload")?.ok_or(Malformed);
        match kind.as_deref() {
            Some("session_meta") => self.session_meta(&payload()?)?,
            Some("turn_context") => self.turn_context(&payload()?)?,
            Some("event_msg") => self.event(&payload()?, time)?,
            Some("response_item") => self.response_item(&payload()?)?,
            Some("compacted") => drop(payload()?),
            Some("message") => self.response_item(&line)?,
            None if line.get("record_type").is_none()
                && line.get("id").is_some()
                && line.get("timestamp").is_some() =>
            {
                self.session_meta(&line)?;
            }
            _ => {}
        }
        self.row.updated_at = self.row.updated_at.max(time.unwrap_or(Timestamp::MIN));
        Ok(())
    }

    fn session_meta(&mut self, meta: &Members<'_>) -> Read<()> {
        let id = meta.string("id")?;
        let begun = meta.string("timestamp")?.and_then(|text| time(&text));
        let source = meta.text_or_object("source")?;
        let provider = meta.filled("model_provider")?;
        let model = meta.filled("model")?;
        let version = meta.filled("cli_version")?;
        let cwd = meta.filled("cwd")?;
        let git = match meta.object("git")? {
            None => None,
            Some(git) => Some((
                git.string("commit_hash")?,
                git.string("branch")?,
                git.string("repository_url")?,
            )),
        };
        let tools: Vec<String> = meta
            .list("dynamic_tools")?
            .unwrap_or_default()
            .into_iter()
            .filter(|tool| is_tool(tool))
            .map(str::to_owned)
            .collect();
        // Whether a line is malformed is the same whosever it is.
        if id.and_then(|id| id.parse::<ThreadId>().ok()) != Some(self.row.id) {
            return Ok(());
        }
        let row = &mut self.row;
        row.source = source.unwrap_or_else(|| "unknown".to_owned());
        row.model_provider = provider.unwrap_or_else(|| row.model_provider.clone());
        row.model = model.or_else(|| row.model.clone());
        row.cli_version = row.cli_version.clone().or(version);
        row.cwd = cwd.map_or_else(|| row.cwd.clone(), Into::into);
        if let Some(git) = git {
            (row.git_sha, row.git_branch, row.git_origin_url) = git;
        }
        if self.tools.is_none() && !tools.is_empty() {
            self.tools = Some(tools);
        }
        if !self.has_own_record {
            self.has_own_record = true;
            self.own_record_at = begun;
        }
        Ok(())
    }

    fn turn_context(&mut self, turn: &Members<'_>) -> Read<()> {
        let row = &mut self.row;
        if let Some(policy) = turn.text_or_object("sandbox_policy")? {
            row.sandbox_policy = policy;
        }
        if let Some(mode) = turn.text_or_object("approval_policy")? {
            row.approval_mode = mode;
        }
        if let Some(model) = turn.filled("model")? {
            row.model = Some(model);
        }
        let cwd = turn.filled("cwd")?;
        if row.cwd.as_os_str().is_empty() {
            row.cwd = cwd.unwrap_or_default().into();
        }
        Ok(())
    }

    fn event(&mut self, event: &Members<'_>, time: Option<Timestamp>) -> Read<()> {
        match event.string("type")?.as_deref() {
            Some("user_message") => {
                let images = event.list("images")?.unwrap_or_default().len()
                    + event.list("local_images")?.unwrap_or_default().len();
                let message = event.string("message")?.unwrap_or_default();
                self.user_message(&message, images > 0);
            }
            Some("token_count") => {
                let Some(info) = event.object("info")? else {
                    return Ok(());
                };
                let Some(usage) = info.object("total_token_usage")? else {
                    return Ok(());
                };
                if let Some(total) = usage.get("total_tokens") {
                    self.row.tokens_used = total.parse::<i64>().map_err(|_| Malformed)?.max(0);
                }
            }
            Some("thread_name_updated") => self.name(event.filled("thread_name")?, time),
            _ => {}
        }
        Ok(())
    }

    fn response_item(&mut self, item: &Members<'_>) -> Read<()> {
        if item.string("type")?.as_deref() != Some("message")
            || item.string("role")?.as_deref() != Some("user")
        {
            return Ok(());
        }
        let mut words = Vec::new();
        let mut has_images = false;
        for part in item.list("content")?.unwrap_or_default() {
            let part = Members::of(part).ok_or(Malformed)?;
            match part.string("type")?.as_deref() {
                Some("input_text") => words.extend(part.string("text")?),
                Some("input_image") => has_images = true,
                _ => {}
            }
        }
        words.retain(|text| !is_image_tag(text.trim()));
        let words = words.join("\n");
        if !INJECTED.iter().any(|begin| words.trim_start().starts_with(begin)) {
            self.user_message(&words, has_images);
        }
        Ok(())
    }

    fn user_message(&mut self, message: &str, has_images: bool) {
        let words = message.split_once(REQUEST).map_or(message, |(_, words)| words).trim();
        let row = &mut self.row;
        row.has_user_event = true;
        if row.title.is_empty() {
            row.title = cut(words, 512);
        }
        if row.preview.is_none() && !words.is_empty() {
            row.preview = Some(cut(words, 4_096));
        }
        if row.preview.is_none() && has_images {
            row.preview = Some("[Image]".to_owned());
        }
    }
}

/// RFC 3339, what is finer than a millisecond cut off toward the past.
fn time(text: &str) -> Option<Timestamp> {
    let time = DateTime::parse_from_rfc3339(text).ok()?;
    let nanos =
        i128::from(time.timestamp()) * 1_000_000_000 + i128::from(time.timestamp_subsec_nanos());
    Some(Timestamp::from_millis(i64::try_from(nanos.div_euclid(1_000_000)).ok()?))
}

fn is_tool(text: &str) -> bool {
    let name = Members::of(text).and_then(|tool| tool.string("name").ok().flatten());
    name.is_some_and(|name| !name.is_empty()) && text.len() <= 4 * 1024 * 1024 && depth(text) <= 128
}

/// `<image>`, `<image name=[Image #1]>` or `</image>`.
fn is_image_tag(text: &str) -> bool {
    text == "</image>" || text == "<image>" || (text.starts_with("<image ") && text.ends_with('>'))
}

/// Whole characters from the beginning, at most so many bytes.
fn cut(text: &str, bytes: usize) -> String {
    let mut short = String::new();
    for character in text.chars() {
        if short.len() + character.len_utf8() > bytes {
            break;
        }
        short.push(character);
    }
    short
}
