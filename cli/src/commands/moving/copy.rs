//! `copy`: a store into another.

use std::sync::Arc;
use std::time::Instant;

use indicatif::ProgressBar;
use threadkeep::moving::{self, CopyOptions, CopyProgress, Digest, Parts, Stage};
use threadkeep::rollouts::{self, IndexOptions};
use threadkeep::{Error, ErrorKind, Store};

use super::{names, tell};
use crate::app::App;
use crate::args::CopyArgs;
use crate::exit::{Done, Failure};
use crate::output::text;

pub(in crate::commands) async fn run(app: &mut App, args: &CopyArgs) -> Result<Done, Failure> {
    names::check_different(&args.from, &args.to)?;
    let start = Instant::now();
    let from = open_from(app, &args.from).await?;
    // What is copied must not go again before it was looked at.
    let keeps = args.parts.logs && !args.to.contains("retention=");
    app.use_store(if keeps { names::keeping_all(&args.to) } else { args.to.clone() });
    let to = app.open().await?;
    if app.is_in_memory() {
        let hint = "name a store that lasts, as sqlite:PATH";
        app.output.note("the store is in memory: the copy ends with this command", Some(hint));
    }
    let copied = copy(app, args, &*from, &*to).await;
    let closed = from.close().await;
    let (report, verified) = copied?;
    closed?;
    tell::report(app, &report, verified.as_ref(), start.elapsed())?;
    if keeps && !app.is_in_memory() {
        tell::note_retention(app, &report);
    }
    if let Some((from, to)) = verified
        && from != to
    {
        let text = format!("the stores differ, {}", tell::differences(&from, &to));
        return Err(Error::new(ErrorKind::Conflict, text)
            .during("verify")
            .hint("copy into a store that holds nothing else, or settle the conflicts")
            .into());
    }
    let missing = report.threads.conflicts
        + report.checkpoints.conflicts
        + report.threads.skipped
        + report.skipped_tools;
    Ok(Done::in_part(missing > 0))
}

async fn copy(
    app: &App,
    args: &CopyArgs,
    from: &dyn Store,
    to: &dyn Store,
) -> Result<(moving::CopyReport, Option<(Digest, Digest)>), Error> {
    let bar = tell::bar(&app.output);
    let shown = bar.clone();
    let mut options = CopyOptions::new()
        .on_conflict(args.conflict.on_conflict.into())
        .checkpoints(!args.parts.no_checkpoints)
        .progress(Arc::new(move |progress| show(&shown, progress)));
    if args.parts.logs {
        let name = args.logs_as.clone().unwrap_or_else(|| names::log_name(&args.from));
        options = options.logs(name);
    }
    let copied = moving::copy(from, to, &options).await;
    bar.set_message("comparing");
    let verified = match &copied {
        Ok(_) if args.verify => Some(digests(from, to, args.parts.into()).await),
        _ => None,
    };
    bar.finish_and_clear();
    Ok((copied?, verified.transpose()?))
}

async fn digests(
    from: &dyn Store,
    to: &dyn Store,
    parts: Parts,
) -> Result<(Digest, Digest), Error> {
    Ok((moving::digest(from, parts).await?, moving::digest(to, parts).await?))
}

/// Opens the store to copy only to be read. One in memory is the home, read.
async fn open_from(app: &App, url: &str) -> Result<Arc<dyn Store>, Error> {
    if url.starts_with("memory:") {
        let home = app.existing_home()?;
        let store = threadkeep::open(url).await?;
        rollouts::index(&*store, &home, IndexOptions::new()).await?;
        return Ok(store);
    }
    threadkeep::open_read_only(url).await.map_err(|error| names::missing(error, url))
}

fn show(bar: &ProgressBar, progress: CopyProgress) {
    let done = text::number(progress.done);
    let of = if progress.total > 0 {
        format!(" of {}", text::number(progress.total))
    } else {
        String::new()
    };
    let what = match progress.stage {
        Stage::Threads => "threads",
        Stage::Checkpoints => "checkpoints",
        Stage::Logs => "log entries",
    };
    bar.set_message(format!("{done}{of} {what}"));
    bar.tick();
}
