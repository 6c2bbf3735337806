//! Rows that are not what was written.

use std::sync::Arc;

use threadkeep_core::{Change, Effect, ErrorKind, Store, ThreadQuery, ThreadStore};

use super::PERSISTENT;
use super::say::{
    change, delete, fails, id, number, numbers, patch_of, put, row, seed, store_all, thread, title,
};
use crate::cases::{Tier, group};
use crate::fixture::Need;
use crate::lab::{Lab, Verdict};

group! { Tier::Examples;
    S_01: reading_a_damaged_row_names_it [PERSISTENT, Need::Tamper],
    S_02: a_listing_passes_over_it_and_says_so [PERSISTENT, Need::Tamper],
    S_03: ids_are_listed_all_the_same [PERSISTENT, Need::Tamper],
    S_04: a_check_names_it [PERSISTENT, Need::Tamper],
    S_05: a_damaged_row_is_not_patched [PERSISTENT, Need::Tamper],
    S_06: deleting_it_mends_the_store [PERSISTENT, Need::Tamper],
    S_07: putting_or_rebuilding_it_mends_the_store [PERSISTENT, Need::Tamper],
}

/// A store of threads 1, 2 and 3, of which 2 is damaged.
async fn damaged(lab: &Lab) -> Verdict<Arc<dyn Store>> {
    let store = lab.open().await?;
    store_all(&store, [thread(1), thread(2), thread(3)]).await?;
    store.close().await?;
    drop(store);
    lab.tamper(id(2)).await?;
    Ok(lab.open().await?)
}

async fn reading_a_damaged_row_names_it(lab: &Lab) -> Verdict {
    let store = damaged(lab).await?;
    let error = fails(store.threads(vec![id(1), id(2)]).await, ErrorKind::Corrupted);
    assert!(error.to_string().contains(&id(2).to_string()), "{error}");
    assert_eq!(row(&store, 1).await?.title, "thread 1");
    Ok(())
}

async fn a_listing_passes_over_it_and_says_so(lab: &Lab) -> Verdict {
    let store = damaged(lab).await?;
    let page = store.list(ThreadQuery::everything()).await?;
    assert_eq!(numbers(&page), [3, 1]);
    assert_eq!(page.skipped.iter().map(|skipped| skipped.id).collect::<Vec<_>>(), [id(2)]);
    assert!(!page.skipped[0].reason.is_empty());
    assert_eq!(page.next, None);
    Ok(())
}

async fn ids_are_listed_all_the_same(lab: &Lab) -> Verdict {
    let store = damaged(lab).await?;
    let page = store.list_ids(ThreadQuery::everything()).await?;
    assert_eq!(page.items.into_iter().map(number).collect::<Vec<_>>(), [3, 2, 1]);
    Ok(())
}

async fn a_check_names_it(lab: &Lab) -> Verdict {
    let store = damaged(lab).await?;
    let report = store.check().await?;
    assert!(!report.is_sound());
    assert_eq!(report.damaged.iter().map(|skipped| skipped.id).collect::<Vec<_>>(), [id(2)]);
    Ok(())
}

async fn a_damaged_row_is_not_patched(lab: &Lab) -> Verdict {
    let store = damaged(lab).await?;
    let refused = store.write(patch_of(2, title("a")).into()).await;
    let error = fails(refused, ErrorKind::Corrupted);
    assert!(error.to_string().contains(&id(2).to_string()), "{error}");
    assert_eq!(change(&store, patch_of(1, title("a"))).await?.effect, Effect::Updated);
    Ok(())
}

async fn deleting_it_mends_the_store(lab: &Lab) -> Verdict {
    let store = damaged(lab).await?;
    assert_eq!(change(&store, delete(2, 100)).await?.effect, Effect::Deleted);
    assert_eq!(store.threads(vec![id(2)]).await?, [None]);
    assert!(store.check().await?.is_sound());
    let page = store.list(ThreadQuery::everything()).await?;
    assert_eq!((numbers(&page), page.skipped), (vec![3, 1], vec![]));
    Ok(())
}

async fn putting_or_rebuilding_it_mends_the_store(lab: &Lab) -> Verdict {
    let store = damaged(lab).await?;
    assert_eq!(change(&store, put(thread(2))).await?.effect, Effect::Updated);
    assert_eq!(row(&store, 2).await?.title, "thread 2");
    assert!(store.check().await?.is_sound());
    store.close().await?;
    drop(store);

    lab.tamper(id(2)).await?;
    let store = lab.open().await?;
    let rebuild = Change::Rebuild(Box::new(seed(2)), Box::default());
    assert_eq!(change(&store, rebuild).await?.effect, Effect::Updated);
    assert!(store.check().await?.is_sound());
    let page = store.list(ThreadQuery::everything()).await?;
    assert_eq!((numbers(&page), page.skipped), (vec![3, 2, 1], vec![]));
    Ok(())
}
