//! Servers, databases and connections.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{AssertSqlSafe, ConnectOptions as _, PgConnection, PgPool};
use threadkeep_core::Retention;
use threadkeep_postgres::{PostgresOptions, PostgresStore};
use threadkeep_test_server::{Error, Server, Settings};

use crate::measure;

/// A server whose commits are durable, with 512 MB of shared buffers; `None`, having said so, where
/// PostgreSQL is not installed.
pub(crate) fn server() -> Result<Option<Server>> {
    let settings = Settings::durable()
        .line("shared_buffers = '512MB'")
        // Otherwise checkpoints come in the middle of one load and not of the other.
        .line("max_wal_size = '8GB'");
    match Server::start(settings) {
        Ok(server) => Ok(Some(server)),
        Err(Error::Missing(what)) => {
            println!("  skipped, there is no {what}");
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

/// A new database; its URL over TCP.
pub(crate) fn database(server: &Server, name: &str) -> Result<String> {
    server.create_database(name)?;
    url(server, name)
}

/// The URL of a database over TCP.
pub(crate) fn url(server: &Server, name: &str) -> Result<String> {
    let url = server.tcp_url();
    let (hosts, _) = url.rsplit_once('/').context("the server's URL names no database")?;
    Ok(format!("{hosts}/{name}"))
}

/// Takes a database and all connections to it away, so that the disk is free for the next.
pub(crate) fn drop_database(server: &Server, name: &str) -> Result<()> {
    server.psql(&format!("drop database \"{name}\" with (force)"))?;
    Ok(())
}

/// A store that keeps every log entry.
pub(crate) async fn open(url: &str) -> Result<PostgresStore> {
    let options = PostgresOptions::from_url(url)?.retention(Retention::default());
    Ok(PostgresStore::open_with(options).await?)
}

/// So many connections of sqlx's own, all of them there from the start, without a question to the
/// server each time one is lent.
pub(crate) async fn pool(url: &str, connections: u32) -> Result<PgPool> {
    let options: PgConnectOptions = url.parse()?;
    let pool = PgPoolOptions::new()
        .min_connections(connections)
        .max_connections(connections)
        .acquire_timeout(Duration::from_mins(1))
        .test_before_acquire(false)
        .connect_with(options.disable_statement_logging())
        .await?;
    Ok(pool)
}

/// One connection.
pub(crate) async fn connect(url: &str) -> Result<PgConnection> {
    let options: PgConnectOptions = url.parse()?;
    Ok(options.disable_statement_logging().connect().await?)
}

/// Runs fixed statements.
pub(crate) async fn run(connection: &mut PgConnection, sql: &str) -> Result<()> {
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(connection).await?;
    Ok(())
}

/// The first column of the only row.
pub(crate) async fn number(connection: &mut PgConnection, sql: &str) -> Result<i64> {
    Ok(sqlx::query_scalar(AssertSqlSafe(sql.to_owned())).fetch_one(connection).await?)
}

/// What asking the server for nothing takes, in the median: no call can be faster.
pub(crate) async fn round_trip(connection: &mut PgConnection) -> Result<Duration> {
    let mut times = Vec::new();
    for _ in 0..200 {
        let begun = Instant::now();
        sqlx::query("SELECT 1").execute(&mut *connection).await?;
        times.push(begun.elapsed());
    }
    Ok(measure::median(&mut times))
}
