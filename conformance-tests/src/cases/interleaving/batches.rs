//! Readers between the changes of a batch.

use std::fmt::Debug;
use std::sync::Arc;

use threadkeep_core::{
    Change, ErrorKind, Expect, SortKey, Store, ThreadQuery, ThreadStore, WriteBatch,
};

use super::{Task, While, handles, together};
use crate::cases::examples::say::{
    at, change, id, patch_of, put, store_all, thread, thread_with, title,
};
use crate::cases::{Tier, group};
use crate::lab::{Failure, Lab, Verdict};

group! { Tier::Interleaving;
    P_12: every_reader_sees_batches_whole,
    P_12: a_listing_by_text_sees_batches_whole,
    P_12: a_thread_gives_way_to_another_at_once,
}

/// The threads and checkpoints that every batch changes.
const THREADS: [u32; 4] = [1, 2, 3, 4];
const CHECKPOINTS: [&str; 2] = ["a", "b"];
const WRITERS: usize = 4;
/// How often every reader looks; writers go on as long.
const LOOKS: usize = 60;

/// Gives every thread and every checkpoint this value.
fn everywhere(value: &str) -> WriteBatch {
    let mut batch = WriteBatch::new();
    for key in CHECKPOINTS {
        batch.push(Change::SetCheckpoint { key: key.into(), value: Some(value.into()) });
    }
    for number in THREADS {
        batch.push(patch_of(number, title(value)));
    }
    batch
}

async fn every_reader_sees_batches_whole(lab: &Lab) -> Verdict {
    let handles = handles(lab, 2).await?;
    store_all(&*handles[0], THREADS.map(thread)).await?;
    handles[0].write(everywhere("first")).await?;
    let reading = While::new(handles.len());
    let mut tasks = Vec::new();
    for writer in 0..WRITERS {
        let store = Arc::clone(&handles[writer % handles.len()]);
        let reading = reading.clone();
        tasks.push(Box::pin(async move {
            let mut round = 0;
            while reading.goes_on().await {
                round += 1;
                store.write(everywhere(&format!("{writer}.{round}"))).await?;
                refused(&*store).await?;
            }
            Ok(())
        }) as Task<()>);
    }
    for handle in &handles {
        let (store, reading) = (Arc::clone(handle), reading.clone());
        tasks.push(Box::pin(async move {
            let mut last = 0;
            for _ in 0..LOOKS {
                last = look(&*store, last).await?;
                tokio::task::yield_now().await;
            }
            reading.one_ended();
            Ok(())
        }));
    }
    together(tasks).await.map(drop)
}

/// Writes everywhere and then expects what is not so.
async fn refused(store: &dyn Store) -> Verdict {
    let batch = everywhere("refused").and_if(Expect::Absent, patch_of(4, title("refused")));
    match store.write(batch).await {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error.into()),
        Ok(outcomes) => Err(Failure::new(format!("not refused, but answered by {outcomes:?}"))),
    }
}

/// Reads in every way what batches write. Each gives every thread and checkpoint one more revision,
/// so that also what is read one after the other can be compared.
async fn look(store: &dyn Store, last: u64) -> Verdict<u64> {
    let ids = THREADS.map(id).to_vec();
    let checkpoints = store.checkpoints(String::new(), None, 10).await?;
    // The rows were made before the checkpoints.
    let before = one(
        "checkpoints",
        CHECKPOINTS.len(),
        checkpoints.into_iter().map(|found| (found.value, found.revision + 1)),
    )?;
    let rows = store.threads(ids).await?.into_iter().flatten();
    let rows = one("threads", THREADS.len(), rows.map(|row| (row.title, row.revision)))?;
    let page = store.list(ThreadQuery::new()).await?.items.into_iter();
    let listed = one("list", THREADS.len(), page.map(|row| (row.title, row.revision)))?;
    let seen = [last, before.1, rows.1, listed.1];
    if !seen.is_sorted() {
        return Err(Failure::new(format!("in turn these revisions were read: {seen:?}")));
    }
    Ok(listed.1)
}

/// The one value that everything has.
fn one<T: PartialEq + Debug>(
    what: &str,
    count: usize,
    found: impl Iterator<Item = (String, T)>,
) -> Verdict<(String, T)> {
    let mut found: Vec<_> = found.collect();
    let whole = found.len() == count && found.iter().all(|one| *one == found[0]);
    match found.pop() {
        Some(one) if whole && one.0 != "refused" => Ok(one),
        last => {
            found.extend(last);
            Err(Failure::new(format!(
                "{what} saw a part of a batch; titles or values with revisions:\n  {found:?}"
            )))
        }
    }
}

/// What does not match stands between what does, so that the search passes over it.
async fn a_listing_by_text_sees_batches_whole(lab: &Lab) -> Verdict {
    const OTHERS: u32 = 700;
    const NUMBERS: [u32; 3] = [0, OTHERS / 2, OTHERS];
    let handles = handles(lab, 2).await?;
    store_all(
        &*handles[0],
        (0..=OTHERS).map(|number| {
            thread_with(number, |row| {
                row.title =
                    if NUMBERS.contains(&number) { "sought first".into() } else { "other".into() };
            })
        }),
    )
    .await?;
    let reading = While::new(handles.len());
    let mut tasks = Vec::new();
    let (store, read) = (Arc::clone(&handles[0]), reading.clone());
    tasks.push(Box::pin(async move {
        let mut round = 0;
        while read.goes_on().await {
            round += 1;
            let title = title(&format!("sought {round}"));
            let mut batch = WriteBatch::new();
            for number in NUMBERS {
                batch.push(patch_of(number, title.clone()));
            }
            store.write(batch).await?;
        }
        Ok(())
    }) as Task<()>);
    for (handle, sort) in handles.iter().zip([SortKey::CreatedAt, SortKey::UpdatedAt]) {
        let (store, reading) = (Arc::clone(handle), reading.clone());
        tasks.push(Box::pin(async move {
            for _ in 0..LOOKS {
                let page = store.list(ThreadQuery::new().text("sought").sort(sort)).await?;
                let found = page.items.into_iter().map(|row| (row.title, row.revision));
                one("list", NUMBERS.len(), found)?;
                tokio::task::yield_now().await;
            }
            reading.one_ended();
            Ok(())
        }));
    }
    together(tasks).await.map(drop)
}

async fn a_thread_gives_way_to_another_at_once(lab: &Lab) -> Verdict {
    let handles = handles(lab, 2).await?;
    change(&*handles[0], put(thread(1))).await?;
    let reading = While::new(handles.len());
    let mut tasks = Vec::new();
    let (store, read) = (Arc::clone(&handles[0]), reading.clone());
    tasks.push(Box::pin(async move {
        let (mut goes, mut comes) = (1, 2);
        while read.goes_on().await {
            let gone = Change::Delete { id: id(goes), at: at(5) };
            store.write(WriteBatch::new().and(gone).and(put(thread(comes)))).await?;
            (goes, comes) = (comes, goes);
        }
        Ok(())
    }) as Task<()>);
    for handle in &handles {
        let (store, reading) = (Arc::clone(handle), reading.clone());
        tasks.push(Box::pin(async move {
            for _ in 0..LOOKS {
                let rows = store.threads(vec![id(1), id(2)]).await?;
                let counts = [
                    ("threads", rows.iter().flatten().count()),
                    ("list", store.list(ThreadQuery::new()).await?.items.len()),
                    ("list_ids", store.list_ids(ThreadQuery::new()).await?.items.len()),
                    ("stats", usize::try_from(store.stats().await?.threads).unwrap_or(0)),
                ];
                if let Some((what, count)) = counts.into_iter().find(|(_, count)| *count != 1) {
                    return Err(Failure::new(format!(
                        "there is always one of two threads, but {what} saw {count}"
                    )));
                }
                tokio::task::yield_now().await;
            }
            reading.one_ended();
            Ok(())
        }));
    }
    together(tasks).await.map(drop)
}
