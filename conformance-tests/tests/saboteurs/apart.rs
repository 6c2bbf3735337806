//! Saboteurs of handles that only read, and of threads whose logs cannot be used.

use std::time::Duration;

use chrono::{DateTime, Utc};
use threadkeep_conformance::async_trait;
use threadkeep_core::{LogFilter, LogStore, Outcome, Result, Retention, ThreadStore, WriteBatch};

use crate::Saboteur;
use crate::fixtures::{Reading, sqlite, sqlite_reading};
use crate::sabotage::{Inner, Sabotage};
use crate::sound::Nothing;

pub(crate) fn all() -> Vec<Saboteur> {
    vec![
        Saboteur {
            name: "writes_where_it_should_only_read",
            breaks: "A handle that was opened only to read writes all the same.",
            seen: "A flag that keeps the tables from being created, and nothing else.",
            rules: "P-61",
            fixture: |name| sqlite_reading(name, |_| Nothing, Reading::AndWriting),
        },
        Saboteur {
            name: "makes_a_store_to_read_it",
            breaks: "Opening a store that is not there, only to read it, creates one.",
            seen: "Every viewer that opens through the constructor of the writer.",
            rules: "P-63",
            fixture: |name| sqlite_reading(name, |_| Nothing, Reading::AndCreating),
        },
        Saboteur {
            name: "prunes_logs_with_every_write",
            breaks: "A write of threads first deletes old logs, and waits for their lock.",
            seen: "Agents that prune inside their inserts, and one database for everything.",
            rules: "P-70",
            fixture: |name| sqlite(name, |_| PrunesFirst),
        },
        Saboteur {
            name: "needs_logs_for_everything",
            breaks: "No call is answered where the logs cannot be read.",
            seen: "`ATTACH` of the log file to every connection.",
            rules: "P-70",
            fixture: |name| sqlite(name, |_| NeedsLogs),
        },
    ]
}

struct PrunesFirst;

#[async_trait]
impl Sabotage for PrunesFirst {
    async fn write(&self, inner: &Inner, batch: WriteBatch) -> Result<Vec<Outcome>> {
        // Nothing is so old: it is the lock that is taken.
        let nothing = Retention::before(DateTime::<Utc>::MIN_UTC);
        inner.prune(nothing, Duration::from_millis(10)).await?;
        inner.write(batch).await
    }
}

struct NeedsLogs;

#[async_trait]
impl Sabotage for NeedsLogs {
    async fn before(&self, inner: &Inner) -> Result<()> {
        inner.max_log_id(LogFilter::new().after_id(u64::MAX)).await.map(drop)
    }
}
