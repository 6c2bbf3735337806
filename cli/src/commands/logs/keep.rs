//! How much of the log is kept.

use std::time::Duration;

use serde_json::json;
use threadkeep::{Error, Retention, Store};

use super::amounts;
use crate::app::App;
use crate::args::KeepArgs;
use crate::exit::{Done, Failure};
use crate::output::text;

/// How long one step of deleting may take. Ctrl-C ends it at any time.
const STEP: Duration = Duration::from_mins(10);

/// Rounds of maintenance after which what is left is left for another time.
const ROUNDS: usize = 100;

pub(super) async fn run(app: &mut App, args: &KeepArgs) -> Result<Done, Failure> {
    if args.disk_usage {
        return disk_usage(app).await;
    }
    vacuum(app, retention(args)?).await
}

/// Prints how much room the log takes.
async fn disk_usage(app: &mut App) -> Result<Done, Failure> {
    let store = app.open_for_reading().await?;
    let stats = store.stats().await?;
    if app.output.is_json() {
        let (bytes, entries) = (stats.log_bytes, stats.log_entries);
        app.output.object(&json!({ "log_bytes": bytes, "log_entries": entries }))?;
    } else {
        app.output.pairs(&[
            ("log files", text::bytes(stats.log_bytes)),
            ("log entries", text::number(stats.log_entries)),
        ])?;
    }
    Ok(Done::Whole)
}

fn retention(args: &KeepArgs) -> Result<Retention, Error> {
    let mut retention = Retention::default();
    retention.max_bytes = args.vacuum_size.as_deref().map(amounts::size).transpose()?;
    retention.max_age = args.vacuum_time.as_deref().map(amounts::age).transpose()?;
    Ok(retention)
}

/// Deletes what is not to be kept, gives the room back, and prints what went and what is left.
async fn vacuum(app: &mut App, retention: Retention) -> Result<Done, Failure> {
    let store = app.open_for_pruning().await?;
    let before = store.stats().await?;
    let went = delete(&*store, retention).await?;
    let after = store.stats().await?;
    let freed = before.log_bytes.saturating_sub(after.log_bytes);
    if app.output.is_json() {
        app.output.object(&json!({
            "deleted_entries": went,
            "freed_bytes": freed,
            "log_bytes": after.log_bytes,
            "log_entries": after.log_entries,
        }))?;
    } else {
        app.output.pairs(&[
            ("deleted entries", text::number(went)),
            ("freed", text::bytes(freed)),
            ("log files", text::bytes(after.log_bytes)),
            ("log entries", text::number(after.log_entries)),
        ])?;
    }
    Ok(Done::Whole)
}

async fn delete(store: &dyn Store, retention: Retention) -> Result<u64, Error> {
    let mut went = store.prune(retention, STEP).await?.rows;
    for _ in 0..ROUNDS {
        let maintained = store.maintain(STEP).await?;
        went += maintained.log_entries;
        if maintained.done {
            break;
        }
    }
    Ok(went)
}
