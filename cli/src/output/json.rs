//! JSON: the object of a thread, and lines that are safe to look at.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io;

use serde::Serialize;
use threadkeep::{ThreadId, ThreadMetadata, Timestamp, path};

/// A thread as it is printed. The names and their order are a promise to scripts.
#[derive(Serialize)]
pub(crate) struct ThreadObject<'a> {
    id: ThreadId,
    rollout_path: Cow<'a, str>,
    created_at: Timestamp,
    updated_at: Timestamp,
    source: &'a str,
    model_provider: &'a str,
    model: Option<&'a str>,
    cli_version: Option<&'a str>,
    cwd: Cow<'a, str>,
    title: &'a str,
    preview: Option<&'a str>,
    name: Option<&'a str>,
    sandbox_policy: &'a str,
    approval_mode: &'a str,
    tokens_used: i64,
    has_user_event: bool,
    archived_at: Option<Timestamp>,
    git_sha: Option<&'a str>,
    git_branch: Option<&'a str>,
    git_origin_url: Option<&'a str>,
    applied_through: u64,
    revision: u64,
}

impl<'a> From<&'a ThreadMetadata> for ThreadObject<'a> {
    fn from(row: &'a ThreadMetadata) -> Self {
        Self {
            id: row.id,
            rollout_path: path::to_text(&row.rollout_path),
            created_at: row.created_at,
            updated_at: row.updated_at,
            source: &row.source,
            model_provider: &row.model_provider,
            model: row.model.as_deref(),
            cli_version: row.cli_version.as_deref(),
            cwd: path::to_text(&row.cwd),
            title: &row.title,
            preview: row.preview.as_deref(),
            name: row.name.as_deref(),
            sandbox_policy: &row.sandbox_policy,
            approval_mode: &row.approval_mode,
            tokens_used: row.tokens_used,
            has_user_event: row.has_user_event,
            archived_at: row.archived_at,
            git_sha: row.git_sha.as_deref(),
            git_branch: row.git_branch.as_deref(),
            git_origin_url: row.git_origin_url.as_deref(),
            applied_through: row.applied_through,
            revision: row.revision,
        }
    }
}

/// A value as one line of JSON.
pub(crate) fn line(value: &impl Serialize) -> io::Result<String> {
    Ok(visible(serde_json::to_string(value)?))
}

/// A JSON text over several lines, indented by two; numbers and member order stay as they are.
/// `json` must be valid JSON.
pub(crate) fn indented(json: &str) -> String {
    let mut out = String::with_capacity(json.len() * 2);
    let mut depth = 0_usize;
    let (mut in_string, mut escaped) = (false, false);
    let mut tokens = json.chars().peekable();
    while let Some(c) = tokens.next() {
        if in_string {
            in_string = escaped || c != '"';
            escaped = !escaped && c == '\\';
            out.push(c);
            continue;
        }
        match c {
            c if c.is_ascii_whitespace() => {}
            '{' | '[' => {
                out.push(c);
                while tokens.next_if(char::is_ascii_whitespace).is_some() {}
                if let Some(close) = tokens.next_if(|c| matches!(c, '}' | ']')) {
                    out.push(close);
                } else {
                    depth += 1;
                    new_line(&mut out, depth);
                }
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                new_line(&mut out, depth);
                out.push(c);
            }
            ',' => {
                out.push(c);
                new_line(&mut out, depth);
            }
            ':' => out.push_str(": "),
            '"' => {
                in_string = true;
                out.push(c);
            }
            c => out.push(c),
        }
    }
    visible(out)
}

fn new_line(out: &mut String, depth: usize) {
    out.push('\n');
    out.extend(std::iter::repeat_n("  ", depth));
}

/// JSON lets control characters above 0x7e stand in strings as they are; a terminal may act on
/// them. Outside strings there are none, so that their escapes mean the same.
fn visible(json: String) -> String {
    let acts = |c: char| matches!(c, '\u{7f}'..='\u{9f}');
    if !json.contains(acts) {
        return json;
    }
    let mut out = String::with_capacity(json.len() + 16);
    for c in json.chars() {
        if acts(c) {
            // Writing to a string cannot fail.
            let _ = write!(out, "\\u{:04x}", u32::from(c));
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indenting_changes_white_space_alone() {
        let json = r#"{"b":[1.00,{"x,":"a:b\"["}],"a":[ ],"c":{}, "d" : null}"#;
        let expected = "{\n  \"b\": [\n    1.00,\n    {\n      \"x,\": \"a:b\\\"[\"\n    }\n  ],\n  \
                        \"a\": [],\n  \"c\": {},\n  \"d\": null\n}";
        assert_eq!(indented(json), expected);
        assert_eq!(indented("[]"), "[]");
    }

    #[test]
    fn control_characters_are_escaped_and_mean_the_same() {
        let text = "a\u{9b}2J\u{7f}\x1b";
        let json = line(&text).unwrap();
        assert_eq!(json, r#""a\u009b2J\u007f\u001b""#);
        assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
    }
}
