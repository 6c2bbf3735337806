//! A batch that shows whether it is there whole.

use std::time::Duration;

use threadkeep_core::{BatchId, Change, DynamicToolSpec, Result, Store, WriteBatch};
use tokio::time::{Instant, sleep};

use crate::cases::examples::say::{id, put, thread_with};
use crate::lab::{Failure, Verdict};

/// Threads that a group has.
const THREADS: u32 = 3;

/// How long a write whose future was dropped may go on in the background.
const PATIENCE: Duration = Duration::from_secs(5);

/// Threads, their tools and a checkpoint that are only ever written together, with one mark in
/// each of them.
#[derive(Clone, Copy, Debug)]
pub(in crate::cases) struct Group(pub(in crate::cases) u32);

impl Group {
    /// The batch that leaves this mark.
    pub(in crate::cases) fn batch(self, mark: u32) -> Result<WriteBatch> {
        let name = mark.to_string();
        let checkpoint = Change::SetCheckpoint { key: self.key(), value: Some(name.clone()) };
        let mut batch = WriteBatch::new().and(checkpoint);
        for number in self.threads() {
            batch.push(put(thread_with(number, |row| row.title.clone_from(&name))));
            let tools = vec![DynamicToolSpec::function(&name, "", "{}")?];
            batch.push(Change::SetTools { id: id(number), tools, replace: true });
        }
        Ok(batch)
    }

    /// The same with a name, which is that of this mark alone.
    pub(in crate::cases) fn named_batch(self, mark: u32) -> Result<WriteBatch> {
        let mut name = [0xba; 16];
        name[8..12].copy_from_slice(&self.0.to_be_bytes());
        name[12..].copy_from_slice(&mark.to_be_bytes());
        Ok(self.batch(mark)?.with_id(BatchId::from_bytes(name)))
    }

    /// The mark of the last batch that is there, 0 where none is. It has to be there whole, or to
    /// become so soon.
    pub(in crate::cases) async fn mark(self, store: &dyn Store) -> Verdict<u32> {
        let until = Instant::now() + PATIENCE;
        loop {
            let marks = self.marks(store).await?;
            let first = &marks[0].1;
            if marks.iter().all(|(_, mark)| mark == first) {
                let number = first.as_ref().map_or(Ok(0), |mark| mark.parse());
                return number.map_err(|_| Failure::new(format!("no such mark: {first:?}")));
            }
            if Instant::now() > until {
                let marks: Vec<_> =
                    marks.iter().map(|(what, mark)| format!("  {what}: {mark:?}")).collect();
                let text = "half a batch is there; these were only ever written together:";
                return Err(Failure::new(format!("{text}\n{}", marks.join("\n"))));
            }
            // Between two questions, a write that goes on in the background may have ended.
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// How often the checkpoint was written.
    pub(in crate::cases) async fn revision(self, store: &dyn Store) -> Result<u64> {
        let checkpoints = store.checkpoints(self.key(), None, 1).await?;
        Ok(checkpoints.first().map_or(0, |checkpoint| checkpoint.revision))
    }

    async fn marks(self, store: &dyn Store) -> Result<Vec<(String, Option<String>)>> {
        let checkpoints = store.checkpoints(self.key(), None, 1).await?;
        let checkpoint = checkpoints.into_iter().next().map(|checkpoint| checkpoint.value);
        let mut marks = vec![("the checkpoint".to_owned(), checkpoint)];
        let rows = store.threads(self.threads().map(id).collect()).await?;
        for (number, row) in self.threads().zip(rows) {
            marks.push((format!("thread {number}"), row.map(|row| row.title)));
            let tools = store.dynamic_tools(id(number)).await?;
            let tool = tools.and_then(|tools| Some(tools.first()?.name().into_owned()));
            marks.push((format!("the tools of thread {number}"), tool));
        }
        Ok(marks)
    }

    pub(in crate::cases) fn threads(self) -> impl Iterator<Item = u32> {
        let first = self.0 * THREADS;
        first..first + THREADS
    }

    pub(in crate::cases) fn key(self) -> String {
        format!("group/{}/", self.0)
    }
}
