//! Stores in memory that write down what they do, and of which one waits for the disk.

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use threadkeep_conformance::{Declared, Fixture, async_trait};
use threadkeep_core::{
    Change, Error, ErrorKind, Outcome, Result, Store, Subject, ThreadId, ThreadMetadata,
    WriteBatch, tools,
};
use threadkeep_memory::MemoryStore;
use tokio::sync::Mutex;

use crate::kill::declared;
use crate::sabotage::{Inner, Sabotage, Sabotaged};

/// Acknowledges what it has handed to the system, as SQLite does with `synchronous=OFF`.
pub(crate) struct Unsynced;

/// The same, but it waits until the disk has it: what the tier has to let pass.
pub(crate) struct Synced;

/// Rows, texts of tools, and checkpoints as one batch left them.
type Line = (Vec<ThreadMetadata>, Vec<(ThreadId, String)>, Vec<(String, String)>);

struct Journal {
    file: Mutex<File>,
    synced: bool,
}

#[async_trait]
impl Sabotage for Journal {
    async fn write(&self, inner: &Inner, batch: WriteBatch) -> Result<Vec<Outcome>> {
        let mut file = self.file.lock().await;
        let subjects = batch.subjects();
        let outcomes = inner.write(batch).await?;
        let mut text = serde_json::to_vec(&line(inner, subjects).await?).map_err(failed)?;
        text.push(b'\n');
        file.write_all(&text).map_err(failed)?;
        if self.synced {
            file.sync_all().map_err(failed)?;
        }
        Ok(outcomes)
    }
}

/// What there is of these.
async fn line(inner: &Inner, subjects: Vec<Subject>) -> Result<Line> {
    let mut line = Line::default();
    for subject in subjects {
        match subject {
            Subject::Thread(id) => {
                line.0.extend(inner.threads(vec![id]).await?.into_iter().flatten());
                let list = inner.dynamic_tools(id).await?;
                line.1.extend(list.map(|list| (id, tools::encode(&list))));
            }
            Subject::Checkpoint(key) => {
                let found = inner.checkpoints(key.clone(), None, 1).await?;
                line.2.extend(found.into_iter().map(|found| (key.clone(), found.value)));
            }
        }
    }
    Ok(line)
}

/// The change of each thing in a line.
fn batch((rows, lists, checkpoints): Line) -> Result<WriteBatch> {
    let mut batch = WriteBatch::new();
    for row in rows {
        batch.push(Change::Put(Box::new(row)));
    }
    for (id, text) in lists {
        batch.push(Change::SetTools { id, tools: tools::decode(&text)?, replace: true });
    }
    for (key, value) in checkpoints {
        batch.push(Change::SetCheckpoint { key, value: Some(value) });
    }
    Ok(batch)
}

async fn open(workspace: &Path, synced: bool) -> Result<Arc<dyn Store>> {
    let inner: Inner = Arc::new(MemoryStore::new());
    let path = workspace.join("journal");
    let file = OpenOptions::new().create(true).append(true).open(&path).map_err(failed)?;
    let text = fs::read(&path).map_err(failed)?;
    let lines =
        text.split(|byte| *byte == b'\n').map_while(|line| serde_json::from_slice(line).ok());
    let mut kept = 0;
    for line in lines {
        kept += serde_json::to_vec(&line).map_err(failed)?.len() as u64 + 1;
        inner.write(batch(line)?).await?;
    }
    // A line that was cut ends the journal; the next one is not to be glued to it.
    file.set_len(kept).map_err(failed)?;
    let journal = Journal { file: Mutex::new(file), synced };
    Ok(Arc::new(Sabotaged::new(inner, journal)))
}

#[async_trait]
impl Fixture for Unsynced {
    fn name(&self) -> &'static str {
        "a journal that is not synced"
    }

    fn declared(&self) -> Declared {
        declared()
    }

    async fn open(&self, workspace: &Path) -> Result<Arc<dyn Store>> {
        open(workspace, false).await
    }
}

#[async_trait]
impl Fixture for Synced {
    fn name(&self) -> &'static str {
        "a journal that is synced"
    }

    fn declared(&self) -> Declared {
        declared()
    }

    async fn open(&self, workspace: &Path) -> Result<Arc<dyn Store>> {
        open(workspace, true).await
    }
}

fn failed(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::new(ErrorKind::Io, "the journal failed").with_source(error)
}
