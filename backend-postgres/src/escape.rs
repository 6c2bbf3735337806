//! Texts as PostgreSQL can hold them.
//!
//! It has no U+0000. That is stored as U+0001 U+0001, and U+0001 as U+0001 U+0002: every text of Rust
//! has a stored form of its own, and stored forms are in the order of the texts.

use std::borrow::Cow;

/// The stored form of a text.
pub(crate) fn escape(text: &str) -> Cow<'_, str> {
    if !text.contains(['\0', '\u{1}']) {
        return Cow::Borrowed(text);
    }
    let mut stored = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        match character {
            '\0' => stored.push_str("\u{1}\u{1}"),
            '\u{1}' => stored.push_str("\u{1}\u{2}"),
            other => stored.push(other),
        }
    }
    Cow::Owned(stored)
}

/// The text of a stored form; `None` where it is none.
pub(crate) fn unescape(stored: &str) -> Option<Cow<'_, str>> {
    if !stored.contains('\u{1}') {
        return Some(Cow::Borrowed(stored));
    }
    let mut text = String::with_capacity(stored.len());
    let mut characters = stored.chars();
    while let Some(character) = characters.next() {
        match character {
            '\u{1}' => text.push(match characters.next()? {
                '\u{1}' => '\0',
                '\u{2}' => '\u{1}',
                _ => return None,
            }),
            other => text.push(other),
        }
    }
    Some(Cow::Owned(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stored_forms_are_read_back_and_keep_the_order() {
        let parts = ["", "\0", "\u{1}", "\u{2}", "a", "é", "\u{10ffff}"];
        let mut texts = Vec::new();
        for one in parts {
            for two in parts {
                for three in parts {
                    texts.push(format!("{one}{two}{three}"));
                }
            }
        }
        texts.sort();
        texts.dedup();
        let stored: Vec<_> = texts.iter().map(|text| escape(text)).collect();
        assert!(stored.iter().all(|stored| !stored.contains('\0')));
        assert!(
            stored.is_sorted_by(|one, other| one < other),
            "in another order, or not one to one"
        );
        for (text, stored) in texts.iter().zip(&stored) {
            assert_eq!(unescape(stored).as_deref(), Some(text.as_str()));
        }
    }

    #[test]
    fn what_is_no_stored_form_is_seen() {
        assert_eq!(unescape("a\u{1}"), None);
        assert_eq!(unescape("\u{1}\u{3}"), None);
    }
}
