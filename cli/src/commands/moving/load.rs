//! `load`: a file into a store.

use std::io::{self, IsTerminal as _};
use std::path::Path;
use std::time::Instant;

use indicatif::ProgressBar;
use serde_json::json;
use threadkeep::Error;
use threadkeep::moving::{Digest, DumpReader, Load, LoadOptions};

use super::file::{Source, is_regular, is_stream};
use super::{dump, names, tell};
use crate::app::App;
use crate::args::LoadArgs;
use crate::exit::{Done, Failure};

pub(in crate::commands) async fn run(app: &mut App, args: &LoadArgs) -> Result<Done, Failure> {
    if is_stream(&args.file) && io::stdin().is_terminal() {
        return Err(Error::invalid_input("a dump is not for writing on a terminal")
            .hint("name a file to read, or pipe a dump into this program")
            .into());
    }
    let start = Instant::now();
    let bar = tell::bar(&app.output);
    if args.check {
        let digest = read(&args.file, &bar).await;
        bar.finish_and_clear();
        let digest = digest?;
        if app.output.is_json() {
            app.output.object(&json!({ "digest": digest }))?;
        } else {
            app.output.line(format!("whole: {}", dump::summary(&digest, start.elapsed())))?;
        }
        return Ok(Done::Whole);
    }
    // What can be read twice is read to its end before anything of it is stored.
    if is_regular(&args.file) {
        read(&args.file, &bar).await.inspect_err(|_| bar.finish_and_clear())?;
    }
    let mut source = Source::open(&args.file).await?;
    let url = app.store_url()?;
    let keeps = !url.contains("retention=");
    app.use_store(names::keeping_all(&url));
    let store = app.open().await?;
    if app.is_in_memory() {
        let hint = "name a store that lasts with --store sqlite:PATH";
        app.output.note("the store is in memory: it ends with this command", Some(hint));
    }
    let mut options = LoadOptions::new().on_conflict(args.conflict.on_conflict.into());
    if let Some(name) = &args.logs_as {
        options = options.logs_as(name.clone());
    }
    let mut load = Load::new(&*store, options);
    let loaded = async {
        loop {
            let bytes = source.next().await?;
            if bytes.is_empty() {
                return load.finish().await;
            }
            load.feed(&bytes).await?;
            let report = load.report();
            tell::show(&bar, report.threads.total(), report.logs.copied);
        }
    };
    let loaded = loaded.await;
    bar.finish_and_clear();
    let report = loaded?;
    tell::report(app, &report, None, start.elapsed())?;
    if keeps && !app.is_in_memory() {
        tell::note_retention(app, &report);
    }
    Ok(Done::in_part(report.threads.conflicts + report.checkpoints.conflicts > 0))
}

/// Reads a whole dump and answers its digest.
async fn read(path: &Path, bar: &ProgressBar) -> Result<Digest, Error> {
    let mut source = Source::open(path).await?;
    let mut reader = DumpReader::new();
    loop {
        let bytes = source.next().await?;
        if bytes.is_empty() {
            return reader.finish();
        }
        reader.push(&bytes);
        while reader.next()?.is_some() {}
        bar.set_message(format!("reading line {}", crate::output::text::number(reader.lines())));
        bar.tick();
    }
}
