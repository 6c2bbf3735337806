//! Putting the checkpoints of indexers into a store that may hold some of them.

use std::collections::HashMap;

use super::pages::PAGE_THREADS;
use super::threads::{ATTEMPTS, is_race};
use super::{CopyConflict, CopyReport, Found, OnConflict};
use crate::{Change, Checkpoint, Expect, Result, Store, Subject, WriteBatch};

/// A store that checkpoints are put into, in the order of their keys.
pub(super) struct CheckpointTarget<'a> {
    store: &'a dyn Store,
    on_conflict: OnConflict,
    /// Where to look from: the last key that was put in.
    after: Option<String>,
}

enum Plan {
    Leave,
    Keep,
    LeaveOut,
    Refuse(Found),
    Create,
    Replace,
}

impl<'a> CheckpointTarget<'a> {
    pub(super) fn new(store: &'a dyn Store, on_conflict: OnConflict) -> Self {
        Self { store, on_conflict, after: None }
    }

    /// Puts checkpoints in, as one batch, and counts what became of each. Their keys come after
    /// those that were put in before, in order. `report` tells whether all threads are as they are
    /// in the source: otherwise a checkpoint would tell of what the target does not have.
    pub(super) async fn put(
        &mut self,
        checkpoints: &[Checkpoint],
        report: &mut CopyReport,
    ) -> Result<()> {
        let Some(last) = checkpoints.last() else {
            return Ok(());
        };
        let mut attempt = 1;
        loop {
            let there = self.look(checkpoints, &last.key).await?;
            let mut batch = WriteBatch::new();
            let plan = |checkpoint| self.plan(checkpoint, &there, report, &mut batch);
            let plans: Vec<_> = checkpoints.iter().map(plan).collect();
            let written =
                if batch.is_empty() { Ok(Vec::new()) } else { self.store.write(batch).await };
            match written {
                Ok(_) => {
                    checkpoints.iter().zip(plans).for_each(|(one, plan)| count(one, plan, report));
                    self.after = Some(last.key.clone());
                    return Ok(());
                }
                Err(error) if is_race(&error) && attempt < ATTEMPTS => attempt += 1,
                Err(error) => return Err(error),
            }
        }
    }

    /// What the target holds of these keys. It may hold any number of others between them.
    async fn look(&self, wanted: &[Checkpoint], last: &str) -> Result<HashMap<String, Checkpoint>> {
        let mut there = HashMap::new();
        let mut after = self.after.clone();
        loop {
            let page = self.store.checkpoints(String::new(), after.take(), PAGE_THREADS).await?;
            let Some(end) = page.last().map(|found| found.key.clone()) else {
                return Ok(there);
            };
            let is_last = page.len() < PAGE_THREADS || *end >= *last;
            for found in page {
                if wanted.binary_search_by(|one| one.key.cmp(&found.key)).is_ok() {
                    there.insert(found.key.clone(), found);
                }
            }
            if is_last {
                return Ok(there);
            }
            after = Some(end);
        }
    }

    fn plan(
        &self,
        checkpoint: &Checkpoint,
        there: &HashMap<String, Checkpoint>,
        report: &CopyReport,
        batch: &mut WriteBatch,
    ) -> Plan {
        let found = there.get(&checkpoint.key);
        if found.is_some_and(|found| found.value == checkpoint.value) {
            return Plan::Leave;
        }
        if !report.threads.is_whole() {
            return Plan::LeaveOut;
        }
        let set = Change::SetCheckpoint {
            key: checkpoint.key.clone(),
            value: Some(checkpoint.value.clone()),
        };
        let Some(&Checkpoint { revision, .. }) = found else {
            batch.push_if(Expect::Absent, set);
            return Plan::Create;
        };
        match self.on_conflict {
            OnConflict::Refuse => Plan::Refuse(Found::Present { revision }),
            OnConflict::Keep => Plan::Keep,
            // All threads are as they are in the source, so what it says of them holds.
            OnConflict::Replace | OnConflict::Newer => {
                batch.push_if(Expect::Revision(revision), set);
                Plan::Replace
            }
        }
    }
}

fn count(checkpoint: &Checkpoint, plan: Plan, report: &mut CopyReport) {
    match plan {
        Plan::Leave => report.checkpoints.unchanged += 1,
        Plan::Keep => report.checkpoints.kept += 1,
        Plan::LeaveOut => report.checkpoints.left_out += 1,
        Plan::Create => report.checkpoints.created += 1,
        Plan::Replace => report.checkpoints.replaced += 1,
        Plan::Refuse(found) => {
            let subject = Subject::Checkpoint(checkpoint.key.clone());
            report.conflict(CopyConflict { subject, revision: checkpoint.revision, found });
        }
    }
}
