//! The forms of an entry.

use std::borrow::Cow;
use std::fmt::Display;
use std::io;

use chrono::SecondsFormat;
use owo_colors::OwoColorize as _;
use serde_json::json;
use threadkeep::{Error, LogCursor, LogEntry, LogLevel, LogRow, Timestamp};

use crate::args::{self, ShowArgs};
use crate::output::{Format, Output, text};

/// How entries are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// Fields parted by tabs.
    Tabs,
    Short,
    Iso,
    Full,
    Json,
    Raw {
        /// Whether a terminal would act on what is in a message.
        terminal: bool,
    },
}

/// The form that was asked for, or that fits where the output goes.
pub(super) fn form(args: &ShowArgs, format: Format) -> Result<Form, Error> {
    let asked = if args.compact { Some(args::Form::Short) } else { args.output };
    if format == Format::Json && asked.is_some_and(|form| form != args::Form::Json) {
        return Err(Error::invalid_input("--json and another form of entries exclude each other")
            .hint("leave out one of --json and -o"));
    }
    let terminal = matches!(format, Format::Terminal(_));
    Ok(match asked {
        Some(args::Form::Short) => Form::Short,
        Some(args::Form::Iso) => Form::Iso,
        Some(args::Form::Full) => Form::Full,
        Some(args::Form::Json) => Form::Json,
        Some(args::Form::Raw) => Form::Raw { terminal },
        None => match format {
            Format::Json => Form::Json,
            Format::Tabs => Form::Tabs,
            Format::Terminal(_) => Form::Short,
        },
    })
}

/// Bytes of raw messages that are held before they are handed over.
const RAW: usize = 64 * 1024;

/// Prints entries and what belongs between them.
pub(super) struct Printer<'a> {
    output: &'a mut Output,
    form: Form,
    raw: Vec<u8>,
}

impl<'a> Printer<'a> {
    pub(super) fn new(output: &'a mut Output, form: Form) -> Self {
        Self { output, form, raw: Vec::new() }
    }

    pub(super) fn entry(&mut self, row: &LogRow) -> io::Result<()> {
        let entry = &row.entry;
        match self.form {
            Form::Tabs => self.fields(row),
            Form::Short => self.line(entry, Timestamp::from(entry.time)),
            Form::Iso => self.line(entry, iso(entry)),
            Form::Full => self.block(row),
            Form::Json => self.output.object(&json!({
                "id": row.id,
                "time": Timestamp::from(entry.time),
                // What the time has beyond its milliseconds is not lost.
                "nanos": entry.time.timestamp_subsec_nanos(),
                "level": entry.level,
                "target": entry.target,
                "message": entry.message,
                "thread_id": entry.thread_id,
                "process_id": entry.process_id,
                "module_path": entry.module_path,
                "file": entry.file,
                "line": entry.line,
            })),
            Form::Raw { terminal } => {
                let message = message(entry);
                let shown = if terminal { text::visible(message) } else { Cow::Borrowed(message) };
                self.raw.extend_from_slice(shown.as_bytes());
                self.raw.push(b'\n');
                if self.raw.len() < RAW { Ok(()) } else { self.hand_over_raw() }
            }
        }
    }

    fn fields(&mut self, row: &LogRow) -> io::Result<()> {
        let entry = &row.entry;
        self.output.fields(&[
            &row.id.to_string(),
            &iso(entry),
            entry.level.as_str(),
            &entry.target,
            entry.thread_id.as_deref().unwrap_or_default(),
            entry.process_id.as_deref().unwrap_or_default(),
            message(entry),
        ])
    }

    fn line(&mut self, entry: &LogEntry, time: impl Display) -> io::Result<()> {
        let (target, message) = (text::escape(&entry.target), text::escape(message(entry)));
        let (time, level, target) = (time.dimmed(), level(entry.level), target.bold());
        match entry.thread_id.as_deref() {
            None | Some("") => self.output.line(format_args!("{time} {level} {target}: {message}")),
            Some(thread) => {
                let thread = format!("[{}]", text::escape(thread));
                let thread = thread.dimmed();
                self.output.line(format_args!("{time} {level} {target}: {message} {thread}"))
            }
        }
    }

    /// A line with what every entry has, and below it, indented, what this one has besides.
    fn block(&mut self, row: &LogRow) -> io::Result<()> {
        let entry = &row.entry;
        let target = text::escape(&entry.target);
        let (time, level) = (iso(entry), level(entry.level));
        self.output.line(format_args!("{} {level} {}", time.dimmed(), target.bold()))?;
        let line = entry.line.map(|line| line.to_string());
        let place = match (&entry.file, &line) {
            (Some(file), Some(line)) => Some(format!("{file}:{line}")),
            (file, line) => file.as_ref().or(line.as_ref()).cloned(),
        };
        let place_name = if entry.file.is_some() { "file" } else { "line" };
        self.field("message", entry.message.as_deref())?;
        self.field("thread", entry.thread_id.as_deref())?;
        self.field("process", entry.process_id.as_deref())?;
        self.field("module", entry.module_path.as_deref())?;
        self.field(place_name, place.as_deref())?;
        self.field("id", Some(&row.id.to_string()))
    }

    /// A field of a block, in as many lines as its text has.
    fn field(&mut self, name: &str, text: Option<&str>) -> io::Result<()> {
        let mut name = name;
        for line in text.into_iter().flat_map(|text| text.split('\n')) {
            let line = text::visible(line.strip_suffix('\r').unwrap_or(line));
            let shown = format!("  {:7}  {line}", name.dimmed());
            self.output.line(shown.trim_end())?;
            name = "";
        }
        Ok(())
    }

    /// Hands over what was printed.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.hand_over_raw()?;
        self.output.finish()
    }

    fn hand_over_raw(&mut self) -> io::Result<()> {
        if self.raw.is_empty() {
            return Ok(());
        }
        let raw = std::mem::take(&mut self.raw);
        self.output.raw(&raw)
    }

    /// Says that entries with numbers above `after`, up to `through`, are missing.
    pub(super) fn gap(&mut self, after: u64, through: u64) -> io::Result<()> {
        self.hand_over_raw()?;
        let first = after.saturating_add(1);
        let gap = format!("-- {first}..{through}: entries were deleted before they could be shown");
        self.output.aside(&gap)
    }

    /// Says that the log cannot be read for now.
    pub(super) fn waiting(&mut self, error: &Error) {
        let note = format!("{error}; trying again until it can be read");
        self.output.note(&note, error.hint_text());
    }

    /// Says that nothing was printed because there is nothing.
    pub(super) fn nothing_fits(&mut self) {
        if !self.output.is_json() {
            self.output.note("no log entry fits", None);
        }
    }

    /// The position to go on after.
    pub(super) fn cursor(&mut self, cursor: LogCursor) -> io::Result<()> {
        self.hand_over_raw()?;
        if self.form == Form::Json {
            self.output.object(&json!({ "cursor": cursor.to_string() }))
        } else {
            self.output.line(format_args!("-- cursor: {cursor}"))
        }
    }
}

fn message(entry: &LogEntry) -> &str {
    entry.message.as_deref().unwrap_or_default()
}

fn iso(entry: &LogEntry) -> String {
    entry.time.to_rfc3339_opts(SecondsFormat::Nanos, true)
}

fn level(level: LogLevel) -> String {
    let name = format!("{level:5}");
    match level {
        LogLevel::Error => name.red().to_string(),
        LogLevel::Warn => name.yellow().to_string(),
        LogLevel::Info => name.green().to_string(),
        LogLevel::Debug | LogLevel::Trace => name.dimmed().to_string(),
    }
}
