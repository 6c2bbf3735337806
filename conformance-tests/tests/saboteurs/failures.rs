//! Saboteurs of how failures are told.

use std::path::PathBuf;

use threadkeep_conformance::async_trait;
use threadkeep_core::{
    Error, ErrorKind, Outcome, Page, Result, Store, ThreadId, ThreadMetadata, ThreadQuery,
    ThreadStore, WriteBatch,
};

use crate::Saboteur;
use crate::fixtures::{memory, sqlite};
use crate::sabotage::{Inner, Sabotage};

pub(crate) fn all() -> Vec<Saboteur> {
    vec![
        Saboteur {
            name: "calls_a_conflict_existing_and_the_reverse",
            breaks: "A revision that does not hold is AlreadyExists, a thread that is there a \
                     Conflict.",
            seen: "Servers answer both with 409, and whoever writes the client has to choose.",
            rules: "T-70, T-71",
            fixture: |name| memory(name, |_| SwapsKinds),
        },
        Saboteur {
            name: "calls_a_foreign_cursor_bad_input",
            breaks: "A cursor of another query is InvalidInput, not InvalidCursor.",
            seen: "One kind for everything a caller did wrong.",
            rules: "L-40",
            fixture: |name| memory(name, |_| OneKindOfInput),
        },
        Saboteur {
            name: "never_knows_whether_it_wrote",
            breaks: "Every failed write may have happened, also one that was refused.",
            seen: "Clients of servers that treat all errors as a lost connection.",
            rules: "E-02",
            fixture: |name| memory(name, |_| AlwaysUnsure),
        },
        Saboteur {
            name: "is_never_closed",
            breaks: "After closing, every call goes on as before.",
            seen: "`close` that only flushes, with the pool kept by the clones of the handle.",
            rules: "E-01",
            fixture: |name| memory(name, |_| NeverCloses),
        },
        Saboteur {
            name: "backs_up_over_what_is_there",
            breaks: "A backup into a folder with something in it replaces it.",
            seen: "`remove_dir_all` and `create_dir_all`, or VACUUM INTO after removing the file.",
            rules: "S-11",
            fixture: |name| sqlite(name, |_| BacksUpOver),
        },
        Saboteur {
            name: "backs_up_without_logs",
            breaks: "A backup has the threads and not the logs.",
            seen: "Stores that got a second file after their backup was written.",
            rules: "S-10",
            fixture: |name| sqlite(name, |_| BacksUpThreads),
        },
    ]
}

/// The same error, of another kind.
fn of_kind(error: &Error, kind: ErrorKind) -> Error {
    let other = Error::new(kind, error.message());
    let other = error.operation().into_iter().fold(other, Error::during);
    error.hint_text().into_iter().fold(other, Error::hint)
}

struct SwapsKinds;

#[async_trait]
impl Sabotage for SwapsKinds {
    async fn write(&self, inner: &Inner, batch: WriteBatch) -> Result<Vec<Outcome>> {
        inner.write(batch).await.map_err(|error| match error.kind() {
            ErrorKind::Conflict => of_kind(&error, ErrorKind::AlreadyExists),
            ErrorKind::AlreadyExists => of_kind(&error, ErrorKind::Conflict),
            _ => error,
        })
    }
}

struct OneKindOfInput;

impl OneKindOfInput {
    fn kind(error: Error) -> Error {
        match error.kind() {
            ErrorKind::InvalidCursor => of_kind(&error, ErrorKind::InvalidInput),
            _ => error,
        }
    }
}

#[async_trait]
impl Sabotage for OneKindOfInput {
    async fn list(&self, inner: &Inner, query: ThreadQuery) -> Result<Page<ThreadMetadata>> {
        inner.list(query).await.map_err(Self::kind)
    }

    async fn list_ids(&self, inner: &Inner, query: ThreadQuery) -> Result<Page<ThreadId>> {
        inner.list_ids(query).await.map_err(Self::kind)
    }
}

struct AlwaysUnsure;

#[async_trait]
impl Sabotage for AlwaysUnsure {
    async fn write(&self, inner: &Inner, batch: WriteBatch) -> Result<Vec<Outcome>> {
        inner.write(batch).await.map_err(Error::maybe_applied)
    }
}

struct NeverCloses;

#[async_trait]
impl Sabotage for NeverCloses {
    async fn close(&self, inner: &Inner) -> Result<()> {
        inner.flush().await
    }
}

fn io(error: std::io::Error) -> Error {
    Error::new(ErrorKind::Io, "the backup failed").with_source(error)
}

struct BacksUpOver;

#[async_trait]
impl Sabotage for BacksUpOver {
    async fn backup(&self, inner: &Inner, to: PathBuf) -> Result<()> {
        inner.flush().await?;
        if to.exists() {
            std::fs::remove_dir_all(&to).map_err(io)?;
        }
        inner.backup(to).await
    }
}

struct BacksUpThreads;

#[async_trait]
impl Sabotage for BacksUpThreads {
    async fn backup(&self, inner: &Inner, to: PathBuf) -> Result<()> {
        inner.backup(to.clone()).await?;
        for entry in std::fs::read_dir(&to).map_err(io)? {
            let path = entry.map_err(io)?.path();
            if path.file_name().is_some_and(|name| name.to_string_lossy().contains("-logs")) {
                std::fs::remove_file(path).map_err(io)?;
            }
        }
        Ok(())
    }
}
