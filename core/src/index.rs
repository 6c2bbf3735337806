//! Index keys for stores that are ordered maps of bytes.
//!
//! A key is facet, sort, archived, visible, a hash of the facet's value, the sort value and the
//! id: threads of one facet value lie together in listing order. A listing merges one short range
//! for each combination it asks for and checks what the range does not decide with
//! [`ThreadFilter::matches`](crate::ThreadFilter::matches), which also settles equal hashes.

use std::collections::BTreeSet;
use std::ops::Bound::{self, Excluded, Included};
use std::path::Path;

use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use crate::{
    Archived, Direction, Result, SortKey, ThreadFilter, ThreadId, ThreadMetadata, ThreadQuery,
    TimeRange, Timestamp, path,
};

/// The part of a key that all threads of a range share.
pub type Prefix = [u8; 12];
/// A whole key.
pub type Key = [u8; 36];
/// How many keys a row has.
pub const KEYS: usize = 10;

const ALL: u8 = 0;
const SOURCE: u8 = 1;
const PROVIDER: u8 = 2;
const CWD: u8 = 3;
const SOURCE_PROVIDER: u8 = 4;

/// Every key of a row: for both sort keys, over all threads and by source, provider, both of them,
/// and folder.
pub fn keys(row: &ThreadMetadata) -> [Key; KEYS] {
    let facets = [
        (ALL, 0),
        (SOURCE, hash(&row.source)),
        (PROVIDER, hash(&row.model_provider)),
        (CWD, hash_path(&row.cwd)),
        (SOURCE_PROVIDER, hash_pair(&row.source, &row.model_provider)),
    ];
    std::array::from_fn(|index| {
        let (facet, hash) = facets[index / 2];
        let sort = [SortKey::CreatedAt, SortKey::UpdatedAt][index % 2];
        let prefix = prefix(facet, sort, row.is_archived(), row.has_user_event, hash);
        key(prefix, sort.of(row), row.id)
    })
}

/// The ranges that together hold every thread the query can match.
pub fn prefixes(query: &ThreadQuery) -> Vec<Prefix> {
    let filter = &query.filter;
    // Folders are told apart best; what names both a source and a provider is found by both.
    // Two values may share a hash; their threads lie in one range, which must be there once.
    let (facet, hashes): (u8, BTreeSet<u64>) = if let Some(cwds) = &filter.cwds {
        (CWD, cwds.iter().map(|cwd| hash_path(Path::new(cwd))).collect())
    } else if let (Some(sources), Some(providers)) = (&filter.sources, &filter.providers) {
        let pairs = sources
            .iter()
            .flat_map(|source| providers.iter().map(move |provider| hash_pair(source, provider)));
        (SOURCE_PROVIDER, pairs.collect())
    } else if let Some(sources) = &filter.sources {
        (SOURCE, sources.iter().map(|source| hash(source)).collect())
    } else if let Some(providers) = &filter.providers {
        (PROVIDER, providers.iter().map(|provider| hash(provider)).collect())
    } else {
        (ALL, BTreeSet::from([0]))
    };
    let archived: &[bool] = match filter.archived {
        Archived::Active => &[false],
        Archived::Archived => &[true],
        Archived::Any => &[false, true],
    };
    let visible: &[bool] = if filter.include_empty { &[false, true] } else { &[true] };
    let mut prefixes = Vec::with_capacity(hashes.len() * archived.len() * visible.len());
    for hash in hashes {
        for &archived in archived {
            for &visible in visible {
                prefixes.push(prefix(facet, query.sort, archived, visible, hash));
            }
        }
    }
    prefixes
}

/// The keys of one range that lie in the query's times, strictly after its cursor; `None` where
/// there are none. The first bound is never behind the second.
pub fn bounds(prefix: Prefix, query: &ThreadQuery) -> Option<(Bound<Key>, Bound<Key>)> {
    let TimeRange { from, to } = query.sort_range();
    let first = key(prefix, from.unwrap_or(Timestamp::MIN), ThreadId::from_bytes([0; 16]));
    let last = key(prefix, to.unwrap_or(Timestamp::MAX), ThreadId::from_bytes([255; 16]));
    let (mut low, mut high) = (Included(first), Included(last));
    let (mut start, mut end) = (first, last);
    if let Some(cursor) = query.after {
        let at = key(prefix, cursor.value(), cursor.id());
        match query.direction {
            Direction::Ascending if at >= first => (low, start) = (Excluded(at), at),
            Direction::Descending if at <= last => (high, end) = (Excluded(at), at),
            // The whole range lies after the cursor, or there is none that could.
            Direction::Ascending | Direction::Descending => {}
        }
    }
    (start <= end).then_some((low, high))
}

/// Whether every thread in the ranges of the query matches it. Where not, each row has to be asked:
/// facets are hashes here, and two values may share one.
pub fn decides(query: &ThreadQuery) -> bool {
    let ThreadFilter { sources, providers, cwds, text, created, updated, .. } = &query.filter;
    let other_range = match query.sort {
        SortKey::CreatedAt => updated,
        SortKey::UpdatedAt => created,
    };
    sources.is_none()
        && providers.is_none()
        && cwds.is_none()
        && text.is_none()
        && other_range.is_open()
}

/// The key at a position of a range.
pub fn key(prefix: Prefix, value: Timestamp, id: ThreadId) -> Key {
    let mut key = [0; 36];
    key[..12].copy_from_slice(&prefix);
    // With the sign bit turned over, the order of the bytes is the order of the numbers.
    let value = (value.as_millis() ^ i64::MIN).to_be_bytes();
    key[12..20].copy_from_slice(&value);
    key[20..].copy_from_slice(id.as_bytes());
    key
}

/// The sort value and id of a key; [`Corrupted`](crate::ErrorKind::Corrupted) for other bytes.
pub fn position(key: &[u8]) -> Result<(Timestamp, ThreadId)> {
    let parts = key.get(12..20).zip(key.get(20..36)).and_then(|(value, id)| {
        Some((<[u8; 8]>::try_from(value).ok()?, <[u8; 16]>::try_from(id).ok()?))
    });
    let Some((value, id)) = parts else {
        return Err(crate::Error::new(
            crate::ErrorKind::Corrupted,
            format!("an index key has {} bytes, expected 36", key.len()),
        ));
    };
    let value = i64::from_be_bytes(value) ^ i64::MIN;
    Ok((Timestamp::from_millis(value), ThreadId::from_bytes(id)))
}

fn prefix(facet: u8, sort: SortKey, archived: bool, visible: bool, hash: u64) -> Prefix {
    let sort = match sort {
        SortKey::CreatedAt => 0,
        SortKey::UpdatedAt => 1,
    };
    let mut prefix = [facet, sort, u8::from(archived), u8::from(visible), 0, 0, 0, 0, 0, 0, 0, 0];
    prefix[4..].copy_from_slice(&hash.to_be_bytes());
    prefix
}

fn hash(text: &str) -> u64 {
    xxh3_64(text.as_bytes())
}

fn hash_pair(source: &str, provider: &str) -> u64 {
    xxh3_64_with_seed(provider.as_bytes(), hash(source))
}

fn hash_path(cwd: &Path) -> u64 {
    hash(&path::to_text(cwd))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_names_a_source_and_a_provider_is_found_by_both() {
        let seed = crate::ThreadSeed::new(ThreadId::new(), "/a.jsonl", Timestamp::MIN);
        let mut row = seed.source("cli").model_provider("azure").into_metadata();
        row.has_user_event = true;
        let query = ThreadQuery::new().source("cli").source("exec").provider("azure");
        let ranges = prefixes(&query);
        assert_eq!(ranges.len(), 2);
        let holding = |prefix: &&Prefix| keys(&row).iter().any(|key| key.starts_with(*prefix));
        assert_eq!(ranges.iter().filter(holding).count(), 1);
        row.source = "azure".into();
        row.model_provider = "cli".into();
        let swapped =
            ranges.iter().filter(|prefix| keys(&row).iter().any(|key| key.starts_with(*prefix)));
        assert_eq!(swapped.count(), 0);
    }

    #[test]
    fn keys_of_a_range_are_in_listing_order() {
        let prefix = [0; 12];
        let id = |byte| ThreadId::from_bytes([byte; 16]);
        let positions = [
            (Timestamp::MIN, id(9)),
            (Timestamp::from_millis(-1), id(0)),
            (Timestamp::from_millis(0), id(0)),
            (Timestamp::from_millis(0), id(1)),
            (Timestamp::MAX, id(0)),
        ];
        let keys: Vec<_> = positions.iter().map(|&(value, id)| key(prefix, value, id)).collect();
        assert!(keys.is_sorted());
        for (key, expected) in keys.iter().zip(positions) {
            assert_eq!(position(key).unwrap(), expected);
        }
    }
}
