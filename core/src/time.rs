//! Times of threads: UTC, to the millisecond.

use std::fmt;
use std::str::FromStr;
use std::time::{SystemTime, UNIX_EPOCH};

use chrono::{DateTime, NaiveDate, SecondsFormat, Utc};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{Error, ErrorKind};

/// A point in time in UTC, to the millisecond, between the years 0000 and 9999.
///
/// Whatever is finer is truncated toward the past; whatever is outside becomes the nearest bound,
/// so that every value has an RFC 3339 form of one length, whose text order is the time order.
///
/// ```
/// use threadkeep_core::Timestamp;
///
/// let time: Timestamp = "2026-03-01T09:30:00.1239+01:00".parse()?;
/// assert_eq!(time.to_string(), "2026-03-01T08:30:00.123Z");
/// assert_eq!(Timestamp::from_millis(-1).to_string(), "1969-12-31T23:59:59.999Z");
/// # Ok::<(), threadkeep_core::Error>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// 0000-01-01T00:00:00.000Z.
    pub const MIN: Self = Self(-62_167_219_200_000);
    /// 9999-12-31T23:59:59.999Z.
    pub const MAX: Self = Self(253_402_300_799_999);

    /// This many milliseconds after 1970-01-01T00:00:00Z.
    pub const fn from_millis(millis: i64) -> Self {
        if millis < Self::MIN.0 {
            Self::MIN
        } else if millis > Self::MAX.0 {
            Self::MAX
        } else {
            Self(millis)
        }
    }

    /// Milliseconds after 1970-01-01T00:00:00Z.
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// The clock of this machine. Callers read it; a backend never does.
    pub fn now() -> Self {
        SystemTime::now().into()
    }

    /// The same time as a [`chrono`] value.
    pub fn to_datetime(self) -> DateTime<Utc> {
        DateTime::from_timestamp_millis(self.0).unwrap_or(DateTime::UNIX_EPOCH)
    }
}

impl From<DateTime<Utc>> for Timestamp {
    fn from(time: DateTime<Utc>) -> Self {
        // chrono divides toward the past, also before 1970.
        Self::from_millis(time.timestamp_millis())
    }
}

impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        let millis = |nanos: u128| i64::try_from(nanos).unwrap_or(i64::MAX);
        match time.duration_since(UNIX_EPOCH) {
            Ok(after) => Self::from_millis(millis(after.as_millis())),
            Err(before) => {
                Self::from_millis(-millis(before.duration().as_nanos().div_ceil(1_000_000)))
            }
        }
    }
}

impl FromStr for Timestamp {
    type Err = Error;

    /// Reads RFC 3339; fails with [`InvalidInput`](ErrorKind::InvalidInput) otherwise.
    fn from_str(text: &str) -> Result<Self, Error> {
        if let Some(time) = canonical(text.as_bytes()) {
            return Ok(time);
        }
        DateTime::parse_from_rfc3339(text).map(|time| time.to_utc().into()).map_err(|error| {
            Error::new(ErrorKind::InvalidInput, format!("{text:?} is no RFC 3339 time"))
                .with_source(error)
        })
    }
}

/// Reads `YYYY-MM-DDTHH:MM:SS.mmmZ`, the one form agents write, many times faster than a reader
/// of every form can. `None` for any other form, leap seconds included.
fn canonical(text: &[u8]) -> Option<Timestamp> {
    let text: &[u8; 24] = text.try_into().ok()?;
    let marks = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':'), (19, b'.'), (23, b'Z')];
    if marks.iter().any(|&(at, mark)| text[at] != mark) {
        return None;
    }
    let number = |from: usize, to: usize| {
        text[from..to].iter().try_fold(0_u32, |number, digit| {
            digit.is_ascii_digit().then(|| number * 10 + u32::from(digit - b'0'))
        })
    };
    let year = i32::try_from(number(0, 4)?).ok()?;
    let date = NaiveDate::from_ymd_opt(year, number(5, 7)?, number(8, 10)?)?;
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let days = i64::from(date.to_epoch_days());
    let seconds = days * 86_400 + i64::from(hour * 3_600 + minute * 60 + second);
    Some(Timestamp::from_millis(seconds * 1_000 + i64::from(number(20, 23)?)))
}

/// RFC 3339 with milliseconds and `Z`.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_datetime().to_rfc3339_opts(SecondsFormat::Millis, true))
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        crate::text_form::deserialize(deserializer, str::parse)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_truncated_toward_the_past() {
        let before = UNIX_EPOCH - std::time::Duration::from_micros(1_500);
        assert_eq!(Timestamp::from(before).as_millis(), -2);
        let time: Timestamp = "1969-12-31T23:59:59.9985Z".parse().unwrap();
        assert_eq!(time.as_millis(), -2);
    }

    #[test]
    fn the_fast_reading_agrees_with_the_general_one() {
        let general = |text: &str| {
            DateTime::parse_from_rfc3339(text).ok().map(|time| Timestamp::from(time.to_utc()))
        };
        for text in [
            "1969-12-31T23:59:59.999Z",
            "2024-02-29T00:00:00.000Z",
            "2000-02-29T12:34:56.789Z",
            "0000-01-01T00:00:00.000Z",
            "2023-02-29T00:00:00.000Z",
            "2026-13-01T00:00:00.000Z",
            "2026-03-01T24:00:00.000Z",
            "2026-03-01T23:59:60.000Z",
            "2026-03-01 23:59:59.000Z",
            "2026-03-01T23:59:59.+00Z",
        ] {
            assert_eq!(text.parse().ok(), general(text), "{text}");
        }
    }

    #[test]
    fn the_form_agents_write_takes_the_fast_way() {
        for text in [
            "1970-01-01T00:00:00.000Z",
            "2026-12-31T23:59:59.999Z",
            "2024-02-29T10:20:30.456Z",
            "0000-01-01T00:00:00.000Z",
            "9999-10-19T09:08:07.006Z",
        ] {
            let general = DateTime::parse_from_rfc3339(text).unwrap().to_utc();
            assert_eq!(canonical(text.as_bytes()), Some(general.into()), "{text}");
        }
    }

    #[test]
    fn bounds_have_a_text_form() {
        for time in [Timestamp::MIN, Timestamp::MAX, Timestamp::from_millis(i64::MAX)] {
            assert_eq!(time.to_string().parse::<Timestamp>().unwrap(), time);
            assert_eq!(time.to_string().len(), 24);
        }
    }
}
