//! Pages of 50, at few and at many threads, and against stepping the same statement by hand.

use anyhow::{Result, ensure};
use threadkeep_core::{Cursor, Direction, SortKey, Store, ThreadQuery, ThreadStore};

use crate::rows::RARE;
use crate::{measure, raw, rows};

pub(crate) const PAGE: usize = 50;
pub(crate) const ROUNDS: usize = 300;

/// What is listed, by name.
pub(crate) fn shapes() -> Vec<(String, ThreadQuery)> {
    let mut shapes = Vec::new();
    for (sort, by) in [(SortKey::UpdatedAt, "updated"), (SortKey::CreatedAt, "created")] {
        let query = ThreadQuery::new().sort(sort).limit(PAGE);
        shapes.push((format!("by {by}"), query.clone()));
        shapes.push((format!("by {by}, a source"), query.clone().source("cli")));
        shapes.push((
            format!("by {by}, two providers"),
            query.clone().provider("openai").provider("azure"),
        ));
        shapes.push((
            format!("by {by}, source and provider"),
            query.clone().source("exec").provider("azure"),
        ));
        shapes.push((format!("by {by}, a source of five threads"), query.clone().source(RARE)));
        shapes.push((
            format!("by {by}, source and provider of five"),
            query.clone().source(RARE).source("x").provider(RARE).provider("y"),
        ));
        shapes.push((
            format!("by {by}, all states"),
            query.include_empty().archived(threadkeep_core::Archived::Any),
        ));
    }
    shapes
}

/// Compares each shape, first page and deep, at 1,000 and at many threads.
pub(crate) async fn run(many: usize) -> Result<()> {
    println!("list: pages of {PAGE}, {many} threads against 1,000");
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("many.db");
    let few = rows::fill(&folder.path().join("few.db"), 1_000).await?;
    let store = rows::fill(&path, many).await?;
    compare(&few, &store).await?;
    let query = ThreadQuery::new().limit(PAGE);
    ensure!(store.list(query.clone()).await?.items.len() == PAGE, "the page is not full");
    let statement = raw::Statement::prepare(&path, PAGE)?;
    let raw = measure::time(ROUNDS, || statement.step_all());
    let ours = measure::time_async(ROUNDS, || store.list(query.clone())).await;
    let ids = measure::time_async(ROUNDS, || store.list_ids(query.clone())).await;
    let body = statement.bodies();
    let parse = measure::time(ROUNDS, || {
        body.iter()
            .filter(|body| serde_json::from_str::<threadkeep_core::ThreadMetadata>(body).is_ok())
            .count()
    });
    measure::row(
        "a page, times plain SQLite stepping it",
        format!("{:.2}", measure::ratio(ours, raw)),
        "at most 3",
    );
    measure::row("  the page", format!("{ours:.1?}"), "");
    measure::row("  plain SQLite, rows copied out", format!("{raw:.1?}"), "");
    measure::row("  of the page: decoding 50 rows", format!("{parse:.1?}"), "");
    measure::row("  the same page, ids only", format!("{ids:.1?}"), "");
    let first = rows::thread(1, false).id;
    let one = measure::time_async(ROUNDS, || store.threads(vec![first])).await;
    measure::row(
        "  one thread by id: one way to SQLite's thread and back",
        format!("{one:.1?}"),
        "",
    );
    few.close().await?;
    store.close().await?;
    Ok(())
}

/// Times a page of each shape of both stores, and prints the ratios.
pub(crate) async fn compare(few: &dyn Store, many: &dyn Store) -> Result<()> {
    let mut worst = 0.0_f64;
    for (name, query) in shapes() {
        for deep in [false, true] {
            let (small, large) = if deep {
                let Some(after_small) = middle(few, &query).await? else { continue };
                let Some(after_large) = middle(many, &query).await? else { continue };
                (query.clone().after(after_small), query.clone().after(after_large))
            } else {
                (query.clone(), query.clone())
            };
            let (one, two) = pair(few, &small, many, &large).await;
            let ratio = measure::ratio(two, one);
            worst = worst.max(ratio);
            let name = format!("{name}{}", if deep { ", deep" } else { "" });
            measure::row(&name, format!("{ratio:.2} ({two:.0?})"), "at most 1.5");
        }
    }
    measure::row("the worst of these", format!("{worst:.2}"), "at most 1.5");
    Ok(())
}

/// Times both in turn, so that both see the same machine.
async fn pair(
    few: &dyn Store,
    small: &ThreadQuery,
    many: &dyn Store,
    large: &ThreadQuery,
) -> (std::time::Duration, std::time::Duration) {
    let (mut ones, mut twos) = (Vec::new(), Vec::new());
    for round in 0..3 {
        let one = measure::time_async(ROUNDS / 3, || few.list(small.clone())).await;
        let two = measure::time_async(ROUNDS / 3, || many.list(large.clone())).await;
        if round > 0 {
            ones.push(one);
            twos.push(two);
        }
    }
    (ones.into_iter().min().unwrap_or_default(), twos.into_iter().min().unwrap_or_default())
}

/// A cursor about half-way through; `None` where there is but one page.
async fn middle(store: &dyn Store, query: &ThreadQuery) -> Result<Option<Cursor>> {
    let last = query.clone().direction(Direction::Ascending).limit(1);
    let (Some(newest), Some(oldest)) = (
        store.list(query.clone().limit(1)).await?.items.pop(),
        store.list(last).await?.items.pop(),
    ) else {
        return Ok(None);
    };
    if store.list(query.clone()).await?.next.is_none() {
        return Ok(None);
    }
    let (new, old) = (query.sort.of(&newest).as_millis(), query.sort.of(&oldest).as_millis());
    let middle = threadkeep_core::Timestamp::from_millis(new.midpoint(old));
    Ok(Some(Cursor::new(query, middle, newest.id)))
}
