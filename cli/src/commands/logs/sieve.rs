//! The conditions that no store knows: entries are looked at one by one.

use regex::{Regex, RegexBuilder};
use threadkeep::{Error, LogEntry};

/// Which of the entries that a store gives are shown.
#[derive(Debug, Default)]
pub(super) struct Sieve {
    /// Of targets and modules, in small letters.
    excluded: Vec<String>,
    patterns: Vec<Regex>,
}

impl Sieve {
    pub(super) fn new(excluded: &[String], patterns: &[String]) -> Result<Self, Error> {
        let excluded = excluded.iter().map(|part| part.to_ascii_lowercase()).collect();
        let patterns = patterns.iter().map(|pattern| compile(pattern)).collect::<Result<_, _>>()?;
        Ok(Self { excluded, patterns })
    }

    /// Whether every entry passes.
    pub(super) fn is_open(&self) -> bool {
        self.excluded.is_empty() && self.patterns.is_empty()
    }

    pub(super) fn admits(&self, entry: &LogEntry) -> bool {
        let excluded = |text: &str| {
            !self.excluded.is_empty() && {
                let text = text.to_ascii_lowercase();
                self.excluded.iter().any(|part| text.contains(part))
            }
        };
        if excluded(&entry.target) || entry.module_path.as_deref().is_some_and(excluded) {
            return false;
        }
        let fits = |message: &String| self.patterns.iter().any(|pattern| pattern.is_match(message));
        self.patterns.is_empty() || entry.message.as_ref().is_some_and(fits)
    }
}

fn compile(pattern: &str) -> Result<Regex, Error> {
    let built = RegexBuilder::new(pattern)
        .case_insensitive(!has_capital(pattern))
        // Messages have several lines, and people look at lines.
        .multi_line(true)
        .build();
    built.map_err(|error| {
        // It draws the pattern with a mark below; the last line says what is wrong.
        let said = error.to_string();
        let last = said.lines().last().unwrap_or_default();
        let reason = last.strip_prefix("error: ").unwrap_or(last);
        Error::invalid_input(format!("{pattern:?} is no regular expression: {reason}"))
            .hint(r"put a backslash before characters that mean themselves, as in \( or \[")
    })
}

/// Whether a pattern asks for a capital letter; those that only name a class, as in `\S`, do not.
fn has_capital(pattern: &str) -> bool {
    let mut rest = pattern.chars().peekable();
    while let Some(c) = rest.next() {
        if c == '\\' {
            let class = rest.next();
            if matches!(class, Some('p' | 'P' | 'x' | 'u' | 'U')) && rest.peek() == Some(&'{') {
                rest.by_ref().find(|c| *c == '}');
            }
        } else if c.is_uppercase() {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use threadkeep::LogLevel;

    use super::*;

    fn entry(target: &str, message: &str) -> LogEntry {
        LogEntry::new(DateTime::UNIX_EPOCH, LogLevel::Info, target, message)
    }

    fn fits(pattern: &str, message: &str) -> bool {
        Sieve::new(&[], &[pattern.into()]).unwrap().admits(&entry("t", message))
    }

    #[test]
    fn case_matters_once_the_pattern_has_a_capital_letter() {
        for (pattern, message, expected) in [
            ("disk", "The DISK is full", true),
            ("Disk", "The DISK is full", false),
            ("DISK", "The DISK is full", true),
            ("ä", "Ärger", true),
            ("Ä", "ärger", false),
            (r"\Sisk", "DISK", true),
            (r"\x{44}isk", "disk", true),
            (r"\x{44}Isk", "disk", false),
            (r"^full", "the disk\nfull", true),
            (r"\d+ ms$", "took 20 MS", true),
            ("a.*z", "a\nz", false),
            ("", "", true),
        ] {
            assert_eq!(fits(pattern, message), expected, "{pattern} {message}");
        }
    }

    #[test]
    fn any_pattern_will_do_and_an_absent_message_fits_none() {
        let sieve = Sieve::new(&[], &["one".into(), "two".into()]).unwrap();
        assert!(sieve.admits(&entry("t", "two")) && !sieve.admits(&entry("two", "three")));
        let mut none = entry("t", "");
        none.message = None;
        assert!(!Sieve::new(&[], &[String::new()]).unwrap().admits(&none));
        assert!(Sieve::default().admits(&none));
    }

    #[test]
    fn targets_and_modules_are_left_out_by_any_part() {
        let sieve = Sieve::new(&["HYPER::".into(), "sqlx".into()], &[]).unwrap();
        assert!(!sieve.is_open());
        assert!(sieve.admits(&entry("agent", "hyper:: sqlx")));
        assert!(sieve.admits(&entry("hyper", "")));
        assert!(!sieve.admits(&entry("Hyper::proto", "")));
        let mut entry = entry("agent", "");
        entry.module_path = Some("x::SQLX".into());
        assert!(!sieve.admits(&entry));
    }

    #[test]
    fn what_is_no_pattern_is_told_in_one_line() {
        for pattern in ["(", "[z-a]", "a{2,1}", "*", r"\p{Nonsense}", "a{99999999}"] {
            let error = Sieve::new(&[], &[pattern.into()]).unwrap_err();
            let said = error.to_string();
            assert!(said.contains("is no regular expression: ") && !said.contains('\n'), "{said}");
            assert!(error.hint_text().is_some());
        }
    }
}
