//! `import-codex`: what a state database of Codex knows, into the store.
//!
//! It is done here and not in a library, because it is done once, by a person.

mod cell;
mod find;
mod logs;
mod report;
mod shape;
mod source;
mod threads;
mod times;
mod tools;
mod write;

use std::path::{Path, PathBuf};
use std::time::Instant;

use threadkeep::{Error, ErrorKind, Result, Store};

use crate::app::App;
use crate::args::ImportArgs;
use crate::exit::{Done, Failure};
use cell::Row;
use report::Report;
use shape::{Shape, Table};
use source::Source;

/// Threads of one commit.
const STEP: usize = 200;

pub(super) async fn run(app: &mut App, args: &ImportArgs) -> Result<Done, Failure> {
    let start = Instant::now();
    let state = choose(app, args)?;
    let (mut source, shape) = Box::pin(open(&state)).await?;
    if shape.table(threads::TABLE).is_none() && shape.table(logs::TABLE).is_none() {
        let text = format!("{} is no state database of Codex: ", state.display());
        let error = Error::invalid_input(text + "it has neither a table threads nor a table logs");
        return Err(error.hint("name one with --db, such as --db ~/.codex/state_5.sqlite").into());
    }
    if app.store_is(&state)? {
        let text = format!("{} is named as the store and as what to import", state.display());
        let error = Error::invalid_input(text);
        return Err(error.hint("name a store of its own with --store sqlite:PATH").into());
    }
    let store = app.open().await?;
    let mut report = Report::new(state.clone(), &app.output);
    Box::pin(import_threads(&*store, &mut source, &shape, &mut report)).await?;
    let known = [threads::TABLE, tools::TABLE, logs::TABLE];
    shape.report_tables(&mut source, &known, &mut report).await?;
    if !args.no_logs {
        Box::pin(import_logs(&*store, &mut source, &shape, &mut report)).await?;
    }
    source.close().await;
    if !args.no_logs {
        let found = find::logs(&state)?;
        if let Some(file) = found.newest.filter(|file| *file != state) {
            match Box::pin(open(&file)).await {
                Ok((mut source, shape)) => {
                    shape.report_tables(&mut source, &[logs::TABLE], &mut report).await?;
                    Box::pin(import_logs(&*store, &mut source, &shape, &mut report)).await?;
                    source.close().await;
                }
                // Logs that cannot be read are no reason to lose sight of the threads.
                Err(error) => report.leave_out("file", error.message(), name(&file)),
            }
        }
        not_read(app, &found.others);
    }
    report.print(&mut app.output, start.elapsed())?;
    remark(app, &state, &report);
    Ok(Done::in_part(report.is_partial()))
}

async fn open(path: &Path) -> Result<(Source, Shape)> {
    let mut source = Source::open(path).await?;
    let shape = Shape::read(&mut source).await?;
    Ok((source, shape))
}

/// The state database that was named, or else the newest of the home.
fn choose(app: &mut App, args: &ImportArgs) -> Result<PathBuf> {
    if let Some(path) = &args.db {
        return std::path::absolute(path).map_err(|error| {
            Error::invalid_input("--db names no file").with_source(error).hint("name the database")
        });
    }
    let home = app.existing_home()?;
    let found = find::state(home.root())?;
    not_read(app, &found.others);
    let newest = found.newest.unwrap_or_default();
    app.output.detail(format_args!("found {}", newest.display()));
    Ok(newest)
}

/// Says which files were passed over for a newer one.
fn not_read(app: &mut App, others: &[PathBuf]) {
    if others.is_empty() {
        return;
    }
    let names: Vec<_> = others.iter().map(|path| name(path)).collect();
    let note = format!("there is a newer database than {}, which was not read", names.join(", "));
    app.output.note(&note, Some("name it with --db should it be wanted as well"));
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

async fn import_threads(
    store: &dyn Store,
    source: &mut Source,
    shape: &Shape,
    report: &mut Report,
) -> Result<()> {
    let Some(table) = readable(source, shape, threads::TABLE, &threads::NEEDED, report).await?
    else {
        return Ok(());
    };
    let known: Vec<_> = threads::KNOWN.into_iter().chain(threads::REMARKS).collect();
    table.report_columns(source, &known, &threads::ECHOES, report).await?;
    let mut tool_table = None;
    if shape.table(tools::TABLE).is_some() {
        tool_table = readable(source, shape, tools::TABLE, &tools::NEEDED, report).await?;
    }
    if let Some(tools) = tool_table {
        tools.report_columns(source, &tools::KNOWN, &[], report).await?;
        match tools::report_strays(source, tools, table, report).await {
            Err(error) if error.kind() != ErrorKind::Corrupted => return Err(error),
            // Which tools can be read shows below.
            _ => {}
        }
    }
    let columns = table.those_of(&threads::KNOWN);
    let sql = threads::sql(&columns);
    let mut after = i64::MIN;
    loop {
        let step = source.step(&table.name, &sql, after, STEP).await?;
        let mut batch = Vec::with_capacity(step.rows.len());
        for (number, cells) in step.rows {
            after = number;
            report.threads.seen += 1;
            let row = Row { number, columns: &columns, cells };
            match threads::read(&row, report) {
                Some(thread) => batch.push(thread),
                None => report.threads.left_out += 1,
            }
        }
        if let Some(tools) = tool_table {
            match tools::attach(source, tools, &mut batch, report).await {
                // Threads without their tools are better than none.
                Err(error) if error.kind() == ErrorKind::Corrupted => {
                    report.cut_short(tools::TABLE, &error, 0);
                    tool_table = None;
                }
                result => result?,
            }
        }
        write::write(store, batch, report).await?;
        report.show();
        if let Some(damage) = step.damage {
            report.cut_short(threads::TABLE, &damage, after);
            break;
        }
        if !step.more {
            break;
        }
    }
    Ok(())
}

async fn import_logs(
    store: &dyn Store,
    source: &mut Source,
    shape: &Shape,
    report: &mut Report,
) -> Result<()> {
    if shape.table(logs::TABLE).is_none() {
        return Ok(());
    }
    let Some(table) = readable(source, shape, logs::TABLE, &logs::NEEDED, report).await? else {
        return Ok(());
    };
    report.log_files.push(source.path().to_owned());
    table.report_columns(source, &logs::KNOWN, &[], report).await?;
    logs::import(store, source, table, report).await
}

/// A table whose rows can be read; where they cannot, that is reported.
async fn readable<'a>(
    source: &mut Source,
    shape: &'a Shape,
    name: &str,
    needed: &[&str],
    report: &mut Report,
) -> Result<Option<&'a Table>> {
    let Some(table) = shape.table(name) else {
        report.leave_out_all("table", format!("{name} is not there"), 1);
        return Ok(None);
    };
    if let Some(reason) = table.lacks(needed) {
        let rows = table.rows(source).await?;
        report.leave_out_all("row", reason, rows);
        return Ok(None);
    }
    Ok(Some(table))
}

/// Says what the figures do not.
fn remark(app: &mut App, state: &Path, report: &Report) {
    let strangers = find::strangers(state);
    if !strangers.is_empty() {
        let note =
            format!("not read, because a store has no place for it: {}", strangers.join(", "));
        app.output.note(&note, None);
    }
    if report.threads.active_here > 0 {
        let count = crate::output::text::count(report.threads.active_here, "thread");
        let note = format!("{count} archived in Codex are active in the store, and stay so");
        app.output.note(&note, Some("archive them here with `threadkeep archive ID`"));
    }
    if report.logs.old > 0 && !app.keeps_all_logs() {
        let count = crate::output::text::count(report.logs.old, "log row");
        let note = format!("{count} are older than the 10 days for which a store keeps them");
        app.output.note(&note, Some("to keep them, always name the store with ?retention=off"));
    }
}
