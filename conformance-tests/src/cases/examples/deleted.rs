//! How far entries were deleted, as a page of the logs tells it.

use std::time::Duration;

use threadkeep_core::{
    Direction, LogFilter, LogQuery, LogStore as _, LogStoreExt as _, Retention, Store,
};

use super::PERSISTENT;
use super::entries::{append, deleted_through, entries_of, entry};
use super::say::{at, change, delete, id, store_all, thread};
use crate::cases::{Tier, group};
use crate::lab::{Lab, Verdict};

group! { Tier::Examples;
    G_44: nothing_was_deleted_at_first,
    G_44: a_page_tells_how_far_entries_were_deleted,
    G_44: a_page_tells_of_the_entries_of_deleted_threads,
    G_44: what_was_deleted_is_remembered [PERSISTENT],
}

const ENOUGH: Duration = Duration::from_secs(30);

/// Whatever is asked, a page says the same, and that is between these.
async fn tells(store: &dyn Store, least: u64, most: u64) -> Verdict {
    let all = deleted_through(store).await?;
    assert!((least..=most).contains(&all), "{all}, expected {least} to {most}");
    for direction in [Direction::Ascending, Direction::Descending] {
        for filter in [
            LogFilter::new().after_id(u64::MAX),
            LogFilter::new().message("no entry has this"),
            LogFilter::new().thread("0"),
        ] {
            let query = LogQuery::new(filter).direction(direction).limit(1);
            let told = store.query(query.clone()).await?.deleted_through;
            assert_eq!(told, all, "{query:?}");
        }
    }
    Ok(())
}

async fn nothing_was_deleted_at_first(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    tells(&*store, 0, 0).await?;
    append(&*store, entries_of("t", 3)).await?;
    store.prune(Retention::thread_rows(3), ENOUGH).await?;
    store.prune(Retention::default(), ENOUGH).await?;
    store.delete_logs_before(entry("").time).await?;
    store.maintain(ENOUGH).await?;
    tells(&*store, 0, 0).await
}

async fn a_page_tells_how_far_entries_were_deleted(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    let mut entries = entries_of("a", 3);
    entries.extend(entries_of("b", 1));
    entries.extend(entries_of("a", 2));
    let ids = append(&*store, entries).await?;
    store.prune(Retention::thread_rows(4), ENOUGH).await?;
    tells(&*store, ids[0], ids[5]).await?;
    store.prune(Retention::thread_rows(1), ENOUGH).await?;
    tells(&*store, ids[4], ids[5]).await?;
    // What goes later may have come earlier.
    store.prune(Retention::thread_rows(0), ENOUGH).await?;
    tells(&*store, ids[5], ids[5]).await?;
    let more = append(&*store, entries_of("c", 2)).await?;
    tells(&*store, ids[5], more[1]).await?;
    store.delete_logs_before(chrono::DateTime::<chrono::Utc>::MAX_UTC).await?;
    tells(&*store, more[1], more[1]).await
}

async fn a_page_tells_of_the_entries_of_deleted_threads(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    store_all(&*store, [thread(1)]).await?;
    let mut entries = entries_of(&id(1).to_string(), 2);
    entries.push(entry("stays"));
    let ids = append(&*store, entries).await?;
    change(&*store, delete(1, at(100).as_millis())).await?;
    while !store.maintain(ENOUGH).await?.done {}
    tells(&*store, ids[1], ids[2]).await
}

async fn what_was_deleted_is_remembered(lab: &Lab) -> Verdict {
    let mut store = lab.open().await?;
    let ids = append(&*store, entries_of("t", 5)).await?;
    store.prune(Retention::thread_rows(2), ENOUGH).await?;
    for _ in 0..2 {
        store = lab.reopen(store).await?;
        tells(&*store, ids[2], ids[4]).await?;
        store.maintain(ENOUGH).await?;
    }
    store.prune(Retention::thread_rows(0), ENOUGH).await?;
    store = lab.reopen(store).await?;
    tells(&*store, ids[4], ids[4]).await?;
    // Those who come later begin above what went.
    let next = append(&*store, entries_of("t", 1)).await?;
    tells(&*store, ids[4], next[0]).await
}
