//! Positions in a listing.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use crate::{
    Archived, Direction, Error, ErrorKind, Result, SortKey, ThreadId, ThreadQuery, TimeRange,
    Timestamp, path,
};

/// Where a page ended: the sort value and id of its last item.
///
/// Given back with the same query, the listing goes on strictly after it, whatever was written in
/// between. The text form is opaque; it carries the order and a digest of the filters, so that
/// use with another query is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Cursor {
    query: u64,
    value: Timestamp,
    id: ThreadId,
}

const VERSION: u8 = 1;
const BYTES: usize = 1 + 8 + 8 + 16 + 4;

impl Cursor {
    /// The position of this item in this query's listing. Only stores make cursors.
    pub fn new(query: &ThreadQuery, value: Timestamp, id: ThreadId) -> Self {
        Self { query: digest(query), value, id }
    }

    /// The sort value of the last item.
    pub fn value(&self) -> Timestamp {
        self.value
    }

    /// The id of the last item.
    pub fn id(&self) -> ThreadId {
        self.id
    }

    pub(crate) fn check(&self, query: &ThreadQuery) -> Result<()> {
        if self.query == digest(query) {
            return Ok(());
        }
        Err(Error::new(ErrorKind::InvalidCursor, "the cursor belongs to another query")
            .hint("repeat the query that gave the cursor, or start without one"))
    }
}

/// A number for the order and the filters, the same in every process.
fn digest(query: &ThreadQuery) -> u64 {
    let mut hash = Xxh3::new();
    let mut add = |bytes: &[u8]| {
        hash.update(&(bytes.len() as u64).to_le_bytes());
        hash.update(bytes);
    };
    let filter = &query.filter;
    add(&[
        match query.sort {
            SortKey::CreatedAt => 0,
            SortKey::UpdatedAt => 1,
        },
        match query.direction {
            Direction::Descending => 0,
            Direction::Ascending => 1,
        },
        match filter.archived {
            Archived::Active => 0,
            Archived::Archived => 1,
            Archived::Any => 2,
        },
        u8::from(filter.include_empty),
        u8::from(filter.sources.is_some()),
        u8::from(filter.providers.is_some()),
        u8::from(filter.cwds.is_some()),
        u8::from(filter.text.is_some()),
    ]);
    for set in [&filter.sources, &filter.providers] {
        add(&(set.as_ref().map_or(0, std::collections::BTreeSet::len) as u64).to_le_bytes());
        set.iter().flatten().for_each(|text| add(text.as_bytes()));
    }
    filter.cwds.iter().flatten().for_each(|cwd| add(path::to_text(Path::new(cwd)).as_bytes()));
    for TimeRange { from, to } in [filter.created, filter.updated] {
        add(&from.map_or(i64::MIN, Timestamp::as_millis).to_le_bytes());
        add(&to.map_or(i64::MAX, Timestamp::as_millis).to_le_bytes());
    }
    add(filter.text.as_deref().unwrap_or_default().as_bytes());
    hash.digest()
}

pub(crate) fn checksum(bytes: &[u8]) -> [u8; 4] {
    let [a, b, c, d, ..] = xxh3_64(bytes).to_le_bytes();
    [a, b, c, d]
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = Vec::with_capacity(BYTES);
        bytes.push(VERSION);
        bytes.extend(self.query.to_be_bytes());
        bytes.extend(self.value.as_millis().to_be_bytes());
        bytes.extend(self.id.as_bytes());
        bytes.extend(checksum(&bytes));
        f.write_str(&URL_SAFE_NO_PAD.encode(bytes))
    }
}

impl FromStr for Cursor {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let damaged = || {
            Error::new(ErrorKind::InvalidCursor, format!("{text:?} is no cursor"))
                .hint("copy the cursor whole, or start without one")
        };
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|error| damaged().with_source(error))?;
        let bytes: [u8; BYTES] = bytes.try_into().map_err(|_| damaged())?;
        let (body, sum) = bytes.split_at(BYTES - 4);
        if body[0] != VERSION || checksum(body) != *sum {
            return Err(damaged());
        }
        let number = |at: usize| body[at..at + 8].try_into().map_err(|_| damaged());
        let id = body[17..].try_into().map_err(|_| damaged())?;
        Ok(Self {
            query: u64::from_be_bytes(number(1)?),
            value: Timestamp::from_millis(i64::from_be_bytes(number(9)?)),
            id: ThreadId::from_bytes(id),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_round_trips_and_damage_is_seen() {
        let query = ThreadQuery::new();
        let cursor = Cursor::new(&query, Timestamp::from_millis(-5), ThreadId::new());
        let text = cursor.to_string();
        assert_eq!(text.parse::<Cursor>().unwrap(), cursor);
        for at in 0..text.len() {
            let mut bytes = text.clone().into_bytes();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            let damaged = String::from_utf8(bytes).unwrap();
            let error = damaged.parse::<Cursor>().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidCursor, "{damaged}");
        }
        assert!("".parse::<Cursor>().is_err());
    }

    #[test]
    fn another_query_is_refused_but_another_limit_is_not() {
        let query = ThreadQuery::new().source("cli");
        let cursor = Cursor::new(&query, Timestamp::MIN, ThreadId::new());
        assert!(cursor.check(&query.clone().limit(7)).is_ok());
        for other in [
            query.clone().source("exec"),
            query.clone().include_empty(),
            query.clone().text(""),
            query.clone().direction(Direction::Ascending),
            query.clone().sort(SortKey::CreatedAt),
            ThreadQuery::new().provider("cli"),
        ] {
            assert_eq!(cursor.check(&other).unwrap_err().kind(), ErrorKind::InvalidCursor);
        }
    }
}
