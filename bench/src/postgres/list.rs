//! Pages of 50 at 1,000 and at many threads, and against the same page by a prepared statement.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, PgConnection, Row as _};
use threadkeep_core::{
    Cursor, Direction, SortKey, Store, ThreadMetadata, ThreadQuery, ThreadStore, Timestamp,
};
use threadkeep_postgres::PostgresStore;
use threadkeep_test_server::Server;

use super::spread::Spread;
use super::{load, setup};
use crate::list::{PAGE, shapes};
use crate::{measure, rows};

const ROUNDS: usize = 5;
/// Pages of each store in a round.
const PAGES: usize = 60;

/// Compares each shape, first page and half-way, at 1,000 and at many threads.
pub(crate) async fn run(many: usize) -> Result<()> {
    println!(
        "postgres-list: pages of {PAGE}, {many} threads against 1,000 (least / median / most)"
    );
    let Some(server) = setup::server()? else { return Ok(()) };
    let few = filled(&server, "few", 1_000).await?;
    let large = filled(&server, "large", many).await?;
    let mut worst = 0.0_f64;
    for (name, query) in all_shapes() {
        for deep in [false, true] {
            let Some((small, big)) = queries(&few, &large, &query, deep).await? else { continue };
            let (ratios, time) = compare(&few, &small, &large, &big).await;
            worst = worst.max(ratios.median());
            let name = format!("{name}{}", if deep { ", deep" } else { "" });
            measure::row(&name, format!("{} ({time:.0?})", ratios.show(2)), "at most 1.5");
        }
    }
    measure::row("the worst median of these", format!("{worst:.2}"), "at most 1.5");
    let url = setup::url(&server, "large")?;
    peers(&mut setup::connect(&url).await?, &large).await?;
    few.close().await?;
    large.close().await?;
    Ok(())
}

/// A store with so many threads, as the server has it after its own upkeep.
async fn filled(server: &Server, name: &str, threads: usize) -> Result<PostgresStore> {
    let url = setup::database(server, name)?;
    let stores = [setup::open(&url).await?, setup::open(&url).await?];
    load::fill(&stores, threads, 5_000).await?;
    let mut connection = setup::connect(&url).await?;
    setup::run(&mut connection, "VACUUM (ANALYZE) threadkeep.threads_rest").await?;
    setup::run(&mut connection, "ANALYZE threadkeep.threads").await?;
    setup::run(&mut connection, "CHECKPOINT").await?;
    let [store, other] = stores;
    other.close().await?;
    Ok(store)
}

/// The shapes of every store, and those narrowed to a folder.
fn all_shapes() -> Vec<(String, ThreadQuery)> {
    let mut all = shapes();
    for (sort, by) in [(SortKey::UpdatedAt, "updated"), (SortKey::CreatedAt, "created")] {
        let query = ThreadQuery::new().sort(sort).limit(PAGE).cwd(folder());
        all.push((format!("by {by}, a folder"), query.clone()));
        all.push((format!("by {by}, a folder and a source"), query.source("vscode")));
    }
    all
}

fn folder() -> String {
    format!("{}1", load::FOLDER)
}

/// A query for each store; `None` where one of them has but one page.
async fn queries(
    few: &PostgresStore,
    large: &PostgresStore,
    query: &ThreadQuery,
    deep: bool,
) -> Result<Option<(ThreadQuery, ThreadQuery)>> {
    if !deep {
        return Ok(Some((query.clone(), query.clone())));
    }
    let middles = (middle(few, query).await?, middle(large, query).await?);
    let (Some(small), Some(big)) = middles else { return Ok(None) };
    Ok(Some((query.clone().after(small), query.clone().after(big))))
}

/// A cursor about half-way through; `None` where there is but one page.
async fn middle(store: &PostgresStore, query: &ThreadQuery) -> Result<Option<Cursor>> {
    let last = query.clone().direction(Direction::Ascending).limit(1);
    let page = store.list(query.clone()).await?;
    let (Some(newest), Some(oldest), Some(_)) =
        (page.items.first(), store.list(last).await?.items.pop(), page.next)
    else {
        return Ok(None);
    };
    let (new, old) = (query.sort.of(newest).as_millis(), query.sort.of(&oldest).as_millis());
    Ok(Some(Cursor::new(query, Timestamp::from_millis(new.midpoint(old)), newest.id)))
}

/// How many times longer the large one takes, round by round, and how long.
async fn compare(
    few: &PostgresStore,
    small: &ThreadQuery,
    large: &PostgresStore,
    big: &ThreadQuery,
) -> (Spread, Duration) {
    let (mut ratios, mut times) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let one = measure::time_async(PAGES, || few.list(small.clone())).await;
        let other = measure::time_async(PAGES, || large.list(big.clone())).await;
        ratios.push(measure::ratio(other, one));
        times.push(other);
    }
    (Spread::of(ratios), measure::median(&mut times))
}

/// The same pages as somebody would write them by hand, prepared once, their columns copied out.
async fn peers(connection: &mut PgConnection, store: &PostgresStore) -> Result<()> {
    let query = ThreadQuery::new().limit(PAGE);
    let folder = folder();
    for (name, query, narrowed) in [
        ("by updated", query.clone(), None),
        ("a source", query.clone().source("cli"), Some(("source", "source_key", "cli"))),
        ("a folder", query.cwd(&folder), Some(("cwd", "cwd_key", &*folder))),
    ] {
        let narrowed = match narrowed {
            Some((column, hash, text)) => {
                let condition = format!("{column} = '{text}'");
                let of_store =
                    format!("SELECT {hash} FROM threadkeep.threads WHERE {condition} LIMIT 1");
                let hashed = setup::number(connection, &of_store).await?;
                format!("AND {condition} AND {hash} = {hashed}")
            }
            None => String::new(),
        };
        let sql = format!(
            "SELECT id::text, updated_at, checksum, body FROM threadkeep.threads
             WHERE namespace = $1 AND archived = $2 AND visible = $3 {narrowed}
             ORDER BY updated_at DESC, id DESC LIMIT $4"
        );
        let (mut ratios, mut ours, mut theirs) = (Vec::new(), Vec::new(), Vec::new());
        ensure!(by_hand(connection, &sql).await?.len() == PAGE, "the page is not full");
        for _ in 0..ROUNDS {
            let one = measure::time_async(PAGES, || store.list(query.clone())).await;
            let mut times = Vec::new();
            for _ in 0..PAGES {
                let begun = Instant::now();
                by_hand(connection, &sql).await?;
                times.push(begun.elapsed());
            }
            let other = measure::median(&mut times);
            ratios.push(measure::ratio(one, other));
            ours.push(one);
            theirs.push(other);
        }
        let times = Spread::of(ratios).show(2);
        measure::row(&format!("{name}, times a prepared statement"), times, "");
        let (ours, theirs) = (measure::median(&mut ours), measure::median(&mut theirs));
        measure::row(
            "  the page, and the prepared statement",
            format!("{ours:.0?}, {theirs:.0?}"),
            "",
        );
    }
    let nothing = setup::round_trip(connection).await?;
    measure::row("  of both: the way to the server and back", format!("{nothing:.0?}"), "");
    let bodies: Vec<_> =
        (0..PAGE as u64).map(|n| serde_json::to_string(&rows::thread(n, false))).collect();
    let decoding = measure::time(ROUNDS * PAGES, || {
        let bodies = bodies.iter().flatten();
        bodies.filter(|body| serde_json::from_str::<ThreadMetadata>(body).is_ok()).count()
    });
    measure::row("  of the page: decoding 50 rows", format!("{decoding:.0?}"), "");
    Ok(())
}

async fn by_hand(
    connection: &mut PgConnection,
    sql: &str,
) -> Result<Vec<(String, i64, i64, String)>> {
    let rows = sqlx::query(AssertSqlSafe(sql.to_owned()))
        .bind("default")
        .bind(false)
        .bind(true)
        .bind(PAGE as i64)
        .fetch_all(connection)
        .await?;
    let columns = |row: &PgRow| -> Result<_, sqlx::Error> {
        Ok((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?, row.try_get(3)?))
    };
    Ok(rows.iter().map(columns).collect::<Result<_, _>>()?)
}
