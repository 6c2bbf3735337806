//! Saboteurs of tools.

use std::collections::{HashMap, HashSet};
use std::sync::Mutex;

use threadkeep_conformance::async_trait;
use threadkeep_core::{
    Change, DynamicToolSpec, DynamicToolStore, Effect, Outcome, Record, Result, Stats, Store,
    ThreadId, ThreadStore, WriteBatch,
};

use crate::Saboteur;
use crate::fixtures::memory;
use crate::imitate::{Rewrite, Rewrites, deleted, hold};
use crate::sabotage::{Inner, Sabotage};

pub(crate) fn all() -> Vec<Saboteur> {
    vec![
        Saboteur {
            name: "forgets_tools_on_delete",
            breaks: "Deleting a thread leaves its tools, which the next thread of that id has.",
            seen: "A second table without a foreign key, or with one that nobody switched on: \
                   SQLite does not enforce them by default.",
            rules: "T-57, T-62",
            fixture: |name| memory(name, |_| LeavesTools::default()),
        },
        Saboteur {
            name: "replaces_tools_on_the_second_persist",
            breaks: "Storing tools where some are stored replaces them.",
            seen: "`INSERT OR REPLACE` in place of `ON CONFLICT DO NOTHING`.",
            rules: "D-02",
            fixture: |name| memory(name, |_| Rewrites::new(Replaces)),
        },
        Saboteur {
            name: "loses_tools_when_a_row_is_put",
            breaks: "Putting a row that has tools takes them away.",
            seen: "`INSERT OR REPLACE` of the row, which deletes it first, and `ON DELETE CASCADE`.",
            rules: "T-21",
            fixture: |name| memory(name, |_| Cascades::default()),
        },
        Saboteur {
            name: "parses_tools_and_writes_them_anew",
            breaks: "A tool's JSON comes back with other spacing, numbers or order of members.",
            seen: "Tools kept as a parsed value, or in a `jsonb` column.",
            rules: "D-06",
            fixture: |name| memory(name, |_| ParsesTools),
        },
    ]
}

#[derive(Default)]
struct LeavesTools {
    left: Mutex<HashMap<ThreadId, Vec<DynamicToolSpec>>>,
}

#[async_trait]
impl Sabotage for LeavesTools {
    async fn write(&self, inner: &Inner, batch: WriteBatch) -> Result<Vec<Outcome>> {
        let mut before = HashMap::new();
        for (change, _) in batch.changes() {
            if let Change::Delete { id, .. } = change
                && let Some(tools) = inner.dynamic_tools(*id).await?
            {
                before.insert(*id, tools);
            }
        }
        let outcomes = inner.write(batch.clone()).await?;
        for (id, ..) in deleted(&batch, &outcomes) {
            if let Some(tools) = before.remove(&id) {
                hold(&self.left).insert(id, tools);
            }
        }
        Ok(outcomes)
    }

    async fn dynamic_tools(
        &self,
        inner: &Inner,
        id: ThreadId,
    ) -> Result<Option<Vec<DynamicToolSpec>>> {
        let tools = inner.dynamic_tools(id).await?;
        Ok(tools.or_else(|| hold(&self.left).get(&id).cloned()))
    }

    async fn stats(&self, inner: &Inner) -> Result<Stats> {
        let mut stats = inner.stats().await?;
        stats.threads_with_tools += hold(&self.left).len() as u64;
        Ok(stats)
    }
}

struct Replaces;

impl Rewrite for Replaces {
    fn rewrite(&self, _record: &Record, mut change: Change) -> Change {
        if let Change::SetTools { replace, .. } = &mut change {
            *replace = true;
        }
        change
    }
}

#[derive(Default)]
struct Cascades {
    /// Threads whose tools went with an earlier form of their row.
    lost: Mutex<HashSet<ThreadId>>,
}

#[async_trait]
impl Sabotage for Cascades {
    async fn write(&self, inner: &Inner, batch: WriteBatch) -> Result<Vec<Outcome>> {
        let outcomes = inner.write(batch.clone()).await?;
        let mut lost = hold(&self.lost);
        for ((change, _), outcome) in batch.changes().iter().zip(&outcomes) {
            match change {
                Change::Put(row) if outcome.effect == Effect::Updated => {
                    lost.insert(row.id);
                }
                Change::SetTools { id, .. } if outcome.effect == Effect::Updated => {
                    lost.remove(id);
                }
                Change::Delete { id, .. } => {
                    lost.remove(id);
                }
                _ => {}
            }
        }
        Ok(outcomes)
    }

    async fn dynamic_tools(
        &self,
        inner: &Inner,
        id: ThreadId,
    ) -> Result<Option<Vec<DynamicToolSpec>>> {
        let tools = inner.dynamic_tools(id).await?;
        Ok(tools.filter(|_| !hold(&self.lost).contains(&id)))
    }
}

struct ParsesTools;

#[async_trait]
impl Sabotage for ParsesTools {
    async fn dynamic_tools(
        &self,
        inner: &Inner,
        id: ThreadId,
    ) -> Result<Option<Vec<DynamicToolSpec>>> {
        let Some(tools) = inner.dynamic_tools(id).await? else {
            return Ok(None);
        };
        let parsed = tools.into_iter().map(|tool| {
            match serde_json::from_str::<serde_json::Value>(tool.json()) {
                Ok(value) => DynamicToolSpec::from_json(value.to_string()),
                Err(_) => Ok(tool),
            }
        });
        parsed.collect::<Result<_>>().map(Some)
    }
}
