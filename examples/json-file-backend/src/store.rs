//! The traits of threads, of tools, and of the store as a whole.

use std::fs::{self, DirBuilder};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_trait::async_trait;
use threadkeep_core::{
    Capabilities, Capability, CheckReport, Checkpoint, DynamicToolSpec, DynamicToolStore, Error,
    ErrorKind, Maintained, Outcome, Page, Result, Skipped, Stats, Store, ThreadId, ThreadMetadata,
    ThreadQuery, ThreadStore, WriteBatch, tools,
};

use crate::errors::{damaged, failed};
use crate::row::{Row, Sealed};
use crate::state::State;
use crate::{JsonFileStore, blocking, file};

#[async_trait]
impl ThreadStore for JsonFileStore {
    async fn threads(&self, ids: Vec<ThreadId>) -> Result<Vec<Option<ThreadMetadata>>> {
        let sound = |id, row: &Row| row.sound().cloned().map_err(|reason| damaged(id, reason));
        self.read("threads", move |state| {
            ids.into_iter()
                .map(|id| state.rows.get(&id).map(|row| sound(id, row)).transpose())
                .collect()
        })
        .await
    }

    async fn list(&self, query: ThreadQuery) -> Result<Page<ThreadMetadata>> {
        let sound = |id, row: &Row| row.sound().cloned().map_err(|reason| Skipped { id, reason });
        self.read("list", move |state| state.page(&query, sound)).await
    }

    async fn list_ids(&self, query: ThreadQuery) -> Result<Page<ThreadId>> {
        self.read("list_ids", move |state| state.page(&query, |id, _| Ok(id))).await
    }

    async fn checkpoints(
        &self,
        prefix: String,
        after: Option<String>,
        limit: usize,
    ) -> Result<Vec<Checkpoint>> {
        self.read("checkpoints", move |state| state.checkpoints(&prefix, after.as_deref(), limit))
            .await
    }

    async fn write(&self, batch: WriteBatch) -> Result<Vec<Outcome>> {
        self.change("write", |state| state.apply(batch)).await
    }
}

#[async_trait]
impl DynamicToolStore for JsonFileStore {
    async fn dynamic_tools(&self, id: ThreadId) -> Result<Option<Vec<DynamicToolSpec>>> {
        self.read("dynamic_tools", move |state| {
            state.tools.get(&id).map(|sealed| open_tools(id, sealed)).transpose()
        })
        .await
    }
}

#[async_trait]
impl Store for JsonFileStore {
    fn capabilities(&self) -> Capabilities {
        Capabilities::none()
            .with(Capability::Persistent)
            .with(Capability::Durable)
            .with(Capability::MultiProcess)
            .with(Capability::Backup)
    }

    async fn stats(&self) -> Result<Stats> {
        let path = self.file.path();
        self.read("stats", move |state| {
            let archived =
                |row: &&Row| row.metadata.as_ref().is_some_and(ThreadMetadata::is_archived);
            let mut stats = Stats::default();
            stats.threads = state.rows.len() as u64;
            stats.archived = state.rows.values().filter(archived).count() as u64;
            stats.threads_with_tools = state.tools.len() as u64;
            stats.tombstones = state.tombstones.len() as u64;
            stats.log_entries = state.logs.len() as u64;
            stats.thread_bytes = fs::metadata(path).map_or(0, |file| file.len());
            Ok(stats)
        })
        .await
    }

    async fn check(&self) -> Result<CheckReport> {
        let file = self.file("check")?;
        // What was seen before proves nothing about the file.
        blocking(move || Ok(file.read()?.check())).await.map_err(|error| error.during("check"))
    }

    async fn maintain(&self, _budget: Duration) -> Result<Maintained> {
        self.file("maintain")?;
        let mut maintained = Maintained::default();
        maintained.done = true;
        Ok(maintained)
    }

    async fn backup(&self, to: PathBuf) -> Result<()> {
        self.read("backup", move |state| {
            create_empty(&to)?;
            file::write(&to, state).map(drop)
        })
        .await
    }

    async fn flush(&self) -> Result<()> {
        self.file("flush")?;
        self.writer.run(|_| ()).await
    }

    async fn close(&self) -> Result<()> {
        self.closed.store(true, Ordering::Release);
        self.bell.close();
        self.writer.close().await;
        Ok(())
    }
}

impl State {
    fn check(&self) -> CheckReport {
        let mut report = CheckReport::default();
        report.threads = self.rows.len() as u64;
        for (&id, row) in &self.rows {
            if let Err(reason) = row.sound() {
                report.damaged.push(Skipped { id, reason });
            }
        }
        for (&id, sealed) in &self.tools {
            if let Err(error) = open_tools(id, sealed) {
                report.damaged.push(Skipped { id, reason: error.message().to_owned() });
            }
            if !self.rows.contains_key(&id) {
                report
                    .problems
                    .push(format!("there are tools of thread {id}, which does not exist"));
            }
        }
        for id in self.tombstones.keys().filter(|id| self.rows.contains_key(id)) {
            report.problems.push(format!("thread {id} exists and is marked as deleted"));
        }
        report
    }
}

fn open_tools(id: ThreadId, sealed: &Sealed) -> Result<Vec<DynamicToolSpec>> {
    let text = sealed.open(id).ok_or_else(|| damaged(id, "its tools are damaged".into()))?;
    tools::decode(text)
}

/// Creates a folder that only its owner may read, or takes an empty one.
fn create_empty(folder: &Path) -> Result<()> {
    let failed = |error| failed("create", folder, error);
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder).map_err(failed)?;
    if fs::read_dir(folder).map_err(failed)?.next().is_some() {
        let text = format!("{} is not empty", folder.display());
        return Err(Error::new(ErrorKind::AlreadyExists, text).hint("name a new folder"));
    }
    Ok(())
}
