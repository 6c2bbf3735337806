//! Listings in pages, while others write.

use threadkeep_core::{
    Archived, Cursor, Direction, ErrorKind, Result, SortKey, Store, ThreadQuery, ThreadStore,
    TimeRange, WriteBatch,
};

use super::say::{
    at, delete, fails, listed, numbers, patch, patch_of, put, store_all, thread, thread_with,
};
use crate::cases::{Tier, group};
use crate::lab::{Lab, Verdict};

group! { Tier::Examples;
    L_35: pages_of_every_size_join_to_the_whole_listing,
    L_36: a_page_is_full_where_few_threads_match,
    L_37: next_is_none_exactly_at_the_end,
    L_38: a_cursor_goes_on_after_ties,
    L_39: a_cursor_survives_as_text_and_on_a_new_handle,
    L_40: a_cursor_of_another_query_is_refused,
    L_41: the_limit_may_change_between_pages,
    L_42: threads_that_appear_before_the_cursor_are_not_seen,
    L_43: a_deleted_thread_still_marks_its_place,
    L_44: a_thread_that_moved_is_seen_where_it_is_now,
    L_45: what_is_left_alone_comes_exactly_once,
    L_46: a_damaged_cursor_is_refused,
}

fn oldest_first() -> ThreadQuery {
    ThreadQuery::new().direction(Direction::Ascending)
}

/// All pages, each checked for its size.
async fn all(store: &dyn Store, query: ThreadQuery) -> Result<Vec<u32>> {
    let mut found = Vec::new();
    let mut after = None;
    loop {
        let page = store.list(query.clone().after(after)).await?;
        assert!(page.next.is_none() || page.items.len() == query.limit, "a page is not full");
        found.extend(numbers(&page));
        assert!(found.len() < 10_000, "the listing never ends");
        if page.next.is_none() {
            return Ok(found);
        }
        after = page.next;
    }
}

async fn pages_of_every_size_join_to_the_whole_listing(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    let rows = (0..24).map(|number| {
        thread_with(number, |row| {
            row.created_at = at(i64::from(number * 7 % 5));
            row.updated_at = at(i64::from(number * 11 % 6));
            row.source = ["cli", "exec", "mcp"][number as usize % 3].into();
            row.archived_at = (number % 4 == 0).then(|| at(0));
        })
    });
    store_all(&store, rows).await?;
    for sort in [SortKey::CreatedAt, SortKey::UpdatedAt] {
        for direction in [Direction::Ascending, Direction::Descending] {
            for query in [
                ThreadQuery::new(),
                ThreadQuery::everything(),
                ThreadQuery::everything().source("cli").source("mcp"),
                ThreadQuery::new().archived(Archived::Any).source("exec"),
            ] {
                let query = query.sort(sort).direction(direction);
                let whole = listed(&store, query.clone()).await?;
                assert!(whole.len() > 3);
                for limit in 1..=whole.len() + 1 {
                    let pages = all(&store, query.clone().limit(limit)).await?;
                    assert_eq!(pages, whole, "limit {limit}, {query:?}");
                }
            }
        }
    }
    Ok(())
}

async fn a_page_is_full_where_few_threads_match(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    let rows = (0..900).map(|number| {
        thread_with(number, |row| {
            row.title = if number % 90 == 0 { "needle".into() } else { "hay".into() };
            row.cwd = if number % 60 == 0 { "/rare".into() } else { "/common".into() };
        })
    });
    store_all(&store, rows).await?;
    let query = oldest_first().text("needle").limit(4);
    let page = store.list(query.clone()).await?;
    assert_eq!(numbers(&page), [0, 90, 180, 270]);
    assert_eq!(all(&store, query).await?, (0..900).step_by(90).collect::<Vec<_>>());
    let rare = oldest_first().cwd("/rare").limit(4);
    assert_eq!(all(&store, rare).await?, (0..900).step_by(60).collect::<Vec<_>>());
    let both = oldest_first().cwd("/rare").text("needle").limit(4);
    assert_eq!(all(&store, both).await?, (0..900).step_by(180).collect::<Vec<_>>());
    Ok(())
}

async fn next_is_none_exactly_at_the_end(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    // After the last thread that matches there are others, which must not make another page.
    store_all(&store, (1..=6).map(thread)).await?;
    let range = TimeRange { from: None, to: Some(at(4)) };
    let silent = (7..9).map(|number| thread_with(number, |row| row.has_user_event = false));
    store_all(&store, silent).await?;
    for query in [oldest_first().updated(range), oldest_first().created(range)] {
        for (limit, more) in [(3, true), (4, false), (5, false)] {
            let query = query.clone().limit(limit);
            assert_eq!(store.list(query.clone()).await?.next.is_some(), more, "limit {limit}");
            assert_eq!(store.list_ids(query).await?.next.is_some(), more, "limit {limit}");
        }
        let second = query.limit(2);
        let first = store.list(second.clone()).await?;
        assert_eq!(listed(&store, second.after(first.next)).await?, [3, 4]);
    }
    Ok(())
}

async fn a_cursor_goes_on_after_ties(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    let same_time = |number| thread_with(number, |row| row.updated_at = at(5));
    store_all(&store, (1..=7).map(same_time)).await?;
    for limit in 1..=7 {
        let pages = all(&store, oldest_first().limit(limit)).await?;
        assert_eq!(pages, [1, 2, 3, 4, 5, 6, 7]);
        let pages = all(&store, ThreadQuery::new().limit(limit)).await?;
        assert_eq!(pages, [7, 6, 5, 4, 3, 2, 1]);
    }
    Ok(())
}

async fn a_cursor_survives_as_text_and_on_a_new_handle(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    store_all(&store, (1..=5).map(thread)).await?;
    let query = oldest_first().source("cli").limit(2);
    let next = store.list(query.clone()).await?.next;
    let text = next.map(|cursor| cursor.to_string()).unwrap_or_default();
    let store = lab.reopen(store).await?;
    let cursor: Cursor = text.parse()?;
    let query = query.limit(50).after(cursor);
    assert_eq!(listed(&store, query).await?, [3, 4, 5]);
    Ok(())
}

async fn a_cursor_of_another_query_is_refused(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    store_all(&store, (1..=5).map(thread)).await?;
    let query = ThreadQuery::new().source("cli").text("thread").limit(2);
    let cursor = store.list(query.clone()).await?.next;
    assert!(cursor.is_some());
    let range = TimeRange { from: Some(at(0)), to: None };
    for other in [
        query.clone().sort(SortKey::CreatedAt),
        query.clone().direction(Direction::Ascending),
        query.clone().archived(Archived::Any),
        query.clone().include_empty(),
        query.clone().source("exec"),
        query.clone().provider("openai"),
        query.clone().cwd("/home/mira/project"),
        query.clone().created(range),
        query.clone().updated(range),
        query.clone().text("thread "),
        ThreadQuery::new().text("thread"),
    ] {
        let other = other.after(cursor);
        fails(store.list(other.clone()).await, ErrorKind::InvalidCursor);
        fails(store.list_ids(other).await, ErrorKind::InvalidCursor);
    }
    Ok(())
}

async fn the_limit_may_change_between_pages(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    store_all(&store, (1..=6).map(thread)).await?;
    let first = store.list(oldest_first().limit(1)).await?;
    let second = store.list(oldest_first().limit(3).after(first.next)).await?;
    assert_eq!(numbers(&second), [2, 3, 4]);
    assert_eq!(listed(&store, oldest_first().after(second.next)).await?, [5, 6]);
    Ok(())
}

async fn threads_that_appear_before_the_cursor_are_not_seen(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    store_all(&store, [10, 20, 30, 40].map(thread)).await?;
    let query = oldest_first().limit(2);
    let first = store.list(query.clone()).await?;
    store_all(&store, [5, 15, 20, 25, 50].map(thread)).await?;
    let query = query.limit(50).after(first.next);
    assert_eq!(listed(&store, query).await?, [25, 30, 40, 50]);
    Ok(())
}

async fn a_deleted_thread_still_marks_its_place(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    store_all(&store, [1, 2, 3, 4].map(thread)).await?;
    let query = oldest_first().limit(2);
    let first = store.list(query.clone()).await?;
    for gone in [1, 2, 4] {
        store.write(delete(gone, 100).into()).await?;
    }
    assert_eq!(listed(&store, query.after(first.next)).await?, [3]);
    Ok(())
}

async fn a_thread_that_moved_is_seen_where_it_is_now(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    store_all(&store, [1, 2, 3, 4].map(thread)).await?;
    let oldest = oldest_first().limit(2);
    let newest = ThreadQuery::new().limit(2);
    let after_two = store.list(oldest.clone()).await?.next;
    let before_three = store.list(newest.clone()).await?.next;
    store.write(patch_of(1, patch(|patch| patch.updated_at = Some(at(9)))).into()).await?;
    assert_eq!(listed(&store, oldest.limit(50).after(after_two)).await?, [3, 4, 1]);
    assert_eq!(listed(&store, newest.after(before_three)).await?, [2]);
    Ok(())
}

/// What happens to other threads between two pages.
fn churn(round: u32) -> WriteBatch {
    let number = round * 6 % 60;
    let moves = patch(|patch| patch.updated_at = Some(at(i64::from(round * 31 % 70))));
    WriteBatch::new()
        .and(patch_of(number + 1, moves))
        .and(put(thread_with(number + 3, |row| row.created_at = at(i64::from(round * 17 % 70)))))
        .and(delete(number + 5, 100))
        .and(put(thread(100 + round)))
}

async fn what_is_left_alone_comes_exactly_once(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    // Many lie at one time, so that pages end among them.
    let row = |number| {
        thread_with(number, |row| {
            row.created_at = at(i64::from(number / 5));
            row.updated_at = at(i64::from(number % 7));
        })
    };
    let alone: Vec<_> = (0..60).step_by(2).collect();
    for sort in [SortKey::CreatedAt, SortKey::UpdatedAt] {
        for direction in [Direction::Ascending, Direction::Descending] {
            for limit in [1, 4, 13] {
                store_all(&store, (0..60).map(row)).await?;
                let mut query = ThreadQuery::new().sort(sort).direction(direction).limit(limit);
                let mut found = Vec::new();
                for round in 0.. {
                    let page = store.list(query.clone()).await?;
                    found.extend(numbers(&page).into_iter().filter(|it| alone.contains(it)));
                    let Some(next) = page.next else { break };
                    query = query.after(next);
                    if round < 30 {
                        store.write(churn(round)).await?;
                    }
                }
                found.sort_unstable();
                assert_eq!(found, alone, "{sort:?} {direction:?}, pages of {limit}");
            }
        }
    }
    Ok(())
}

async fn a_damaged_cursor_is_refused(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    store_all(&store, (1..=5).map(thread)).await?;
    let query = oldest_first().limit(2);
    let next = store.list(query.clone()).await?.next;
    let text = next.map(|next| next.to_string()).unwrap_or_default();
    for at in 0..text.len() {
        let (before, after) = text.split_at(at);
        let other = if after.starts_with('A') { 'B' } else { 'A' };
        for damaged in [before.to_owned(), format!("{before}{other}{}", &after[1..])] {
            let error = fails(damaged.parse::<Cursor>(), ErrorKind::InvalidCursor);
            assert!(error.hint_text().is_some(), "{error}");
        }
    }
    fails(format!("{text}A").parse::<Cursor>(), ErrorKind::InvalidCursor);
    assert_eq!(listed(&store, query.limit(50).after(text.parse::<Cursor>()?)).await?, [3, 4, 5]);
    Ok(())
}
