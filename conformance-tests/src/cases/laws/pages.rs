//! Pages while the store is written to.

use std::fmt;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use threadkeep_core::{
    Archived, Change, Cursor, Direction, SortKey, Store, ThreadMetadata, ThreadPatch, ThreadQuery,
    ThreadSeed, TimeRange, Timestamp, limits,
};

use super::in_lab;
use crate::cases::examples::say::{at, change, id, number, patch_of, put, store_all};
use crate::cases::{Tier, group};
use crate::diff::same;
use crate::lab::{Lab, Verdict};
use crate::setting::Setting;

group! { sync Tier::Laws;
    L_45: threads_left_alone_come_once_and_the_others_where_they_are,
}

const SEQUENCES: u64 = 24;

/// Threads, a listing of them in pages of these sizes, and what is written after each page.
///
/// Only threads whose number is a multiple of three are written, and those from 100 on.
#[derive(Clone)]
struct Listing {
    threads: Vec<Shape>,
    query: usize,
    sort: SortKey,
    direction: Direction,
    pages: Vec<(usize, Vec<Touch>)>,
}

/// What listings go by.
#[derive(Clone, Debug)]
struct Shape {
    created: i64,
    updated: i64,
    is_archived: bool,
    is_shown: bool,
    provider: &'static str,
}

#[derive(Clone, Debug)]
enum Touch {
    Put(u32, Shape),
    Use(u32, i64),
    Archive(u32),
    Unarchive(u32),
    Delete(u32),
}

/// A condition, and whether a row meets it.
type Condition = (fn(ThreadQuery) -> ThreadQuery, fn(&ThreadMetadata) -> bool);

const CONDITIONS: [Condition; 6] = [
    (|_| ThreadQuery::everything(), |_| true),
    (|query| query, |row| row.archived_at.is_none() && row.has_user_event),
    (
        |query| query.archived(Archived::Archived),
        |row| row.archived_at.is_some() && row.has_user_event,
    ),
    (
        |query| query.include_empty().provider("p").provider("q"),
        |row| row.archived_at.is_none() && ["p", "q"].contains(&row.model_provider.as_str()),
    ),
    (
        |query| query.updated(TimeRange { from: Some(at(0)), to: Some(at(2)) }),
        |row| {
            row.archived_at.is_none()
                && row.has_user_event
                && (0..=2).contains(&row.updated_at.as_millis())
        },
    ),
    (|_| ThreadQuery::everything().text("p"), |row| row.title.contains('p')),
];

impl Listing {
    fn query(&self) -> ThreadQuery {
        let query = (CONDITIONS[self.query].0)(ThreadQuery::new());
        query.sort(self.sort).direction(self.direction)
    }

    fn place(&self, row: &ThreadMetadata) -> (Timestamp, u32) {
        let time = match self.sort {
            SortKey::CreatedAt => row.created_at,
            SortKey::UpdatedAt => row.updated_at,
        };
        (time, number(row.id))
    }

    /// Whether the one place comes before the other.
    fn is_before(&self, one: (Timestamp, u32), other: (Timestamp, u32)) -> bool {
        match self.direction {
            Direction::Ascending => one < other,
            Direction::Descending => one > other,
        }
    }
}

impl fmt::Debug for Listing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, thread) in (1..).zip(&self.threads) {
            writeln!(f, "  thread {number}: {thread:?}")?;
        }
        writeln!(f, "  listed by {:?}", self.query())?;
        for (number, (size, touches)) in (1..).zip(&self.pages) {
            writeln!(f, "  {number}. a page of {size}, then {touches:?}")?;
        }
        Ok(())
    }
}

fn shape() -> impl Strategy<Value = Shape> {
    let time = || select(vec![1, 0, 2, -1, 1_000, -62_167_219_200_000, 253_402_300_799_999]);
    let provider = select(vec!["p", "", "q", "P"]);
    (time(), time(), prop::bool::weighted(0.3), prop::bool::weighted(0.8), provider).prop_map(
        |(created, updated, is_archived, is_shown, provider)| Shape {
            created,
            updated,
            is_archived,
            is_shown,
            provider,
        },
    )
}

fn listing() -> impl Strategy<Value = Listing> {
    let touched = || select(vec![3_u32, 6, 9, 12, 100, 101, 102]);
    let touch = prop_oneof![
        3 => (touched(), shape()).prop_map(|(number, shape)| Touch::Put(number, shape)),
        3 => (touched(), 0..5_i64).prop_map(|(number, time)| Touch::Use(number, time)),
        1 => touched().prop_map(Touch::Archive),
        1 => touched().prop_map(Touch::Unarchive),
        2 => touched().prop_map(Touch::Delete),
    ];
    let page = (prop_oneof![2 => Just(1_usize), 3 => 1..15_usize], vec(touch, 0..4));
    let sort = select(vec![SortKey::UpdatedAt, SortKey::CreatedAt]);
    let direction = select(vec![Direction::Descending, Direction::Ascending]);
    (vec(shape(), 1..14), 0..CONDITIONS.len(), sort, direction, vec(page, 1..8)).prop_map(
        |(threads, query, sort, direction, pages)| Listing {
            threads,
            query,
            sort,
            direction,
            pages,
        },
    )
}

fn row(number: u32, shape: &Shape) -> ThreadMetadata {
    let seed = ThreadSeed::new(id(number), "/sessions/a.jsonl", at(shape.created));
    let mut row = seed.model_provider(shape.provider).into_metadata();
    row.updated_at = at(shape.updated);
    row.archived_at = shape.is_archived.then_some(at(0));
    row.has_user_event = shape.is_shown;
    row.title = shape.provider.to_lowercase();
    row
}

fn threads_left_alone_come_once_and_the_others_where_they_are(setting: &Setting) -> Verdict {
    in_lab(setting, SEQUENCES, &listing(), |lab, listing| Box::pin(list(lab, listing)))
}

async fn list(lab: &Lab, listing: Listing) -> Verdict {
    let store = lab.open().await?;
    let rows: Vec<_> =
        (1..).zip(&listing.threads).map(|(number, shape)| row(number, shape)).collect();
    store_all(&*store, rows.clone()).await?;

    let is_wanted = CONDITIONS[listing.query].1;
    let mut expected: Vec<_> = rows
        .iter()
        .filter(|row| is_wanted(row) && is_left_alone(number(row.id)))
        .map(|row| listing.place(row))
        .collect();
    expected.sort_unstable();
    if listing.direction == Direction::Descending {
        expected.reverse();
    }

    let mut listed: Vec<(Timestamp, u32)> = Vec::new();
    let mut after: Option<Cursor> = None;
    // The last size goes on to the end.
    for turn in 0.. {
        let pages = &listing.pages;
        let (size, touches) = &pages[turn.min(pages.len() - 1)];
        let places = page(&*store, &listing, &listed, (*size, after)).await?;
        listed.extend(places.0);
        after = places.1;
        if after.is_none() {
            break;
        }
        if turn < pages.len() {
            for touch in touches {
                write(&*store, touch).await?;
            }
        }
    }
    let is_in_order = listed.is_sorted_by(|one, other| listing.is_before(*one, *other));
    same("whether every place comes after the one before", &is_in_order, &true)?;
    listed.retain(|(_, number)| is_left_alone(*number));
    same("the threads that were left alone", &listed, &expected)
}

/// One page: of what matches at this moment, what comes after the last place. Answers the places of
/// its threads, and where the next page begins.
async fn page(
    store: &dyn Store,
    listing: &Listing,
    listed: &[(Timestamp, u32)],
    (size, after): (usize, Option<Cursor>),
) -> Verdict<(Vec<(Timestamp, u32)>, Option<Cursor>)> {
    let query = listing.query();
    let all = store.list(query.clone().limit(limits::PAGE_ITEMS)).await?.items;
    let last = listed.last().copied();
    let mut rest: Vec<ThreadMetadata> = all
        .into_iter()
        .filter(|row| last.is_none_or(|last| listing.is_before(last, listing.place(row))))
        .collect();
    let is_more = rest.len() > size;
    rest.truncate(size);

    let query = query.limit(size).after(after);
    let ids = store.list_ids(query.clone()).await?;
    let page = store.list(query).await?;
    same("the rows of a page", &page.items, &rest)?;
    same("whether a page follows", &page.next.is_some(), &is_more)?;
    let of_rows: Vec<_> = page.items.iter().map(|row| row.id).collect();
    same("the ids of the same page", &(ids.items, ids.next), &(of_rows, page.next))?;
    let next = page.next.map(|cursor| cursor.to_string().parse()).transpose()?;
    Ok((rest.iter().map(|row| listing.place(row)).collect(), next))
}

fn is_left_alone(number: u32) -> bool {
    number < 100 && !number.is_multiple_of(3)
}

async fn write(store: &dyn Store, touch: &Touch) -> Verdict {
    let touch = match touch {
        Touch::Put(number, shape) => put(row(*number, shape)),
        Touch::Use(number, time) => {
            let mut patch = ThreadPatch::default();
            patch.updated_at = Some(at(*time));
            patch_of(*number, patch)
        }
        Touch::Archive(number) => Change::Archive { id: id(*number), path: None, at: at(1) },
        Touch::Unarchive(number) => Change::Unarchive { id: id(*number), path: None },
        Touch::Delete(number) => Change::Delete { id: id(*number), at: at(1) },
    };
    change(store, touch).await?;
    Ok(())
}
