//! Opening: the schema is created or upgraded, and the namespace made known.

use std::time::Instant;

use sqlx::postgres::PgRow;
use threadkeep_core::{Error, ErrorKind, Result};
use threadkeep_migrations::postgres::STORE;
use threadkeep_migrations::{Meta, Migration, Plan, plan};

use crate::connection::{Connection, flag, text};
use crate::errors::{Failed, read_only};
use crate::options::PostgresOptions;
use crate::sql::Sql;

/// What `meta` says under `application`: that the tables are this project's.
const APPLICATION: &str = "threadkeep";
/// The lock of whoever creates or upgrades the schema: "threadkp".
const UPGRADE_LOCK: i64 = 0x7468_7265_6164_6b70;

/// What a handle may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// Read and write.
    Full,
    /// A newer version wrote the store, and allows reading only.
    ReadOnly,
}

/// Brings the store into the present format, where it may, and makes the namespace known.
pub(crate) async fn prepare(
    connection: &mut Connection,
    options: &PostgresOptions,
    until: Instant,
) -> Result<Access> {
    let place = options.place();
    let failed = |error: Failed| error.translate(&place, "open");
    let meta = meta(connection, until).await.map_err(failed)??;
    let access = match plan(meta, STORE)? {
        Plan::Ready => Access::Full,
        Plan::ReadOnly => Access::ReadOnly,
        Plan::Upgrade(_) if options.read_only && meta.is_none() => return Err(absent(&place)),
        Plan::Upgrade(_) if options.read_only => return Err(read_only(&place, true)),
        Plan::Upgrade(_) => {
            upgrade(connection, until, &place).await?;
            Access::Full
        }
    };
    let known =
        Sql::new("SELECT 1 FROM threadkeep.namespaces WHERE name = ?").text(&options.namespace);
    let known = !connection.rows(known, until).await.map_err(failed)?.is_empty();
    if !known && (options.read_only || access == Access::ReadOnly) {
        return Err(absent(&place));
    }
    if !known {
        let make =
            Sql::new("INSERT INTO threadkeep.namespaces (name) VALUES (?) ON CONFLICT DO NOTHING");
        connection.run(make.text(&options.namespace), until).await.map_err(failed)?;
    }
    Ok(access)
}

fn absent(place: &str) -> Error {
    Error::new(ErrorKind::NotFound, format!("there is no store in {place}"))
        .during("open")
        .hint("open it for writing once, which creates it")
}

/// What the store says of its format; `None` where it is still empty.
async fn meta(connection: &mut Connection, until: Instant) -> Result<Result<Option<Meta>>, Failed> {
    // Not `to_regclass`, which may answer from what it knew before somebody else's commit.
    let there = Sql::new(
        "SELECT EXISTS (SELECT FROM pg_catalog.pg_class AS c
                        JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
                        WHERE n.nspname = 'threadkeep' AND c.relname = 'meta')",
    );
    let there = connection.rows(there, until).await?;
    if !there.first().map_or(Ok(false), |row| flag(row, 0))? {
        return Ok(Ok(None));
    }
    let rows = connection.rows(Sql::new("SELECT key, value FROM threadkeep.meta"), until).await?;
    read_meta(&rows)
}

fn read_meta(rows: &[PgRow]) -> Result<Result<Option<Meta>>, Failed> {
    let mut meta = Meta { schema: 0, min_reader: 0, min_writer: 0 };
    let mut known = 0;
    for row in rows {
        let (key, value) = (text(row, 0)?, text(row, 1)?);
        let field = match key.as_str() {
            "application" if value == APPLICATION => {
                known += 1;
                continue;
            }
            "schema" => &mut meta.schema,
            "min_reader" => &mut meta.min_reader,
            "min_writer" => &mut meta.min_writer,
            _ => continue,
        };
        if let Ok(number) = value.parse() {
            *field = number;
            known += 1;
        }
    }
    if known == 4 {
        return Ok(Ok(Some(meta)));
    }
    Ok(Err(Error::new(ErrorKind::Corrupted, "the table threadkeep.meta is not a store's")
        .hint("name another database, or move the schema threadkeep away")))
}

/// Takes all pending steps in one transaction. Of many that come at once, one does it.
async fn upgrade(connection: &mut Connection, until: Instant, place: &str) -> Result<()> {
    let migration_failed = |error: Failed| {
        if error.is_connection() || error.is_lock_timeout() {
            return error.translate(place, "open");
        }
        Error::new(ErrorKind::MigrationFailed, format!("could not create or upgrade {place}"))
            .during("open")
            .hint("let the role create the schema threadkeep, or look into the server's log")
            .with_source(error)
    };
    let begin = Sql::new("BEGIN; SELECT pg_advisory_xact_lock(?)").number(UPGRADE_LOCK);
    connection.run(begin, until).await.map_err(migration_failed)?;
    // Somebody else may have done it meanwhile.
    let found = meta(connection, until).await.map_err(migration_failed)??;
    let mut sql = Sql::new("CREATE SCHEMA IF NOT EXISTS threadkeep");
    if let Plan::Upgrade(steps) = plan(found, STORE)? {
        for Migration { step, .. } in steps {
            sql = sql.and(Sql::raw(step));
        }
        if let Some(last) = steps.last() {
            sql = sql.and(stamp(last));
        }
    }
    connection.run(sql.and(Sql::new("COMMIT")), until).await.map_err(migration_failed)?;
    Ok(())
}

/// Says which format the store has now.
fn stamp(step: &Migration) -> Sql {
    let values = [
        ("application", APPLICATION.to_owned()),
        ("schema", step.version.to_string()),
        ("min_reader", step.min_reader.to_string()),
        ("min_writer", step.min_writer.to_string()),
        ("created_by", concat!("threadkeep ", env!("CARGO_PKG_VERSION")).to_owned()),
    ];
    Sql::new(
        "INSERT INTO threadkeep.meta (key, value) SELECT * FROM unnest(?, ?)
         ON CONFLICT (key) DO UPDATE SET value = excluded.value WHERE meta.key <> 'created_by'",
    )
    .texts(values.iter().map(|(key, _)| *key))
    .texts(values.iter().map(|(_, value)| value.as_str()))
}
