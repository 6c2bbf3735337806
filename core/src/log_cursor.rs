//! Positions in a log.

use std::fmt;
use std::str::FromStr;

use crate::cursor::checksum;
use crate::{Error, ErrorKind, Result};

/// How far a log was read: up to the entry with this number, whatever the filters were.
///
/// Numbers follow the order of commits and are never given out again, so whoever goes on
/// [after](crate::LogFilter::after_id) one misses nothing and sees nothing twice, on another handle
/// and after a restart too. The text form is opaque; it carries a checksum, so that one that was
/// cut or mistyped is refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogCursor {
    id: u64,
}

impl LogCursor {
    /// The position after the entry with this number; 0 is before the first one.
    pub const fn new(id: u64) -> Self {
        Self { id }
    }

    /// The number of the last entry that was read.
    pub const fn id(self) -> u64 {
        self.id
    }
}

impl fmt::Display for LogCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let body = format!("l1-{}", self.id);
        let sum = u32::from_be_bytes(checksum(body.as_bytes()));
        write!(f, "{body}-{sum:08x}")
    }
}

impl FromStr for LogCursor {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let number = text.strip_prefix("l1-").and_then(|rest| rest.split_once('-'));
        number
            .and_then(|(id, _)| id.parse().ok())
            .map(Self::new)
            // There is one way to write each, so that nothing else of the text has to be looked at.
            .filter(|cursor| cursor.to_string() == text)
            .ok_or_else(|| {
                Error::new(ErrorKind::InvalidCursor, format!("{text:?} is no cursor of a log"))
                    .hint("copy the cursor whole, or start without one")
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_read_back_and_stay_what_they_are() {
        for id in [0, 1, 9, 10, 4_711, u64::MAX] {
            let text = LogCursor::new(id).to_string();
            assert_eq!(text.parse::<LogCursor>().unwrap().id(), id, "{text}");
        }
        // Kept in files, which outlive this version.
        assert_eq!(LogCursor::new(1_204).to_string(), "l1-1204-13c6282e");
    }

    #[test]
    fn damage_is_seen() {
        let text = LogCursor::new(1_204).to_string();
        let mut others: Vec<_> = (0..text.len()).map(|end| text[..end].to_owned()).collect();
        for at in 0..text.len() {
            for other in "0129afl-".chars().filter(|other| !text[at..].starts_with(*other)) {
                others.push(format!("{}{other}{}", &text[..at], &text[at + 1..]));
            }
        }
        let body = text.rsplit_once('-').unwrap().0;
        others.push(text.replace("-1204-", "-01204-"));
        others.push(text.replace("-1204-", "-+1204-"));
        others.push(text.replace("-1204-", "-18446744073709551616-"));
        others.push(text.to_uppercase());
        others.push(format!("{text}\n"));
        others.push(body.to_owned());
        others.push("ATGEhGR115g0AAABnQE0L0YBnQEz8zV_Ba_AoOgrwxiq08KGZA".to_owned());
        for other in others {
            let error = other.parse::<LogCursor>().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidCursor, "{other}");
            assert!(error.hint_text().is_some());
        }
    }
}
