//! Taking entries out, a chunk of numbers in each transaction, so that none holds the write lock for
//! long.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use sqlx::{Row, SqliteConnection};
use threadkeep_core::{LogsHeld, Result, Surplus};

use crate::log_index::{self, CHUNK, Indexed, Kind, chunk_of};
use crate::log_names::{self, NONE, Names};
use crate::log_reader::State;
use crate::log_writer::LogEngine;

/// Whose entries are counted together: a thread's, or a process's that are of no thread.
pub(crate) type Owner = (Kind, i64);

fn owner(entry: &Indexed) -> Owner {
    match entry.key.thread {
        NONE => (Kind::Threadless, entry.key.process),
        thread => (Kind::Thread, thread),
    }
}

/// Which entries go.
#[derive(Debug)]
pub(crate) enum Doomed {
    /// Those before a time.
    Before(DateTime<Utc>),
    /// So many of the oldest.
    Oldest(u64),
    /// Those of these threads.
    Threads(Vec<String>),
    /// So much of each.
    Surplus(BTreeMap<Owner, Surplus>),
}

/// Entries on their way out.
#[derive(Debug)]
pub(crate) struct Pruning {
    doomed: Doomed,
    /// Chunks from this one on are left.
    from: i64,
    /// Deletions when it was decided what goes; where others delete, that no longer holds.
    prunes: i64,
}

/// What one step did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// So many entries went, and more may have to.
    Took(u64),
    /// Nothing is left to go, or what was decided no longer holds.
    Done,
}

impl Pruning {
    /// These entries, as decided after so many deletions.
    pub(crate) fn new(doomed: Doomed, prunes: i64) -> Self {
        Self { doomed, from: 0, prunes }
    }

    /// Whether the number of those that go was counted before, so that it changes with deletions.
    fn is_counted(&self) -> bool {
        matches!(self.doomed, Doomed::Oldest(_) | Doomed::Surplus(_))
    }

    fn is_over(&self) -> bool {
        match &self.doomed {
            Doomed::Before(_) | Doomed::Threads(_) => false,
            Doomed::Oldest(left) => *left == 0,
            Doomed::Surplus(surplus) => surplus.is_empty(),
        }
    }

    /// The names by which entries that go can be looked up, where there are such.
    fn keys(&self, threads: &[i64]) -> Option<String> {
        let key = |kind: Kind, number: i64| number << 2 | kind as i64;
        let keys: Vec<_> = match &self.doomed {
            Doomed::Before(_) | Doomed::Oldest(_) => return None,
            Doomed::Threads(_) => threads.iter().map(|number| key(Kind::Thread, *number)).collect(),
            Doomed::Surplus(surplus) => {
                surplus.keys().map(|(kind, number)| key(*kind, *number)).collect()
            }
        };
        Some(format!("{keys:?}"))
    }

    /// Whether every entry of a chunk goes, as far as that can be told without reading them.
    fn covers(&self, chunk: &Chunk) -> bool {
        match &self.doomed {
            Doomed::Before(time) => chunk.to_seconds < time.timestamp(),
            Doomed::Oldest(left) => chunk.rows.cast_unsigned() <= *left,
            Doomed::Threads(_) | Doomed::Surplus(_) => false,
        }
    }

    /// Whether this entry, the oldest that was not asked for yet, goes; counts it as gone then.
    fn takes(&mut self, entry: &Indexed, threads: &[i64]) -> bool {
        match &mut self.doomed {
            Doomed::Before(time) => {
                (entry.seconds, entry.nanos) < (time.timestamp(), time.timestamp_subsec_nanos())
            }
            Doomed::Oldest(left) => {
                let takes = *left > 0;
                *left = left.saturating_sub(1);
                takes
            }
            Doomed::Threads(_) => threads.contains(&entry.key.thread),
            Doomed::Surplus(surplus) => {
                let owner = owner(entry);
                let Some(left) = surplus.get_mut(&owner) else { return false };
                let takes = left.take(entry.bytes);
                if left.is_none() {
                    surplus.remove(&owner);
                }
                takes
            }
        }
    }

    /// The next chunk in which something may go.
    async fn next(
        &self,
        connection: &mut SqliteConnection,
        state: State,
        keys: Option<&str>,
    ) -> Result<Option<Chunk>, sqlx::Error> {
        let row = match (&self.doomed, keys) {
            (_, Some(keys)) => {
                let sql = "SELECT c.chunk, c.rows, c.to_seconds FROM chunks AS c
                     CROSS JOIN json_each(?2) AS n CROSS JOIN postings AS p
                     WHERE c.chunk >= ?1 AND p.chunk = c.chunk
                         AND p.kind = n.value & 3 AND p.number = n.value >> 2
                     ORDER BY c.chunk LIMIT 1";
                sqlx::query(sql).bind(self.from).bind(keys).fetch_optional(&mut *connection).await?
            }
            (Doomed::Before(time), None) => {
                let sql = "SELECT chunk, rows, to_seconds FROM chunks
                     WHERE chunk >= ?1 AND from_seconds <= ?2 ORDER BY chunk LIMIT 1";
                let query = sqlx::query(sql).bind(self.from).bind(time.timestamp());
                query.fetch_optional(&mut *connection).await?
            }
            (_, None) => {
                let sql = "SELECT chunk, rows, to_seconds FROM chunks
                     WHERE chunk >= ?1 ORDER BY chunk LIMIT 1";
                sqlx::query(sql).bind(self.from).fetch_optional(&mut *connection).await?
            }
        };
        if let Some(row) = row {
            return Ok(Some(Chunk {
                number: row.try_get(0)?,
                rows: row.try_get(1)?,
                to_seconds: row.try_get(2)?,
                is_indexed: true,
            }));
        }
        let from = state.tail().max(self.from * CHUNK);
        let first: Option<i64> = sqlx::query_scalar("SELECT min(id) FROM entries WHERE id >= ?1")
            .bind(from)
            .fetch_one(connection)
            .await?;
        let number = first.map(chunk_of);
        Ok(number.map(|number| Chunk {
            number,
            rows: i64::MAX,
            to_seconds: i64::MAX,
            is_indexed: false,
        }))
    }
}

/// What is known of a chunk before its entries are read.
struct Chunk {
    number: i64,
    rows: i64,
    to_seconds: i64,
    is_indexed: bool,
}

impl LogEngine {
    /// Takes out what goes of one chunk.
    pub(crate) fn prune_step(&mut self, pruning: &mut Pruning) -> Result<Step> {
        if pruning.is_over() {
            return Ok(Step::Done);
        }
        self.transaction("prune", async |connection| prune_step(connection, pruning).await)
    }
}

async fn prune_step(
    connection: &mut SqliteConnection,
    pruning: &mut Pruning,
) -> Result<Step, sqlx::Error> {
    let state = State::read(connection).await?;
    if pruning.is_counted() && state.prunes != pruning.prunes {
        return Ok(Step::Done);
    }
    let threads = match &pruning.doomed {
        Doomed::Threads(wanted) => log_names::threads(connection, wanted).await?,
        _ => Vec::new(),
    };
    let keys = pruning.keys(&threads);
    let Some(chunk) = pruning.next(connection, state, keys.as_deref()).await? else {
        return Ok(Step::Done);
    };
    let (first, end) = (chunk.number * CHUNK, (chunk.number + 1) * CHUNK);
    pruning.from = chunk.number + 1;
    let (rows, last) = if pruning.covers(&chunk) {
        if let Doomed::Oldest(left) = &mut pruning.doomed {
            *left -= chunk.rows.cast_unsigned();
        }
        log_index::write(connection, chunk.number, &[]).await?;
        (delete_range(connection, first, end).await?, end - 1)
    } else {
        // A chunk that goes whole needs none of them.
        let names = Names::load(connection, state.names).await?;
        let entries = log_index::read(connection, &names, chunk.number).await?;
        let (gone, kept): (Vec<_>, Vec<_>) =
            entries.into_iter().partition(|entry| pruning.takes(entry, &threads));
        let Some(last) = gone.last() else { return Ok(Step::Took(0)) };
        if chunk.is_indexed {
            log_index::write(connection, chunk.number, &kept).await?;
        }
        let rows = if kept.is_empty() {
            delete_range(connection, first, end).await?
        } else {
            let ids: Vec<_> = gone.iter().map(|entry| entry.key.id).collect();
            let sql = "DELETE FROM entries WHERE id IN (SELECT value FROM json_each(?1))";
            let delete = sqlx::query(sql).bind(format!("{ids:?}"));
            delete.execute(&mut *connection).await?.rows_affected()
        };
        (rows, last.key.id)
    };
    sqlx::query("UPDATE state SET deleted_through = max(deleted_through, ?1), prunes = prunes + 1")
        .bind(last)
        .execute(connection)
        .await?;
    pruning.prunes = state.prunes + 1;
    Ok(Step::Took(rows))
}

async fn delete_range(
    connection: &mut SqliteConnection,
    first: i64,
    end: i64,
) -> Result<u64, sqlx::Error> {
    let delete = sqlx::query("DELETE FROM entries WHERE id >= ?1 AND id < ?2");
    Ok(delete.bind(first).bind(end).execute(connection).await?.rows_affected())
}

/// What is there.
pub(crate) struct Held {
    /// All but the bytes in all.
    pub(crate) logs: LogsHeld<Owner>,
    /// After so many deletions.
    pub(crate) prunes: i64,
    /// The second of the entry of the earliest time.
    pub(crate) earliest: Option<i64>,
}

/// What is there, that of each thread where asked for.
pub(crate) async fn held(
    connection: &mut SqliteConnection,
    with_threads: bool,
) -> Result<Held, sqlx::Error> {
    let state = State::read(connection).await?;
    let mut logs =
        LogsHeld { rows: count(connection, state).await?, bytes: 0, threads: Vec::new() };
    if with_threads {
        logs.threads = held_of_threads(connection, state).await?;
    }
    let earliest = sqlx::query_scalar(
        "SELECT min(first) FROM (SELECT min(from_seconds) AS first FROM chunks
         UNION ALL SELECT min(seconds) FROM entries WHERE id >= ?1)",
    )
    .bind(state.tail())
    .fetch_one(connection)
    .await?;
    Ok(Held { logs, prunes: state.prunes, earliest })
}

/// Entries and bytes of each thread, and of each process's entries of no thread.
async fn held_of_threads(
    connection: &mut SqliteConnection,
    state: State,
) -> Result<Vec<(Owner, u64, u64)>, sqlx::Error> {
    let mut threads: BTreeMap<Owner, (u64, u64)> = BTreeMap::new();
    let rows = sqlx::query(
        "SELECT kind, number, sum(rows), sum(bytes) FROM postings
         WHERE kind = 3 OR (kind = 1 AND number <> 0) GROUP BY kind, number",
    )
    .fetch_all(&mut *connection)
    .await?;
    for row in &rows {
        let kind = if row.try_get::<i64, _>(0)? == 3 { Kind::Threadless } else { Kind::Thread };
        let (rows, bytes): (i64, i64) = (row.try_get(2)?, row.try_get(3)?);
        threads.insert((kind, row.try_get(1)?), (rows.cast_unsigned(), bytes.cast_unsigned()));
    }
    let names = Names::load(connection, state.names).await?;
    for chunk in state.indexed..=chunk_of(state.last_id) {
        for entry in log_index::read(connection, &names, chunk).await? {
            let (rows, bytes) = threads.entry(owner(&entry)).or_default();
            *rows += 1;
            *bytes += entry.bytes;
        }
    }
    Ok(threads.into_iter().map(|(owner, (rows, bytes))| (owner, rows, bytes)).collect())
}

/// How many entries there are.
pub(crate) async fn count(
    connection: &mut SqliteConnection,
    state: State,
) -> Result<u64, sqlx::Error> {
    let rows: i64 = sqlx::query_scalar(
        "SELECT (SELECT coalesce(sum(rows), 0) FROM chunks WHERE chunk < ?1)
              + (SELECT count(*) FROM entries WHERE id >= ?2)",
    )
    .bind(state.indexed)
    .bind(state.tail())
    .fetch_one(connection)
    .await?;
    Ok(rows.cast_unsigned())
}
