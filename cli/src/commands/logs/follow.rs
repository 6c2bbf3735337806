//! `logs -f`.

use std::pin::pin;
use std::sync::Arc;

use futures_util::future::{Either, FutureExt as _, select};
use futures_util::stream::StreamExt as _;
use threadkeep::{Error, Follow, Followed, LogCursor, LogStoreExt as _, Store};

use super::position::Position;
use super::print::Printer;
use super::read::Log;
use crate::exit::{Done, Failure};
use crate::interrupt::Interrupt;
use crate::output::hangup::hangup;

/// Entries that come before those that are followed, where none are asked for otherwise.
pub(super) const LINES: usize = 10;

/// Entries after which what was printed is handed over, however many are still ready.
const BATCH: usize = 1_000;

/// Prints the newest entries where no cursor says where to begin, so that what follows can be
/// understood.
pub(super) async fn begin(
    log: &Log<'_>,
    lines: usize,
    printer: &mut Printer<'_>,
    position: &mut Position,
) -> Result<(), Failure> {
    if let Some(start) = position.start() {
        position.reach(start)?;
        return Ok(());
    }
    log.newest(lines, &mut |row| Ok(printer.entry(row)?)).await?;
    printer.flush()?;
    position.reach(LogCursor::new(log.newest_id()))?;
    Ok(())
}

/// Prints entries as they come, each once, until Ctrl-C or until nobody reads them any more.
pub(super) async fn run(
    store: &Arc<dyn Store>,
    log: &Log<'_>,
    printer: &mut Printer<'_>,
    position: &mut Position,
    interrupt: Interrupt,
) -> Result<Done, Failure> {
    let follow = Follow::new(log.filter().clone(), position.reached().id());
    let mut entries = pin!(store.follow(follow));
    let (interrupted, unread) = (pin!(interrupt.wait()), pin!(hangup()));
    let mut ended = select(interrupted, unread);
    let (mut reached, mut unhanded, mut failing) = (position.reached(), 0, false);
    loop {
        let ready = if unhanded < BATCH { entries.next().now_or_never() } else { None };
        let item = if let Some(item) = ready {
            item
        } else {
            if unhanded > 0 {
                printer.flush()?;
                position.reach(reached)?;
                unhanded = 0;
            }
            // The end first: entries may come faster than they are printed.
            match select(&mut ended, entries.next()).await {
                Either::Left((Either::Left(_), _)) => return Ok(Done::Stopped),
                Either::Left((Either::Right(_), _)) => return Err(Failure::ClosedPipe),
                Either::Right((item, _)) => item,
            }
        };
        match item {
            None => return Ok(Done::Whole),
            Some(Ok(Followed::Entry(row))) => {
                failing = false;
                reached = LogCursor::new(row.id);
                if log.sieve.admits(&row.entry) {
                    printer.entry(&row)?;
                }
                unhanded += 1;
            }
            Some(Ok(Followed::Gap { after, through })) => printer.gap(after, through)?,
            // A kind of news that this program does not know yet.
            Some(Ok(_)) => {}
            Some(Err(error)) if error.is_retryable() => {
                // It is tried again several times a second, and told once.
                if !failing {
                    printer.waiting(&error);
                }
                failing = true;
            }
            Some(Err(error)) => return Err(error.into()),
        }
    }
}

/// What is said of a store that no other process can write to.
pub(super) fn nothing_to_follow() -> Error {
    Error::invalid_input("a store in memory is of this program alone: there is nothing to follow")
        .hint("name the store that the agent logs to with --store")
}
