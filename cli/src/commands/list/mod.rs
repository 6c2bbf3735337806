//! `list`: threads, page after page.

mod query;

use serde_json::json;
use threadkeep::{
    Archived, Cursor, Skipped, Store, ThreadMetadata, ThreadQuery, limits, path, rollouts,
};

use crate::app::App;
use crate::args::ListArgs;
use crate::exit::{Done, Failure};
use crate::output::json::ThreadObject;
use crate::output::{Format, Output, stderr, table, text};
use query::Times;

pub(super) async fn run(app: &mut App, args: &ListArgs) -> Result<Done, Failure> {
    let times = Times::read(args)?;
    let query = query::query(args, &times)?;
    let store = app.open_filled().await?;
    let listed = print(&*store, query, args, &mut app.output)
        .await
        .map_err(|failure| times.explain(failure))?;
    if let Some(next) = &listed.next {
        tell_next(&mut app.output, next, &times)?;
    }
    for skipped in &listed.skipped {
        tell_skipped(app, skipped);
    }
    if !app.is_in_memory() {
        compare_with_home(app, &*store, listed.count).await?;
    }
    if listed.count == 0 && !app.output.is_json() {
        app.output.note("no thread fits", None);
    }
    Ok(Done::in_part(!listed.skipped.is_empty()))
}

#[derive(Default)]
struct Listed {
    count: usize,
    next: Option<Cursor>,
    skipped: Vec<Skipped>,
}

/// Prints threads as their pages come; a table waits for all of them, to know its widths.
async fn print(
    store: &dyn Store,
    mut query: ThreadQuery,
    args: &ListArgs,
    output: &mut Output,
) -> Result<Listed, Failure> {
    let mut listed = Listed::default();
    let mut rows = Vec::new();
    loop {
        query.limit = (args.limit - listed.count).min(limits::PAGE_ITEMS);
        if args.ids {
            let page = store.list_ids(query.clone()).await?;
            listed.count += page.items.len();
            listed.next = page.next;
            for id in page.items {
                if output.is_json() {
                    output.object(&json!({ "id": id }))?;
                } else {
                    output.line(id)?;
                }
            }
        } else {
            let page = store.list(query.clone()).await?;
            listed.count += page.items.len();
            listed.next = page.next;
            listed.skipped.extend(page.skipped);
            match output.format() {
                Format::Json => {
                    page.items
                        .iter()
                        .try_for_each(|row| output.object(&ThreadObject::from(row)))?;
                }
                Format::Tabs => page.items.iter().try_for_each(|row| tabs(row, output))?,
                Format::Terminal(_) => rows.extend(page.items),
            }
        }
        if listed.next.is_none() || listed.count >= args.limit {
            break;
        }
        query.after = listed.next;
    }
    if let Format::Terminal(width) = output.format()
        && !rows.is_empty()
    {
        let with_state = query.filter.archived == Archived::Any;
        table::threads(&rows, query.sort, width, with_state)
            .iter()
            .try_for_each(|line| output.line(line))?;
    }
    Ok(listed)
}

/// The columns are a promise to scripts; `list --help` names them.
fn tabs(row: &ThreadMetadata, output: &mut Output) -> std::io::Result<()> {
    output.fields(&[
        &row.id.to_string(),
        &row.updated_at.to_string(),
        &row.created_at.to_string(),
        &row.archived_at.map(|time| time.to_string()).unwrap_or_default(),
        &row.source,
        &row.model_provider,
        &path::to_text(&row.cwd),
        table::title(row),
    ])
}

fn tell_next(output: &mut Output, next: &Cursor, times: &Times) -> Result<(), Failure> {
    if output.is_json() {
        let mut object = serde_json::Map::new();
        object.insert("next".into(), next.to_string().into());
        object.extend(times.fixed().map(|(name, time)| (name.to_owned(), time.into())));
        output.object(&object)?;
    } else {
        let mut flags: Vec<_> =
            times.fixed().map(|(name, time)| format!("--{name} {time}")).collect();
        flags.push(format!("--after {next}"));
        output.finish()?;
        stderr::line(&format!("next: {}", flags.join(" ")));
    }
    Ok(())
}

fn tell_skipped(app: &mut App, Skipped { id, reason }: &Skipped) {
    let hint = format!("run `{}` to make the row anew", app.command_line("index --full"));
    if app.output.is_json() {
        stderr::object(&json!({ "skipped": id, "reason": reason, "hint": hint }));
    } else {
        app.output.note(&format!("thread {id} was passed over: {reason}"), Some(&hint));
    }
}

/// Says where the home has what the index has not. A store that was filled elsewhere needs no
/// home; an empty one without a home is a mistake worth naming.
async fn compare_with_home(app: &mut App, store: &dyn Store, count: usize) -> Result<(), Failure> {
    let home = match app.existing_home() {
        Ok(home) => home,
        Err(error) if count == 0 && store.stats().await?.threads == 0 => return Err(error.into()),
        Err(_) => return Ok(()),
    };
    let root = text::path(home.root());
    match rollouts::unseen_files(store, &home).await {
        Ok(0) => {}
        Ok(unseen) => {
            let note = format!(
                "the index lacks {} of {root}, new or changed since",
                text::count(unseen, "file")
            );
            let hint = format!("run `{}`", app.command_line("index"));
            app.output.note(&note, Some(&hint));
        }
        Err(error) => {
            let note = format!("whether the index has all of {root} is not known: {error}");
            app.output.note(&note, error.hint_text());
        }
    }
    Ok(())
}
