//! What the flags of `logs` say in words of their own: levels, counts, sizes and ages.

use std::time::Duration;

use threadkeep::{Error, LogLevel};

use crate::when;

/// The least and the greatest level of `warn` or of `warn..error`.
pub(super) fn levels(text: &str) -> Result<(LogLevel, LogLevel), Error> {
    let Some((one, other)) = text.split_once("..") else {
        return Ok((level(text)?, LogLevel::Error));
    };
    let (one, other) = (level(one)?, level(other)?);
    Ok((one.min(other), one.max(other)))
}

fn level(text: &str) -> Result<LogLevel, Error> {
    let name = match text.to_ascii_lowercase().as_str() {
        "err" => "error",
        "warning" => "warn",
        _ => text,
    };
    name.parse().map_err(|_| {
        Error::invalid_input(format!("{text:?} is no log level"))
            .hint("use trace, debug, info, warn or error, or a range such as warn..error")
    })
}

/// A number of entries, or all.
pub(super) fn lines(text: &str) -> Result<usize, Error> {
    if text == "all" {
        return Ok(usize::MAX);
    }
    digits(text).and_then(|digits| digits.parse().ok()).ok_or_else(|| {
        Error::invalid_input(format!("{text:?} is no number of entries"))
            .hint("give -n a whole number, or all")
    })
}

/// Bytes, such as `64M`.
pub(super) fn size(text: &str) -> Result<u64, Error> {
    let bytes = || {
        let (number, factor) = match text.char_indices().last()? {
            (at, 'k' | 'K') => (&text[..at], 1 << 10),
            (at, 'm' | 'M') => (&text[..at], 1 << 20),
            (at, 'g' | 'G') => (&text[..at], 1 << 30),
            _ => (text, 1),
        };
        digits(number)?.parse::<u64>().ok()?.checked_mul(factor)
    };
    bytes().ok_or_else(|| {
        Error::invalid_input(format!("{text:?} is no size"))
            .hint("write bytes as 500K, 64M or 1G, in powers of 1024")
    })
}

/// An age, such as `10d`.
pub(super) fn age(text: &str) -> Result<Duration, Error> {
    when::age(text).and_then(|age| age.to_std().ok()).ok_or_else(|| {
        Error::invalid_input(format!("{text:?} is no age")).hint("write 90s, 30min, 12h, 10d or 4w")
    })
}

/// The text where it is digits alone: Rust takes a sign, too.
fn digits(text: &str) -> Option<&str> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_single_or_ranges() {
        use LogLevel::{Debug, Error, Info, Trace, Warn};
        for (text, expected) in [
            ("warn", (Warn, Error)),
            ("WARNING", (Warn, Error)),
            ("err", (Error, Error)),
            ("trace", (Trace, Error)),
            ("warn..error", (Warn, Error)),
            ("Info..debug", (Debug, Info)),
            ("info..info", (Info, Info)),
        ] {
            assert_eq!(levels(text).ok(), Some(expected), "{text}");
        }
        for text in ["", "loud", "warn..", "..warn", "warn...error", "warn..loud", "4", "warn "] {
            let error = levels(text).unwrap_err();
            assert!(error.hint_text().is_some(), "{text}");
        }
        assert!(levels("warn..loud").unwrap_err().to_string().contains("\"loud\""));
    }

    #[test]
    fn counts() {
        assert_eq!(lines("0").ok(), Some(0));
        assert_eq!(lines("20000").ok(), Some(20_000));
        assert_eq!(lines("all").ok(), Some(usize::MAX));
        for text in ["", "-1", "+5", "many", "1.5", "99999999999999999999"] {
            assert!(lines(text).unwrap_err().hint_text().is_some(), "{text}");
        }
    }

    #[test]
    fn sizes_are_in_powers_of_1024() {
        for (text, expected) in [
            ("0", 0),
            ("4096", 4_096),
            ("500k", 512_000),
            ("64M", 67_108_864),
            ("1G", 1_073_741_824),
            ("17179869183G", u64::MAX - ((1 << 30) - 1)),
        ] {
            assert_eq!(size(text).ok(), Some(expected), "{text}");
        }
        for text in ["", "M", "-1M", "+1M", "1.5G", "64MB", "64 M", "big", "17179869184G", "1é"] {
            assert!(size(text).unwrap_err().hint_text().is_some(), "{text}");
        }
    }

    #[test]
    fn ages() {
        assert_eq!(age("10d").ok(), Some(Duration::from_hours(240)));
        assert_eq!(age("0s").ok(), Some(Duration::ZERO));
        for text in ["", "10", "-10d", "10y", "yesterday", "9999999999999d"] {
            assert!(age(text).unwrap_err().hint_text().is_some(), "{text}");
        }
    }
}
