//! `dump`: a store into a file.

use std::io::{self, IsTerminal as _};
use std::time::Instant;

use serde_json::json;
use threadkeep::Error;
use threadkeep::moving::{Digest, Dump, DumpOptions};

use super::file::{Sink, is_stream};
use super::{names, tell};
use crate::app::App;
use crate::args::DumpArgs;
use crate::exit::{Done, Failure};
use crate::output::{stderr, text};

pub(in crate::commands) async fn run(app: &mut App, args: &DumpArgs) -> Result<Done, Failure> {
    if is_stream(&args.file) && io::stdout().is_terminal() {
        return Err(Error::invalid_input("a dump is not for reading on a terminal")
            .hint("name a file to write, or pipe it into another program")
            .into());
    }
    let start = Instant::now();
    let store =
        if app.is_in_memory() { app.open_filled().await? } else { app.open_for_reading().await? };
    let name = match &args.logs_as {
        Some(name) => name.clone(),
        None => names::log_name(&app.store_url()?),
    };
    let mut sink = Sink::create(&args.file, args.force, args.zstd)?;
    let options = DumpOptions::new(name).parts(args.parts.into());
    let mut dump = Dump::new(&*store, options);
    let bar = tell::bar(&app.output);
    let written = async {
        while let Some(lines) = dump.next().await? {
            sink.write(lines).await?;
            let Digest { threads, logs, .. } = dump.digest();
            tell::show(&bar, threads.count, logs.unwrap_or_default().count);
        }
        sink.finish().await
    };
    let written = written.await;
    bar.finish_and_clear();
    written?;

    let (digest, skipped) = (dump.digest(), dump.skipped());
    let object = json!({
        "digest": digest,
        "skipped": tell::skipped(skipped),
        "elapsed_ms": u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX),
    });
    match (app.output.is_json(), is_stream(&args.file)) {
        (true, true) => stderr::object(&object),
        (true, false) => app.output.object(&object)?,
        (false, to_stdout) => {
            let line = summary(&digest, start.elapsed());
            if to_stdout {
                stderr::line(&line);
            } else {
                app.output.line(line)?;
            }
            app.output.finish()?;
            tell::name_skipped(skipped);
        }
    }
    Ok(Done::in_part(!skipped.is_empty()))
}

/// What a dump holds.
pub(super) fn summary(digest: &Digest, elapsed: std::time::Duration) -> String {
    let mut parts = vec![text::count(digest.threads.count, "thread")];
    if digest.tools.count > 0 {
        parts.push(format!("tools of {}", text::count(digest.tools.count, "thread")));
    }
    let checkpoints = digest.checkpoints.map(|part| text::count(part.count, "checkpoint"));
    parts.extend(checkpoints);
    parts.extend(digest.logs.map(|part| tell::entries_of(part.count)));
    parts.push(format!("in {}", text::duration(elapsed)));
    parts.join("; ")
}
