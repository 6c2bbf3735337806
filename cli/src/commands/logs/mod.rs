//! `logs`: log entries, as journalctl shows them.

mod amounts;
mod follow;
mod keep;
mod position;
mod print;
mod read;
mod select;
mod sieve;

use threadkeep::{Error, LogCursor};

use crate::app::App;
use crate::args::{LogsArgs, SelectArgs, ShowArgs};
use crate::exit::{Done, Failure};
use position::Position;
use print::Printer;
use read::Log;
use select::Selection;

pub(super) async fn run(app: &mut App, args: &LogsArgs) -> Result<Done, Failure> {
    if let Some(path) = &args.db {
        // What follows a question mark would be taken for options.
        let end = if path.contains('?') { "?" } else { "" };
        app.use_store(format!("sqlite:{path}{end}"));
    }
    if args.keep.asks() {
        alone(args)?;
        return keep::run(app, &args.keep).await;
    }
    show(app, args).await
}

/// Refuses conditions beside what is about the whole log: whoever gives them means only some entries.
fn alone(args: &LogsArgs) -> Result<(), Error> {
    if args.select == SelectArgs::default() && args.show == ShowArgs::default() {
        return Ok(());
    }
    Err(Error::invalid_input(
        "--disk-usage, --vacuum-size and --vacuum-time are about the whole log, and show no entries",
    )
    .hint("leave out the flags that choose or show entries"))
}

async fn show(app: &mut App, args: &LogsArgs) -> Result<Done, Failure> {
    let lines = args.show.lines.as_deref().map(amounts::lines).transpose()?;
    let form = print::form(&args.show, app.output.format())?;
    let mut position = Position::read(&args.select)?;
    let mut selection = Selection::read(&args.select)?;
    if args.show.follow && app.is_in_memory() {
        return Err(follow::nothing_to_follow().into());
    }
    let store = app.open_for_reading().await?;
    selection.add_threads(&*store, &args.select).await?;
    let log = Log::open(&*store, selection).await?;
    position.check(&log)?;

    let interrupt = app.interrupt();
    let mut printer = Printer::new(&mut app.output, form);
    let done = if args.show.follow {
        let lines = lines.unwrap_or(follow::LINES);
        follow::begin(&log, lines, &mut printer, &mut position).await?;
        follow::run(&store, &log, &mut printer, &mut position, interrupt).await?
    } else {
        print(&log, args.show.reverse, lines, &mut printer, &mut position).await?;
        Done::Whole
    };
    if args.show.show_cursor {
        printer.cursor(position.reached())?;
    }
    Ok(done)
}

/// Entries without -f, where none are asked for otherwise.
const LINES: usize = 100;

async fn print(
    log: &Log<'_>,
    reverse: bool,
    lines: Option<usize>,
    printer: &mut Printer<'_>,
    position: &mut Position,
) -> Result<(), Failure> {
    let start = position.start();
    let after_cursor = start.filter(|start| start.id() > 0);
    if let Some(after) = after_cursor.filter(|after| log.deleted_through() > after.id()) {
        printer.gap(after.id(), log.deleted_through())?;
    }
    let lines = lines.unwrap_or(if start.is_some() { usize::MAX } else { LINES });
    let mut reached = log.newest_id();
    let mut count = 0_u64;
    let mut each = |row: &_| {
        count += 1;
        Ok(printer.entry(row)?)
    };
    match start {
        _ if reverse => log.backwards(start.map_or(0, LogCursor::id), lines, &mut each).await?,
        None => log.newest(lines, &mut each).await?,
        Some(start) => {
            let walked = log.forwards(start.id(), lines, &mut each).await?;
            if walked.stopped_early {
                reached = walked.last.unwrap_or(start.id());
            }
        }
    }
    if count == 0 && lines > 0 {
        printer.nothing_fits();
    }
    printer.flush()?;
    position.reach(LogCursor::new(reached))?;
    Ok(())
}
