//! The keys of checkpoints, which can be longer than an index takes.

use sqlx::postgres::PgRow;
use threadkeep_core::Checkpoint;

use crate::connection::{number, text};
use crate::errors::Failed;

/// Bytes of a key's stored form that the index has, and what is missing to the end of a character.
const HEAD: usize = 500;

/// A checkpoint from its key, value and revision.
pub(crate) fn checkpoint(row: &PgRow) -> Result<Checkpoint, Failed> {
    let revision = number(row, 2)?.cast_unsigned();
    Ok(Checkpoint { key: text(row, 0)?, value: text(row, 1)?, revision })
}

/// The beginning of a key that the index has.
///
/// It ends with the character that reaches so many bytes: ended before that character, the heads of
/// two keys could be in another order than the keys.
pub(crate) fn head(key: &str) -> &str {
    let mut bytes = 0;
    let end = key.char_indices().find(|(_, character)| {
        let reached = bytes >= HEAD;
        // U+0000 and U+0001 are stored as two.
        bytes += character.len_utf8() * if *character <= '\u{1}' { 2 } else { 1 };
        reached
    });
    end.map_or(key, |(end, _)| &key[..end])
}

/// The least text that is greater than all that begin with `prefix`; `None` where there is none.
pub(crate) fn after_prefix(prefix: &str) -> Option<String> {
    let mut rest = prefix.chars();
    while let Some(last) = rest.next_back() {
        let next = match last {
            char::MAX => continue,
            '\u{d7ff}' => '\u{e000}',
            other => char::from_u32(u32::from(other) + 1)?,
        };
        return Some(format!("{}{next}", rest.as_str()));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_are_in_the_order_of_their_keys() {
        let mut keys = Vec::new();
        for length in [0, 1, 494, 495, 496, 497, 498, 499, 500, 501] {
            for end in
                ["", "a", "z", "zz", "é", "\u{10ffff}", "\u{10ffff}a", "\0", "\0\u{1}", "\u{1}b"]
            {
                keys.push(format!("{}{end}", "p".repeat(length)));
            }
        }
        keys.sort();
        assert!(keys.is_sorted_by_key(|key| head(key)));
        let key = "p".repeat(600);
        assert_eq!(head(&key).len(), HEAD);
        assert_eq!(head("short"), "short");
    }

    #[test]
    fn the_end_of_a_prefix_is_after_all_that_begin_with_it() {
        assert_eq!(after_prefix("a\u{10ffff}").as_deref(), Some("b"));
        assert_eq!(after_prefix("x\u{d7ff}").as_deref(), Some("x\u{e000}"));
        assert_eq!(after_prefix("\0").as_deref(), Some("\u{1}"));
        assert_eq!(after_prefix("\u{10ffff}"), None);
        assert_eq!(after_prefix(""), None);
    }
}
