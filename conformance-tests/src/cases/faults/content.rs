//! Everything a store holds.

use std::sync::Arc;
use std::time::Duration;

use threadkeep_core::{
    Checkpoint, Direction, DynamicToolSpec, LogFilter, LogQuery, LogRow, Result, Skipped, Store,
    ThreadMetadata, ThreadQuery,
};

use super::operations::SERVED;
use crate::cases::examples::say::number;

/// What is read of a store, but for what shows that it serves.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Content {
    threads: Vec<(ThreadMetadata, Option<Vec<DynamicToolSpec>>)>,
    skipped: Vec<Skipped>,
    checkpoints: Vec<Checkpoint>,
    tombstones: u64,
    logs: Vec<LogRow>,
}

impl Content {
    pub(super) async fn read(store: Arc<dyn Store>) -> Result<Self> {
        // The log entries of deleted threads may go only now.
        while !store.maintain(Duration::from_secs(1)).await?.done {}
        let page = store.list(ThreadQuery::everything().limit(1_000)).await?;
        let mut threads = Vec::new();
        for row in page.items {
            if !SERVED.threads().any(|served| served == number(row.id)) {
                let tools = store.dynamic_tools(row.id).await?;
                threads.push((row, tools));
            }
        }
        let mut checkpoints = store.checkpoints(String::new(), None, 1_000).await?;
        checkpoints.retain(|checkpoint| checkpoint.key != SERVED.key());
        let logs = LogQuery::new(LogFilter::new()).direction(Direction::Ascending);
        Ok(Self {
            threads,
            skipped: page.skipped,
            checkpoints,
            tombstones: store.stats().await?.tombstones,
            logs: store.query(logs.limit(LogQuery::MAX_LIMIT)).await?.items,
        })
    }

    /// Whether of the log entries that go from one to the other some are gone, the oldest first,
    /// and there is no other difference.
    pub(super) fn is_between(&self, before: &Self, after: &Self) -> bool {
        before.logs.ends_with(&self.logs)
            && self.logs.ends_with(&after.logs)
            && Self { logs: Vec::new(), ..self.clone() }
                == Self { logs: Vec::new(), ..before.clone() }
            && before.tombstones == after.tombstones
    }
}
