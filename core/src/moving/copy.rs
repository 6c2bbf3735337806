//! Copying a store into another.

use super::checkpoints::CheckpointTarget;
use super::log_source::rest_of;
use super::logs::LogTarget;
use super::options::Stage;
use super::pages::{CheckpointPages, ThreadPages};
use super::threads::ThreadTarget;
use super::{CopyOptions, CopyProgress, CopyReport};
use crate::{Error, Result, Stats, Store};

/// Copies what one store holds into another: threads with their tools, then checkpoints, then, where
/// they are asked for, log entries.
///
/// What the target holds already is left alone, so that copying again changes nothing, revisions
/// included, and a copy that failed, was dropped or killed goes on when it is made again. Nothing is
/// ever deleted from the target. What others write meanwhile is copied or not; nothing they write is
/// undone.
///
/// Log entries get new numbers in the same order, each once, as long as the target does not delete
/// those of an interrupted append before the copy is made again.
///
/// Memory is bounded by a batch of about 8 MiB, or by the largest thread, whatever the stores hold.
///
/// ```
/// # use threadkeep_core::{Result, Store};
/// use threadkeep_core::moving::{CopyOptions, copy};
///
/// async fn back_up(from: &dyn Store, to: &dyn Store) -> Result<()> {
///     let report = copy(from, to, &CopyOptions::new()).await?;
///     for conflict in &report.conflicts {
///         eprintln!("{conflict}");
///     }
///     Ok(())
/// }
/// ```
///
/// # Errors
///
/// Those of the stores; what was copied until then stays. A conflict is no error but is in the
/// report, except that of a log that is not the one copied under its name before.
/// [`InvalidInput`](crate::ErrorKind::InvalidInput) where both are the same handle,
/// [`Busy`](crate::ErrorKind::Busy) where another copy of the same log is under way.
pub async fn copy(from: &dyn Store, to: &dyn Store, options: &CopyOptions) -> Result<CopyReport> {
    if std::ptr::addr_eq(from, to) {
        return Err(Error::invalid_input("a store cannot be copied into itself")
            .during("copy")
            .hint("name another store to copy into"));
    }
    let stats = match &options.progress {
        Some(_) => from.stats().await?,
        None => Stats::default(),
    };
    let tell = |stage, done, total| {
        if let Some(progress) = &options.progress {
            progress(CopyProgress { stage, done, total });
        }
    };
    let mut report = CopyReport::default();

    let target = ThreadTarget { store: to, on_conflict: options.on_conflict };
    let mut pages = ThreadPages::new(from);
    while let Some(page) = pages.next().await? {
        report.threads.skipped += page.skipped.len() as u64;
        report.skipped_tools += page.skipped_tools.len() as u64;
        page.skipped.into_iter().chain(page.skipped_tools).for_each(|one| report.skip(one));
        target.put(page.threads, &mut report).await?;
        tell(Stage::Threads, report.threads.total(), stats.threads);
    }

    if !options.without_checkpoints {
        let mut target = CheckpointTarget::new(to, options.on_conflict);
        let mut pages = CheckpointPages::new(from);
        while let Some(page) = pages.next().await? {
            target.put(&page, &mut report).await?;
            tell(Stage::Checkpoints, report.checkpoints.total(), 0);
        }
    }

    if let Some(name) = &options.logs {
        let mut target = LogTarget::open(to, name).await?;
        let mut pages = rest_of(from, &target).await?;
        while let Some(page) = pages.next().await? {
            let entries = page.items.len() as u64;
            target.append(page.items).await?;
            report.logs.copied += entries;
            tell(Stage::Logs, report.logs.copied, stats.log_entries);
        }
        target.finish().await?;
    }
    to.flush().await?;
    Ok(report)
}
