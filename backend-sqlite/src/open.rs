//! Opening a file: create it, upgrade it, or find it up to date.

use std::fs::OpenOptions;
use std::io::ErrorKind as IoKind;
use std::path::Path;
use std::time::SystemTime;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Connection, Row, SqliteConnection};
use threadkeep_core::{Error, ErrorKind, Result};
use threadkeep_migrations::sqlite::APPLICATION_ID;
use threadkeep_migrations::{Meta, Migration, Plan, UpgradeLock, plan};

use crate::errors::translate;
use crate::{SqliteOptions, connect, errors};

/// Whether a file may be written to by this version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    Full,
    ReadOnly,
}

/// Makes sure that the file at `path` is a store of the newest known format.
///
/// An up-to-date file is only read. Otherwise one process at a time creates or upgrades it, in one
/// transaction; the others wait and find it done.
pub(crate) async fn prepare(
    path: &Path,
    steps: &'static [Migration],
    options: SqliteOptions,
) -> Result<Access> {
    check_folder(path)?;
    if options.read_only {
        return prepare_to_read(path, steps, options).await;
    }
    match look(path, steps, connect::probe(path, options)).await {
        Ok(Some(access)) => return Ok(access),
        Ok(None) => {}
        // A process was killed while it created the file.
        Err(error) if errors::needs_rollback(&error) => {}
        Err(error) => return Err(error),
    }
    let lock = lock(path, options).await?;
    // Somebody else may have done it while this process waited. A connection that could write also
    // undoes what a killed process left half done.
    let access = match look(path, steps, connect::patient(path, options)).await? {
        Some(access) => access,
        None => upgrade(path, steps, options).await?,
    };
    drop(lock);
    Ok(access)
}

/// Makes sure that the file can be read as it is.
async fn prepare_to_read(
    path: &Path,
    steps: &'static [Migration],
    options: SqliteOptions,
) -> Result<Access> {
    match look(path, steps, connect::frozen(path, options)).await? {
        Some(_) => Ok(Access::ReadOnly),
        None if std::fs::metadata(path).is_ok_and(|file| file.len() > 0) => {
            let text =
                format!("{} has an older format and would have to be upgraded", path.display());
            Err(Error::new(ErrorKind::ReadOnly, text).hint("open it once for writing"))
        }
        None => {
            Err(Error::new(ErrorKind::NotFound, format!("there is no store at {}", path.display()))
                .hint("name a store that is there, or open it for writing to create it"))
        }
    }
}

/// What tells a file from another one under the same path; `None` where there is none.
pub(crate) fn identity(path: &Path) -> Option<Identity> {
    let file = std::fs::metadata(path).ok()?;
    #[cfg(unix)]
    return Some((
        std::os::unix::fs::MetadataExt::dev(&file),
        std::os::unix::fs::MetadataExt::ino(&file),
    ));
    #[cfg(not(unix))]
    Some(file.is_file().into())
}

/// Device and inode.
#[cfg(unix)]
pub(crate) type Identity = (u64, u64);
#[cfg(not(unix))]
pub(crate) type Identity = u64;

/// Sets a damaged file of logs aside and creates it anew, unless somebody else has: one that a write
/// found damaged is told by its identity.
pub(crate) async fn begin_anew(
    path: &Path,
    steps: &'static [Migration],
    options: SqliteOptions,
    condemned: Option<Identity>,
) -> Result<Access> {
    let lock = lock(path, options).await?;
    let found = look(path, steps, connect::patient(path, options)).await;
    let is_damaged = match &found {
        Err(error) => error.kind() == ErrorKind::Corrupted,
        Ok(_) => condemned.is_some() && identity(path) == condemned,
    };
    if !is_damaged {
        drop(lock);
        return match found? {
            Some(access) => Ok(access),
            None => Box::pin(prepare(path, steps, options)).await,
        };
    }
    set_aside(path)?;
    let access = upgrade(path, steps, options).await?;
    // Numbers go on growing: so many as milliseconds were never given out.
    let number = SystemTime::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_millis());
    let failed = |error| translate(error, path, "open");
    let mut connection = connect::connect(&connect::patient(path, options), path, "open").await?;
    sqlx::query("UPDATE state SET deleted_through = ?1, indexed = ?1 / 4096")
        .bind(i64::try_from(number).unwrap_or(i64::MAX / 2))
        .execute(&mut connection)
        .await
        .map_err(failed)?;
    close(connection, path).await?;
    drop(lock);
    Ok(access)
}

/// Renames a file and its side files; nothing is deleted.
fn set_aside(path: &Path) -> Result<()> {
    let seconds = SystemTime::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_secs());
    for suffix in ["-wal", "-shm", ""] {
        let mut from = path.as_os_str().to_owned();
        from.push(suffix);
        let mut to = path.as_os_str().to_owned();
        to.push(format!(".damaged-{seconds}{suffix}"));
        match std::fs::rename(&from, &to) {
            Err(error) if error.kind() == IoKind::NotFound => {}
            Err(error) => {
                let text = format!("cannot set {} aside", path.display());
                return Err(Error::new(ErrorKind::Io, text)
                    .hint("check that the folder may be written to")
                    .with_source(error));
            }
            Ok(()) => {}
        }
    }
    Ok(())
}

async fn lock(path: &Path, options: SqliteOptions) -> Result<UpgradeLock> {
    let lock_path = path.to_owned();
    tokio::task::spawn_blocking(move || UpgradeLock::acquire(&lock_path, options.deadline))
        .await
        .map_err(|error| {
            Error::new(ErrorKind::Internal, "waiting for a lock failed").with_source(error)
        })?
}

/// What the file allows as it is; `None` where it has to be created or upgraded.
async fn look(
    path: &Path,
    steps: &'static [Migration],
    connection: SqliteConnectOptions,
) -> Result<Option<Access>> {
    match std::fs::metadata(path) {
        Err(error) if error.kind() == IoKind::NotFound => return Ok(None),
        Err(error) => return Err(unreadable(path, error)),
        Ok(file) if file.is_dir() => {
            return Err(Error::invalid_input(format!("{} is a folder", path.display()))
                .hint("name a file in it"));
        }
        // A file that is only just being created.
        Ok(file) if file.len() == 0 => return Ok(None),
        Ok(_) => {}
    }
    let mut connection = connect::connect(&connection, path, "open").await?;
    let meta = read_meta(&mut connection, path).await;
    close(connection, path).await?;
    Ok(match plan(meta?, steps).map_err(|error| error.about(path.display()))? {
        Plan::Ready => Some(Access::Full),
        Plan::ReadOnly => Some(Access::ReadOnly),
        Plan::Upgrade(_) => None,
    })
}

async fn upgrade(
    path: &Path,
    steps: &'static [Migration],
    options: SqliteOptions,
) -> Result<Access> {
    create_private(path)?;
    let mut connection = connect::connect(&connect::create(path, options), path, "open").await?;
    let result = migrate(&mut connection, path, steps).await;
    close(connection, path).await?;
    result.map(|()| Access::Full)
}

async fn migrate(
    connection: &mut SqliteConnection,
    path: &Path,
    steps: &'static [Migration],
) -> Result<()> {
    let failed = |error: sqlx::Error| {
        let cause = translate(error, path, "upgrade");
        match cause.kind() {
            ErrorKind::Internal => {
                Error::new(ErrorKind::MigrationFailed, format!("cannot upgrade {}", path.display()))
                    .hint("report this; the store is as it was before")
                    .with_source(cause)
            }
            _ => cause,
        }
    };
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await.map_err(failed)?;
    let Plan::Upgrade(pending) = plan(read_meta(&mut transaction, path).await?, steps)? else {
        return Ok(());
    };
    for step in pending {
        sqlx::raw_sql(step.step).execute(&mut *transaction).await.map_err(failed)?;
    }
    if let Some(last) = pending.last() {
        for (key, value) in [
            ("schema", last.version.to_string()),
            ("min_reader", last.min_reader.to_string()),
            ("min_writer", last.min_writer.to_string()),
            ("created_by", format!("threadkeep {}", env!("CARGO_PKG_VERSION"))),
        ] {
            sqlx::query(
                "INSERT INTO meta (key, value) VALUES (?1, ?2)
                 ON CONFLICT (key) DO UPDATE SET value = excluded.value
                 WHERE key <> 'created_by'",
            )
            .bind(key)
            .bind(value)
            .execute(&mut *transaction)
            .await
            .map_err(failed)?;
        }
    }
    // A pragma takes no parameters; a test keeps this number equal to the constant.
    sqlx::query("PRAGMA application_id = 1953000304")
        .execute(&mut *transaction)
        .await
        .map_err(failed)?;
    transaction.commit().await.map_err(failed)
}

/// What the file says of its format; `None` for one without a table.
async fn read_meta(connection: &mut SqliteConnection, path: &Path) -> Result<Option<Meta>> {
    let failed = |error| translate(error, path, "open");
    let (application, tables): (i64, i64) = sqlx::query_as(
        "SELECT (SELECT application_id FROM pragma_application_id),
                (SELECT count(*) FROM sqlite_schema WHERE type = 'table')",
    )
    .fetch_one(&mut *connection)
    .await
    .map_err(failed)?;
    if tables == 0 {
        return Ok(None);
    }
    if application != i64::from(APPLICATION_ID) {
        return Err(not_a_store(path, "it is a database of another program"));
    }
    let rows = sqlx::query("SELECT key, value FROM meta")
        .fetch_all(&mut *connection)
        .await
        .map_err(failed)?;
    let number = |wanted: &str| {
        rows.iter()
            .find(|row| row.try_get::<&str, _>(0).is_ok_and(|key| key == wanted))
            .and_then(|row| row.try_get::<&str, _>(1).ok()?.parse().ok())
            .ok_or_else(|| not_a_store(path, "its table meta does not tell the format"))
    };
    Ok(Some(Meta {
        schema: number("schema")?,
        min_reader: number("min_reader")?,
        min_writer: number("min_writer")?,
    }))
}

async fn close(connection: SqliteConnection, path: &Path) -> Result<()> {
    connection.close().await.map_err(|error| translate(error, path, "open"))
}

fn not_a_store(path: &Path, why: &str) -> Error {
    Error::new(ErrorKind::Corrupted, format!("{} is no store of threads: {why}", path.display()))
        .hint("name another file, or move this one away")
}

fn unreadable(path: &Path, error: std::io::Error) -> Error {
    Error::new(ErrorKind::Io, format!("cannot read {}", path.display()))
        .hint("check the permissions of the file and its folder")
        .with_source(error)
}

fn check_folder(path: &Path) -> Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => return Ok(()),
    };
    if folder.is_dir() {
        return Ok(());
    }
    Err(Error::new(ErrorKind::NotFound, format!("the folder {} does not exist", folder.display()))
        .hint("create the folder, or name a store elsewhere"))
}

/// Creates the file so that only its owner may read it; SQLite gives its side files the same mode.
pub(crate) fn create_private(path: &Path) -> Result<()> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop).map_err(|error| {
        Error::new(ErrorKind::Io, format!("cannot create {}", path.display()))
            .hint("check that the folder may be written to")
            .with_source(error)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_application_id_in_the_pragma_is_the_constant() {
        assert_eq!(APPLICATION_ID, 1_953_000_304);
    }
}
