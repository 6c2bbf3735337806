//! Times as Codex has kept them: in seconds or in milliseconds, as its versions had it.

use chrono::{DateTime, Utc};
use threadkeep::Timestamp;

use super::cell::Cell;

/// From this number on a time is in milliseconds: as seconds it would be after the year 5000, and
/// as milliseconds it is after 1973. Each value is judged for itself, because one column may hold
/// both where versions of Codex took turns.
const MILLISECONDS: u64 = 100_000_000_000;

/// The milliseconds after 1970 that a value of this column means; `None` for a value that is no
/// time, or one before the year 0000 or after 9999.
pub(super) fn millis(column: &str, cell: &Cell) -> Option<i64> {
    let number = match cell {
        Cell::Integer(number) => *number,
        Cell::Text(text) => return Some(text.parse::<Timestamp>().ok()?.as_millis()),
        Cell::Null | Cell::Real(_) | Cell::Bytes(_) => return None,
    };
    let is_millis = column.ends_with("_ms") || number.unsigned_abs() >= MILLISECONDS;
    let millis = if is_millis { number } else { number.checked_mul(1_000)? };
    let is_in_range = Timestamp::MIN.as_millis() <= millis && millis <= Timestamp::MAX.as_millis();
    is_in_range.then_some(millis)
}

/// The time of a log entry: the second, and where it is known how many nanoseconds of it had gone.
pub(super) fn to_the_nanosecond(time: &Cell, nanos: &Cell) -> Option<DateTime<Utc>> {
    let millis = millis("ts", time)?;
    let whole = DateTime::from_timestamp_millis(millis)?;
    match nanos {
        Cell::Null => Some(whole),
        Cell::Integer(nanos) => {
            let nanos = u32::try_from(*nanos).ok().filter(|nanos| *nanos < 1_000_000_000)?;
            DateTime::from_timestamp(millis.div_euclid(1_000), nanos)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_and_milliseconds_are_told_apart() {
        for (column, cell, expected) in [
            ("created_at", Cell::Integer(1_772_357_400), Some(1_772_357_400_000)),
            ("created_at", Cell::Integer(1_772_357_400_250), Some(1_772_357_400_250)),
            ("created_at", Cell::Integer(99_999_999_999), Some(99_999_999_999_000)),
            ("created_at", Cell::Integer(100_000_000_000), Some(100_000_000_000)),
            ("created_at", Cell::Integer(-1), Some(-1_000)),
            ("created_at_ms", Cell::Integer(1_000), Some(1_000)),
            ("created_at", Cell::Integer(i64::MAX), None),
            ("created_at", Cell::Integer(i64::MIN), None),
            ("created_at", Cell::Integer(-99_999_999_999), None),
            ("created_at", Cell::Integer(253_402_300_800_000), None),
            ("created_at", Cell::Text("2026-03-01T09:30:00Z".into()), Some(1_772_357_400_000)),
            ("created_at", Cell::Text("soon".into()), None),
            ("created_at", Cell::Real(1.5), None),
            ("created_at", Cell::Null, None),
        ] {
            assert_eq!(millis(column, &cell), expected, "{column} {cell:?}");
        }
    }

    #[test]
    fn nanoseconds_are_those_of_the_second() {
        let read = |time, nanos| {
            let time = to_the_nanosecond(&Cell::Integer(time), &nanos)?;
            Some((time.timestamp(), time.timestamp_subsec_nanos()))
        };
        assert_eq!(read(7, Cell::Integer(123_456_789)), Some((7, 123_456_789)));
        assert_eq!(read(7, Cell::Null), Some((7, 0)));
        assert_eq!(
            read(1_772_357_400_250, Cell::Integer(250_000_001)),
            Some((1_772_357_400, 250_000_001))
        );
        assert_eq!(read(1_772_357_400_250, Cell::Null), Some((1_772_357_400, 250_000_000)));
        assert_eq!(read(7, Cell::Integer(1_000_000_000)), None);
        assert_eq!(read(7, Cell::Integer(-1)), None);
        assert_eq!(read(i64::MAX, Cell::Null), None);
    }
}
