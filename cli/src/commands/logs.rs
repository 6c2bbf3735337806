//! `logs`: log entries, as journalctl shows them.

use std::time::SystemTime;

use chrono::SecondsFormat;
use owo_colors::OwoColorize as _;
use serde_json::json;
use threadkeep::{Direction, Error, LogFilter, LogLevel, LogQuery, LogRow, Store, Timestamp};

use crate::app::App;
use crate::args::LogsArgs;
use crate::exit::{Done, Failure};
use crate::ids;
use crate::output::{Format, Output, text};
use crate::when::{self, End};

pub(super) async fn run(app: &mut App, args: &LogsArgs) -> Result<Done, Failure> {
    let mut filter = filter(args)?;
    let store = app.open_filled().await?;
    for given in &args.thread {
        filter = filter.thread(thread(&*store, given).await?);
    }
    let rows = newest(&*store, filter, args.lines).await?;
    let print = |row| entry(row, &mut app.output);
    if args.reverse {
        rows.iter().try_for_each(print)?;
    } else {
        rows.iter().rev().try_for_each(print)?;
    }
    if rows.is_empty() && !app.output.is_json() {
        app.output.note("no log entry fits", None);
    }
    Ok(Done::Whole)
}

fn filter(args: &LogsArgs) -> Result<LogFilter, Error> {
    let now = SystemTime::now().into();
    let time = |text: &Option<String>, end| {
        let when = text.as_deref().map(|text| when::parse(text, end, now)).transpose();
        when.map(|when| when.map(|when| when.time))
    };
    let mut filter = LogFilter::new();
    filter.min_level = args.level;
    filter.from = time(&args.since, End::From)?;
    filter.to = time(&args.until, End::To)?;
    for part in &args.grep {
        filter = filter.message(part);
    }
    for part in &args.target {
        filter.targets.get_or_insert_default().insert(part.clone());
    }
    Ok(filter)
}

/// The id of a stored thread, else the text as it stands: entries may be of threads that are not
/// stored, and of ids that are no UUIDs.
async fn thread(store: &dyn Store, given: &str) -> Result<String, Failure> {
    match ids::resolve_one(store, given).await {
        Ok(id) => Ok(id.to_string()),
        Err(Failure::Failed(error)) if error.kind() == threadkeep::ErrorKind::NotFound => {
            Ok(given.to_owned())
        }
        Err(failure) => Err(failure),
    }
}

/// The newest entries, the newest first, at most `count`.
async fn newest(
    store: &dyn Store,
    mut filter: LogFilter,
    count: usize,
) -> Result<Vec<LogRow>, Error> {
    let mut rows: Vec<LogRow> = Vec::new();
    loop {
        let limit = (count - rows.len()).min(LogQuery::MAX_LIMIT);
        let query = LogQuery::new(filter.clone()).direction(Direction::Descending).limit(limit);
        let page = store.query(query).await?;
        rows.extend(page.items);
        let Some(last) = rows.last().filter(|_| page.more && rows.len() < count) else {
            return Ok(rows);
        };
        filter.before_id = Some(last.id);
    }
}

fn entry(row: &LogRow, output: &mut Output) -> std::io::Result<()> {
    let entry = &row.entry;
    let message = entry.message.as_deref().unwrap_or_default();
    let thread = entry.thread_id.as_deref().unwrap_or_default();
    let time = entry.time.to_rfc3339_opts(SecondsFormat::Nanos, true);
    match output.format() {
        Format::Json => output.object(&json!({
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
        Format::Tabs => output.fields(&[
            &row.id.to_string(),
            &time,
            entry.level.as_str(),
            &entry.target,
            thread,
            entry.process_id.as_deref().unwrap_or_default(),
            message,
        ]),
        Format::Terminal(_) => {
            let (target, message) = (text::escape(&entry.target), text::escape(message));
            let level = level(entry.level);
            let time = Timestamp::from(entry.time);
            if thread.is_empty() {
                output.line(format_args!("{} {level} {}: {message}", time.dimmed(), target.bold()))
            } else {
                let thread = format!("[{}]", text::escape(thread));
                output.line(format_args!(
                    "{} {level} {}: {message} {}",
                    time.dimmed(),
                    target.bold(),
                    thread.dimmed()
                ))
            }
        }
    }
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
