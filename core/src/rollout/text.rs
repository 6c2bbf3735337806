//! The words of a person, found among what editors and the agent itself put beside them.

use std::borrow::Cow;
use std::fmt;
use std::sync::LazyLock;

use memchr::memmem::Finder;
use serde::de::{Deserialize, Deserializer, Visitor};

use super::UserMessage;
use crate::limits;

/// Editors write the context they add before this line, and the person's words after it.
const REQUEST_MARKER: &str = "## My request for Codex:";

/// What a message that the agent put in a person's mouth begins with.
const INJECTED: &[&str] = &[
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

/// The message of a person that has this text.
pub(super) fn user_message(text: &str, has_images: bool) -> UserMessage {
    static MARKER: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(REQUEST_MARKER));

    let words = MARKER.find(text.as_bytes()).map_or(text, |at| &text[at + REQUEST_MARKER.len()..]);
    UserMessage { text: limits::cut(words.trim(), limits::PREVIEW_BYTES).to_owned(), has_images }
}

/// Whether the agent, not a person, wrote this.
pub(super) fn is_injected(text: &str) -> bool {
    let text = text.trim_start();
    INJECTED.iter().any(|start| text.starts_with(start))
}

/// Whether this part only opens or closes an image.
pub(super) fn is_image_tag(part: &str) -> bool {
    let part = part.trim();
    part == "</image>"
        || part.strip_prefix("<image").is_some_and(|rest| {
            rest.starts_with(['>', ' ']) && rest.find('>') == Some(rest.len() - 1)
        })
}

/// A JSON string in which a surrogate without its partner, which no Rust string can hold, reads
/// as U+FFFD.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Text(pub(super) String);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Word::deserialize(deserializer).map(|word| Self(word.0.into_owned()))
    }
}

/// The same where a copy is seldom needed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Word<'a>(pub(crate) Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Word<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bytes;

        impl<'de> Visitor<'de> for Bytes {
            type Value = Word<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_str<E>(self, text: &str) -> Result<Word<'de>, E> {
                Ok(Word(Cow::Owned(text.to_owned())))
            }

            // serde_json hands over lone surrogates only to those who ask for bytes.
            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Word<'de>, E> {
                Ok(Word(Cow::Owned(replace_surrogates(bytes))))
            }

            fn visit_borrowed_bytes<E>(self, bytes: &'de [u8]) -> Result<Word<'de>, E> {
                Ok(Word(match std::str::from_utf8(bytes) {
                    Ok(text) => Cow::Borrowed(text),
                    Err(_) => Cow::Owned(replace_surrogates(bytes)),
                }))
            }
        }

        deserializer.deserialize_bytes(Bytes)
    }
}

/// Decodes UTF-8 in which surrogates may stand as three bytes.
fn replace_surrogates(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    let mut rest = bytes;
    loop {
        match std::str::from_utf8(rest) {
            Ok(valid) => {
                text.push_str(valid);
                return text;
            }
            Err(error) => {
                let (valid, bad) = rest.split_at(error.valid_up_to());
                text.push_str(&String::from_utf8_lossy(valid));
                text.push(char::REPLACEMENT_CHARACTER);
                let surrogate = matches!(bad, [0xED, 0xA0..=0xBF, 0x80..=0xBF, ..]);
                rest = &bad[if surrogate { 3 } else { error.error_len().unwrap_or(bad.len()) }..];
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_follow_the_marker() {
        let text = "# Context\n- a.rs\n\n## My request for Codex:\n  fix it \n";
        assert_eq!(user_message(text, false).text, "fix it");
        assert_eq!(user_message(" plain ", false).text, "plain");
    }

    #[test]
    fn image_tags_are_told_from_words() {
        assert!(is_image_tag("<image>") && is_image_tag("<image name=[Image #1]>\n"));
        assert!(is_image_tag("</image>"));
        assert!(!is_image_tag("<image> of a cat") && !is_image_tag("<images>"));
    }

    #[test]
    fn lone_surrogates_become_one_replacement() {
        let text: Text = serde_json::from_str(r#""a\ud83d b\ud83d\ude00 \udc00é""#).unwrap();
        assert_eq!(text.0, "a\u{fffd} b😀 \u{fffd}é");
        assert!(serde_json::from_str::<Text>("5").is_err());
    }
}
