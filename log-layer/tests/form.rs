//! A message can be read again: its fields and spans are told apart whatever is in them.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use common::message;
use proptest::prelude::*;
use tracing::{info, info_span};

/// Reads a name or a value from the front.
fn word(text: &mut &str, ends: &[char]) -> Option<String> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find(ends).unwrap_or(text.len());
        let (word, rest) = text.split_at(end);
        *text = rest;
        return (!word.is_empty()).then(|| word.to_owned());
    };
    let mut word = String::new();
    let mut characters = quoted.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => {
                *text = &quoted[at + 1..];
                return Some(word);
            }
            '\\' => match characters.next()?.1 {
                'n' => word.push('\n'),
                'r' => word.push('\r'),
                't' => word.push('\t'),
                'u' => {
                    let hex: String = characters
                        .by_ref()
                        .map(|(_, digit)| digit)
                        .skip_while(|digit| *digit == '{')
                        .take_while(|digit| *digit != '}')
                        .collect();
                    word.push(char::from_u32(u32::from_str_radix(&hex, 16).ok()?)?);
                }
                escaped @ ('"' | '\\') => word.push(escaped),
                _ => return None,
            },
            // Nothing behind the message ends a line.
            _ if character.is_control() || matches!(character, '\u{2028}' | '\u{2029}') => {
                return None;
            }
            _ => word.push(character),
        }
    }
    None
}

/// Reads `a=1 b=2` from the front.
fn fields(text: &mut &str) -> Option<Vec<(String, String)>> {
    let mut fields = Vec::new();
    loop {
        let name = word(text, &['='])?;
        *text = text.strip_prefix('=')?;
        fields.push((name, word(text, &[' ', '}'])?));
        match text.strip_prefix(' ') {
            Some(rest) if !rest.starts_with('|') => *text = rest,
            _ => return Some(fields),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn what_was_logged_can_be_read_again(
        text in "[a-z\n ]{0,8}",
        values in prop::array::uniform4(prop_oneof![".{0,12}", "[ -~\u{0}-\u{20}\u{85}\u{2028}]{0,6}"]),
    ) {
        let [a, b, c, d] = &values;
        let logged = message(|| {
            let _outer = info_span!("outer", first = a.as_str()).entered();
            let _inner = info_span!("inner: {", second = %b, third = 3).entered();
            info!(fourth = c.as_str(), { "fi=fth" } = %d, "{text}");
        });
        let mut rest = logged.strip_prefix(&*text).and_then(|rest| rest.strip_prefix(' ')).unwrap();
        let read = fields(&mut rest);
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        prop_assert_eq!(read, Some(vec![pair("fourth", c), pair("fi=fth", d)]), "{}", logged);
        rest = rest.strip_prefix(" | outer{").unwrap();
        prop_assert_eq!(fields(&mut rest), Some(vec![pair("first", a)]), "{}", logged);
        rest = rest.strip_prefix("}:").unwrap();
        prop_assert_eq!(word(&mut rest, &['{']), Some("inner: {".to_owned()), "{}", logged);
        rest = rest.strip_prefix('{').unwrap();
        let read = fields(&mut rest);
        prop_assert_eq!(read, Some(vec![pair("second", b), pair("third", "3")]), "{}", logged);
        prop_assert_eq!(rest, "}");
    }
}
