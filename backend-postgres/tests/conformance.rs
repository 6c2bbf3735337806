//! The conformance suite on PostgreSQL: each store is a namespace of one server.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use async_trait::async_trait;
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection as _, PgConnection};
use threadkeep_conformance::{Declared, Fixture};
use threadkeep_core::{Capability, Error, ErrorKind, Result, Retention, Store, ThreadId};
use threadkeep_postgres::{PostgresOptions, PostgresStore};
use threadkeep_test_server::GIVEN;

struct Postgres;

#[async_trait]
impl Fixture for Postgres {
    fn name(&self) -> &'static str {
        "postgres"
    }

    fn declared(&self) -> Declared {
        let own = "the server's files are its own";
        Declared::everything()
            .without(Capability::Backup, "the server has its own: pg_dump and base backups")
            .without_previous_format("there is one format so far")
            .without_faults("the server's disk is not ours; it is filled and failed in other tests")
            .without_spoiling(own)
            .without_power_cut(own)
    }

    fn lacking(&self) -> Option<String> {
        threadkeep_test_server::lacking()
    }

    async fn open(&self, workspace: &Path) -> Result<Arc<dyn Store>> {
        self.open_keeping(workspace, Retention::default()).await
    }

    async fn open_read_only(&self, workspace: &Path) -> Result<Arc<dyn Store>> {
        let options = options(workspace)?.read_only(true);
        Ok(Arc::new(PostgresStore::open_with(options).await?))
    }

    async fn open_keeping(&self, workspace: &Path, retention: Retention) -> Result<Arc<dyn Store>> {
        let options = options(workspace)?.retention(retention);
        Ok(Arc::new(PostgresStore::open_with(options).await?))
    }

    async fn tamper(&self, workspace: &Path, id: ThreadId) -> Result<()> {
        let mut connection = connect().await?;
        sqlx::query(
            r#"UPDATE threadkeep.threads SET body = replace(body, '"title":"', '"title":"~')
               WHERE namespace = $1 AND id = $2::uuid"#,
        )
        .bind(namespace(workspace))
        .bind(id.to_string())
        .execute(&mut connection)
        .await
        .map_err(failed)?;
        connection.close().await.map_err(failed)
    }

    /// Freezes the namespace.
    async fn hold(&self, workspace: &Path) -> Result<Box<dyn Send>> {
        let mut connection = connect().await?;
        sqlx::query("SELECT pg_advisory_lock(1953002085, hashtext($1))")
            .bind(namespace(workspace))
            .execute(&mut connection)
            .await
            .map_err(failed)?;
        Ok(Box::new(connection))
    }

    /// A transaction that writes has the lock of its namespace until it ends, also when nobody is there
    /// any more to hear of it.
    async fn settle(&self, workspace: &Path) -> Result<()> {
        let mut connection = connect().await?;
        sqlx::query("SELECT pg_advisory_xact_lock(1953002085, hashtext($1))")
            .bind(namespace(workspace))
            .execute(&mut connection)
            .await
            .map_err(failed)?;
        connection.close().await.map_err(failed)
    }
}

/// The name of the store in a folder: the same in every process.
fn namespace(workspace: &Path) -> String {
    // The end of a long path tells it from others.
    let path = workspace.to_string_lossy();
    path[path.ceil_char_boundary(path.len().saturating_sub(200))..].to_owned()
}

fn url() -> Result<String> {
    std::env::var(GIVEN).map_err(|error| {
        Error::new(ErrorKind::Unavailable, "no server was named").with_source(error)
    })
}

fn options(workspace: &Path) -> Result<PostgresOptions> {
    PostgresOptions::from_url(&url()?)?.namespace(namespace(workspace))
}

/// A connection that knows nothing of the store.
async fn connect() -> Result<PgConnection> {
    let options: PgConnectOptions = url()?.parse().map_err(failed)?;
    // Poolers refuse the setting that the driver would ask for.
    PgConnection::connect_with(&options.extra_float_digits(None)).await.map_err(failed)
}

fn failed(error: sqlx::Error) -> Error {
    Error::new(ErrorKind::Io, "the fixture failed").with_source(error)
}

fn main() -> ExitCode {
    threadkeep_test_server::with_server(|| threadkeep_conformance::run(Postgres))
}
