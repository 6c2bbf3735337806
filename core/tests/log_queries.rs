//! Which log entries a question means, and the form they are stored in.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeSet;

use chrono::{DateTime, NaiveDate, Utc};
use proptest::prelude::*;
use threadkeep_core::{
    Direction, ErrorKind, LogEntry, LogFilter, LogLevel, LogQuery, LogRow, LogThreads, Pruned,
    Retention, limits,
};

fn at(second: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(second, 500).unwrap()
}

/// Entry 5 of thread `t`, from second 10.
fn row() -> LogRow {
    let mut entry = LogEntry::new(at(10), LogLevel::Warn, "store::write", "Lock held");
    entry.thread_id = Some("t".into());
    entry.process_id = Some("p".into());
    entry.module_path = Some("crate::store".into());
    entry.file = Some("src/Store.rs".into());
    LogRow { id: 5, entry }
}

fn filter(edit: impl FnOnce(&mut LogFilter)) -> LogFilter {
    let mut filter = LogFilter::new();
    edit(&mut filter);
    filter
}

#[track_caller]
fn found(filter: &LogFilter, expected: bool) {
    assert_eq!(filter.matches(&row()), expected, "{filter:?}");
}

type Parts = Option<BTreeSet<String>>;
type AskFor = fn(&mut LogFilter, Parts);
type SetText = fn(&mut LogEntry, String);

fn parts(parts: &[&str]) -> BTreeSet<String> {
    parts.iter().map(|&part| part.to_owned()).collect()
}

#[test]
fn every_entry_is_found_where_nothing_is_asked() {
    found(&LogFilter::new(), true);
    let bare = LogEntry { message: None, ..LogEntry::new(at(0), LogLevel::Trace, "", "") };
    assert!(LogFilter::new().matches(&LogRow { id: 1, entry: bare }));
}

#[test]
fn numbers_are_asked_for_without_their_ends() {
    for (id, after, before) in [(4, true, false), (5, false, false), (6, false, true)] {
        found(&LogFilter::new().after_id(id), after);
        found(&filter(|filter| filter.before_id = Some(id)), before);
    }
    found(&filter(|filter| (filter.after_id, filter.before_id) = (Some(4), Some(6))), true);
    found(&filter(|filter| (filter.after_id, filter.before_id) = (Some(6), Some(4))), false);
}

#[test]
fn times_are_asked_for_with_their_ends() {
    for (second, from, to) in [(9, true, false), (10, true, true), (11, false, true)] {
        found(&filter(|filter| filter.from = Some(at(second))), from);
        found(&filter(|filter| filter.to = Some(at(second))), to);
    }
    let nearly = at(10) + chrono::Duration::nanoseconds(1);
    found(&filter(|filter| filter.from = Some(nearly)), false);
}

#[test]
fn a_level_is_meant_exactly_or_as_the_least() {
    let exactly = |level| filter(|filter| filter.level = Some(level));
    for level in LogLevel::ALL {
        found(&exactly(level), level == LogLevel::Warn);
        found(&LogFilter::new().min_level(level), level <= LogLevel::Warn);
    }
}

#[test]
fn a_place_or_message_contains_one_of_the_parts() {
    let fields: [(&str, AskFor, &str); 4] = [
        ("module", |filter, parts| filter.modules = parts, "CRATE::"),
        ("file", |filter, parts| filter.files = parts, "store.RS"),
        ("target", |filter, parts| filter.targets = parts, "::write"),
        ("message", |filter, parts| filter.messages = parts, "lock HELD"),
    ];
    for (field, ask, part) in fields {
        let asked = |of: &[&str]| filter(|filter| ask(filter, Some(parts(of))));
        assert!(asked(&[part]).matches(&row()), "{field}");
        assert!(asked(&["elsewhere", part]).matches(&row()), "{field}");
        assert!(!asked(&["elsewhere"]).matches(&row()), "{field}");
        assert!(!asked(&[]).matches(&row()), "{field}: an empty set means none");
        let mut bare = row();
        (bare.entry.module_path, bare.entry.file, bare.entry.message) = (None, None, None);
        bare.entry.target = String::new();
        assert!(!asked(&[part]).matches(&bare), "{field}: what is absent contains nothing");
    }
    found(&LogFilter::new().message("lock"), true);
    found(&LogFilter::new().message("key"), false);
    found(&LogFilter::new().message("key").message("lock"), true);
}

#[test]
fn a_place_is_turned_away_only_where_the_filter_names_places() {
    let asked = filter(|filter| {
        filter.modules = Some(parts(&["store"]));
        filter.files = Some(parts(&[".rs"]));
        filter.targets = Some(parts(&["write"]));
    });
    assert!(asked.admits_place("write", Some("store"), Some("a.rs")));
    assert!(!asked.admits_place("read", Some("store"), Some("a.rs")));
    assert!(!asked.admits_place("write", Some("other"), Some("a.rs")));
    assert!(!asked.admits_place("write", Some("store"), Some("a.c")));
    assert!(!asked.admits_place("write", None, Some("a.rs")));
    assert!(!asked.admits_place("write", Some("store"), None));
    // What only the entry itself decides turns no place away.
    let other = LogFilter::new().min_level(LogLevel::Error).message("m").thread("t").after_id(9);
    assert!(other.admits_place("", None, None));
}

#[test]
fn entries_of_threads_and_of_none_are_told_apart() {
    let threadless = LogRow { entry: LogEntry { thread_id: None, ..row().entry }, ..row() };
    for (asked, of_thread, of_none) in [
        (LogFilter::new(), true, true),
        (LogFilter::new().thread("t"), true, false),
        (LogFilter::new().thread("u"), false, false),
        (LogFilter::new().thread("u").thread("t"), true, false),
        (LogFilter::new().threadless(), false, true),
        (LogFilter::new().thread("t").threadless(), true, true),
        (filter(|filter| filter.threads = Some(LogThreads::default())), false, false),
    ] {
        assert_eq!(asked.matches(&row()), of_thread, "{asked:?}");
        assert_eq!(asked.matches(&threadless), of_none, "{asked:?}");
    }
}

#[test]
fn entries_of_one_process_are_told_from_others() {
    let of = |process: &str| filter(|filter| filter.process_id = Some(process.into()));
    found(&of("p"), true);
    found(&of("q"), false);
    let unknown = LogRow { entry: LogEntry { process_id: None, ..row().entry }, ..row() };
    assert!(!of("p").matches(&unknown));
    assert!(LogFilter::new().matches(&unknown));
}

type Condition = fn(&mut LogFilter);

/// Conditions that the entry meets or fails, each alone.
const CONDITIONS: &[(Condition, Condition)] = &[
    (|f| f.after_id = Some(4), |f| f.after_id = Some(5)),
    (|f| f.before_id = Some(6), |f| f.before_id = Some(5)),
    (|f| f.level = Some(LogLevel::Warn), |f| f.level = Some(LogLevel::Info)),
    (|f| f.min_level = Some(LogLevel::Info), |f| f.min_level = Some(LogLevel::Error)),
    (|f| f.from = Some(at(10)), |f| f.from = Some(at(11))),
    (|f| f.to = Some(at(10)), |f| f.to = Some(at(9))),
    (|f| f.process_id = Some("p".into()), |f| f.process_id = Some("q".into())),
    (|f| *f = f.clone().thread("t"), |f| *f = f.clone().threadless()),
    (|f| f.modules = Some(parts(&["crate"])), |f| f.modules = Some(parts(&["?"]))),
    (|f| f.files = Some(parts(&["src"])), |f| f.files = Some(parts(&["?"]))),
    (|f| f.targets = Some(parts(&["store"])), |f| f.targets = Some(parts(&["?"]))),
    (|f| f.messages = Some(parts(&["held"])), |f| f.messages = Some(parts(&["?"]))),
];

#[test]
fn one_condition_that_fails_is_enough() {
    found(&filter(|filter| CONDITIONS.iter().for_each(|(met, _)| met(filter))), true);
    for (failing, (_, alone)) in CONDITIONS.iter().enumerate() {
        let asked = filter(|filter| {
            for (at, (met, failed)) in CONDITIONS.iter().enumerate() {
                if at == failing { failed(filter) } else { met(filter) }
            }
        });
        found(&asked, false);
        found(&filter(alone), false);
    }
}

#[test]
fn a_page_of_entries_has_one_to_ten_thousand() {
    let query = LogQuery::new(LogFilter::new());
    assert_eq!((query.limit, query.direction), (100, Direction::Descending));
    let kind = |limit| query.clone().limit(limit).validate().map_err(|error| error.kind());
    assert_eq!((kind(1), kind(10_000)), (Ok(()), Ok(())));
    for refused in [0, 10_001] {
        assert_eq!(kind(refused), Err(ErrorKind::InvalidInput), "{refused}");
    }
    let ascending = query.direction(Direction::Ascending);
    assert_eq!(ascending.direction, Direction::Ascending);
}

#[test]
fn a_message_of_one_mebibyte_is_kept_and_a_longer_one_cut_and_marked() {
    let stored = |message: String| {
        let entry = LogEntry::new(at(1), LogLevel::Info, "t", message);
        entry.prepare().unwrap().message.unwrap()
    };
    let whole = "x".repeat(1024 * 1024);
    assert_eq!(stored(whole.clone()), whole);
    let cut = stored(format!("{whole}y"));
    assert_eq!(cut.len(), 1024 * 1024, "as much is kept as there is room for");
    assert!(cut.strip_suffix("… [cut]").unwrap().chars().all(|c| c == 'x'));
    // A character that the limit would split goes as a whole.
    let cut = stored("é".repeat(1024 * 1024));
    assert!(cut.ends_with("é… [cut]") && cut.len() <= limits::LOG_MESSAGE_BYTES);
    assert!(cut.len() + 2 > limits::LOG_MESSAGE_BYTES);
}

#[test]
fn other_texts_of_an_entry_are_refused_above_the_limit() {
    let long = || "x".repeat(16 * 1024 * 1024 + 1);
    let fields: [(&str, SetText); 5] = [
        ("target", |entry, text| entry.target = text),
        ("thread_id", |entry, text| entry.thread_id = Some(text)),
        ("process_id", |entry, text| entry.process_id = Some(text)),
        ("module_path", |entry, text| entry.module_path = Some(text)),
        ("file", |entry, text| entry.file = Some(text)),
    ];
    for (field, edit) in fields {
        let with = |text| {
            let mut entry = row().entry;
            edit(&mut entry, text);
            entry.prepare()
        };
        let error = with(long()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.message().starts_with(field), "{error}");
        assert!(with("x".into()).is_ok());
    }
}

#[test]
fn a_leap_second_is_stored_as_the_last_moment_before_it() {
    let day = NaiveDate::from_ymd_opt(2016, 12, 31).unwrap();
    let leap = day.and_hms_nano_opt(23, 59, 59, 1_500_000_000).unwrap().and_utc();
    let stored = LogEntry::new(leap, LogLevel::Info, "t", "m").prepare().unwrap().time;
    assert_eq!(stored, day.and_hms_nano_opt(23, 59, 59, 999_999_999).unwrap().and_utc());
    assert_eq!(row().entry.prepare().unwrap(), row().entry, "any other time stays");
}

#[test]
fn the_bytes_of_an_entry_are_those_of_all_its_texts() {
    let entry = LogEntry::new(at(1), LogLevel::Info, "1", "22");
    assert_eq!(entry.text_bytes(), 3);
    let entry = LogEntry {
        thread_id: Some("é33".into()),
        process_id: Some("5".repeat(5)),
        module_path: Some("7".repeat(7)),
        file: Some("9".repeat(9)),
        ..entry
    };
    assert_eq!(entry.text_bytes(), 3 + 4 + 5 + 7 + 9);
    let silent = LogEntry { message: None, ..LogEntry::new(at(1), LogLevel::Info, "t", "") };
    assert_eq!(silent.text_bytes(), 1);
}

#[test]
fn what_may_be_deleted_is_told_by_time_or_by_size() {
    let old = Retention::before(at(1));
    assert_eq!((old.before, old.max_bytes), (Some(at(1)), None));
    let large = Retention::max_bytes(7);
    assert_eq!((large.before, large.max_bytes), (None, Some(7)));
    assert_eq!(Pruned::rows(7).rows, 7);
}

proptest! {
    #[test]
    fn several_conditions_mean_what_each_of_them_means(
        chosen in proptest::collection::vec(any::<Option<bool>>(), CONDITIONS.len()),
    ) {
        let mut whole = LogFilter::new();
        let mut each = true;
        for (choice, (met, failed)) in chosen.into_iter().zip(CONDITIONS) {
            let Some(choice) = choice else { continue };
            let condition = if choice { met } else { failed };
            condition(&mut whole);
            each &= filter(condition).matches(&row());
        }
        prop_assert_eq!(whole.matches(&row()), each);
    }
}
