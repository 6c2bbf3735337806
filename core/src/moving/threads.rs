//! Putting threads into a store that may hold some of them.

use std::collections::HashSet;

use super::pages::tools_of;
use super::{CopyConflict, CopyReport, Found, Moved, OnConflict};
use crate::{
    Change, DynamicToolSpec, Effect, Error, ErrorKind, Expect, Outcome, Result, Store, Subject,
    ThreadId, ThreadMetadata, ThreadPatch, ThreadSeed, WriteBatch,
};

/// How often a batch is decided anew because somebody else changed one of its threads meanwhile.
pub(super) const ATTEMPTS: usize = 20;

/// What the target holds of a thread.
enum There {
    Nothing,
    Row(Box<ThreadMetadata>, Tools),
    Damaged(String),
}

/// What the target holds of a thread's tools, where the source has any.
enum Tools {
    Same,
    Different,
    Damaged(String),
}

/// What is done with a thread.
enum Plan {
    /// The target holds the same.
    Leave,
    /// The target holds something else, which stays.
    Keep,
    /// The same, and nobody said that it should.
    Refuse(Found),
    /// The target holds nothing: this many changes.
    Create(usize),
    /// The target holds something else, which gives way: this many changes.
    Replace(usize),
}

/// A store that threads are put into.
pub(super) struct ThreadTarget<'a> {
    pub(super) store: &'a dyn Store,
    pub(super) on_conflict: OnConflict,
}

impl ThreadTarget<'_> {
    /// Puts threads in, as one batch unless one comes twice, and counts what became of each.
    pub(super) async fn put(&self, threads: Vec<Moved>, report: &mut CopyReport) -> Result<()> {
        let mut rest = threads;
        while !rest.is_empty() {
            // One that comes again is compared with what its first coming left.
            let mut seen = HashSet::new();
            let again = rest.iter().position(|thread| !seen.insert(thread.row.id));
            let next = rest.split_off(again.unwrap_or(rest.len()));
            self.put_each_once(&rest, report).await?;
            rest = next;
        }
        Ok(())
    }

    async fn put_each_once(&self, threads: &[Moved], report: &mut CopyReport) -> Result<()> {
        let mut attempt = 1;
        loop {
            let there = self.look(threads).await?;
            let mut batch = WriteBatch::new();
            let plans: Vec<_> = threads
                .iter()
                .zip(there)
                .map(|(thread, there)| self.plan(thread, there, &mut batch))
                .collect();
            let outcomes =
                if batch.is_empty() { Ok(Vec::new()) } else { self.store.write(batch).await };
            match outcomes {
                Ok(outcomes) => {
                    self.count(threads, plans, &outcomes, report);
                    return Ok(());
                }
                Err(error) if is_race(&error) && attempt < ATTEMPTS => attempt += 1,
                Err(error) => return Err(error),
            }
        }
    }

    /// What the target holds of these threads now.
    async fn look(&self, threads: &[Moved]) -> Result<Vec<There>> {
        let ids: Vec<_> = threads.iter().map(|thread| thread.row.id).collect();
        let rows = match self.store.threads(ids.clone()).await {
            Ok(rows) => rows.into_iter().map(Ok).collect(),
            // It does not tell whether others are damaged, too.
            Err(error) if error.kind() == ErrorKind::Corrupted => self.one_by_one(&ids).await?,
            Err(error) => return Err(error),
        };
        let wanted = |(thread, row): &(&Moved, &Result<Option<ThreadMetadata>, String>)| {
            thread.tools.is_some() && matches!(row, Ok(Some(_)))
        };
        let asked = threads.iter().zip(&rows).filter(wanted).map(|(thread, _)| thread.row.id);
        let mut tools = tools_of(self.store, asked.collect()).await.into_iter();
        let mut there = Vec::with_capacity(threads.len());
        for (thread, row) in threads.iter().zip(rows) {
            there.push(match row {
                Err(reason) => There::Damaged(reason),
                Ok(None) => There::Nothing,
                Ok(Some(row)) => {
                    let tools = match &thread.tools {
                        None => Tools::Same,
                        Some(wanted) => compare(wanted, tools.next())?,
                    };
                    There::Row(Box::new(row), tools)
                }
            });
        }
        Ok(there)
    }

    /// Rows, or what is wrong with them.
    async fn one_by_one(
        &self,
        ids: &[ThreadId],
    ) -> Result<Vec<Result<Option<ThreadMetadata>, String>>> {
        let mut rows = Vec::with_capacity(ids.len());
        for &id in ids {
            rows.push(match self.store.threads(vec![id]).await {
                Ok(mut row) => Ok(row.pop().flatten()),
                Err(error) if error.kind() == ErrorKind::Corrupted => {
                    Err(error.message().to_owned())
                }
                Err(error) => return Err(error),
            });
        }
        Ok(rows)
    }

    /// Decides what becomes of a thread, and adds the changes for that.
    fn plan(&self, thread: &Moved, there: There, batch: &mut WriteBatch) -> Plan {
        let before = batch.len();
        match there {
            There::Nothing => {
                self.create(thread, batch);
                Plan::Create(batch.len() - before)
            }
            There::Damaged(reason) => match self.on_conflict {
                OnConflict::Replace => {
                    batch.push(Change::Put(Box::new(thread.row.clone())));
                    replace_tools(thread, Expect::Any, batch);
                    Plan::Replace(batch.len() - before)
                }
                _ => Plan::Refuse(Found::Damaged { reason }),
            },
            There::Row(row, tools) => {
                let revision = row.revision;
                let same_row = *row == ThreadMetadata { revision, ..thread.row.clone() };
                if same_row && matches!(tools, Tools::Same) {
                    return Plan::Leave;
                }
                match (self.on_conflict, tools) {
                    (OnConflict::Keep, _) => return Plan::Keep,
                    (OnConflict::Newer, _) if thread.row.updated_at <= row.updated_at => {
                        return Plan::Keep;
                    }
                    (OnConflict::Refuse, Tools::Damaged(reason)) => {
                        return Plan::Refuse(Found::Damaged { reason });
                    }
                    (OnConflict::Refuse, _) => return Plan::Refuse(Found::Present { revision }),
                    (OnConflict::Replace | OnConflict::Newer, tools) => {
                        let mut expect = Expect::Revision(revision);
                        if !same_row {
                            batch.push_if(expect, Change::Put(Box::new(thread.row.clone())));
                            expect = Expect::Any;
                        }
                        if !matches!(tools, Tools::Same) {
                            replace_tools(thread, expect, batch);
                        }
                    }
                }
                Plan::Replace(batch.len() - before)
            }
        }
    }

    /// Adds what makes a thread that is not there.
    fn create(&self, thread: &Moved, batch: &mut WriteBatch) {
        if self.on_conflict == OnConflict::Replace {
            batch.push_if(Expect::Absent, Change::Put(Box::new(thread.row.clone())));
            replace_tools(thread, Expect::Any, batch);
            return;
        }
        // Unlike a put, it asks whether the thread was deleted.
        let seed = ThreadSeed::of_row(thread.row.clone());
        let newest = (self.on_conflict == OnConflict::Newer).then_some(thread.row.updated_at);
        let patch = ThreadPatch {
            tools: thread.tools.clone(),
            newest_item_at: newest,
            ..ThreadPatch::default()
        };
        batch.push_if(Expect::Absent, Change::Apply(Box::new(seed), Box::new(patch)));
    }

    fn count(
        &self,
        threads: &[Moved],
        plans: Vec<Plan>,
        outcomes: &[Outcome],
        report: &mut CopyReport,
    ) {
        let mut outcomes = outcomes.iter();
        for (thread, plan) in threads.iter().zip(plans) {
            let has_tools = u64::from(thread.tools.is_some());
            match plan {
                Plan::Leave => report.threads.unchanged += 1,
                Plan::Keep => report.threads.kept += 1,
                Plan::Refuse(found) => report.conflict(conflict(thread, found)),
                Plan::Create(changes) => {
                    let outcome = outcomes.next();
                    outcomes.by_ref().take(changes - 1).for_each(drop);
                    if let Some(Outcome { effect: Effect::Tombstoned, revision }) = outcome {
                        let found = Found::Deleted { revision: *revision };
                        self.count_deleted(thread, found, report);
                    } else {
                        report.threads.created += 1;
                        report.tools += has_tools;
                    }
                }
                Plan::Replace(changes) => {
                    outcomes.by_ref().take(changes).for_each(drop);
                    report.threads.replaced += 1;
                    report.tools += has_tools;
                }
            }
        }
    }

    fn count_deleted(&self, thread: &Moved, found: Found, report: &mut CopyReport) {
        if self.on_conflict == OnConflict::Refuse {
            report.conflict(conflict(thread, found));
        } else {
            report.threads.kept += 1;
        }
    }
}

fn conflict(thread: &Moved, found: Found) -> CopyConflict {
    let (subject, revision) = (Subject::Thread(thread.row.id), thread.row.revision);
    CopyConflict { subject, revision, found }
}

fn compare(
    wanted: &[DynamicToolSpec],
    found: Option<Result<Option<Vec<DynamicToolSpec>>>>,
) -> Result<Tools> {
    match found {
        Some(Ok(Some(found))) if found == wanted => Ok(Tools::Same),
        Some(Ok(_)) | None => Ok(Tools::Different),
        Some(Err(error)) if error.kind() == ErrorKind::Corrupted => {
            Ok(Tools::Damaged(error.message().to_owned()))
        }
        Some(Err(error)) => Err(error),
    }
}

/// No change takes tools away: where the source has none, those of the target stay.
fn replace_tools(thread: &Moved, expect: Expect, batch: &mut WriteBatch) {
    if let Some(tools) = &thread.tools {
        let (id, tools) = (thread.row.id, tools.clone());
        batch.push_if(expect, Change::SetTools { id, tools, replace: true });
    }
}

/// Whether something changed between looking and writing.
pub(super) fn is_race(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Conflict | ErrorKind::AlreadyExists)
}
