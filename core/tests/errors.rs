//! What a caller learns from an error.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::error::Error as _;
use std::time::Duration;

use threadkeep_core::{Applied, Error, ErrorKind, Retry, ThreadId, Timestamp};

fn in_milliseconds(millis: u64) -> Retry {
    Retry::After(Duration::from_millis(millis))
}

#[test]
fn each_kind_says_whether_and_how_trying_again_can_help() {
    let kinds = [
        (ErrorKind::NotFound, Retry::Never),
        (ErrorKind::AlreadyExists, Retry::Never),
        (ErrorKind::Conflict, in_milliseconds(0)),
        (ErrorKind::InvalidInput, Retry::Never),
        (ErrorKind::InvalidCursor, Retry::Never),
        (ErrorKind::Unsupported, Retry::Never),
        (ErrorKind::Busy, in_milliseconds(50)),
        (ErrorKind::Locked, in_milliseconds(1_000)),
        (ErrorKind::ReadOnly, Retry::Never),
        (ErrorKind::Closed, Retry::Reopen),
        (ErrorKind::Corrupted, Retry::Never),
        (ErrorKind::SchemaTooNew, Retry::Never),
        (ErrorKind::MigrationFailed, Retry::Never),
        (ErrorKind::StorageFull, in_milliseconds(1_000)),
        (ErrorKind::Timeout, in_milliseconds(50)),
        (ErrorKind::Unavailable, Retry::Reopen),
        (ErrorKind::Io, Retry::Reopen),
        (ErrorKind::Internal, Retry::Never),
    ];
    for (kind, retry) in kinds {
        let error = Error::new(kind, "why");
        assert_eq!(error.retry(), retry, "{kind:?}");
        assert_eq!(error.is_retryable(), retry != Retry::Never, "{kind:?}");
        assert_eq!(error.outcome(), Applied::NotApplied, "{kind:?}");
        assert_eq!(error.to_string(), format!("{kind}: why"));
    }
}

#[test]
fn what_may_have_happened_is_looked_into_by_opening_anew() {
    let error = Error::new(ErrorKind::ReadOnly, "why").maybe_applied();
    assert_eq!((error.outcome(), error.retry()), (Applied::Unknown, Retry::Reopen));
    assert!(error.is_retryable());
    assert!(!error.with_retry(Retry::Never).is_retryable());
}

#[test]
fn a_hint_is_there_only_where_one_was_given() {
    let error = Error::invalid_input("limit is 0");
    assert_eq!(error.hint_text(), None);
    assert_eq!(error.hint("ask for one").hint_text(), Some("ask for one"));
}

#[test]
fn the_first_operation_named_stays_and_a_subject_is_named_once() {
    let error = Error::new(ErrorKind::Busy, "in use").during("write").during("sync");
    assert_eq!(error.operation(), Some("write"));
    let error = error.about("thread 7").about("thread 7");
    assert_eq!(error.message(), "thread 7: in use");
    assert_eq!(error.to_string(), "busy: write: thread 7: in use");
}

#[test]
fn the_error_underneath_is_found_and_kept_as_text_in_a_duplicate() {
    assert!(Error::new(ErrorKind::Io, "why").source().is_none());
    let disk = std::io::Error::other("the disk is gone");
    let error = Error::new(ErrorKind::Io, "write failed").with_source(disk).hint("look at it");
    let source = error.source().expect("it was given");
    assert!(source.downcast_ref::<std::io::Error>().is_some());
    let copy = error.maybe_applied().during("write").duplicate();
    assert_eq!(copy.source().unwrap().to_string(), "the disk is gone");
    assert_eq!((copy.kind(), copy.operation()), (ErrorKind::Io, Some("write")));
    assert_eq!((copy.outcome(), copy.retry()), (Applied::Unknown, Retry::Reopen));
    assert_eq!((copy.message(), copy.hint_text()), ("write failed", Some("look at it")));
}

#[test]
fn a_failed_unwrap_shows_all_there_is_to_know() {
    let disk = std::io::Error::other("the disk is gone");
    let error = Error::new(ErrorKind::Io, "write failed").with_source(disk).during("write");
    let shown = format!("{:?}", error.hint("look at it").maybe_applied());
    for part in ["Io", "Unknown", "Reopen", "write", "write failed", "look at it", "disk is gone"] {
        assert!(shown.contains(part), "{part} is missing: {shown}");
    }
}

#[test]
fn what_has_the_wrong_type_is_told_with_the_type_expected() {
    let told = |error: serde_json::Error| error.to_string();
    assert!(told(serde_json::from_str::<ThreadId>("5").unwrap_err()).contains("expected a string"));
    assert!(told(serde_json::from_str::<Timestamp>("{}").unwrap_err()).contains("a string"));
    let line = |text: &str| {
        let error = threadkeep_core::rollout::parse_line(text.as_bytes()).unwrap_err();
        error.source().expect("JSON gave the reason").to_string()
    };
    let told = line(r#"["2026-03-01T09:30:00.000Z"]"#);
    assert!(told.contains("expected an object"), "{told}");
    let told = line(r#"{"type":5}"#);
    assert!(told.contains("expected a string"), "{told}");
}
