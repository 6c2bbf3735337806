//! Choosing a store by URL.

use std::sync::Arc;

use threadkeep_core::{Error, ErrorKind, Result, Store};
use threadkeep_memory::MemoryStore;

/// Opens the store a URL names, creating it where there is none.
///
/// | URL | store | feature |
/// |---|---|---|
/// | `memory:` | in memory, gone when the last handle is dropped | always there |
/// | `sqlite:PATH` | two SQLite files: PATH for threads, PATH with `-logs` before its extension for logs | `sqlite` |
///
/// | `redb:PATH?sharing=auto` | a redb file for threads, a folder, PATH without its extension and with `-logs`, for logs | `redb` |
///
/// After a `?` a redb store takes options, parted by `&`: `sharing=auto`, `single` or `exclusive`
/// says who may have it open, `network=allow` lets it be on a network file system. A path that holds
/// a `?` has to end with one.
///
/// A path is taken as it stands, without percent-decoding. Must be called inside a tokio runtime,
/// unless the store is in memory.
///
/// # Errors
///
/// [`InvalidInput`](ErrorKind::InvalidInput) for a scheme that is not known,
/// [`Unsupported`](ErrorKind::Unsupported) for one whose feature is off, and whatever the backend
/// answers.
pub async fn open(url: &str) -> Result<Arc<dyn Store>> {
    let (scheme, rest) = url.split_once(':').ok_or_else(|| unknown(url))?;
    match scheme {
        "memory" if rest.is_empty() => Ok(Arc::new(MemoryStore::new())),
        "memory" => Err(Error::invalid_input(format!("{url:?}: a store in memory has no path"))
            .hint("use memory: alone")),
        "sqlite" => sqlite(rest).await,
        "redb" => redb(rest).await,
        _ => Err(unknown(url)),
    }
}

#[cfg(feature = "sqlite")]
async fn sqlite(path: &str) -> Result<Arc<dyn Store>> {
    if path.is_empty() {
        return Err(
            Error::invalid_input("the URL of a SQLite store has no path").hint("use sqlite:PATH")
        );
    }
    Ok(Arc::new(threadkeep_sqlite::SqliteStore::open(path).await?))
}

#[cfg(not(feature = "sqlite"))]
#[allow(clippy::unused_async, reason = "the same signature with and without the feature")]
async fn sqlite(_path: &str) -> Result<Arc<dyn Store>> {
    Err(without("sqlite"))
}

#[cfg(feature = "redb")]
async fn redb(rest: &str) -> Result<Arc<dyn Store>> {
    let (path, options) = rest.rsplit_once('?').unwrap_or((rest, ""));
    if path.is_empty() {
        return Err(
            Error::invalid_input("the URL of a redb store has no path").hint("use redb:PATH")
        );
    }
    let mut wanted = threadkeep_redb::RedbOptions::default();
    for option in options.split('&').filter(|option| !option.is_empty()) {
        wanted = match option.split_once('=') {
            Some(("sharing", sharing)) => wanted.sharing(sharing.parse()?),
            Some(("network", "allow")) => wanted.allow_network(true),
            _ => {
                return Err(Error::invalid_input(format!(
                    "{option:?} is no option of a redb store"
                ))
                .hint("use sharing=auto, sharing=single, sharing=exclusive or network=allow"));
            }
        };
    }
    Ok(Arc::new(threadkeep_redb::RedbStore::open_with(path, wanted).await?))
}

#[cfg(not(feature = "redb"))]
#[allow(clippy::unused_async, reason = "the same signature with and without the feature")]
async fn redb(_rest: &str) -> Result<Arc<dyn Store>> {
    Err(without("redb"))
}

#[cfg(not(all(feature = "sqlite", feature = "redb")))]
fn without(feature: &str) -> Error {
    let text = format!("this program was built without the feature {feature}");
    Error::new(ErrorKind::Unsupported, text)
        .hint(format!("build threadkeep with the feature {feature}"))
}

fn unknown(url: &str) -> Error {
    Error::new(ErrorKind::InvalidInput, format!("{url:?} names no known kind of store"))
        .hint("use sqlite:PATH, redb:PATH or memory:")
}
