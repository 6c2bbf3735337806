//! The order of listings, and how long they may be.

use threadkeep_core::{
    Archived, Direction, ErrorKind, SortKey, ThreadMetadata, ThreadQuery, ThreadStore, TimeRange,
    limits,
};

use super::say::{at, fails, listed, number, numbers, store_all, thread, thread_with};
use crate::cases::{Tier, group};
use crate::lab::{Lab, Verdict};

group! { Tier::Examples;
    L_01: by_default_active_threads_a_person_wrote_in_newest_change_first,
    L_02: both_sort_keys_in_both_directions,
    L_03: equal_sort_values_are_ordered_by_id_in_the_same_direction,
    L_04: times_before_1970_come_before_those_after,
    L_05: a_limit_out_of_range_is_refused,
    L_05: the_greatest_limit_is_a_thousand,
    L_06: an_empty_store_lists_nothing,
    L_07: ids_come_as_the_rows_do,
}

const EVERY_ORDER: [(SortKey, Direction); 4] = [
    (SortKey::CreatedAt, Direction::Ascending),
    (SortKey::CreatedAt, Direction::Descending),
    (SortKey::UpdatedAt, Direction::Ascending),
    (SortKey::UpdatedAt, Direction::Descending),
];

async fn by_default_active_threads_a_person_wrote_in_newest_change_first(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    let archived = thread_with(3, |row| row.archived_at = Some(at(9)));
    let silent = thread_with(4, |row| row.has_user_event = false);
    store_all(&store, [thread(1), thread(2), archived, silent]).await?;
    assert_eq!(listed(&store, ThreadQuery::new()).await?, [2, 1]);
    Ok(())
}

async fn both_sort_keys_in_both_directions(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    let begun_and_changed = |number, begun, changed| {
        thread_with(number, |row| {
            row.created_at = at(begun);
            row.updated_at = at(changed);
        })
    };
    let rows =
        [begun_and_changed(1, 30, 50), begun_and_changed(2, 10, 40), begun_and_changed(3, 20, 60)];
    store_all(&store, rows).await?;
    for ((sort, direction), expected) in
        EVERY_ORDER.into_iter().zip([[2, 3, 1], [1, 3, 2], [2, 1, 3], [3, 1, 2]])
    {
        let query = ThreadQuery::new().sort(sort).direction(direction);
        assert_eq!(listed(&store, query).await?, expected, "{sort:?} {direction:?}");
    }
    Ok(())
}

async fn equal_sort_values_are_ordered_by_id_in_the_same_direction(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    let same_time = |number| {
        thread_with(number, |row| {
            row.created_at = at(7);
            row.updated_at = at(7);
        })
    };
    // The highest bit tells whether ids are compared as unsigned bytes.
    store_all(&store, [0x8000_0000, 3, 0x7fff_ffff, 1].map(same_time)).await?;
    let mut expected = [1, 3, 0x7fff_ffff, 0x8000_0000];
    for sort in [SortKey::CreatedAt, SortKey::UpdatedAt] {
        let query = ThreadQuery::new().sort(sort);
        expected.sort_unstable();
        let ascending = query.clone().direction(Direction::Ascending);
        assert_eq!(listed(&store, ascending).await?, expected);
        expected.reverse();
        assert_eq!(listed(&store, query).await?, expected);
    }
    Ok(())
}

async fn times_before_1970_come_before_those_after(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    let begun = |number, millis| thread_with(number, |row| row.created_at = at(millis));
    let rows = [begun(1, 0), begun(2, i64::MAX), begun(3, -1), begun(4, i64::MIN), begun(5, 1)];
    store_all(&store, rows).await?;
    let query = ThreadQuery::new().sort(SortKey::CreatedAt).direction(Direction::Ascending);
    assert_eq!(listed(&store, query.clone()).await?, [4, 3, 1, 5, 2]);
    let range = TimeRange { from: Some(at(-1)), to: Some(at(0)) };
    assert_eq!(listed(&store, query.created(range)).await?, [3, 1]);
    Ok(())
}

async fn a_limit_out_of_range_is_refused(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    store_all(&store, [thread(1)]).await?;
    for limit in [0, limits::PAGE_ITEMS + 1, usize::MAX] {
        let query = ThreadQuery::new().limit(limit);
        fails(store.list(query.clone()).await, ErrorKind::InvalidInput);
        fails(store.list_ids(query).await, ErrorKind::InvalidInput);
    }
    Ok(())
}

async fn the_greatest_limit_is_a_thousand(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    store_all(&store, (0..1_001).map(thread)).await?;
    let query = ThreadQuery::new().direction(Direction::Ascending).limit(1_000);
    let page = store.list(query.clone()).await?;
    assert_eq!(numbers(&page), (0..1_000).collect::<Vec<_>>());
    assert_eq!(listed(&store, query.after(page.next)).await?, [1_000]);
    Ok(())
}

async fn an_empty_store_lists_nothing(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    for (sort, direction) in EVERY_ORDER {
        let query = ThreadQuery::everything().sort(sort).direction(direction);
        assert_eq!(store.list(query.clone()).await?, threadkeep_core::Page::default());
        assert_eq!(store.list_ids(query).await?, threadkeep_core::Page::default());
    }
    Ok(())
}

async fn ids_come_as_the_rows_do(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    let rows: Vec<ThreadMetadata> = (0..40)
        .map(|number| {
            thread_with(number, |row| {
                row.created_at = at(i64::from(number % 7));
                row.updated_at = at(i64::from(number % 5));
                row.archived_at = (number % 3 == 0).then(|| at(0));
                row.source = ["cli", "exec"][number as usize % 2].into();
                row.has_user_event = number % 4 != 0;
            })
        })
        .collect();
    store_all(&store, rows).await?;
    for (sort, direction) in EVERY_ORDER {
        for query in [
            ThreadQuery::new(),
            ThreadQuery::everything(),
            ThreadQuery::new().archived(Archived::Archived),
            ThreadQuery::everything().source("cli"),
            ThreadQuery::everything().text("THREAD 1"),
        ] {
            let query = query.sort(sort).direction(direction).limit(7);
            let rows = store.list(query.clone()).await?;
            let ids = store.list_ids(query.clone()).await?;
            assert_eq!(ids.next, rows.next, "{query:?}");
            let ids: Vec<_> = ids.items.into_iter().map(number).collect();
            assert_eq!(ids, numbers(&rows), "{query:?}");
            assert!(!ids.is_empty(), "{query:?}");
        }
    }
    Ok(())
}
