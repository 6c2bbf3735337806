//! Times as they are read and shown.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use proptest::prelude::*;
use threadkeep_core::{ErrorKind, Timestamp};

const GOOD: &str = "2026-03-01T09:30:00.000Z";

#[test]
fn a_text_without_the_marks_of_a_time_is_none() {
    for refused in ["2026x03x01x09x30x00x000x", "202603010930000000000000"] {
        let error = refused.parse::<Timestamp>().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{refused}");
    }
    for (at, mark) in GOOD.char_indices().filter(|(_, mark)| !mark.is_ascii_digit()) {
        let mut refused = GOOD.to_owned();
        refused.replace_range(at..=at, "!");
        assert!(refused.parse::<Timestamp>().is_err(), "{refused}, {mark}");
    }
}

#[test]
fn an_hour_minute_or_second_that_no_clock_shows_is_refused() {
    for refused in ["24:00:00", "23:60:00", "10:75:10", "10:99:59", "23:59:61", "99:99:99"] {
        let text = format!("2026-03-01T{refused}.000Z");
        assert!(text.parse::<Timestamp>().is_err(), "{text}");
    }
}

#[test]
fn bounds_are_reached_and_not_passed() {
    let (least, most) = (Timestamp::MIN.as_millis(), Timestamp::MAX.as_millis());
    for (millis, expected) in [
        (i64::MIN, least),
        (least - 1, least),
        (least, least),
        (least + 1, least + 1),
        (most - 1, most - 1),
        (most, most),
        (most + 1, most),
        (i64::MAX, most),
    ] {
        assert_eq!(Timestamp::from_millis(millis).as_millis(), expected, "{millis}");
    }
}

#[test]
fn a_time_in_a_failed_assertion_is_readable() {
    let time: Timestamp = GOOD.parse().unwrap();
    assert_eq!(format!("{time:?}"), GOOD);
    assert_eq!(format!("{:?}", Some(time)), format!("Some({GOOD})"));
}

proptest! {
    #[test]
    fn a_time_of_day_is_read_as_the_clock_shows_it(
        hour in 0..24_i64,
        minute in 0..60_i64,
        second in 0..60_i64,
        milli in 0..1_000_i64,
    ) {
        let text = format!("1970-01-01T{hour:02}:{minute:02}:{second:02}.{milli:03}Z");
        let millis = ((hour * 60 + minute) * 60 + second) * 1_000 + milli;
        let time: Timestamp = text.parse().unwrap();
        prop_assert_eq!(time.as_millis(), millis);
        // Another spelling of the same time, which only the general reader knows.
        prop_assert_eq!(text.replace('Z', "+00:00").parse::<Timestamp>().unwrap(), time);
    }
}
