//! Reading one line.
//!
//! Most bytes of a rollout belong to lines that say nothing about the metadata. Such a line is
//! checked for being JSON, once, and is looked at no further: its payload is never built.

use std::borrow::Cow;
use std::path::PathBuf;

use memchr::memmem;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::object::{self, Object};
use super::text::{Text, Word, is_image_tag, is_injected, user_message};
use super::usual::{self, Usual};
use super::{Git, RolloutItem, RolloutLine, SessionMeta, TurnContext, kinds};
use crate::{DynamicToolSpec, Timestamp, json};

/// Why a line could not be read. The lines around it can be.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MalformedLine {
    /// Not UTF-8.
    #[error("not UTF-8")]
    NotUtf8,
    /// Not JSON, cut short, or a member of the wrong type.
    #[error("not a rollout line")]
    NotJson(#[from] serde_json::Error),
}

/// The members of a line that are looked at: those of the envelope, and those of the oldest
/// form's bare header.
#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    timestamp: Option<Word<'a>>,
    #[serde(borrow, rename = "type")]
    kind: Option<Word<'a>>,
    #[serde(borrow)]
    payload: Option<&'a RawValue>,
    record_type: Option<IgnoredAny>,
    id: Option<IgnoredAny>,
}

/// Reads one line; `None` for a blank one.
///
/// A line that comes with its line end is complete. If it is laid out as agents do it and nothing
/// in it matters, it is only looked over for what happens to files: whether it is UTF-8, was cut,
/// glued to another line or overwritten. Any other line, above all one without its line end,
/// which may not be complete yet, is checked by the whole grammar of JSON.
///
/// # Errors
///
/// [`MalformedLine`] where the line is no JSON object or a member that matters has the wrong type.
pub fn parse_line(line: &[u8]) -> Result<Option<RolloutLine>, MalformedLine> {
    let is_complete = line.ends_with(b"\n");
    let line = line.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(line).trim_ascii();
    if line.is_empty() {
        return Ok(None);
    }
    let text = simdutf8::basic::from_utf8(line).map_err(|_| MalformedLine::NotUtf8)?;
    let usual = Usual::read(text);
    if is_complete {
        let item = match &usual {
            Some(line) => glance(line),
            None => glance_bare(text),
        };
        if let Some(item) = item {
            let timestamp = usual.and_then(|line| line.timestamp.parse().ok());
            return Ok(Some(RolloutLine { timestamp, item }));
        }
    }
    // Strings are read as bytes, which serde_json does not search for control characters.
    if text.bytes().fold(u8::MAX, u8::min) < b' ' {
        json_value(text)?;
    }
    if let Some(line) = usual
        && let Ok(item) = enveloped(line.kind, line.payload)
    {
        return Ok(Some(RolloutLine { timestamp: line.timestamp.parse().ok(), item }));
    }
    unusual(text).map(Some)
}

/// What a complete line says, if it is plain to see without taking its payload apart.
fn glance(line: &Usual<'_>) -> Option<RolloutItem> {
    let (kind, rest) = usual::kind_of(line.payload)?;
    let says_nothing = match (line.kind, kind) {
        ("response_item", "message") => usual::role_of(rest)? != "user",
        ("response_item", kind) => kinds::is_response_item(kind),
        ("event_msg", "token_count") => return usual::token_count(line.payload),
        ("event_msg", "user_message" | "thread_name_updated") => false,
        ("event_msg", kind) => kinds::is_event(kind),
        _ => false,
    };
    (says_nothing && usual::looks_whole(line.payload)).then_some(RolloutItem::Other)
}

/// The same for a line of the oldest files, which has no envelope.
fn glance_bare(line: &str) -> Option<RolloutItem> {
    let (kind, _) = usual::kind_of(line)?;
    let says_nothing = kind != "message" && kinds::is_response_item(kind);
    // No time stands in these lines that would show where another is glued to one.
    let is_one = memmem::find(line.as_bytes(), br#"}{""#).is_none();
    (says_nothing && is_one && usual::looks_whole(line)).then_some(RolloutItem::Other)
}

fn unusual(text: &str) -> Result<RolloutLine, MalformedLine> {
    let envelope: Envelope<'_> = object::read(text)?;
    let timestamp = envelope.timestamp.as_ref().and_then(|time| time.0.parse().ok());
    let item = match (envelope.kind.as_ref().map(|kind| &*kind.0), envelope.payload) {
        (Some(kind), Some(payload)) => enveloped(kind, payload.get())?,
        (Some(kind), None) if is_enveloped(kind) => enveloped(kind, "null")?,
        (Some(kind), None) => response_item(kind, text)?,
        (None, _) if envelope.record_type.is_some() => RolloutItem::Other,
        (None, _) if envelope.id.is_some() && envelope.timestamp.is_some() => session_meta(text)?,
        (None, _) => RolloutItem::Unknown,
    };
    Ok(RolloutLine { timestamp, item })
}

/// Whether lines of this type say nothing without a payload.
fn is_enveloped(kind: &str) -> bool {
    matches!(kind, "session_meta" | "turn_context" | "response_item" | "event_msg" | "compacted")
}

fn enveloped(kind: &str, payload: &str) -> Result<RolloutItem, MalformedLine> {
    match kind {
        "session_meta" => session_meta(payload),
        "turn_context" => turn_context(payload),
        "response_item" => response_item(&payload_kind(payload)?, payload),
        "event_msg" => event(&payload_kind(payload)?, payload),
        "compacted" => any_object(payload).map(|()| RolloutItem::Other),
        "world_state" => json_value(payload).map(|()| RolloutItem::Other),
        _ => json_value(payload).map(|()| RolloutItem::Unknown),
    }
}

/// Passes over a value that says nothing, unbuilt.
fn json_value(text: &str) -> Result<(), MalformedLine> {
    serde_json::from_str::<IgnoredAny>(text)?;
    Ok(())
}

/// Passes over an object that says nothing.
fn any_object(text: &str) -> Result<(), MalformedLine> {
    #[derive(Deserialize)]
    struct Anything {}

    object::read::<Anything>(text)?;
    Ok(())
}

/// The `type` of a payload: nearly always its first member, so that the rest, often megabytes,
/// is not read again.
fn payload_kind(payload: &str) -> Result<Cow<'_, str>, serde_json::Error> {
    #[derive(Deserialize)]
    struct Kind<'a> {
        #[serde(borrow, rename = "type")]
        kind: Option<Word<'a>>,
    }

    if let Some((kind, _)) = usual::kind_of(payload) {
        return Ok(Cow::Borrowed(kind));
    }
    Ok(object::read::<Kind<'_>>(payload)?.kind.unwrap_or_default().0)
}

fn response_item(kind: &str, payload: &str) -> Result<RolloutItem, MalformedLine> {
    #[derive(Deserialize)]
    #[serde(bound(deserialize = "C: Deserialize<'de>"))]
    struct Message<'a, C> {
        #[serde(borrow)]
        role: Option<Word<'a>>,
        content: Option<C>,
    }
    #[derive(Deserialize)]
    struct Part<'a> {
        #[serde(borrow, rename = "type")]
        kind: Option<Word<'a>>,
        /// It matters in some types of parts only.
        #[serde(borrow)]
        text: Option<&'a RawValue>,
    }

    if kind != "message" {
        let known = kinds::is_response_item(kind);
        return json_value(payload)
            .map(|()| if known { RolloutItem::Other } else { RolloutItem::Unknown });
    }
    let is_user =
        usual::kind_of(payload).and_then(|(_, rest)| usual::role_of(rest)) == Some("user");
    if !is_user {
        // The content of other roles may be anything.
        let message: Message<'_, IgnoredAny> = object::read(payload)?;
        if message.role.is_none_or(|role| role.0 != "user") {
            return Ok(RolloutItem::Other);
        }
    }
    let message: Message<'_, Vec<Object<Part<'_>>>> = object::read(payload)?;
    let parts = message.content.unwrap_or_default();
    let is =
        |part: &Object<Part<'_>>, kind| part.0.kind.as_ref().is_some_and(|word| word.0 == kind);
    let mut words: Vec<String> = Vec::new();
    for text in parts.iter().filter(|part| is(part, "input_text")).filter_map(|part| part.0.text) {
        words.push(serde_json::from_str::<Text>(text.get())?.0);
    }
    words.retain(|text| !is_image_tag(text));
    let words = words.join("\n");
    if is_injected(&words) {
        return Ok(RolloutItem::Other);
    }
    let has_images = parts.iter().any(|part| is(part, "input_image"));
    Ok(RolloutItem::UserMessage(user_message(&words, has_images)))
}

fn event(kind: &str, payload: &str) -> Result<RolloutItem, MalformedLine> {
    #[derive(Deserialize)]
    struct Count {
        info: Option<Object<Info>>,
    }
    #[derive(Deserialize)]
    struct Info {
        total_token_usage: Option<Object<Usage>>,
    }
    #[derive(Deserialize)]
    struct Usage {
        total_tokens: Option<i64>,
    }
    #[derive(Deserialize)]
    struct Written {
        #[serde(rename = "message")]
        words: Option<Text>,
        images: Option<Vec<IgnoredAny>>,
        local_images: Option<Vec<IgnoredAny>>,
    }
    #[derive(Deserialize)]
    struct Name {
        thread_name: Option<Text>,
    }

    Ok(match kind {
        "token_count" => object::read::<Count>(payload)?
            .info
            .and_then(|info| info.0.total_token_usage)
            .and_then(|usage| usage.0.total_tokens)
            .map_or(RolloutItem::Other, RolloutItem::TokenCount),
        "user_message" => {
            let written: Written = object::read(payload)?;
            let has_images = [written.images, written.local_images]
                .into_iter()
                .flatten()
                .any(|images| !images.is_empty());
            let text = written.words.unwrap_or_default();
            RolloutItem::UserMessage(user_message(&text.0, has_images))
        }
        "thread_name_updated" => {
            RolloutItem::ThreadName(filled(object::read::<Name>(payload)?.thread_name))
        }
        _ => {
            json_value(payload)?;
            if kinds::is_event(kind) { RolloutItem::Other } else { RolloutItem::Unknown }
        }
    })
}

fn session_meta(payload: &str) -> Result<RolloutItem, MalformedLine> {
    #[derive(Deserialize)]
    struct Meta<'a> {
        id: Option<Text>,
        #[serde(borrow)]
        timestamp: Option<Word<'a>>,
        #[serde(borrow)]
        source: Option<&'a RawValue>,
        model_provider: Option<Text>,
        model: Option<Text>,
        cli_version: Option<Text>,
        cwd: Option<Text>,
        git: Option<Object<Repository>>,
        dynamic_tools: Option<Vec<DynamicToolSpec>>,
    }
    #[derive(Deserialize)]
    struct Repository {
        commit_hash: Option<Text>,
        branch: Option<Text>,
        #[serde(rename = "repository_url")]
        origin_url: Option<Text>,
    }

    let meta: Meta<'_> = object::read(payload)?;
    Ok(RolloutItem::SessionMeta(Box::new(SessionMeta {
        id: filled(meta.id),
        timestamp: meta.timestamp.and_then(|time| time.0.parse::<Timestamp>().ok()),
        source: text_or_object(meta.source)?,
        model_provider: filled(meta.model_provider),
        model: filled(meta.model),
        cli_version: filled(meta.cli_version),
        cwd: filled(meta.cwd).map(PathBuf::from),
        git: meta.git.map(|Object(git)| Git {
            sha: git.commit_hash.map(|text| text.0),
            branch: git.branch.map(|text| text.0),
            origin_url: git.origin_url.map(|text| text.0),
        }),
        // A tool beyond the limits could not be stored: it must not cost the thread its row.
        dynamic_tools: meta
            .dynamic_tools
            .unwrap_or_default()
            .into_iter()
            .filter(|tool| tool.validate().is_ok())
            .collect(),
    })))
}

fn turn_context(payload: &str) -> Result<RolloutItem, MalformedLine> {
    #[derive(Deserialize)]
    struct Context<'a> {
        cwd: Option<Text>,
        #[serde(borrow)]
        sandbox_policy: Option<&'a RawValue>,
        #[serde(borrow)]
        approval_policy: Option<&'a RawValue>,
        model: Option<Text>,
    }

    let context: Context<'_> = object::read(payload)?;
    Ok(RolloutItem::TurnContext(Box::new(TurnContext {
        cwd: filled(context.cwd).map(PathBuf::from),
        sandbox_policy: text_or_object(context.sandbox_policy)?,
        approval_mode: text_or_object(context.approval_policy)?,
        model: filled(context.model),
    })))
}

fn filled(text: Option<Text>) -> Option<String> {
    text.map(|text| text.0).filter(|text| !text.is_empty())
}

/// A string as it is, an object as its compact JSON; anything else has the wrong type.
fn text_or_object(raw: Option<&RawValue>) -> Result<Option<String>, serde_json::Error> {
    match raw.map(RawValue::get) {
        None => Ok(None),
        Some(object) if object.starts_with('{') => Ok(Some(json::compact(object))),
        Some(text) => serde_json::from_str::<Text>(text).map(|text| filled(Some(text))),
    }
}
