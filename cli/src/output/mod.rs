//! What the program prints: results on stdout, everything else on stderr.
//!
//! Three forms of a result: JSON objects, one a line; tab-separated lines where stdout is no
//! terminal; and text for people where it is. Text of threads and logs was written by others, so
//! none of it reaches a terminal unescaped.

pub(crate) mod hangup;
pub(crate) mod json;
pub(crate) mod stderr;
pub(crate) mod table;
pub(crate) mod text;

use std::fmt::Display;
use std::io::{self, BufWriter, IsTerminal as _, Stdout, Write};

use anstream::AutoStream;
use owo_colors::OwoColorize as _;
use serde::Serialize;
use serde_json::json;

/// The form of a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// JSON objects, one a line.
    Json,
    /// Fields parted by tabs.
    Tabs,
    /// For a terminal of this many columns.
    Terminal(usize),
}

/// Where results and remarks go.
pub(crate) struct Output {
    format: Format,
    verbose: bool,
    stdout: BufWriter<AutoStream<Stdout>>,
}

/// A width to assume where a terminal does not tell.
const WIDTH: usize = 80;

impl Output {
    pub(crate) fn new(json: bool, verbose: bool) -> Self {
        let stdout = io::stdout();
        let format = if json {
            Format::Json
        } else if stdout.is_terminal() {
            let size = terminal_size::terminal_size_of(&stdout);
            Format::Terminal(size.map_or(WIDTH, |(width, _)| usize::from(width.0)))
        } else {
            Format::Tabs
        };
        Self { format, verbose, stdout: BufWriter::new(AutoStream::auto(stdout)) }
    }

    pub(crate) fn format(&self) -> Format {
        self.format
    }

    pub(crate) fn is_json(&self) -> bool {
        self.format == Format::Json
    }

    pub(crate) fn is_verbose(&self) -> bool {
        self.verbose
    }

    /// Prints a line that may hold colours; any text of others in it must be escaped already.
    pub(crate) fn line(&mut self, line: impl Display) -> io::Result<()> {
        writeln!(self.stdout, "{line}")
    }

    /// Prints an object as one line of JSON.
    pub(crate) fn object(&mut self, object: &impl Serialize) -> io::Result<()> {
        let line = json::line(object)?;
        writeln!(self.stdout, "{line}")
    }

    /// Prints fields as one line, parted by tabs.
    pub(crate) fn fields(&mut self, fields: &[&str]) -> io::Result<()> {
        let fields: Vec<_> = fields.iter().map(|field| text::escape(field)).collect();
        writeln!(self.stdout, "{}", fields.join("\t"))
    }

    /// Prints names with their values: in two columns on a terminal, else parted by a tab.
    pub(crate) fn pairs(&mut self, pairs: &[(&str, String)]) -> io::Result<()> {
        if !matches!(self.format, Format::Terminal(_)) {
            return pairs.iter().try_for_each(|(name, value)| self.fields(&[name, value]));
        }
        let width = pairs.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
        for (name, value) in pairs {
            let value = text::one_line(value);
            writeln!(self.stdout, "{}  {value}", format_args!("{name:width$}").bold())?;
        }
        Ok(())
    }

    /// Prints bytes as they are, for a reader that is no terminal.
    pub(crate) fn raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        // The coloured stream would take what looks like a colour out of them.
        self.stdout.flush()?;
        let mut stdout = io::stdout();
        stdout.write_all(bytes)?;
        stdout.flush()
    }

    /// Hands over what is still buffered.
    pub(crate) fn finish(&mut self) -> io::Result<()> {
        self.stdout.flush()
    }

    /// Remarks on stderr what the reader should know, and what to do about it.
    pub(crate) fn note(&mut self, note: &str, hint: Option<&str>) {
        // The remark comes after what it is about, also where both go to one terminal.
        let _ = self.stdout.flush();
        if self.is_json() {
            stderr::object(&json!({ "note": note, "hint": hint }));
        } else {
            stderr::note(note, hint);
        }
    }

    /// Says beside the results, on stderr, what belongs between two of them.
    pub(crate) fn aside(&mut self, aside: &str) -> io::Result<()> {
        self.stdout.flush()?;
        if self.is_json() {
            stderr::object(&json!({ "note": aside, "hint": null }));
        } else {
            stderr::faint(aside);
        }
        Ok(())
    }

    /// Says on stderr, where that is wanted, what was done.
    pub(crate) fn detail(&self, detail: impl Display) {
        if !self.verbose {
            return;
        }
        if self.is_json() {
            stderr::object(&json!({ "detail": detail.to_string() }));
        } else {
            stderr::faint(&detail.to_string());
        }
    }
}
