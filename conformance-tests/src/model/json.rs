//! The parts of a JSON text, each as it is written.
//!
//! A tree of values would lose what has to be kept: the order of members, the digits of numbers,
//! surrogates without a partner.

/// The line, or the member, is not what it has to be.
#[derive(Debug)]
pub(crate) struct Malformed;

pub(crate) type Read<T> = Result<T, Malformed>;

/// The members of an object, with the texts of their values.
pub(crate) struct Members<'a>(Vec<(String, &'a str)>);

impl<'a> Members<'a> {
    /// `None` for what is no object. `text` must be valid JSON.
    pub(crate) fn of(text: &'a str) -> Option<Self> {
        let inside = text.strip_prefix('{')?.strip_suffix('}')?;
        let member = |member: &'a str| {
            let end = end_of_string(member)?;
            let value = member[end..].trim_start().strip_prefix(':')?.trim();
            Some((decoded(&member[..end]), value))
        };
        split(inside).into_iter().map(member).collect::<Option<_>>().map(Self)
    }

    /// The text of a member. One that is null counts as absent.
    pub(crate) fn get(&self, key: &str) -> Option<&'a str> {
        let (_, value) = self.0.iter().rfind(|(name, _)| name == key)?;
        Some(*value).filter(|value| *value != "null")
    }

    pub(crate) fn string(&self, key: &str) -> Read<Option<String>> {
        match self.get(key) {
            None => Ok(None),
            Some(text) if text.starts_with('"') => Ok(Some(decoded(text))),
            Some(_) => Err(Malformed),
        }
    }

    /// A string that is not empty.
    pub(crate) fn filled(&self, key: &str) -> Read<Option<String>> {
        Ok(self.string(key)?.filter(|text| !text.is_empty()))
    }

    pub(crate) fn object(&self, key: &str) -> Read<Option<Self>> {
        self.get(key).map(|text| Self::of(text).ok_or(Malformed)).transpose()
    }

    pub(crate) fn list(&self, key: &str) -> Read<Option<Vec<&'a str>>> {
        let inside = |text: &'a str| text.strip_prefix('[')?.strip_suffix(']');
        self.get(key).map(|text| inside(text).map(split).ok_or(Malformed)).transpose()
    }

    /// A string that is not empty, or an object as its text without space between its parts.
    pub(crate) fn text_or_object(&self, key: &str) -> Read<Option<String>> {
        match self.get(key) {
            Some(text) if text.starts_with('{') => Ok(Some(compact(text))),
            _ => self.filled(key),
        }
    }
}

/// How deep objects and arrays lie in each other.
pub(crate) fn depth(text: &str) -> usize {
    let mut open: usize = 0;
    let mut most = 0;
    for (character, is_quoted) in characters(text) {
        match character {
            '{' | '[' if !is_quoted => open += 1,
            '}' | ']' if !is_quoted => open = open.saturating_sub(1),
            _ => {}
        }
        most = most.max(open);
    }
    most
}

/// Each character, and whether it is part of a string.
fn characters(text: &str) -> impl Iterator<Item = (char, bool)> {
    let (mut is_quoted, mut is_escaped) = (false, false);
    text.chars().map(move |character| {
        let was_quoted = is_quoted;
        match character {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '"' => is_quoted = !is_quoted,
            _ => {}
        }
        (character, was_quoted || is_quoted)
    })
}

/// What commas separate.
fn split(inside: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut open, mut at, mut start) = (0, 0, 0);
    for (character, is_quoted) in characters(inside) {
        match character {
            '{' | '[' if !is_quoted => open += 1,
            '}' | ']' if !is_quoted => open -= 1,
            ',' if !is_quoted && open == 0 => {
                parts.push(inside[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
        at += character.len_utf8();
    }
    let rest = inside[start..].trim();
    parts.extend((!rest.is_empty()).then_some(rest));
    parts
}

/// Where the string ends that the text begins with.
fn end_of_string(text: &str) -> Option<usize> {
    let mut is_escaped = false;
    for (at, character) in text.char_indices().skip(1) {
        match character {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '"' => return Some(at + 1),
            _ => {}
        }
    }
    None
}

fn compact(text: &str) -> String {
    let wanted = |(character, is_quoted): &(char, bool)| *is_quoted || !character.is_whitespace();
    characters(text).filter(wanted).map(|(character, _)| character).collect()
}

/// What a string means; a surrogate without its partner means U+FFFD.
fn decoded(text: &str) -> String {
    let mut units: Vec<u16> = Vec::new();
    let inside = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
    let mut characters = inside.unwrap_or(text).chars();
    let mut buffer = [0; 2];
    while let Some(character) = characters.next() {
        let escaped = if character == '\\' { characters.next() } else { None };
        let meant = match escaped {
            None => character,
            Some('u') => {
                let digits: String = characters.by_ref().take(4).collect();
                units.extend(u16::from_str_radix(&digits, 16));
                continue;
            }
            Some('b') => '\u{8}',
            Some('f') => '\u{C}',
            Some('n') => '\n',
            Some('r') => '\r',
            Some('t') => '\t',
            Some(other) => other,
        };
        units.extend(meant.encode_utf16(&mut buffer).iter());
    }
    String::from_utf16_lossy(&units)
}
