//! Loading many threads: through the store, and by `COPY` of the very same rows.

use std::fs::File;
use std::io::Read as _;

use anyhow::{Context as _, Result};
use sqlx::{PgConnection, Row as _};
use threadkeep_core::{Change, Store, ThreadStore, WriteBatch};
use threadkeep_postgres::PostgresStore;
use threadkeep_test_server::Server;

use super::setup;
use super::spread::Spread;
use super::usage::{Taken, Usage};
use crate::{measure, rows};

/// Stores that load side by side.
const HANDLES: usize = 4;
/// Beginning of the names of the two folders that threads are in, whatever their source: so that
/// also of few threads half a listing is longer than what a page looks at.
pub(crate) const FOLDER: &str = "/home/ann/src/project-";
/// Bytes of rows sent at once.
const PIECE: usize = 1 << 20;

/// Loads so many threads in batches of so many, so many times over.
pub(crate) async fn run(threads: usize, batch: usize, rounds: usize) -> Result<()> {
    println!("postgres-load: {threads} threads in batches of {batch}");
    let Some(server) = setup::server()? else { return Ok(()) };
    let (mut ones, mut fours, mut copies) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..rounds {
        let four = load(&server, HANDLES, threads, batch).await?;
        setup::drop_database(&server, "load")?;
        let one = load(&server, 1, threads, batch).await?;
        if round == 0 {
            print(&format!("{HANDLES} handles"), &four, threads);
            print("1 handle", &one, threads);
            sizes(&mut setup::connect(&setup::url(&server, "load")?).await?).await?;
        }
        let [whole, keyed, bare] = copy(&server).await?;
        setup::drop_database(&server, "load")?;
        if round == 0 {
            print("COPY, the same indexes", &whole, threads);
            print("COPY, the primary key only", &keyed, threads);
            print("COPY, no index", &bare, threads);
        }
        let rate = |taken: &Taken| threads as f64 / taken.seconds;
        ones.push(rate(&one));
        fours.push(rate(&four));
        copies.push(rate(&whole));
    }
    let row =
        |name: &str, figures: Spread, digits, bar| measure::row(name, figures.show(digits), bar);
    let times = |ours: &[f64]| Spread::of(ours.iter().zip(&copies).map(|(one, copy)| one / copy));
    row("1 handle, times COPY", times(&ones), 2, "");
    row("4 handles, times COPY", times(&fours), 2, "");
    row("1 handle, rows a second", Spread::of(ones), 0, "at least 50,000 or the limit");
    row("4 handles, rows a second", Spread::of(fours), 0, "at least 50,000 or the limit");
    row("COPY, rows a second", Spread::of(copies), 0, "");
    Ok(())
}

/// Puts threads into a store by several of its handles, each a batch after the other. Five of them
/// are rare.
pub(crate) async fn fill(stores: &[PostgresStore], threads: usize, batch: usize) -> Result<()> {
    let every = (threads / 5).max(1);
    let tasks: Vec<_> = stores
        .iter()
        .enumerate()
        .map(|(nth, store)| {
            let (store, stride) = (store.clone(), batch * stores.len());
            tokio::spawn(async move {
                for start in (nth * batch..threads).step_by(stride) {
                    let mut changes = WriteBatch::new();
                    for number in start..(start + batch).min(threads) {
                        let mut row = rows::thread(number as u64, number % every == every / 2);
                        row.cwd = format!("{FOLDER}{}", number / 4 % 2).into();
                        changes.push(Change::Put(Box::new(row)));
                    }
                    store.write(changes).await?;
                }
                anyhow::Ok(())
            })
        })
        .collect();
    for task in tasks {
        task.await??;
    }
    Ok(())
}

async fn load(server: &Server, handles: usize, threads: usize, batch: usize) -> Result<Taken> {
    let url = setup::database(server, "load")?;
    let mut stores = Vec::new();
    for _ in 0..handles {
        stores.push(setup::open(&url).await?);
    }
    server.psql("checkpoint")?;
    let before = Usage::of(server)?;
    fill(&stores, threads, batch).await?;
    let taken = before.taken(server)?;
    for store in stores {
        store.close().await?;
    }
    Ok(taken)
}

fn print(name: &str, taken: &Taken, threads: usize) {
    let row = |what: &str, value: String| measure::row(&format!("{name}: {what}"), value, "");
    row("rows a second", format!("{:.0}", threads as f64 / taken.seconds));
    row("processors busy, the server's and ours", taken.busy());
    row("µs of a processor a row, the server's and ours", taken.each(threads as f64));
    row("bytes of server log a row", format!("{:.0}", taken.wal / threads as f64));
}

/// Bytes a row, by table and index.
async fn sizes(connection: &mut PgConnection) -> Result<()> {
    let rows = setup::number(connection, "SELECT count(*) FROM threadkeep.threads").await? as f64;
    let relations = sqlx::query(
        "SELECT CASE relkind WHEN 'i' THEN regexp_replace(pg_get_indexdef(oid), '^[^(]*', 'index ')
                 ELSE 'the table' END, pg_relation_size(oid) + coalesce(
             pg_total_relation_size(nullif(reltoastrelid, 0)), 0)
         FROM pg_class WHERE relnamespace = 'threadkeep'::regnamespace
             AND (relname = 'threads_rest' OR oid IN (
                 SELECT indexrelid FROM pg_index
                 WHERE indrelid = 'threadkeep.threads_rest'::regclass))
         ORDER BY relkind DESC, 1",
    );
    let mut sum = 0;
    for relation in relations.fetch_all(connection).await? {
        let (name, bytes): (String, i64) = (relation.try_get(0)?, relation.try_get(1)?);
        sum += bytes;
        measure::row(&format!("bytes a row: {name}"), format!("{:.0}", bytes as f64 / rows), "");
    }
    measure::row("bytes a row: all", format!("{:.0}", sum as f64 / rows), "");
    Ok(())
}

/// Copies the rows of the store out, and into a table with all its indexes, with its primary key, and
/// with none.
async fn copy(server: &Server) -> Result<[Taken; 3]> {
    let path = server.folder().context("the server is not the bench's own")?.join("rows");
    let mut connection = setup::connect(&setup::url(server, "load")?).await?;
    let out = format!("COPY (SELECT * FROM threadkeep.threads) TO '{}'", path.display());
    setup::run(&mut connection, &out).await?;
    let url = setup::database(server, "copy")?;
    setup::open(&url).await?.close().await?;
    let mut connection = setup::connect(&url).await?;
    let tables = "CREATE TABLE keyed (LIKE threadkeep.threads, PRIMARY KEY (namespace, id));
        CREATE TABLE bare (LIKE threadkeep.threads)";
    setup::run(&mut connection, tables).await?;
    let mut taken = Vec::new();
    for table in ["threadkeep.threads", "keyed", "bare"] {
        server.psql("checkpoint")?;
        let before = Usage::of(server)?;
        copy_in(&mut connection, table, &mut File::open(&path)?).await?;
        taken.push(before.taken(server)?);
        // Only the disk it takes matters from here on.
        setup::run(&mut connection, &format!("TRUNCATE {table}")).await?;
    }
    drop(connection);
    setup::drop_database(server, "copy")?;
    std::fs::remove_file(&path)?;
    taken.try_into().ok().context("three tables were loaded")
}

async fn copy_in(connection: &mut PgConnection, table: &str, rows: &mut File) -> Result<()> {
    let mut sink = connection.copy_in_raw(&format!("COPY {table} FROM STDIN")).await?;
    let mut piece = vec![0; PIECE];
    loop {
        let read = rows.read(&mut piece)?;
        if read == 0 {
            break;
        }
        sink.send(&piece[..read]).await?;
    }
    sink.finish().await?;
    Ok(())
}
