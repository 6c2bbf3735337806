//! Choosing a store by URL.

use std::borrow::Cow;
use std::sync::Arc;

use threadkeep_core::{Error, ErrorKind, Result, Store};
use threadkeep_memory::MemoryStore;

/// Opens the store a URL names, creating it where there is none.
///
/// | URL | store | feature |
/// |---|---|---|
/// | `memory:` | in memory, gone when the last handle is dropped | always there |
/// | `sqlite:PATH` | two SQLite files: PATH for threads, PATH with `-logs` before its extension for logs | `sqlite` |
/// | `redb:PATH` | a redb file for threads, a folder, PATH without its extension and with `-logs`, for logs | `redb` |
/// | `postgres://USER:PASSWORD@HOST:PORT/DATABASE` | the schema `threadkeep` of a PostgreSQL database; of several hosts parted by commas, the primary is found | `postgres` |
/// | `routes:FILE?namespace=NAME` | that of the PostgreSQL server which has the namespace, by a table of lines `NAMESPACE URL`; `*` stands for all others | `postgres` |
///
/// After a `?` come options, parted by `&`; a path that holds a `?` has to end with one.
///
/// | option | of | says |
/// |---|---|---|
/// | `mode=ro` | all three | only to be read, as by [`open_read_only`] |
/// | `retention=off` | all three | every log entry is kept, instead of those of [`Retention::standard`](threadkeep_core::Retention::standard) |
/// | `sharing=auto`, `single` or `exclusive` | redb | who may have it open |
/// | `network=allow` | redb | it may be on a network file system |
/// | `namespace=NAME` | PostgreSQL | which of the stores that share the database; `default` where absent |
/// | `replica=HOST:PORT,…` | PostgreSQL | lists of threads and pages of logs are read from these standbys and may be stale |
/// | `sslmode=verify-full`, `sslrootcert=FILE` and others of libpq | PostgreSQL | TLS, and parts of the address |
///
/// The path of a file is taken as it stands, without percent-decoding; in a URL of PostgreSQL every
/// part is decoded. Must be called inside a tokio runtime, unless the store is in memory or on a
/// server. No error repeats a password.
///
/// # Errors
///
/// [`InvalidInput`](ErrorKind::InvalidInput) for a scheme or an option that is not known,
/// [`Unsupported`](ErrorKind::Unsupported) for a scheme whose feature is off, and whatever the
/// backend answers.
pub async fn open(url: &str) -> Result<Arc<dyn Store>> {
    open_as(url, false).await
}

/// Opens the store a URL names only to be read: nothing is created or changed, neither the folder
/// nor the files need be writable, and others may go on writing, whose commits are seen.
///
/// # Errors
///
/// Those of [`open`]; [`NotFound`](ErrorKind::NotFound) where there is no store. A store in memory
/// is [`Unsupported`](ErrorKind::Unsupported): nobody else could have put anything in it.
pub async fn open_read_only(url: &str) -> Result<Arc<dyn Store>> {
    open_as(url, true).await
}

async fn open_as(url: &str, read_only: bool) -> Result<Arc<dyn Store>> {
    let (scheme, rest) = url.split_once(':').ok_or_else(|| unknown(url))?;
    match scheme {
        "memory" if rest.is_empty() && read_only => {
            let text = "a store in memory that is only read would hold nothing";
            Err(Error::new(ErrorKind::Unsupported, text)
                .hint("use sqlite:PATH, redb:PATH or postgres://…"))
        }
        "memory" if rest.is_empty() => Ok(Arc::new(MemoryStore::new())),
        "memory" => Err(Error::invalid_input(format!("{url:?}: a store in memory has no path"))
            .hint("use memory: alone")),
        "sqlite" => sqlite(rest, read_only).await,
        "redb" => redb(rest, read_only).await,
        "postgres" | "postgresql" => postgres(url, read_only).await,
        "routes" => routes(rest, read_only).await,
        _ => Err(unknown(url)),
    }
}

#[cfg(feature = "sqlite")]
async fn sqlite(rest: &str, read_only: bool) -> Result<Arc<dyn Store>> {
    let (path, options) = path_and_options("sqlite", rest)?;
    let mut wanted = threadkeep_sqlite::SqliteOptions::default().read_only(read_only);
    for option in options {
        wanted = match option {
            ("mode", "ro") => wanted.read_only(true),
            ("retention", "off") => wanted.retention(threadkeep_core::Retention::default()),
            option => return Err(no_option("sqlite", option, "mode=ro or retention=off")),
        };
    }
    Ok(Arc::new(threadkeep_sqlite::SqliteStore::open_with(path, wanted).await?))
}

#[cfg(not(feature = "sqlite"))]
#[allow(clippy::unused_async, reason = "the same signature with and without the feature")]
async fn sqlite(_rest: &str, _read_only: bool) -> Result<Arc<dyn Store>> {
    Err(without("sqlite"))
}

#[cfg(feature = "redb")]
async fn redb(rest: &str, read_only: bool) -> Result<Arc<dyn Store>> {
    let (path, options) = path_and_options("redb", rest)?;
    let mut wanted = threadkeep_redb::RedbOptions::default().read_only(read_only);
    for option in options {
        wanted = match option {
            ("mode", "ro") => wanted.read_only(true),
            ("retention", "off") => wanted.retention(threadkeep_core::Retention::default()),
            ("sharing", sharing) => wanted.sharing(sharing.parse()?),
            ("network", "allow") => wanted.allow_network(true),
            option => {
                let known = "mode=ro, retention=off, sharing=auto, sharing=single, \
                             sharing=exclusive or network=allow";
                return Err(no_option("redb", option, known));
            }
        };
    }
    Ok(Arc::new(threadkeep_redb::RedbStore::open_with(path, wanted).await?))
}

#[cfg(not(feature = "redb"))]
#[allow(clippy::unused_async, reason = "the same signature with and without the feature")]
async fn redb(_rest: &str, _read_only: bool) -> Result<Arc<dyn Store>> {
    Err(without("redb"))
}

#[cfg(feature = "postgres")]
async fn postgres(url: &str, read_only: bool) -> Result<Arc<dyn Store>> {
    let mut options = threadkeep_postgres::PostgresOptions::from_url(url)?;
    if read_only {
        options = options.read_only(true);
    }
    Ok(Arc::new(threadkeep_postgres::PostgresStore::open_with(options).await?))
}

#[cfg(feature = "postgres")]
async fn routes(rest: &str, read_only: bool) -> Result<Arc<dyn Store>> {
    postgres(&routed(rest)?, read_only).await
}

/// The URL of the server a routing table names, with the options given beside the namespace.
#[cfg(feature = "postgres")]
fn routed(rest: &str) -> Result<String> {
    let (path, options) = rest.split_once('?').unwrap_or((rest, ""));
    let mut namespace = Cow::Borrowed("default");
    let mut handed_on = form_urlencoded::Serializer::new(String::new());
    for (name, value) in form_urlencoded::parse(options.as_bytes()) {
        if name == "namespace" {
            namespace = value;
        } else {
            handed_on.append_pair(&name, &value);
        }
    }
    let url = crate::routes::route(path.as_ref(), &namespace)?;
    Ok(format!("{url}&{}", handed_on.finish()))
}

#[cfg(not(feature = "postgres"))]
#[allow(clippy::unused_async, reason = "the same signature with and without the feature")]
async fn routes(_rest: &str, _read_only: bool) -> Result<Arc<dyn Store>> {
    Err(without("postgres"))
}

#[cfg(not(feature = "postgres"))]
#[allow(clippy::unused_async, reason = "the same signature with and without the feature")]
async fn postgres(_url: &str, _read_only: bool) -> Result<Arc<dyn Store>> {
    Err(without("postgres"))
}

/// The path of a URL, and its options as names and values.
#[cfg(any(feature = "sqlite", feature = "redb"))]
fn path_and_options<'a>(scheme: &str, rest: &'a str) -> Result<(&'a str, Vec<(&'a str, &'a str)>)> {
    let (path, options) = rest.rsplit_once('?').unwrap_or((rest, ""));
    if path.is_empty() {
        return Err(Error::invalid_input(format!("the URL of a {scheme} store has no path"))
            .hint(format!("use {scheme}:PATH")));
    }
    let options = options.split('&').filter(|option| !option.is_empty());
    Ok((path, options.map(|option| option.split_once('=').unwrap_or((option, ""))).collect()))
}

#[cfg(any(feature = "sqlite", feature = "redb"))]
fn no_option(scheme: &str, (name, value): (&str, &str), known: &str) -> Error {
    Error::invalid_input(format!("\"{name}={value}\" is no option of a {scheme} store"))
        .hint(format!("use {known}"))
}

#[cfg(not(all(feature = "sqlite", feature = "redb", feature = "postgres")))]
fn without(feature: &str) -> Error {
    let text = format!("this program was built without the feature {feature}");
    Error::new(ErrorKind::Unsupported, text)
        .hint(format!("build threadkeep with the feature {feature}"))
}

fn unknown(url: &str) -> Error {
    let text = format!("{:?} names no known kind of store", without_password(url));
    Error::new(ErrorKind::InvalidInput, text)
        .hint("use sqlite:PATH, redb:PATH, postgres://… or memory:")
}

/// A URL as it may be printed and logged: without the password of a server.
///
/// ```
/// use threadkeep::without_password;
///
/// assert_eq!(without_password("postgres://ann:s3cret@db/t"), "postgres://ann:***@db/t");
/// assert_eq!(without_password("postgres://db/t?password=s3cret"), "postgres://db/t?password=***");
/// assert_eq!(without_password("sqlite:/a:b@c?mode=ro"), "sqlite:/a:b@c?mode=ro");
/// ```
pub fn without_password(url: &str) -> Cow<'_, str> {
    let Some((scheme, rest)) = url.split_once("://") else { return Cow::Borrowed(url) };
    let (address, options) = rest.split_once('?').unwrap_or((rest, ""));
    // A password that holds what it should not is hidden too: up to the last such sign.
    let (user, place) =
        address.rsplit_once('@').map_or(("", address), |(user, place)| (user, place));
    let secret = user.split_once(':');
    let is_secret = |option: &str| option.to_ascii_lowercase().contains("password=");
    if secret.is_none() && !is_secret(options) {
        return Cow::Borrowed(url);
    }
    let user = match secret {
        Some((name, _)) => format!("{name}:***@"),
        None if user.is_empty() => String::new(),
        None => format!("{user}@"),
    };
    let options = options.split('&').map(|option| match option.split_once('=') {
        Some((name, _)) if is_secret(option) => Cow::Owned(format!("{name}=***")),
        _ => Cow::Borrowed(option),
    });
    let options = options.collect::<Vec<_>>().join("&");
    let parting = if options.is_empty() { "" } else { "?" };
    Cow::Owned(format!("{scheme}://{user}{place}{parting}{options}"))
}
