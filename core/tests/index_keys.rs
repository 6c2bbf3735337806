//! Index keys: a listing by ranges of keys finds what a scan of every row finds, and reads little
//! beside it.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::{BTreeMap, HashSet};

use proptest::collection::{btree_set, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use threadkeep_core::index::{Key, key, keys, position, prefixes};
use threadkeep_core::{
    Archived, ErrorKind, SortKey, ThreadId, ThreadMetadata, ThreadQuery, ThreadSeed, Timestamp,
};

const NAMES: [&str; 3] = ["a", "b", "c"];

fn a_name() -> impl Strategy<Value = &'static str> {
    select(&NAMES)
}

fn a_row() -> impl Strategy<Value = ThreadMetadata> {
    let names = (a_name(), a_name(), a_name());
    let state = (any::<bool>(), any::<bool>());
    (any::<[u8; 16]>(), names, state, -3..3_i64, -3..3_i64).prop_map(
        |(id, (source, provider, cwd), (archived, wrote), created, updated)| {
            let time = Timestamp::from_millis(created);
            let seed = ThreadSeed::new(ThreadId::from_bytes(id), "/a.jsonl", time);
            let mut row = seed.source(source).model_provider(provider).cwd(cwd).into_metadata();
            row.updated_at = Timestamp::from_millis(updated);
            row.has_user_event = wrote;
            row.archived_at = archived.then_some(time);
            row
        },
    )
}

fn a_query() -> impl Strategy<Value = ThreadQuery> {
    let names = || option::of(btree_set(a_name(), 0..3));
    let archived = select(vec![Archived::Active, Archived::Archived, Archived::Any]);
    let sort = select(vec![SortKey::CreatedAt, SortKey::UpdatedAt]);
    (names(), names(), names(), archived, any::<bool>(), sort).prop_map(
        |(sources, providers, cwds, archived, empty, sort)| {
            let mut query = ThreadQuery::new().archived(archived).sort(sort);
            query.filter.include_empty = empty;
            let owned = |name: &&str| (*name).to_owned();
            query.filter.sources = sources.map(|names| names.iter().map(owned).collect());
            query.filter.providers = providers.map(|names| names.iter().map(owned).collect());
            query.filter.cwds = cwds.map(|names| names.into_iter().map(Into::into).collect());
            query
        },
    )
}

/// The rows of each of the query's ranges, in the order of their keys.
fn ranges<'a>(
    index: &'a BTreeMap<Key, &'a ThreadMetadata>,
    query: &ThreadQuery,
) -> Vec<Vec<(&'a Key, &'a ThreadMetadata)>> {
    let range = |prefix| {
        let from: Key = key(prefix, Timestamp::MIN, ThreadId::from_bytes([0; 16]));
        let to: Key = key(prefix, Timestamp::MAX, ThreadId::from_bytes([255; 16]));
        index.range(from..=to).map(|(key, row)| (key, *row)).collect()
    };
    prefixes(query).into_iter().map(range).collect()
}

proptest! {
    #[test]
    fn ranges_of_keys_hold_what_a_scan_finds_each_once_and_in_order(
        rows in vec(a_row(), 0..12),
        query in a_query(),
    ) {
        let rows: BTreeMap<ThreadId, ThreadMetadata> =
            rows.into_iter().map(|row| (row.id, row)).collect();
        let index = rows.values().flat_map(|row| keys(row).map(|key| (key, row))).collect();
        let mut found = Vec::new();
        for range in ranges(&index, &query) {
            let places: Vec<_> = range.iter().map(|(key, _)| position(*key).unwrap()).collect();
            prop_assert!(places.is_sorted(), "a range is in listing order");
            for ((_, row), place) in range.iter().zip(places) {
                prop_assert_eq!(place, (query.sort.of(row), row.id));
            }
            found.extend(range.into_iter().map(|(_, row)| row.id));
        }
        let once: HashSet<_> = found.iter().copied().collect();
        prop_assert_eq!(once.len(), found.len(), "no thread is found in two ranges");
        let matching: HashSet<_> =
            rows.values().filter(|row| query.filter.matches(row)).map(|row| row.id).collect();
        prop_assert!(once.is_superset(&matching), "{:?}", query);
        // These names have different hashes, so the facet that was chosen holds nothing else.
        for id in once {
            let row = &rows[&id];
            let filter = &query.filter;
            prop_assert!(filter.archived.admits(row.is_archived()));
            prop_assert!(filter.include_empty || row.has_user_event);
            match (&filter.cwds, &filter.sources, &filter.providers) {
                (Some(cwds), ..) => prop_assert!(cwds.contains(row.cwd.as_os_str())),
                (None, sources, providers) => {
                    prop_assert!(sources.as_ref().is_none_or(|all| all.contains(&row.source)));
                    let named = providers.as_ref();
                    prop_assert!(named.is_none_or(|all| all.contains(&row.model_provider)));
                }
            }
        }
    }
}

#[test]
fn a_row_has_a_key_for_each_way_to_ask_and_no_two_are_the_same() {
    let seed = ThreadSeed::new(ThreadId::from_bytes([7; 16]), "/a.jsonl", Timestamp::MIN);
    // Names that are alike must not make keys alike.
    let row = seed.source("x").model_provider("x").cwd("x").into_metadata();
    assert_eq!(keys(&row).into_iter().collect::<HashSet<_>>().len(), 10);
}

#[test]
fn every_combination_asked_for_is_one_range() {
    let all = || ThreadQuery::new().archived(Archived::Any).include_empty();
    for (query, ranges) in [
        (ThreadQuery::new(), 1),
        (ThreadQuery::new().archived(Archived::Archived), 1),
        (ThreadQuery::new().archived(Archived::Any), 2),
        (ThreadQuery::new().include_empty(), 2),
        (all(), 4),
        (all().source("a").source("b"), 8),
        (all().source("a").source("b").provider("p"), 8),
        (ThreadQuery::new().source("a").source("b").provider("p").provider("q"), 4),
        (ThreadQuery::new().provider("p").provider("q"), 2),
        (ThreadQuery::new().source("a").source("b").cwd("/"), 1),
        (ThreadQuery::new().sources([]), 0),
    ] {
        assert_eq!(prefixes(&query).len(), ranges, "{:?}", query.filter);
    }
}

#[test]
fn bytes_that_are_no_key_are_refused() {
    for bytes in [0, 12, 20, 35] {
        let error = position(&vec![0; bytes]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupted, "{bytes}");
    }
}
