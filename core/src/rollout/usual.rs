//! Lines as agents nearly always lay them out: time, perhaps a number, type, and last the payload,
//! which begins with its own type.
//!
//! The payload of such a line is found without passing over the line, so that a line is passed
//! over once, and most lines only by the widest instructions there are.

use std::sync::LazyLock;

use memchr::memmem::Finder;
use memchr::{memchr_iter, memchr2};

use super::RolloutItem;

/// The parts of a line of the usual layout.
pub(super) struct Usual<'a> {
    /// When it was written.
    pub(super) timestamp: &'a str,
    /// Its type.
    pub(super) kind: &'a str,
    /// The payload, if the line is well formed and nothing follows the payload.
    pub(super) payload: &'a str,
}

impl<'a> Usual<'a> {
    /// Takes a line apart, if it begins and ends as usual.
    pub(super) fn read(line: &'a str) -> Option<Self> {
        let (timestamp, rest) = simple_string(line.strip_prefix(r#"{"timestamp":""#)?)?;
        let rest = match rest.strip_prefix(r#","ordinal":"#) {
            Some(rest) => {
                let end = rest.find(|c: char| !c.is_ascii_digit())?;
                let (number, rest) = rest.split_at(end);
                is_usual_number(number).then_some(rest)?
            }
            None => rest,
        };
        let (kind, rest) = simple_string(rest.strip_prefix(r#","type":""#)?)?;
        let payload = rest.strip_prefix(r#","payload":"#)?.strip_suffix('}')?;
        Some(Self { timestamp, kind, payload })
    }
}

/// The type of a payload that begins with it, and what follows.
pub(super) fn kind_of(payload: &str) -> Option<(&str, &str)> {
    payload.strip_prefix(r#"{"type":""#).and_then(simple_string)
}

/// What the payload of a `token_count` says, if it begins with the total and is otherwise whole.
pub(super) fn token_count(payload: &str) -> Option<RolloutItem> {
    static TOTAL: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(r#""total_tokens":"#));

    let info = payload.strip_prefix(r#"{"type":"token_count","info":"#)?;
    let item = if let Some(usage) = info.strip_prefix(r#"{"total_token_usage":{"#) {
        let usage = &usage[..memchr2(b'{', b'}', usage.as_bytes())?];
        let (before, total) = usage.split_at(TOTAL.find(usage.as_bytes())?);
        let total = total[TOTAL.needle().len()..].split(',').next()?;
        // Otherwise it is the end of another name, or no number that JSON knows.
        if before.ends_with('\\') || !is_usual_number(total) {
            return None;
        }
        RolloutItem::TokenCount(total.parse().ok()?)
    } else if info.starts_with("null") {
        RolloutItem::Other
    } else {
        return None;
    };
    // It tells something, so it is not enough that it looks whole.
    let count = |brace| memchr_iter(brace, payload.as_bytes()).count();
    (looks_whole(payload) && count(b'{') == count(b'}')).then_some(item)
}

/// Whether this is an integer as JSON has it, and not minus zero.
fn is_usual_number(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    digits.starts_with(|c: char| matches!(c, '1'..='9')) || text == "0"
}

/// The role of a message, of which `rest` is what follows the type.
pub(super) fn role_of(rest: &str) -> Option<&str> {
    let after_id = |rest: &'_ str| -> Option<usize> {
        let id = rest.strip_prefix(r#","id":"#)?;
        let id = id.strip_prefix("null").or_else(|| Some(simple_string(id.strip_prefix('"')?)?.1));
        id.map(str::len)
    };
    let rest = after_id(rest).map_or(rest, |left| &rest[rest.len() - left..]);
    simple_string(rest.strip_prefix(r#","role":""#)?).map(|(role, _)| role)
}

/// Whether the payload of a complete line, or a line without an envelope, of which nothing
/// matters, is as a good one must be.
///
/// This is not the grammar of JSON: of 4,000 places where a line can be cut, one passes, after
/// which nothing but braces is missing. It finds what happens to files: a line that was cut has no
/// member's end before its last braces, a line glued to another has a second time in it, and what
/// a crash or a disk wrote over text has control characters in it.
pub(super) fn looks_whole(payload: &str) -> bool {
    static SECOND_TIME: LazyLock<Finder<'static>> =
        LazyLock::new(|| Finder::new(r#""timestamp":""#));

    let bytes = payload.as_bytes();
    payload.ends_with('}')
        && ends_in_member(payload.trim_end_matches(['}', ']']))
        && bytes.iter().copied().fold(u8::MAX, u8::min) >= b' '
        && SECOND_TIME.find(bytes).is_none()
}

/// Whether a text ends in a string, or in a member whose value is a plain number or a word. Within
/// a string it cannot, as there every quote has a backslash.
fn ends_in_member(text: &str) -> bool {
    let value = |c: char| c.is_ascii_alphanumeric() || c == '.';
    let before = text.trim_end_matches(value);
    let before = if before.len() < text.len() { before.strip_suffix(':') } else { Some(before) };
    before.and_then(|before| before.strip_suffix('"')).is_some_and(|before| {
        before.bytes().rev().take_while(|&byte| byte == b'\\').count() % 2 == 0
    })
}

/// A string without escapes, up to its closing quote, and what follows.
fn simple_string(text: &str) -> Option<(&str, &str)> {
    let end = memchr2(b'"', b'\\', text.as_bytes())?;
    let is_simple = text.as_bytes()[end] == b'"' && text[..end].bytes().all(|byte| byte >= b' ');
    is_simple.then(|| (&text[..end], &text[end + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_happens_to_lines_is_seen() {
        let line = concat!(
            r#"{"timestamp":"","type":"response_item","payload":"#,
            r#"{"type":"reasoning","parts":[{"text":"a \\\" }} \\"}]}}"#
        );
        let is_whole = |line: &str| Usual::read(line).is_some_and(|line| looks_whole(line.payload));
        assert!(is_whole(line));
        for end in 0..line.len() {
            assert!(!is_whole(&line[..end]), "{}", &line[..end]);
        }
        assert!(!is_whole(&line.repeat(2)));
        assert!(!looks_whole("{\"type\":\"reasoning\",\"a\":\"\0\"}"));
    }

    #[test]
    fn a_number_is_one_that_json_knows() {
        let read = |ordinal: &str| {
            let line =
                format!(r#"{{"timestamp":"","ordinal":{ordinal},"type":"t","payload":{{}}}}"#);
            Usual::read(&line).is_some()
        };
        assert!(read("0") && read("10"));
        for other in ["", "007", "-1", "1.5", "x"] {
            assert!(!read(other), "{other:?}");
        }
    }

    #[test]
    fn tokens_are_found_without_the_rest() {
        let payload = |info: &str| {
            format!(r#"{{"type":"token_count","info":{info},"rate_limits":{{"plan":null}}}}"#)
        };
        let usage = r#"{"total_token_usage":{"input_tokens":7,"total_tokens":12},"last":{}}"#;
        assert_eq!(token_count(&payload(usage)), Some(RolloutItem::TokenCount(12)));
        assert_eq!(token_count(&payload("null")), Some(RolloutItem::Other));
        let cut = payload(usage).len() - 1;
        assert_eq!(token_count(&payload(usage)[..cut]), None);
        for other in [
            "{}",
            r#"{"total_token_usage":{}}"#,
            r#"{"total_token_usage":{"total_tokens":1.5}}"#,
            r#"{"total_token_usage":{"total_tokens":007}}"#,
            r#"{"total_token_usage":{"a\"total_tokens":8,"total_tokens":9}}"#,
        ] {
            assert_eq!(token_count(&payload(other)), None, "{other}");
        }
    }

    #[test]
    fn a_role_may_follow_an_id() {
        for (rest, role) in [
            (r#","role":"user","content":[]}"#, Some("user")),
            (r#","id":null,"role":"user"}"#, Some("user")),
            (r#","id":"m_1","role":"assistant"}"#, Some("assistant")),
            (r#","content":[],"role":"user"}"#, None),
        ] {
            assert_eq!(role_of(rest), role, "{rest}");
        }
    }
}
