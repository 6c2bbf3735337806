//! What one line does to the row, written straight from the specification's table.

use std::collections::HashMap;

use serde_json::value::RawValue;
use serde_json::{Map, Value};
use uuid::Uuid;

/// A thread's row while its lines are read.
#[derive(Clone, Default)]
pub(crate) struct Row {
    pub(crate) seen_own_meta: bool,
    pub(crate) created_at: Option<String>,
    pub(crate) source: Option<String>,
    pub(crate) model_provider: Option<String>,
    pub(crate) model: Option<String>,
    pub(crate) cli_version: Option<String>,
    pub(crate) cwd: Option<String>,
    pub(crate) title: String,
    pub(crate) preview: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) sandbox_policy: Option<String>,
    pub(crate) approval_mode: Option<String>,
    pub(crate) tokens_used: i64,
    pub(crate) has_user_event: bool,
    pub(crate) git_sha: Option<String>,
    pub(crate) git_branch: Option<String>,
    pub(crate) git_origin_url: Option<String>,
    pub(crate) tools: Option<Value>,
}

/// The line is not what its type promises.
#[derive(Debug)]
pub(crate) struct Malformed;

type Object = Map<String, Value>;
type Checked<T> = Result<T, Malformed>;

const REQUEST_MARKER: &str = "## My request for Codex:";
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

/// Folds one line into the row; a malformed line leaves the row as it was.
pub(crate) fn apply(row: &mut Row, thread: &str, text: &str) -> Checked<()> {
    let mut next = row.clone();
    let line: Value = serde_json::from_str(text).map_err(|_| Malformed)?;
    let line = line.as_object().ok_or(Malformed)?;
    let kind = string(line, "type")?;
    let enveloped = matches!(
        kind,
        Some("session_meta" | "turn_context" | "event_msg" | "response_item" | "compacted")
    );
    if enveloped {
        let payload = object(line, "payload")?.ok_or(Malformed)?;
        let raw = member(text, "payload").ok_or(Malformed)?;
        match kind {
            Some("session_meta") => session_meta(&mut next, thread, payload, &raw)?,
            Some("turn_context") => turn_context(&mut next, payload, &raw)?,
            Some("event_msg") => event(&mut next, payload)?,
            Some("response_item") => response_item(&mut next, payload)?,
            _ => {}
        }
    } else if kind == Some("message") {
        response_item(&mut next, line)?;
    } else if is_bare_header(line) {
        session_meta(&mut next, thread, line, text)?;
    }
    *row = next;
    Ok(())
}

/// The id of a `session_meta` or bare header line, of whatever thread.
pub(crate) fn first_meta_id(text: &str) -> Option<String> {
    let line: Value = serde_json::from_str(text).ok()?;
    let meta = match line.get("type") {
        Some(kind) if kind == "session_meta" => line.get("payload")?,
        None if is_bare_header(line.as_object()?) => &line,
        _ => return None,
    };
    Some(meta.get("id")?.as_str()?.to_owned())
}

fn is_bare_header(line: &Object) -> bool {
    let has = |key: &str| line.get(key).is_some_and(Value::is_string);
    !line.contains_key("type") && !line.contains_key("record_type") && has("id") && has("timestamp")
}

fn session_meta(row: &mut Row, thread: &str, meta: &Object, raw: &str) -> Checked<()> {
    let source = text_or_object(meta, raw, "source")?;
    let created_at = string(meta, "timestamp")?;
    let settings = [
        (&mut row.model_provider, string(meta, "model_provider")?),
        (&mut row.model, string(meta, "model")?),
        (&mut row.cwd, string(meta, "cwd")?),
    ];
    let cli_version = string(meta, "cli_version")?.filter(|version| !version.is_empty());
    let git = object(meta, "git")?;
    let tools = match meta.get("dynamic_tools") {
        None | Some(Value::Null) => None,
        Some(Value::Array(tools)) => Some(tools).filter(|tools| !tools.is_empty()),
        Some(_) => return Err(Malformed),
    };
    let id = string(meta, "id")?.and_then(|id| Uuid::parse_str(id).ok());
    if id.is_none_or(|id| id.to_string() != thread) {
        // Still look into `git`, so that a line is malformed or not whoever's it is.
        return git.map_or(Ok(()), |git| git_fields(&mut Row::default(), git));
    }

    row.source = Some(source.unwrap_or_else(|| "unknown".to_owned()));
    for (slot, value) in settings {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            *slot = Some(value.to_owned());
        }
    }
    if row.cli_version.is_none() {
        row.cli_version = cli_version.map(str::to_owned);
    }
    if let Some(git) = git {
        git_fields(row, git)?;
    }
    if row.tools.is_none() {
        row.tools = tools.cloned().map(Value::Array);
    }
    if !row.seen_own_meta {
        row.seen_own_meta = true;
        row.created_at = created_at.map(str::to_owned);
    }
    Ok(())
}

fn git_fields(row: &mut Row, git: &Object) -> Checked<()> {
    row.git_sha = string(git, "commit_hash")?.map(str::to_owned);
    row.git_branch = string(git, "branch")?.map(str::to_owned);
    row.git_origin_url = string(git, "repository_url")?.map(str::to_owned);
    Ok(())
}

fn turn_context(row: &mut Row, turn: &Object, raw: &str) -> Checked<()> {
    if let Some(policy) = text_or_object(turn, raw, "sandbox_policy")? {
        row.sandbox_policy = Some(policy);
    }
    if let Some(mode) = text_or_object(turn, raw, "approval_policy")? {
        row.approval_mode = Some(mode);
    }
    if let Some(model) = string(turn, "model")? {
        row.model = Some(model.to_owned());
    }
    let cwd = string(turn, "cwd")?.filter(|cwd| !cwd.is_empty());
    if row.cwd.is_none() {
        row.cwd = cwd.map(str::to_owned);
    }
    Ok(())
}

fn event(row: &mut Row, event: &Object) -> Checked<()> {
    match string(event, "type")? {
        Some("user_message") => {
            let images = !list(event, "images")?.is_empty();
            let local_images = !list(event, "local_images")?.is_empty();
            let message = string(event, "message")?.unwrap_or_default();
            user_message(row, message, images || local_images);
        }
        Some("token_count") => {
            let Some(info) = object(event, "info")? else {
                return Ok(());
            };
            let Some(total) = object(info, "total_token_usage")? else {
                return Ok(());
            };
            match total.get("total_tokens") {
                None | Some(Value::Null) => {}
                Some(tokens) => row.tokens_used = tokens.as_i64().ok_or(Malformed)?.max(0),
            }
        }
        Some("thread_name_updated") => {
            let name = string(event, "thread_name")?.filter(|name| !name.is_empty());
            row.name = name.map(str::to_owned);
        }
        _ => {}
    }
    Ok(())
}

fn response_item(row: &mut Row, item: &Object) -> Checked<()> {
    if string(item, "type")? != Some("message") || string(item, "role")? != Some("user") {
        return Ok(());
    }
    let mut texts = Vec::new();
    let mut has_images = false;
    for part in list(item, "content")? {
        let part = part.as_object().ok_or(Malformed)?;
        match string(part, "type")? {
            Some("input_text") => {
                let text = string(part, "text")?;
                texts.extend(text.filter(|text| !is_image_tag(text)));
            }
            Some("input_image") => has_images = true,
            _ => {}
        }
    }
    let text = texts.join("\n");
    if !INJECTED.iter().any(|prefix| text.trim_start().starts_with(prefix)) {
        user_message(row, &text, has_images);
    }
    Ok(())
}

/// `<image>`, `<image name=[Image #1]>`, `</image>`: they wrap an image part.
fn is_image_tag(text: &str) -> bool {
    let text = text.trim();
    let open = text.strip_prefix("<image").and_then(|rest| rest.strip_suffix('>'));
    let open = open.is_some_and(|inside| {
        (inside.is_empty() || inside.starts_with(' ')) && !inside.contains(['<', '>'])
    });
    open || text == "</image>"
}

fn user_message(row: &mut Row, message: &str, has_images: bool) {
    let words =
        message.find(REQUEST_MARKER).map_or(message, |at| &message[at + REQUEST_MARKER.len()..]);
    let words = words.trim();
    row.has_user_event = true;
    if row.title.is_empty() {
        row.title = cut(words, 512);
    }
    if row.preview.is_none() {
        row.preview = match (words.is_empty(), has_images) {
            (false, _) => Some(cut(words, 4096)),
            (true, true) => Some("[Image]".to_owned()),
            (true, false) => None,
        };
    }
}

/// At most `limit` bytes, whole characters only.
fn cut(text: &str, limit: usize) -> String {
    let mut short = String::new();
    for character in text.chars() {
        if short.len() + character.len_utf8() > limit {
            break;
        }
        short.push(character);
    }
    short
}

fn string<'a>(object: &'a Object, key: &str) -> Checked<Option<&'a str>> {
    match object.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(Malformed),
    }
}

fn object<'a>(object: &'a Object, key: &str) -> Checked<Option<&'a Object>> {
    match object.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Object(inner)) => Ok(Some(inner)),
        Some(_) => Err(Malformed),
    }
}

fn list<'a>(object: &'a Object, key: &str) -> Checked<&'a [Value]> {
    match object.get(key) {
        None | Some(Value::Null) => Ok(&[]),
        Some(Value::Array(items)) => Ok(items),
        Some(_) => Err(Malformed),
    }
}

/// A string as it is; an object as its own text without the white space between its tokens.
fn text_or_object(object: &Object, raw: &str, key: &str) -> Checked<Option<String>> {
    match object.get(key) {
        Some(Value::Object(_)) => Ok(member(raw, key).map(|text| minify(&text))),
        _ => Ok(string(object, key)?.map(str::to_owned)),
    }
}

/// The text of one member as written: `Value` would reorder members and reformat numbers.
fn member(object: &str, key: &str) -> Option<String> {
    let members: HashMap<String, Box<RawValue>> = serde_json::from_str(object).ok()?;
    members.get(key).map(|value| value.get().to_owned())
}

fn minify(json: &str) -> String {
    let (mut in_string, mut escaped) = (false, false);
    let keep = |character: &char| {
        let inside = in_string;
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => in_string = !in_string,
            _ => {}
        }
        inside || !character.is_ascii_whitespace()
    };
    json.chars().filter(keep).collect()
}

/// Writes U+FFFD for each `\uD800`…`\uDFFF` escape without its other half: `Value` refuses them.
pub(crate) fn replace_lone_surrogates(text: &str) -> String {
    if !text.contains("\\u") {
        return text.to_owned();
    }
    let unit = |at: usize| {
        let digits = text.get(at..)?.strip_prefix("\\u")?.get(..4)?;
        u16::from_str_radix(digits, 16).ok()
    };
    let mut out = String::new();
    let mut at = 0;
    while let Some(character) = text[at..].chars().next() {
        let length = match (unit(at), unit(at + 6)) {
            (Some(0xD800..=0xDBFF), Some(0xDC00..=0xDFFF)) => 12,
            (Some(0xD800..=0xDFFF), _) => {
                out.push_str("\\uFFFD");
                at += 6;
                continue;
            }
            _ if character == '\\' => 1 + text[at + 1..].chars().next().map_or(0, char::len_utf8),
            _ => character.len_utf8(),
        };
        out.push_str(&text[at..at + length]);
        at += length;
    }
    out
}
