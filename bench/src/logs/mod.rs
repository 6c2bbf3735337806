//! Logs on the stores that keep them in files, against one plain table.

pub(crate) mod append;
pub(crate) mod cap;
pub(crate) mod disk;
pub(crate) mod layer;
mod plain;
pub(crate) mod query;
pub(crate) mod steady;

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use anyhow::Result;
use threadkeep_core::{Retention, Store};
use threadkeep_redb::{RedbOptions, RedbStore};
use threadkeep_sqlite::{SqliteOptions, SqliteStore};

/// A store under measurement.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Engine {
    Sqlite,
    Redb,
}

impl Engine {
    const ALL: [Self; 2] = [Self::Sqlite, Self::Redb];

    async fn open(self, folder: &Path, retention: Retention) -> Result<Arc<dyn Store>> {
        Ok(match self {
            Self::Sqlite => {
                let options = SqliteOptions::default().retention(retention);
                Arc::new(SqliteStore::open_with(folder.join("threads.db"), options).await?)
            }
            Self::Redb => {
                let options = RedbOptions::default().retention(retention);
                Arc::new(RedbStore::open_with(folder.join("threads.redb"), options).await?)
            }
        })
    }
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sqlite => "sqlite",
            Self::Redb => "redb",
        })
    }
}

/// Bytes of the files of logs in a folder, side files included.
fn log_bytes(folder: &Path) -> std::io::Result<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with("threads-logs") {
            let file = entry.metadata()?;
            bytes += if file.is_dir() {
                crate::measure::folder_bytes(&entry.path())?
            } else {
                file.len()
            };
        }
    }
    Ok(bytes)
}

fn megabytes(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}
