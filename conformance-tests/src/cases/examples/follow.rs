//! Following the logs.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join;
use futures_util::stream::{Stream, StreamExt as _};
use threadkeep_core::hooks::{Fault, Faults, Hooked};
use threadkeep_core::{
    ErrorKind, Follow, Followed, LogEntry, LogFilter, LogLevel, LogRow, LogStore, LogStoreExt as _,
    Result, Retention, Store,
};
use tokio::time::{sleep, timeout};

use super::entries::{append, entries_of, entry};
use super::say::at;
use super::{MULTI_PROCESS, PERSISTENT};
use crate::cases::{Tier, group};
use crate::lab::{Failure, Lab, Verdict};

group! { Tier::Examples;
    G_52: entries_that_match_are_told_in_order,
    G_52: more_entries_than_are_read_at_once_are_told,
    G_53: entries_of_the_same_process_are_told_at_once,
    G_53: entries_of_another_handle_are_told_at_once [PERSISTENT, MULTI_PROCESS],
    G_54: times_do_not_matter_to_who_follows,
    G_55: entries_that_went_unread_are_told_as_a_gap,
    G_55: a_gap_that_nothing_follows_is_told,
    G_56: following_goes_on_from_the_last_number,
    G_57: closing_ends_the_following,
    G_58: an_error_is_told_and_following_goes_on,
}

/// How often others' entries are looked for where only this process's own may come.
const SELDOM: Duration = Duration::from_hours(1);
/// How long may pass before somebody is told, on a busy machine.
const PROMPT: Duration = Duration::from_secs(3);
/// How long is listened where nothing may be told.
const SILENCE: Duration = Duration::from_millis(40);
/// Time enough to prune everything here in one call.
const ENOUGH: Duration = Duration::from_secs(30);

/// What somebody who follows is told, one after the other.
pub(in crate::cases) struct Told<'a>(Pin<Box<dyn Stream<Item = Result<Followed>> + Send + 'a>>);

impl<'a> Told<'a> {
    /// Everything that is told by this store.
    pub(in crate::cases) fn by<S: LogStore>(store: &'a S, follow: Follow) -> Self {
        Self(Box::pin(store.follow(follow)))
    }

    /// What comes next; `None` where nothing will any more.
    async fn next(&mut self) -> Verdict<Option<Result<Followed>>> {
        timeout(PROMPT, self.0.next())
            .await
            .map_err(|_| Failure::new(format!("nothing was told within {PROMPT:?}")))
    }

    /// The entry that has to come next.
    pub(in crate::cases) async fn entry(&mut self) -> Verdict<LogRow> {
        match self.next().await? {
            Some(Ok(Followed::Entry(row))) => Ok(*row),
            other => Err(Failure::new(format!("an entry had to come next, not {other:?}"))),
        }
    }

    /// The numbers of as many entries as there are expected, which have to be these.
    async fn expect(&mut self, expected: &[u64]) -> Verdict {
        for (place, number) in expected.iter().enumerate() {
            let row = self.entry().await?;
            assert_eq!(row.id, *number, "at place {place} of {expected:?}: {row:?}");
        }
        Ok(())
    }

    /// Nothing comes for a while.
    async fn nothing(&mut self) -> Verdict {
        match timeout(SILENCE, self.0.next()).await {
            Err(_) => Ok(()),
            Ok(told) => Err(Failure::new(format!("nothing had to come, not {told:?}"))),
        }
    }
}

/// Follows everything after a number.
fn everything(after: u64) -> Follow {
    Follow::new(LogFilter::new(), after).poll(SELDOM)
}

async fn entries_that_match_are_told_in_order(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    let level = |place: usize| LogLevel::ALL[place % 5];
    let entries = |from: usize| -> Vec<LogEntry> {
        (from..from + 10).map(|place| LogEntry { level: level(place), ..entry("m") }).collect()
    };
    let first = append(&*store, entries(0)).await?;
    let mut filter = LogFilter::new().min_level(LogLevel::Warn);
    filter.after_id = Some(first[1]);
    let mut all = Told::by(&store, everything(first[0]));
    let mut grave = Told::by(&store, Follow::new(filter, 0).poll(SELDOM));
    all.expect(&first[1..]).await?;
    grave.expect(&[first[3], first[4], first[8], first[9]]).await?;
    for _ in 0..3 {
        all.nothing().await?;
        let next = append(&*store, entries(0)).await?;
        all.expect(&next).await?;
        grave.expect(&[next[3], next[4], next[8], next[9]]).await?;
    }
    grave.nothing().await
}

async fn more_entries_than_are_read_at_once_are_told(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    let ids = append(&*store, entries_of("t", 2_500)).await?;
    let mut told = Told::by(&store, everything(0));
    told.expect(&ids).await?;
    told.nothing().await
}

async fn entries_of_the_same_process_are_told_at_once(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    at_once(&store, &store).await
}

async fn entries_of_another_handle_are_told_at_once(lab: &Lab) -> Verdict {
    let (followed, other) = (lab.open().await?, lab.open().await?);
    at_once(&followed, &other).await
}

async fn at_once(followed: &Arc<dyn Store>, other: &Arc<dyn Store>) -> Verdict {
    let mut told = Told::by(followed, everything(0));
    for round in 0..5 {
        let message = round.to_string();
        let write = async {
            // Whoever follows waits already.
            sleep(SILENCE / 4).await;
            append(&**other, vec![entry(&message)]).await
        };
        let (row, ids) = join(told.entry(), write).await;
        assert_eq!(row?.id, ids?[0]);
    }
    Ok(())
}

async fn times_do_not_matter_to_who_follows(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    let mut told = Told::by(&store, everything(0));
    for millis in [5_000, 9_000, -1, 4_999, i64::from(i32::MIN), 9_000, 8_999] {
        let late = LogEntry { time: at(millis).to_datetime(), ..entry("m") };
        let ids = append(&*store, vec![late]).await?;
        told.expect(&ids).await?;
    }
    Ok(())
}

async fn entries_that_went_unread_are_told_as_a_gap(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    let ids = append(&*store, entries_of("t", 6)).await?;
    let mut told = Told::by(&store, everything(ids[1]));
    let mut from_the_first = Told::by(&store, everything(0));
    store.prune(Retention::thread_rows(2), ENOUGH).await?;
    match told.next().await? {
        Some(Ok(Followed::Gap { after, through })) => {
            assert_eq!(after, ids[1]);
            assert!((ids[3]..=ids[5]).contains(&through), "a gap through {through}, of {ids:?}");
        }
        other => return Err(Failure::new(format!("entries went unread, and it told {other:?}"))),
    }
    told.expect(&ids[4..]).await?;
    // Who begins with the first entry there is has missed none.
    from_the_first.expect(&ids[4..]).await?;
    // It is told once, and what went after it was read is no gap.
    store.prune(Retention::thread_rows(1), ENOUGH).await?;
    let next = append(&*store, entries_of("t", 2)).await?;
    told.expect(&next).await?;
    from_the_first.expect(&next).await?;
    told.nothing().await
}

async fn a_gap_that_nothing_follows_is_told(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    let first = append(&*store, entries_of("t", 2)).await?;
    let mut told = Told::by(&store, everything(0));
    told.expect(&first).await?;
    let gone = append(&*store, entries_of("t", 3)).await?;
    store.prune(Retention::thread_rows(0), ENOUGH).await?;
    match told.next().await? {
        Some(Ok(Followed::Gap { after, through })) => {
            assert_eq!((after, through), (first[1], gone[2]));
        }
        other => return Err(Failure::new(format!("entries went unread, and it told {other:?}"))),
    }
    // Whoever waits now waits for what is new.
    told.nothing().await?;
    told.expect(&append(&*store, entries_of("t", 1)).await?).await
}

async fn following_goes_on_from_the_last_number(lab: &Lab) -> Verdict {
    let mut store = lab.open().await?;
    let (mut last, mut waiting) = (0, Vec::new());
    for round in 0..4 {
        let mut told = Told::by(&store, everything(last));
        told.expect(&waiting).await?;
        told.nothing().await?;
        let now = append(&*store, vec![entry("now"); round + 1]).await?;
        told.expect(&now).await?;
        drop(told);
        last = *now.last().unwrap_or(&0);
        waiting = append(&*store, vec![entry("nobody listens"); 3]).await?;
        store = lab.reopen(store).await?;
        waiting.extend(append(&*store, vec![entry("nobody listens yet")]).await?);
    }
    Ok(())
}

async fn closing_ends_the_following(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    let ids = append(&*store, vec![entry("a")]).await?;
    let mut told = Told::by(&store, everything(0));
    told.expect(&ids).await?;
    let close = async {
        sleep(SILENCE / 4).await;
        store.close().await
    };
    let (told, closed) = join(told.next(), close).await;
    closed?;
    match told? {
        None => {}
        other => return Err(Failure::new(format!("closing had to end it, not tell {other:?}"))),
    }
    assert!(
        Told::by(&store, everything(0)).next().await?.is_none(),
        "a closed store tells nothing"
    );
    Ok(())
}

async fn an_error_is_told_and_following_goes_on(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    let ids = append(&*store, entries_of("t", 3)).await?;
    let faults = Arc::new(Faults::default());
    let hooked = Hooked::new(Arc::clone(&store)).with_faults(Arc::clone(&faults));
    for fault in [
        Fault::Before(ErrorKind::Busy),
        Fault::After(ErrorKind::Timeout),
        Fault::Before(ErrorKind::Io),
    ] {
        faults.push("query", fault);
    }
    let follow = Follow::new(LogFilter::new(), 0).poll(Duration::from_millis(10));
    let mut told = Told::by(&hooked, follow);
    for expected in [ErrorKind::Busy, ErrorKind::Timeout, ErrorKind::Io] {
        error(&mut told, expected).await?;
    }
    told.expect(&ids).await?;
    faults.push("changed", Fault::Before(ErrorKind::Busy));
    error(&mut told, ErrorKind::Busy).await?;
    told.nothing().await?;
    told.expect(&append(&*store, entries_of("t", 2)).await?).await
}

/// The error that has to come next.
async fn error(told: &mut Told<'_>, kind: ErrorKind) -> Verdict {
    match told.next().await? {
        Some(Err(error)) if error.kind() == kind => Ok(()),
        other => Err(Failure::new(format!("an error of kind {kind} had to come, not {other:?}"))),
    }
}
