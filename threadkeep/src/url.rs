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
    Err(Error::new(ErrorKind::Unsupported, "this program was built without the feature sqlite")
        .hint("build threadkeep with the feature sqlite"))
}

fn unknown(url: &str) -> Error {
    Error::new(ErrorKind::InvalidInput, format!("{url:?} names no known kind of store"))
        .hint("use sqlite:PATH or memory:")
}
