//! Counts, checks, and what a store without files need not do.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::PoisonError;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use threadkeep_core::{
    Capabilities, CheckReport, Error, ErrorKind, Maintained, Result, Stats, Store, index,
};

use crate::{MemoryStore, State};

#[async_trait]
impl Store for MemoryStore {
    fn capabilities(&self) -> Capabilities {
        Capabilities::none()
    }

    async fn stats(&self) -> Result<Stats> {
        self.read("stats", |state| {
            let mut stats = Stats::default();
            stats.threads = state.rows.len() as u64;
            stats.archived = state.rows.values().filter(|row| row.is_archived()).count() as u64;
            stats.threads_with_tools = state.tools.len() as u64;
            stats.tombstones = state.tombstones.len() as u64;
            stats.log_entries = state.logs.len() as u64;
            Ok(stats)
        })
    }

    async fn check(&self) -> Result<CheckReport> {
        self.read("check", |state| Ok(state.check()))
    }

    async fn maintain(&self, _budget: Duration) -> Result<Maintained> {
        self.write("maintain", |state| {
            let mut maintained = Maintained::default();
            let before = state.logs.len();
            state.logs.prune(&self.retention, SystemTime::now().into());
            maintained.log_entries = (before - state.logs.len()) as u64;
            maintained.done = true;
            Ok(maintained)
        })
    }

    async fn backup(&self, _to: PathBuf) -> Result<()> {
        self.read("backup", |_| {
            Err(Error::new(ErrorKind::Unsupported, "a store in memory has nothing to copy from")
                .hint("keep the threads in a store that lists the backup capability"))
        })
    }

    async fn flush(&self) -> Result<()> {
        self.read("flush", |_| Ok(()))
    }

    async fn close(&self) -> Result<()> {
        *self.state.write().unwrap_or_else(PoisonError::into_inner) = None;
        self.bell.close();
        Ok(())
    }
}

impl State {
    fn check(&self) -> CheckReport {
        let mut report = CheckReport::default();
        report.threads = self.rows.len() as u64;
        let wanted: BTreeSet<_> = self.rows.values().flat_map(index::keys).collect();
        let missing = wanted.difference(&self.index).count();
        if missing > 0 {
            report.problems.push(format!("{missing} keys are missing from the index"));
        }
        let stray = self.index.difference(&wanted).count();
        if stray > 0 {
            report.problems.push(format!("{stray} keys in the index belong to no thread"));
        }
        for id in self.tools.keys().filter(|id| !self.rows.contains_key(id)) {
            report.problems.push(format!("there are tools of thread {id}, which does not exist"));
        }
        for id in self.tombstones.keys().filter(|id| self.rows.contains_key(id)) {
            report.problems.push(format!("thread {id} exists and is marked as deleted"));
        }
        report
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use threadkeep_core::{
        Change, DynamicToolSpec, ThreadId, ThreadQuery, ThreadSeed, ThreadStore, Timestamp,
    };

    use super::*;

    /// Polls once, without a runtime.
    fn ready<T>(future: impl Future<Output = Result<T>>) -> T {
        match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(result) => result.unwrap(),
            Poll::Pending => panic!("a store in memory had something to wait for"),
        }
    }

    fn store_with_one_thread() -> (MemoryStore, ThreadId) {
        let store = MemoryStore::new();
        let id = ThreadId::new();
        let row = ThreadSeed::new(id, "/a.jsonl", Timestamp::from_millis(0)).into_metadata();
        ready(ThreadStore::write(&store, Change::Put(Box::new(row)).into()));
        (store, id)
    }

    #[test]
    fn no_runtime_is_needed() {
        let (store, id) = store_with_one_thread();
        assert_eq!(ready(store.list_ids(ThreadQuery::everything())).items, [id]);
        assert!(ready(store.check()).is_sound());
    }

    #[test]
    fn a_check_tells_what_does_not_fit_together() {
        let (store, id) = store_with_one_thread();
        let tool = DynamicToolSpec::function("t", "", "{}").unwrap();
        store
            .write("test", |state| {
                let row = state.rows.remove(&id).unwrap();
                let keys = index::keys(&row);
                state.index.remove(&keys[0]);
                state.tools.insert(id, vec![tool]);
                Ok(())
            })
            .unwrap();
        let report = ready(store.check());
        assert_eq!(report.problems.len(), 2, "{report:?}");
        assert!(report.problems[0].starts_with("9 keys"), "{report:?}");

        let (store, id) = store_with_one_thread();
        store
            .write("test", |state| {
                let keys = index::keys(&state.rows[&id]);
                state.index.remove(&keys[0]);
                Ok(())
            })
            .unwrap();
        let report = ready(store.check());
        assert_eq!(report.problems, ["1 keys are missing from the index"]);
    }
}
