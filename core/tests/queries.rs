//! Which threads a query means: every condition alone, and all of them together.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use threadkeep_core::query::contains_ignoring_case;
use threadkeep_core::{
    Archived, Cursor, Direction, ErrorKind, SortKey, ThreadId, ThreadMetadata, ThreadQuery,
    ThreadSeed, TimeRange, Timestamp, limits,
};

const ID: ThreadId = ThreadId::from_bytes([7; 16]);

fn time(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn range(from: Option<i64>, to: Option<i64>) -> TimeRange {
    TimeRange { from: from.map(time), to: to.map(time) }
}

/// An active thread a person wrote in, which began at 10 and changed at 20.
fn row() -> ThreadMetadata {
    let seed = ThreadSeed::new(ID, "/sessions/a.jsonl", time(10)).source("cli").cwd("/home/ann");
    let mut row = seed.model_provider("openai").into_metadata();
    row.updated_at = time(20);
    row.has_user_event = true;
    row.title = "Fix the Build".into();
    row.name = Some("release".into());
    row.preview = Some("50% é_x".into());
    row
}

#[track_caller]
fn found(query: &ThreadQuery, expected: bool) {
    assert_eq!(query.filter.matches(&row()), expected, "{:?}", query.filter);
}

fn any() -> ThreadQuery {
    ThreadQuery::new()
}

#[test]
fn archived_threads_are_listed_only_on_demand() {
    for (wanted, active, archived) in [
        (Archived::Active, true, false),
        (Archived::Archived, false, true),
        (Archived::Any, true, true),
    ] {
        assert_eq!((wanted.admits(false), wanted.admits(true)), (active, archived), "{wanted:?}");
        found(&any().archived(wanted), active);
        let gone = ThreadMetadata { archived_at: Some(time(30)), ..row() };
        assert_eq!(any().archived(wanted).filter.matches(&gone), archived, "{wanted:?}");
    }
}

#[test]
fn threads_no_person_wrote_in_are_listed_only_on_demand() {
    let empty = ThreadMetadata { has_user_event: false, ..row() };
    assert!(!any().filter.matches(&empty));
    assert!(any().include_empty().filter.matches(&empty));
    found(&any().include_empty(), true);
    let archived = ThreadMetadata { archived_at: Some(time(30)), ..empty };
    assert!(ThreadQuery::everything().filter.matches(&archived));
    assert!(!any().include_empty().filter.matches(&archived));
}

#[test]
fn a_source_provider_or_folder_is_one_of_those_named() {
    found(&any().source("cli"), true);
    found(&any().source("exec"), false);
    found(&any().source("exec").source("cli"), true);
    found(&any().sources(["exec".into(), "cli".into()]), true);
    found(&any().sources(["CLI".into()]), false);
    found(&any().provider("openai"), true);
    found(&any().provider("azure"), false);
    found(&any().provider("azure").provider("openai"), true);
    found(&any().providers(["azure".into()]), false);
    found(&any().providers(["azure".into(), "openai".into()]), true);
    found(&any().cwd("/home/ann"), true);
    found(&any().cwd("/home"), false);
    found(&any().cwd("/home").cwd("/home/ann"), true);
    // Another spelling of a folder is another folder.
    found(&any().cwd("/home/ann/"), false);
}

#[test]
fn an_empty_set_means_no_thread_and_is_known_to() {
    assert!(!any().filter.matches_nothing());
    assert!(!any().source("a").provider("b").cwd("c").filter.matches_nothing());
    let mut no_folder = any();
    no_folder.filter.cwds = Some([].into());
    for query in [any().sources([]), any().providers([]), no_folder] {
        assert!(query.filter.matches_nothing(), "{query:?}");
        found(&query, false);
    }
}

#[test]
fn both_ends_of_a_range_belong_to_it() {
    let rows = [
        (None, None, true),
        (Some(10), Some(10), true),
        (Some(9), Some(11), true),
        (Some(11), None, false),
        (None, Some(9), false),
        (Some(10), None, true),
        (None, Some(10), true),
        (Some(11), Some(20), false),
        (Some(1), Some(9), false),
        (Some(11), Some(9), false),
    ];
    for (from, to, expected) in rows {
        assert_eq!(range(from, to).contains(time(10)), expected, "{from:?} to {to:?}");
        found(&any().created(range(from, to)), expected);
        let later = range(from.map(|from| from + 10), to.map(|to| to + 10));
        found(&any().updated(later), expected);
        assert_eq!(range(from, to).is_open(), from.is_none() && to.is_none());
    }
}

#[test]
fn a_text_is_found_in_title_name_or_preview_whatever_its_case() {
    for text in ["fix the build", "BUILD", "Release", "50% é_", ""] {
        found(&any().text(text), true);
    }
    // Nothing is a wildcard, only ASCII letters have two cases, and fields are not joined.
    for text in ["fix_the", "fix%build", "É", "buildrelease", "fix the build."] {
        found(&any().text(text), false);
    }
    let bare = ThreadMetadata { name: None, preview: None, ..row() };
    assert!(!any().text("release").filter.matches(&bare));
    assert!(any().text("build").filter.matches(&bare));
}

#[test]
fn one_condition_that_fails_is_enough() {
    let all = || {
        any()
            .source("cli")
            .provider("openai")
            .cwd("/home/ann")
            .created(range(Some(10), None))
            .updated(range(None, Some(20)))
            .text("fix")
    };
    found(&all(), true);
    let mut other_source = all();
    other_source.filter.sources = Some(["exec".to_owned()].into());
    let mut other_provider = all();
    other_provider.filter.providers = Some(["azure".to_owned()].into());
    let mut other_folder = all();
    other_folder.filter.cwds = Some(["/".into()].into());
    found(&other_source, false);
    found(&other_provider, false);
    found(&other_folder, false);
    found(&all().archived(Archived::Archived), false);
    found(&all().created(range(Some(11), None)), false);
    found(&all().updated(range(None, Some(19))), false);
    found(&all().text("tests"), false);
    let empty = ThreadMetadata { has_user_event: false, ..row() };
    assert!(!all().filter.matches(&empty));
}

#[test]
fn a_query_keeps_what_it_was_told() {
    let query = any().sort(SortKey::CreatedAt).direction(Direction::Ascending).limit(7).text("a");
    let asked = (query.sort, query.direction, query.limit);
    assert_eq!(asked, (SortKey::CreatedAt, Direction::Ascending, 7));
    let cursor = Cursor::new(&query, time(1), ID);
    let next = query.clone().after(cursor);
    assert_eq!((next.after, &next.filter), (Some(cursor), &query.filter));
    assert_eq!(next.after(None).after, None);
    let fresh = any();
    let asked = (fresh.sort, fresh.direction, fresh.limit, fresh.after);
    assert_eq!(asked, (SortKey::UpdatedAt, Direction::Descending, 50, None));
}

#[test]
fn the_range_of_the_sort_value_is_that_of_its_own_time() {
    let query = any().created(range(Some(1), None)).updated(range(None, Some(2)));
    assert_eq!(query.clone().sort(SortKey::CreatedAt).sort_range(), range(Some(1), None));
    assert_eq!(query.sort(SortKey::UpdatedAt).sort_range(), range(None, Some(2)));
    assert_eq!(SortKey::CreatedAt.of(&row()), time(10));
    assert_eq!(SortKey::UpdatedAt.of(&row()), time(20));
}

#[test]
fn a_page_has_one_to_a_thousand_threads() {
    let kind = |limit| any().limit(limit).validate().map_err(|error| error.kind());
    assert_eq!((kind(1), kind(1_000)), (Ok(()), Ok(())));
    for refused in [0, 1_001, usize::MAX] {
        assert_eq!(kind(refused), Err(ErrorKind::InvalidInput), "{refused}");
    }
    let error = any().limit(0).validate().unwrap_err();
    assert!(error.message().contains("limit is 0, expected 1 to 1000"), "{error}");
}

#[test]
fn one_to_a_hundred_thousand_checkpoints_are_read_at_once() {
    let kind = |limit| limits::check_checkpoint_limit(limit).map_err(|error| error.kind());
    assert_eq!((kind(1), kind(100_000)), (Ok(()), Ok(())));
    for refused in [0, 100_001] {
        assert_eq!(kind(refused), Err(ErrorKind::InvalidInput), "{refused}");
    }
}

#[test]
fn a_cursor_of_another_query_and_an_endless_text_are_refused() {
    let cursor = Cursor::new(&any(), time(1), ID);
    assert!(any().after(cursor).validate().is_ok());
    let error = any().source("cli").after(cursor).validate().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidCursor);
    let text = "x".repeat(16 * 1024 * 1024 + 1);
    assert!(any().text(&text[1..]).validate().is_ok());
    assert_eq!(any().text(text).validate().unwrap_err().kind(), ErrorKind::InvalidInput);
}

proptest! {
    #[test]
    fn a_part_is_found_as_in_the_lower_case_of_ascii(
        text in "[aAbBéÉ%_]{0,6}",
        part in "[aAbBéÉ%_]{0,3}",
    ) {
        let expected = text.to_ascii_lowercase().contains(&part.to_ascii_lowercase());
        prop_assert_eq!(contains_ignoring_case(&text, &part), expected);
    }

    #[test]
    fn a_query_of_several_conditions_means_what_each_of_them_means(
        source in option::of(select(vec!["cli", "exec"])),
        provider in option::of(select(vec!["openai", "azure"])),
        cwd in option::of(select(vec!["/home/ann", "/"])),
        created in (option::of(9..12_i64), option::of(9..12_i64)),
        text in option::of(select(vec!["fix", "release", "none"])),
        archived in select(vec![Archived::Active, Archived::Archived, Archived::Any]),
    ) {
        let mut whole = any().archived(archived).created(range(created.0, created.1));
        let mut parts = vec![any().archived(archived)];
        parts.push(any().archived(Archived::Any).created(range(created.0, created.1)));
        if let Some(source) = source {
            whole = whole.source(source);
            parts.push(any().source(source));
        }
        if let Some(provider) = provider {
            whole = whole.provider(provider);
            parts.push(any().provider(provider));
        }
        if let Some(cwd) = cwd {
            whole = whole.cwd(cwd);
            parts.push(any().cwd(cwd));
        }
        if let Some(text) = text {
            whole = whole.text(text);
            parts.push(any().text(text));
        }
        let each = parts.iter().all(|part| part.filter.matches(&row()));
        prop_assert_eq!(whole.filter.matches(&row()), each);
    }
}
