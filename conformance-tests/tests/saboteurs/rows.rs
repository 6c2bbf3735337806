//! Saboteurs of what changes make of a row.

use std::collections::HashMap;
use std::sync::Mutex;

use threadkeep_conformance::async_trait;
use threadkeep_core::{
    Change, Effect, Expect, Outcome, Page, Record, Result, Stats, Store, Subject, ThreadId,
    ThreadMetadata, ThreadPatch, ThreadQuery, ThreadStore, Timestamp, WriteBatch,
};

use crate::Saboteur;
use crate::fixtures::memory;
use crate::imitate::{Rewrite, Rewrites, batch_of, hold, row_of};
use crate::sabotage::{Inner, Sabotage};

pub(crate) fn all() -> Vec<Saboteur> {
    [histories(), deletions()].into_iter().flatten().collect()
}

fn histories() -> Vec<Saboteur> {
    vec![
        Saboteur {
            name: "applies_a_replayed_history_again",
            breaks: "A patch at or behind the row's mark is applied, and the mark goes back.",
            seen: "Indexers that trust themselves to know where they stopped, which a crash undoes.",
            rules: "R-65",
            fixture: |name| memory(name, |_| Rewrites::new(Replays)),
        },
        Saboteur {
            name: "moves_updated_at_back",
            breaks: "A patch sets the time of the last change, also to an earlier one.",
            seen: "`SET updated_at = ?`, where events come late or from another clock.",
            rules: "T-29",
            fixture: |name| memory(name, |_| Rewrites::new(MovesBack)),
        },
        Saboteur {
            name: "unarchives_on_a_patch",
            breaks: "A patch of an archived thread makes it active.",
            seen: "An upsert that writes `archived_at = NULL` with the fields it has.",
            rules: "T-45",
            fixture: |name| memory(name, |_| Rewrites::new(Unarchives)),
        },
        Saboteur {
            name: "lets_the_last_rename_win",
            breaks: "Of two names the one that arrives last stays, whichever was given later.",
            seen: "`SET name = ?` without a look at when it was given.",
            rules: "T-36",
            fixture: |name| memory(name, |_| Rewrites::new(LastName)),
        },
    ]
}

fn deletions() -> Vec<Saboteur> {
    vec![
        Saboteur {
            name: "brings_deleted_threads_back",
            breaks: "A late Apply of old items creates a deleted thread anew.",
            seen: "An upsert after a DELETE that left no trace.",
            rules: "T-60",
            fixture: |name| memory(name, |_| Rewrites::new(Revives)),
        },
        Saboteur {
            name: "begins_revisions_anew",
            breaks: "A thread that was deleted and stored again begins at revision 1, so that an \
                     old expectation holds by chance.",
            seen: "A revision column that goes with its row.",
            rules: "T-25",
            fixture: |name| memory(name, |_| BeginsAnew::default()),
        },
        Saboteur {
            name: "counts_deleted_threads",
            breaks: "The count of threads has the deleted ones in it.",
            seen: "`count(*)` over rows that are only marked as deleted.",
            rules: "P-07",
            fixture: |name| memory(name, |_| CountsDeleted),
        },
    ]
}

/// The patch of a change that creates or patches a row.
fn patch_of(change: &Change) -> Option<&ThreadPatch> {
    match change {
        Change::Apply(_, patch) | Change::Patch(_, patch) => Some(patch),
        _ => None,
    }
}

/// The row after the change, and whether it is all that the change does.
fn reduced(record: &Record, change: &Change) -> Option<ThreadMetadata> {
    let mut record = record.clone();
    record.reduce(change.clone(), Expect::Any).ok()?;
    // A row put back would come without its tools.
    row_of(&record).filter(|_| record.tools_change.is_none()).cloned()
}

struct Replays;

impl Rewrite for Replays {
    fn rewrite(&self, record: &Record, change: Change) -> Change {
        let behind = |row: &ThreadMetadata| {
            let mark = patch_of(&change)?.mark.as_ref()?;
            let applied = (row.applied_file.as_str(), row.applied_through);
            ((mark.file.as_str(), mark.through) <= applied).then(|| mark.clone())
        };
        let (Some(row), Some(mark)) = (row_of(record), row_of(record).and_then(behind)) else {
            return change;
        };
        let mut patch = patch_of(&change).cloned().unwrap_or_default();
        patch.mark = None;
        let Some(mut next) = reduced(record, &Change::Patch(row.id, Box::new(patch))) else {
            return change;
        };
        (next.applied_file, next.applied_through) = (mark.file, mark.through);
        Change::Put(Box::new(next))
    }
}

struct MovesBack;

impl Rewrite for MovesBack {
    fn rewrite(&self, record: &Record, change: Change) -> Change {
        let time = patch_of(&change).and_then(|patch| patch.updated_at);
        let earlier = |row: &&ThreadMetadata| time.is_some_and(|time| time < row.updated_at);
        let next = row_of(record).filter(earlier).and_then(|_| reduced(record, &change));
        // A patch that is behind changes nothing at all.
        let next = next.filter(|next| row_of(record) != Some(next) || !has_mark(&change));
        match (next, time) {
            (Some(mut next), Some(time)) => {
                next.updated_at = time;
                Change::Put(Box::new(next))
            }
            _ => change,
        }
    }
}

fn has_mark(change: &Change) -> bool {
    patch_of(change).is_some_and(|patch| patch.mark.is_some())
}

struct Unarchives;

impl Rewrite for Unarchives {
    fn rewrite(&self, record: &Record, change: Change) -> Change {
        let archived =
            row_of(record).filter(|row| row.is_archived() && patch_of(&change).is_some());
        match archived.and_then(|_| reduced(record, &change)) {
            Some(mut next) if row_of(record) != Some(&next) => {
                next.archived_at = None;
                Change::Put(Box::new(next))
            }
            _ => change,
        }
    }
}

struct LastName;

impl Rewrite for LastName {
    fn rewrite(&self, record: &Record, change: Change) -> Change {
        match (row_of(record), &change) {
            (Some(row), Change::Rename { name, at, .. }) if Some(*at) < row.named_at => {
                let mut next = row.clone();
                (next.name, next.named_at) = (name.clone(), Some(*at));
                Change::Put(Box::new(next))
            }
            _ => change,
        }
    }
}

struct Revives;

impl Rewrite for Revives {
    fn rewrite(&self, _record: &Record, mut change: Change) -> Change {
        if let Change::Apply(_, patch) = &mut change {
            // Newer than every deletion.
            patch.newest_item_at = Some(Timestamp::MAX);
        }
        change
    }
}

/// Shows revisions as if each thread's began with its present row.
#[derive(Default)]
struct BeginsAnew {
    /// The revision of each thread's last deletion.
    starts: Mutex<HashMap<ThreadId, u64>>,
}

impl BeginsAnew {
    fn start(&self, id: ThreadId) -> u64 {
        hold(&self.starts).get(&id).copied().unwrap_or(0)
    }

    fn shown(&self, mut row: ThreadMetadata) -> ThreadMetadata {
        row.revision -= self.start(row.id);
        row
    }
}

#[async_trait]
impl Sabotage for BeginsAnew {
    async fn threads(
        &self,
        inner: &Inner,
        ids: Vec<ThreadId>,
    ) -> Result<Vec<Option<ThreadMetadata>>> {
        let rows = inner.threads(ids).await?;
        Ok(rows.into_iter().map(|row| row.map(|row| self.shown(row))).collect())
    }

    async fn list(&self, inner: &Inner, query: ThreadQuery) -> Result<Page<ThreadMetadata>> {
        let mut page = inner.list(query).await?;
        page.items = page.items.into_iter().map(|row| self.shown(row)).collect();
        Ok(page)
    }

    async fn write(&self, inner: &Inner, batch: WriteBatch) -> Result<Vec<Outcome>> {
        let changes = batch.changes().iter().cloned().map(|(change, expect)| {
            let start = match change.subject() {
                Subject::Thread(id) => self.start(id),
                Subject::Checkpoint(_) => 0,
            };
            match expect {
                Expect::Revision(revision) => (change, Expect::Revision(revision + start)),
                _ => (change, expect),
            }
        });
        let mut outcomes = inner.write(batch_of(batch.id(), changes.collect::<Vec<_>>())).await?;
        for (at, outcome) in outcomes.iter_mut().enumerate() {
            let change = &batch.changes()[at..=at];
            let Subject::Thread(id) = change[0].0.subject() else {
                continue;
            };
            let start = self.start(id);
            if outcome.effect == Effect::Deleted {
                hold(&self.starts).insert(id, outcome.revision);
            }
            outcome.revision = outcome.revision.saturating_sub(start);
        }
        Ok(outcomes)
    }
}

struct CountsDeleted;

#[async_trait]
impl Sabotage for CountsDeleted {
    async fn stats(&self, inner: &Inner) -> Result<Stats> {
        let mut stats = inner.stats().await?;
        stats.threads += stats.tombstones;
        Ok(stats)
    }
}
