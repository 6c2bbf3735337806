//! Times as people write them: exact, as a date, or as an age.

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Utc};
use threadkeep::Error;

/// Which end of a range a time stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    From,
    To,
}

/// A time, and whether the same words mean another time later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct When {
    pub(crate) time: DateTime<Utc>,
    pub(crate) relative: bool,
}

/// Reads RFC 3339, `YYYY-MM-DD` with or without a time of day (UTC), an age such as `7d`, `now`,
/// `today` and `yesterday`, or digits alone: seconds since 1970, or milliseconds. A day without a
/// time of day is a whole one: it means its first instant as a beginning and its last as an end.
pub(crate) fn parse(text: &str, end: End, now: DateTime<Utc>) -> Result<When, Error> {
    let text = text.trim();
    if let Some(time) = relative(text, end, now) {
        return Ok(When { time, relative: true });
    }
    let time = exact(text, end).ok_or_else(|| {
        Error::invalid_input(format!("{text:?} is no time"))
            .hint("write 2026-03-01T09:30:00Z, 2026-03-01, or an age such as 2h or 7d")
    })?;
    Ok(When { time, relative: false })
}

fn relative(text: &str, end: End, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    match text {
        "now" => Some(now),
        "today" => whole_day(now.date_naive(), end),
        "yesterday" => whole_day(now.date_naive().pred_opt()?, end),
        _ => now.checked_sub_signed(age(text)?),
    }
}

/// Reads an age such as `90s`, `10m`, `2h`, `7d` or `4w`.
pub(crate) fn age(text: &str) -> Option<TimeDelta> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (count, unit) = text.split_at(digits);
    let count: i64 = count.parse().ok()?;
    let seconds = match unit {
        "s" => 1,
        "m" | "min" => 60,
        "h" => 3_600,
        "d" => 86_400,
        "w" => 604_800,
        _ => return None,
    };
    TimeDelta::try_seconds(count.checked_mul(seconds)?)
}

/// From this number on a time is in milliseconds: as seconds it would be after the year 5000, and as
/// milliseconds it is after 1973.
const MILLISECONDS: i64 = 100_000_000_000;

fn since_1970(text: &str) -> Option<DateTime<Utc>> {
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    match text.parse().ok()? {
        seconds if seconds < MILLISECONDS => DateTime::from_timestamp(seconds, 0),
        milliseconds => DateTime::from_timestamp_millis(milliseconds),
    }
}

fn exact(text: &str, end: End) -> Option<DateTime<Utc>> {
    if let Some(time) = since_1970(text) {
        return Some(time);
    }
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Some(time.to_utc());
    }
    for format in
        ["%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M"]
    {
        if let Ok(time) = NaiveDateTime::parse_from_str(text, format) {
            return Some(time.and_utc());
        }
    }
    whole_day(NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?, end)
}

fn whole_day(day: NaiveDate, end: End) -> Option<DateTime<Utc>> {
    let time = match end {
        End::From => NaiveTime::MIN,
        End::To => NaiveTime::from_hms_nano_opt(23, 59, 59, 999_999_999)?,
    };
    Some(day.and_time(time).and_utc())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, end: End) -> Option<(String, bool)> {
        let now = DateTime::parse_from_rfc3339("2026-03-10T12:00:00Z").unwrap().to_utc();
        let when = parse(text, end, now).ok()?;
        Some((when.time.format("%Y-%m-%dT%H:%M:%S%.3f").to_string(), when.relative))
    }

    #[test]
    fn every_form_is_read() {
        for (text, expected, relative) in [
            ("2026-03-01T09:30:00+01:00", "2026-03-01T08:30:00.000", false),
            ("2026-03-01 09:30", "2026-03-01T09:30:00.000", false),
            ("2026-03-01T09:30:15.250", "2026-03-01T09:30:15.250", false),
            ("2026-03-01", "2026-03-01T00:00:00.000", false),
            ("2h", "2026-03-10T10:00:00.000", true),
            (" 7d ", "2026-03-03T12:00:00.000", true),
            ("30min", "2026-03-10T11:30:00.000", true),
            ("now", "2026-03-10T12:00:00.000", true),
            ("10m", "2026-03-10T11:50:00.000", true),
            ("yesterday", "2026-03-09T00:00:00.000", true),
            ("0", "1970-01-01T00:00:00.000", false),
            ("1772357400", "2026-03-01T09:30:00.000", false),
            ("1772357400250", "2026-03-01T09:30:00.250", false),
            ("99999999999", "5138-11-16T09:46:39.000", false),
            ("100000000000", "1973-03-03T09:46:40.000", false),
        ] {
            assert_eq!(read(text, End::From), Some((expected.into(), relative)), "{text}");
        }
    }

    #[test]
    fn a_date_counts_whole() {
        let (time, _) = read("2026-03-01", End::To).unwrap();
        assert_eq!(time, "2026-03-01T23:59:59.999");
        let (time, _) = read("today", End::To).unwrap();
        assert_eq!(time, "2026-03-10T23:59:59.999");
    }

    #[test]
    fn other_words_are_refused() {
        for text in [
            "",
            "h",
            "7y",
            "+7",
            "9223372036854775807",
            "-7d",
            "99999999999999999999d",
            "9999999999999d",
            "soon",
            "2026-13-01",
        ] {
            assert_eq!(read(text, End::From), None, "{text}");
        }
    }
}
