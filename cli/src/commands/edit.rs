//! `archive`, `unarchive`, `rename` and `delete`.

use std::io::{self, IsTerminal as _, Write as _};
use std::sync::Arc;

use serde_json::json;
use threadkeep::{
    Change, Effect, Error, ErrorKind, Store, ThreadId, ThreadMetadata, Timestamp, WriteBatch,
};

use crate::app::App;
use crate::args::{DeleteArgs, IdsArgs};
use crate::exit::{Done, Failure};
use crate::ids;
use crate::output::{Output, table, text};

/// What a command does to each of its threads, and what it says of that.
struct Edit<'a> {
    change: &'a dyn Fn(ThreadId) -> Change,
    done: &'static str,
    /// Whether nothing is left to do, so that no change is made.
    holds: &'a dyn Fn(&ThreadMetadata) -> bool,
    already: &'static str,
}

pub(super) async fn archive(app: &mut App, args: &IdsArgs) -> Result<Done, Failure> {
    let at = Timestamp::now();
    let edit = Edit {
        change: &|id| Change::Archive { id, path: None, at },
        done: "archived",
        // The time of the first archiving stays.
        holds: &ThreadMetadata::is_archived,
        already: "archived before",
    };
    each(app, &args.ids, &edit).await
}

pub(super) async fn unarchive(app: &mut App, args: &IdsArgs) -> Result<Done, Failure> {
    let edit = Edit {
        change: &|id| Change::Unarchive { id, path: None },
        done: "unarchived",
        holds: &|row| !row.is_archived(),
        already: "not archived",
    };
    each(app, &args.ids, &edit).await
}

pub(super) async fn rename(app: &mut App, given: &str, name: &str) -> Result<Done, Failure> {
    let at = Timestamp::now();
    let name = Some(name.trim()).filter(|name| !name.is_empty()).map(str::to_owned);
    let edit = Edit {
        change: &|id| Change::Rename { id, name: name.clone(), at },
        done: if name.is_some() { "renamed" } else { "name removed" },
        holds: &|row| row.name == name,
        already: if name.is_some() { "named so before" } else { "without a name" },
    };
    each(app, &[given.to_owned()], &edit).await
}

pub(super) async fn delete(app: &mut App, args: &DeleteArgs) -> Result<Done, Failure> {
    let asks = !(args.yes || args.dry_run);
    if asks && !(io::stdin().is_terminal() && io::stderr().is_terminal()) {
        return Err(Error::invalid_input("there is no terminal to ask whether to delete")
            .hint("add --yes to delete without a question, or --dry-run to see what would go")
            .into());
    }
    let store = open(app, !args.dry_run).await?;
    let ids = ids::resolve(&*store, &args.ids.ids).await?;
    if args.dry_run {
        for id in ids {
            say(&mut app.output, id, "would delete", &title(&*store, id).await, None)?;
        }
        return Ok(Done::Whole);
    }
    if asks && !confirmed(&*store, &ids).await? {
        app.output.note("nothing was deleted", None);
        return Ok(Done::Whole);
    }
    let at = Timestamp::now();
    let edit = Edit {
        change: &|id| Change::Delete { id, at },
        done: "deleted",
        holds: &|_| false,
        already: "deleted before",
    };
    apply(app, &*store, ids, &edit).await
}

async fn each(app: &mut App, given: &[String], edit: &Edit<'_>) -> Result<Done, Failure> {
    let store = open(app, true).await?;
    let ids = ids::resolve(&*store, given).await?;
    apply(app, &*store, ids, edit).await
}

/// Opens the store, filled when it is in memory, and says so when a change would not last.
async fn open(app: &mut App, changes: bool) -> Result<Arc<dyn Store>, Failure> {
    let store = app.open_filled().await?;
    if changes && app.is_in_memory() {
        let hint = "name a store that lasts with --store sqlite:PATH";
        app.output.note("the store is in memory: the change ends with this command", Some(hint));
    }
    Ok(store)
}

/// Makes all changes in one commit and says what became of each.
async fn apply(
    app: &mut App,
    store: &dyn Store,
    ids: Vec<ThreadId>,
    edit: &Edit<'_>,
) -> Result<Done, Failure> {
    let mut changed = Vec::new();
    let mut batch = WriteBatch::new();
    for id in ids {
        let row = row(store, id).await;
        let title = row.as_ref().map_or("", table::title).to_owned();
        if let Some(row) = row.filter(edit.holds) {
            say(&mut app.output, id, edit.already, &title, Some(row.revision))?;
        } else {
            batch.push((edit.change)(id));
            changed.push((id, title));
        }
    }
    if batch.is_empty() {
        return Ok(Done::Whole);
    }
    let outcomes = store.write(batch).await?;
    let mut absent = 0;
    for ((id, title), outcome) in changed.iter().zip(outcomes) {
        let said = match outcome.effect {
            Effect::Unchanged => edit.already,
            // Another program deleted it since its id was looked up.
            Effect::Absent | Effect::Tombstoned => {
                absent += 1;
                "gone"
            }
            _ => edit.done,
        };
        say(&mut app.output, *id, said, title, Some(outcome.revision))?;
    }
    if absent == changed.len() {
        return Err(Error::new(ErrorKind::NotFound, "the threads were deleted meanwhile").into());
    }
    Ok(Done::in_part(absent > 0))
}

fn say(
    output: &mut Output,
    id: ThreadId,
    said: &str,
    title: &str,
    revision: Option<u64>,
) -> Result<(), Failure> {
    if output.is_json() {
        output.object(&json!({ "id": id, "outcome": said, "revision": revision }))?;
    } else {
        output
            .line(format_args!("{said}: {id}  {}", text::one_line(title)).to_string().trim_end())?;
    }
    Ok(())
}

/// A damaged row can be deleted all the same, so that its error is no obstacle here.
async fn row(store: &dyn Store, id: ThreadId) -> Option<ThreadMetadata> {
    store.threads(vec![id]).await.unwrap_or_default().into_iter().flatten().next()
}

async fn title(store: &dyn Store, id: ThreadId) -> String {
    row(store, id).await.as_ref().map_or("", table::title).to_owned()
}

async fn confirmed(store: &dyn Store, ids: &[ThreadId]) -> Result<bool, Failure> {
    let mut lines = Vec::new();
    for &id in ids {
        let title = title(store, id).await;
        lines.push(format!("  {id}  {}", text::one_line(&title)));
    }
    lines.push(format!("Delete {}? [y/N] ", text::count(ids.len(), "thread")));
    let question = lines.join("\n");
    // Reading a terminal blocks, and Ctrl-C must be heard meanwhile.
    let answer = tokio::task::spawn_blocking(move || {
        let mut stderr = io::stderr();
        stderr.write_all(question.as_bytes())?;
        stderr.flush()?;
        let mut answer = String::new();
        io::stdin().read_line(&mut answer)?;
        Ok::<_, io::Error>(answer)
    });
    let answer = answer.await.map_err(io::Error::other)??;
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}
