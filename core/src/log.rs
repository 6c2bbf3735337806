//! Log records and questions about them.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::query::{check_limit, contains_ignoring_case};
use crate::{Direction, Error, Result, limits};

/// How grave a log entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum LogLevel {
    /// Every step.
    Trace,
    /// For whoever looks for a fault.
    Debug,
    /// What happened.
    Info,
    /// Something to look at.
    Warn,
    /// Something failed.
    Error,
}

impl LogLevel {
    /// All levels, the least grave first.
    pub const ALL: [Self; 5] = [Self::Trace, Self::Debug, Self::Info, Self::Warn, Self::Error];

    /// A number for storing, 1 to 5; the graver, the greater.
    pub const fn code(self) -> u8 {
        self as u8 + 1
    }

    /// The level with this number.
    pub fn from_code(code: i64) -> Result<Self> {
        Self::ALL.into_iter().find(|level| i64::from(level.code()) == code).ok_or_else(|| {
            Error::new(crate::ErrorKind::Corrupted, format!("{code} is no log level"))
        })
    }

    /// The usual name in capitals.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Trace => "TRACE",
            Self::Debug => "DEBUG",
            Self::Info => "INFO",
            Self::Warn => "WARN",
            Self::Error => "ERROR",
        }
    }
}

impl fmt::Display for LogLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for LogLevel {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|level| level.as_str().eq_ignore_ascii_case(text)).ok_or_else(
            || {
                Error::invalid_input(format!("{text:?} is no log level"))
                    .hint("use trace, debug, info, warn or error")
            },
        )
    }
}

/// One log record, before it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogEntry {
    /// When, to the nanosecond.
    pub time: DateTime<Utc>,
    /// How grave.
    pub level: LogLevel,
    /// The part of the program it is about.
    pub target: String,
    /// The text, at most [`limits::LOG_MESSAGE_BYTES`]; longer ones are cut and marked.
    pub message: Option<String>,
    /// The thread it belongs to; need not be a known one, nor a UUID.
    pub thread_id: Option<String>,
    /// The process that wrote it.
    pub process_id: Option<String>,
    /// The module of the call.
    pub module_path: Option<String>,
    /// The source file of the call.
    pub file: Option<String>,
    /// The line of the call.
    pub line: Option<u32>,
}

impl LogEntry {
    /// An entry without a place in the code.
    pub fn new(
        time: DateTime<Utc>,
        level: LogLevel,
        target: impl Into<String>,
        message: impl Into<String>,
    ) -> Self {
        Self {
            time,
            level,
            target: target.into(),
            message: Some(message.into()),
            thread_id: None,
            process_id: None,
            module_path: None,
            file: None,
            line: None,
        }
    }

    /// Whose it is, where what each may have is limited.
    pub fn owner(&self) -> LogOwner<'_> {
        match &self.thread_id {
            Some(thread) => LogOwner::Thread(thread),
            None => LogOwner::Process(self.process_id.as_deref()),
        }
    }

    /// Bytes of its texts.
    pub fn text_bytes(&self) -> u64 {
        let texts =
            [&self.message, &self.thread_id, &self.process_id, &self.module_path, &self.file];
        let optional: usize = texts.into_iter().flatten().map(String::len).sum();
        (self.target.len() + optional) as u64
    }

    /// Brings the entry into the stored form and checks the limits. Every store does so first.
    pub fn prepare(mut self) -> Result<Self> {
        for (field, text) in [
            ("target", Some(&self.target)),
            ("thread_id", self.thread_id.as_ref()),
            ("process_id", self.process_id.as_ref()),
            ("module_path", self.module_path.as_ref()),
            ("file", self.file.as_ref()),
        ] {
            limits::check(field, text.map_or(0, String::len), limits::TEXT_BYTES, "bytes")?;
        }
        if let Some(message) = &mut self.message
            && message.len() > limits::LOG_MESSAGE_BYTES
        {
            limits::cut_in_place(message, limits::LOG_MESSAGE_BYTES - limits::CUT_MARK.len());
            message.push_str(limits::CUT_MARK);
        }
        // A leap second has a nanosecond count of its own that no other clock knows.
        let nanos = self.time.timestamp_subsec_nanos().min(999_999_999);
        self.time = DateTime::from_timestamp(self.time.timestamp(), nanos).unwrap_or(self.time);
        Ok(self)
    }
}

/// A stored log record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogRow {
    /// Its number, above 0: grows strictly in commit order, also over restarts and deletions.
    pub id: u64,
    /// What was stored.
    #[serde(flatten)]
    pub entry: LogEntry,
}

/// Whose an entry is, where a [`Retention`](crate::Retention) limits what each may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LogOwner<'a> {
    /// Its thread's.
    Thread(&'a str),
    /// It is of no thread: its process's, or that of all that name none.
    Process(Option<&'a str>),
}

/// The numbers an append gave out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogIds {
    /// Of the first entry.
    pub first: u64,
    /// Of the last entry.
    pub last: u64,
}

/// Which threads' entries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogThreads {
    /// Those of these threads.
    pub ids: BTreeSet<String>,
    /// And those of no thread.
    pub threadless: bool,
}

/// Which entries. All conditions must hold; one that is absent holds for every entry, and an
/// empty set holds for none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LogFilter {
    /// Exactly this level.
    pub level: Option<LogLevel>,
    /// This level or a graver one.
    pub min_level: Option<LogLevel>,
    /// This level or a less grave one.
    pub max_level: Option<LogLevel>,
    /// At this time or later.
    pub from: Option<DateTime<Utc>>,
    /// At this time or earlier.
    pub to: Option<DateTime<Utc>>,
    /// The module contains one of these, ASCII letters of either case alike.
    pub modules: Option<BTreeSet<String>>,
    /// The file contains one of these, likewise.
    pub files: Option<BTreeSet<String>>,
    /// The target contains one of these, likewise.
    pub targets: Option<BTreeSet<String>>,
    /// The message contains one of these, likewise.
    pub messages: Option<BTreeSet<String>>,
    /// Of these threads.
    pub threads: Option<LogThreads>,
    /// Of this process.
    pub process_id: Option<String>,
    /// With a number above this.
    pub after_id: Option<u64>,
    /// With a number below this.
    pub before_id: Option<u64>,
}

impl LogFilter {
    /// Every entry.
    pub fn new() -> Self {
        Self::default()
    }

    /// This level or a graver one.
    #[must_use]
    pub fn min_level(mut self, level: LogLevel) -> Self {
        self.min_level = Some(level);
        self
    }

    /// The message contains this, or one of those named before.
    #[must_use]
    pub fn message(mut self, part: impl Into<String>) -> Self {
        self.messages.get_or_insert_default().insert(part.into());
        self
    }

    /// Of this thread, or of those named before.
    #[must_use]
    pub fn thread(mut self, id: impl Into<String>) -> Self {
        self.threads.get_or_insert_default().ids.insert(id.into());
        self
    }

    /// Also, or only, of no thread.
    #[must_use]
    pub fn threadless(mut self) -> Self {
        self.threads.get_or_insert_default().threadless = true;
        self
    }

    /// With a number above this.
    #[must_use]
    pub fn after_id(mut self, id: u64) -> Self {
        self.after_id = Some(id);
        self
    }

    /// Whether entries of this level may be among them, as far as the level decides it.
    pub fn admits_level(&self, level: LogLevel) -> bool {
        self.level.is_none_or(|wanted| level == wanted)
            && self.min_level.is_none_or(|least| level >= least)
            && self.max_level.is_none_or(|most| level <= most)
    }

    /// Whether entries of a call at this place may be among them, as far as the place decides it.
    pub fn admits_place(&self, target: &str, module: Option<&str>, file: Option<&str>) -> bool {
        any(self.modules.as_ref(), module)
            && any(self.files.as_ref(), file)
            && any(self.targets.as_ref(), Some(target))
    }

    /// Whether this entry is one of them.
    pub fn matches(&self, row: &LogRow) -> bool {
        let entry = &row.entry;
        self.after_id.is_none_or(|id| row.id > id)
            && self.before_id.is_none_or(|id| row.id < id)
            && self.admits_level(entry.level)
            && self.from.is_none_or(|from| entry.time >= from)
            && self.to.is_none_or(|to| entry.time <= to)
            && (self.process_id.is_none() || self.process_id == entry.process_id)
            && self.threads.as_ref().is_none_or(|threads| match &entry.thread_id {
                Some(id) => threads.ids.contains(id),
                None => threads.threadless,
            })
            && self.admits_place(&entry.target, entry.module_path.as_deref(), entry.file.as_deref())
            && any(self.messages.as_ref(), entry.message.as_deref())
    }
}

/// Whether the text contains one of the parts; an absent set asks for nothing.
fn any(parts: Option<&BTreeSet<String>>, text: Option<&str>) -> bool {
    parts.is_none_or(|parts| {
        text.is_some_and(|text| parts.iter().any(|part| contains_ignoring_case(text, part)))
    })
}

/// A page of log entries.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LogQuery {
    /// Which entries.
    pub filter: LogFilter,
    /// By number: the newest or the oldest first.
    pub direction: Direction,
    /// How many at most, 1 to [`LogQuery::MAX_LIMIT`].
    pub limit: usize,
}

impl LogQuery {
    /// The greatest limit.
    pub const MAX_LIMIT: usize = 10_000;

    /// The newest 100 entries of these.
    pub fn new(filter: LogFilter) -> Self {
        Self { filter, direction: Direction::Descending, limit: 100 }
    }

    /// Which end first.
    #[must_use]
    pub fn direction(mut self, direction: Direction) -> Self {
        self.direction = direction;
        self
    }

    /// How many at most.
    #[must_use]
    pub fn limit(mut self, limit: usize) -> Self {
        self.limit = limit;
        self
    }

    /// Checks the limits. Every store does so first.
    pub fn validate(&self) -> Result<()> {
        check_limit(self.limit, Self::MAX_LIMIT)
    }
}

/// One page of log entries. The next one is asked for with
/// [`after_id`](LogFilter::after_id) or [`before_id`](LogFilter::before_id).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogPage {
    /// The entries in order.
    pub items: Vec<LogRow>,
    /// Whether there are more after the last.
    pub more: bool,
    /// No entry with a number above this was ever deleted; 0 where none was at all. Whoever goes on
    /// from a lower number may have missed some.
    pub deleted_through: u64,
}

/// What was deleted from the logs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Pruned {
    /// Entries.
    pub rows: u64,
}

impl Pruned {
    /// This many entries.
    pub const fn rows(rows: u64) -> Self {
        Self { rows }
    }
}
