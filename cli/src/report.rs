//! What is said of a failure, to people and to programs.

use std::error::Error as _;
use std::process::ExitCode;

use serde::Serialize;
use threadkeep::{Error, ErrorKind, ThreadId};

use crate::exit::{Ambiguous, Failure};
use crate::output::{Output, stderr, text};

/// A failure as one JSON object.
#[derive(Default, Serialize)]
struct Report<'a> {
    kind: &'a str,
    message: &'a str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    causes: &'a [String],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    candidates: &'a [ThreadId],
    hint: &'a str,
    retryable: bool,
}

/// Says what went wrong and what to do next, and answers the exit code.
pub(crate) fn failed(failure: &Failure, output: &Output) -> ExitCode {
    match failure {
        Failure::ClosedPipe => {}
        Failure::Interrupted => {
            let report = Report {
                kind: "interrupted",
                message: "interrupted",
                hint: "run the same command again: what was done stays done",
                retryable: true,
                ..Report::default()
            };
            tell(&report, &[], output);
        }
        Failure::Ambiguous(found) => ambiguous(found, output),
        Failure::Failed(error) => {
            let causes = causes(error);
            let report = Report {
                kind: &snake_case(&format!("{:?}", error.kind())),
                message: &error.to_string(),
                causes: &causes,
                hint: error.hint_text().unwrap_or_else(|| default_hint(error.kind())),
                retryable: error.is_retryable(),
                ..Report::default()
            };
            let lines: Vec<_> = causes.iter().map(|cause| format!("cause: {cause}")).collect();
            tell(&report, &lines, output);
        }
    }
    failure.code()
}

fn ambiguous(Ambiguous { given, matches, candidates }: &Ambiguous, output: &Output) {
    let ids: Vec<_> = candidates.iter().map(|(id, _)| *id).collect();
    let mut lines: Vec<_> = candidates.iter().map(|(id, title)| format!("{id} {title}")).collect();
    if *matches > lines.len() {
        lines.push(format!("and {} more", matches - lines.len()));
    }
    let report = Report {
        kind: "ambiguous",
        message: &format!("{given:?} fits {matches} threads"),
        candidates: &ids,
        hint: "give more characters of the id",
        ..Report::default()
    };
    tell(&report, &lines, output);
}

/// What led to an error. Some libraries repeat a cause in the text of what it caused: that is left
/// out.
fn causes(error: &Error) -> Vec<String> {
    let mut causes: Vec<String> = Vec::new();
    let mut source = error.source();
    while let Some(cause) = source {
        let text = cause.to_string();
        if !causes.last().is_some_and(|last| last.contains(&text)) {
            causes.push(text);
        }
        source = cause.source();
    }
    causes
}

fn tell(report: &Report<'_>, lines: &[String], output: &Output) {
    if output.is_json() {
        stderr::object(report);
    } else {
        stderr::error(report.message, lines, report.hint);
    }
}

/// What the command line itself has to say: help, the version, or what is wrong with it.
pub(crate) fn usage(error: &clap::Error) -> ExitCode {
    // The flags could not be read, so whether JSON is wanted is seen from the words alone.
    let json = std::env::args_os().take_while(|word| word != "--").any(|word| word == "--json");
    if json && error.use_stderr() {
        let said = error.render().to_string();
        let first = said.split("\n\n").next().unwrap_or_default();
        let report = Report {
            kind: "usage",
            message: &text::one_line(first.strip_prefix("error: ").unwrap_or(first)),
            hint: "run `threadkeep --help`",
            ..Report::default()
        };
        stderr::object(&report);
    } else {
        // Nothing is left to be told where even this cannot be written.
        let _ = error.print();
    }
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
}

/// What to do about an error that does not say so itself.
fn default_hint(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::NotFound => "check the spelling, or run `threadkeep index` first",
        ErrorKind::AlreadyExists | ErrorKind::Conflict => "look at the thread again, then retry",
        ErrorKind::InvalidInput => "run the command with --help to see what it takes",
        ErrorKind::InvalidCursor => "start the listing anew, without --after",
        ErrorKind::Unsupported => "choose another kind of store with --store",
        ErrorKind::Busy | ErrorKind::Timeout => "run the same command again in a moment",
        ErrorKind::Locked => "end the program that holds the store, then run the command again",
        ErrorKind::ReadOnly => "make the store writable, or choose another with --store",
        ErrorKind::Corrupted => {
            "run `threadkeep check`; what a history file holds can be indexed anew into a new store"
        }
        ErrorKind::SchemaTooNew => "use the newer version of threadkeep that wrote the store",
        ErrorKind::MigrationFailed => "the store is as it was: free some space and run it again",
        ErrorKind::StorageFull => "free some space on the device, then run the command again",
        ErrorKind::Unavailable => "check that the server of the store runs and can be reached",
        ErrorKind::Io => "check that the path exists and that you may use it",
        _ => "run the command again with -v and report what it prints",
    }
}

/// `InvalidCursor` as `invalid_cursor`.
fn snake_case(camel: &str) -> String {
    let mut snake = String::new();
    for (at, letter) in camel.char_indices() {
        if letter.is_ascii_uppercase() && at > 0 {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
    }
    snake
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_have_the_names_of_the_library_in_snake_case() {
        assert_eq!(snake_case("SchemaTooNew"), "schema_too_new");
        assert_eq!(snake_case("Io"), "io");
    }
}
