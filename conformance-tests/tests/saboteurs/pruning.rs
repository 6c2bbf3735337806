//! Saboteurs of what is kept of the logs.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use threadkeep_conformance::async_trait;
use threadkeep_core::{
    LogEntry, LogIds, LogPage, LogQuery, LogStore, Maintained, Pruned, Result, Retention, Stats,
    Store,
};
use tokio::sync::Mutex;

use crate::Saboteur;
use crate::fixtures::{memory, own_logs, sqlite};
use crate::own_logs::{LogFault, OwnLogs};
use crate::sabotage::{Inner, Sabotage};

pub(crate) fn all() -> Vec<Saboteur> {
    [of_limits(), of_steps()].into_iter().flatten().collect()
}

fn of_limits() -> Vec<Saboteur> {
    vec![
        Saboteur {
            name: "counts_threads_together",
            breaks: "Pruning to a number of entries a thread leaves so many of all threads.",
            seen: "`ORDER BY id DESC LIMIT ?` where `row_number() OVER (PARTITION BY thread_id …)` \
                   was needed.",
            rules: "G-36",
            fixture: |name| own_logs(name, |_| OwnLogs::new(LogFault::CountsTogether)),
        },
        Saboteur {
            name: "forgets_whose_threadless_entries_are",
            breaks: "Entries of no thread count as one thread, whichever process wrote them.",
            seen: "`PARTITION BY thread_id`, which puts all nulls into one part.",
            rules: "G-37",
            fixture: |name| own_logs(name, |_| OwnLogs::new(LogFault::ForgetsProcesses)),
        },
        Saboteur {
            name: "keeps_one_entry_more",
            breaks: "Pruning leaves each thread one entry more than it may have.",
            seen: "`OFFSET ?` and `<=`, of which one begins to count at 0 and the other at 1.",
            rules: "G-36",
            fixture: |name| own_logs(name, |_| OwnLogs::new(LogFault::KeepsOneMore)),
        },
        Saboteur {
            name: "keeps_one_entry_less",
            breaks: "Pruning leaves each thread one entry less than it may have.",
            seen: "`row_number() >= ?`, for the same reason.",
            rules: "G-36, G-41",
            fixture: |name| own_logs(name, |_| OwnLogs::new(LogFault::KeepsOneLess)),
        },
        Saboteur {
            name: "counts_the_bytes_of_messages_alone",
            breaks: "The bytes of a thread are those of its messages, without targets and places.",
            seen: "`sum(length(message))`, the column that looks large.",
            rules: "G-38",
            fixture: |name| own_logs(name, |_| OwnLogs::new(LogFault::CountsMessages)),
        },
        Saboteur {
            name: "judges_age_by_the_newest_entry",
            breaks: "An age counts from the latest time of any entry, not from now.",
            seen: "`max(ts) - ?`, so that tests need no clock; one entry from the future deletes \
                   everything.",
            rules: "G-39",
            fixture: |name| own_logs(name, |_| OwnLogs::new(LogFault::AgesByNewest)),
        },
        Saboteur {
            name: "applies_each_limit_by_itself",
            breaks: "Every limit is applied to all there was, also to what another took already.",
            seen: "A DELETE for each limit, all planned from one reading of the counts.",
            rules: "G-40",
            fixture: |name| own_logs(name, |_| OwnLogs::new(LogFault::LimitsApart)),
        },
    ]
}

fn of_steps() -> Vec<Saboteur> {
    vec![
        Saboteur {
            name: "holds_appends_up_while_it_prunes",
            breaks: "Pruning is one transaction however long it takes, and appends wait for it.",
            seen: "One DELETE for everything that is too much, in a database with one writer.",
            rules: "G-43",
            fixture: |name| memory(name, |_| HoldsUp::default()),
        },
        Saboteur {
            name: "tells_of_no_deletion",
            breaks: "Pages say that no entry was ever deleted.",
            seen: "A tail by id: what is missing between two numbers was a rollback, or nothing.",
            rules: "G-44, G-55",
            fixture: |name| memory(name, |_| TellsNothing),
        },
        Saboteur {
            name: "keeps_to_no_retention",
            breaks: "Maintenance leaves the logs as they are and says that it is done.",
            seen: "Limits in a file of settings that no job looks at.",
            rules: "G-45, G-46",
            fixture: |name| memory(name, |_| MaintainsNothing),
        },
        Saboteur {
            name: "prunes_unasked",
            breaks: "Maintenance leaves each thread 1,000 entries, whatever the store was opened \
                     with.",
            seen: "A constant in the code that runs at every start.",
            rules: "G-47",
            fixture: |name| memory(name, |_| PrunesUnasked),
        },
        Saboteur {
            name: "gives_no_space_back",
            breaks: "The files of the logs never get smaller.",
            seen: "SQLite without VACUUM, and every file that marks entries as deleted.",
            rules: "G-46",
            fixture: |name| memory(name, |_| OnlyGrows::default()),
        },
        Saboteur {
            name: "forgets_side_files",
            breaks: "The bytes of the logs are those of the database alone.",
            seen: "`fs::metadata` of the one path, or `page_count * page_size`, beside a \
                   write-ahead log of gigabytes.",
            rules: "G-48",
            fixture: |name| sqlite(name, |workspace| ForgetsSideFiles(workspace.to_owned())),
        },
    ]
}

/// As long as a large deletion takes.
const DELETING: Duration = Duration::from_millis(600);

#[derive(Default)]
struct HoldsUp {
    turn: Mutex<()>,
}

#[async_trait]
impl Sabotage for HoldsUp {
    async fn append(&self, inner: &Inner, entries: Vec<LogEntry>) -> Result<Option<LogIds>> {
        let _turn = self.turn.lock().await;
        inner.append(entries).await
    }

    async fn prune(&self, inner: &Inner, retention: Retention, budget: Duration) -> Result<Pruned> {
        let _turn = self.turn.lock().await;
        let pruned = inner.prune(retention, budget).await?;
        if pruned.rows > 5_000 {
            tokio::time::sleep(DELETING).await;
        }
        Ok(pruned)
    }
}

struct TellsNothing;

#[async_trait]
impl Sabotage for TellsNothing {
    async fn query(&self, inner: &Inner, query: LogQuery) -> Result<LogPage> {
        Ok(LogPage { deleted_through: 0, ..inner.query(query).await? })
    }
}

struct MaintainsNothing;

#[async_trait]
impl Sabotage for MaintainsNothing {
    async fn maintain(&self, inner: &Inner, _budget: Duration) -> Result<Maintained> {
        inner.flush().await?;
        let mut maintained = Maintained::default();
        maintained.done = true;
        Ok(maintained)
    }
}

struct PrunesUnasked;

#[async_trait]
impl Sabotage for PrunesUnasked {
    async fn maintain(&self, inner: &Inner, budget: Duration) -> Result<Maintained> {
        let mut maintained = inner.maintain(budget).await?;
        let pruned = inner.prune(Retention::thread_rows(1_000), budget).await?;
        maintained.log_entries += pruned.rows;
        Ok(maintained)
    }
}

/// Counts the texts of whatever was ever appended as bytes of files.
#[derive(Default)]
struct OnlyGrows {
    bytes: AtomicU64,
}

#[async_trait]
impl Sabotage for OnlyGrows {
    async fn append(&self, inner: &Inner, entries: Vec<LogEntry>) -> Result<Option<LogIds>> {
        let bytes = entries.iter().map(LogEntry::text_bytes).sum();
        let ids = inner.append(entries).await?;
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        Ok(ids)
    }

    async fn stats(&self, inner: &Inner) -> Result<Stats> {
        let mut stats = inner.stats().await?;
        stats.log_bytes = self.bytes.load(Ordering::Relaxed);
        Ok(stats)
    }
}

struct ForgetsSideFiles(PathBuf);

/// The bytes of the files beside the databases of a folder.
fn beside(folder: &Path) -> u64 {
    let Ok(files) = std::fs::read_dir(folder) else { return 0 };
    let beside = files.flatten().filter(|file| file.file_name().to_string_lossy().contains("-wal"));
    beside.filter_map(|file| file.metadata().ok()).map(|file| file.len()).sum()
}

#[async_trait]
impl Sabotage for ForgetsSideFiles {
    async fn stats(&self, inner: &Inner) -> Result<Stats> {
        let mut stats = inner.stats().await?;
        stats.log_bytes = stats.log_bytes.saturating_sub(beside(&self.0));
        Ok(stats)
    }
}
