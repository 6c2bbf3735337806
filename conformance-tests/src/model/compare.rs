//! Runs a sequence on the backend and on the model, and finds the first answer that differs.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use threadkeep_core::{
    Applied, Capability, Change, Cursor, Direction, ErrorKind, LogEntry, LogFilter, LogQuery,
    LogStoreExt, Result, Retention, SortKey, Store, ThreadId, ThreadMetadata, ThreadQuery, limits,
};

use super::ask::{Position, position};
use super::ops::{self, Expectation, Limits, Op, Probe, Script, Step, Wanted};
use super::pools::IDS;
use super::store::Model;
use crate::diff::same;
use crate::lab::{Failure, Lab, Verdict};

/// Runs the sequence; the error names the step and both answers.
pub(crate) async fn run(lab: &Lab, script: &Script) -> Verdict {
    let mut handles = vec![lab.open().await?];
    for _ in 1..script.handles {
        let another = if lab.declares(Capability::MultiProcess) {
            lab.open().await?
        } else {
            Arc::clone(&handles[0])
        };
        handles.push(another);
    }
    let mut run = Run { lab, handles, current: 0, model: Model::default(), reader: None };
    for (number, step) in (1..).zip(&script.steps) {
        if let Some(seen) = &script.seen {
            seen.fetch_add(1, Ordering::Relaxed);
        }
        run.step(step).await.map_err(|failure| failure.during(format!("step {number}")))?;
    }
    run.end().await.map_err(|failure| failure.during("at the end"))
}

/// The orders of listings.
const EVERYTHING: [(SortKey, Direction); 4] = [
    (SortKey::UpdatedAt, Direction::Descending),
    (SortKey::UpdatedAt, Direction::Ascending),
    (SortKey::CreatedAt, Direction::Descending),
    (SortKey::CreatedAt, Direction::Ascending),
];

struct Run<'a> {
    lab: &'a Lab,
    /// Handles onto one store, or one handle several times.
    handles: Vec<Arc<dyn Store>>,
    /// The handle of the present step.
    current: usize,
    model: Model,
    /// A listing that is read one page a step, whatever is written in between.
    reader: Option<Reader>,
}

struct Reader {
    query: ThreadQuery,
    last: Option<Position>,
}

impl Run<'_> {
    fn store(&self) -> &dyn Store {
        &*self.handles[self.current]
    }

    async fn step(&mut self, step: &Step) -> Verdict {
        self.current = step.handle % self.handles.len();
        self.perform(&step.op).await?;
        self.look().await?;
        for probe in &step.probes {
            self.probe(probe).await?;
        }
        self.read_on().await
    }

    async fn perform(&mut self, op: &Op) -> Verdict {
        match op {
            Op::Write(name, changes) => self.write(*name, changes).await,
            Op::Append(entries) => self.append(entries).await,
            Op::DeleteLogsBefore(time) => {
                let deleted = self.store().delete_logs_before(*time).await?;
                same("deleted logs", &deleted, &self.model.delete_logs_before(*time))
            }
            Op::Prune(limits) => self.prune(limits).await,
            Op::Maintain => self.settle().await,
            Op::Flush => Ok(self.store().flush().await?),
            Op::Reopen { close } => self.reopen(*close).await,
        }
    }

    async fn write(&mut self, name: Option<u8>, changes: &[(Wanted, Expectation)]) -> Verdict {
        let batch = ops::batch(name, changes, |change| self.model.revision(change));
        let deletes =
            batch.changes().iter().any(|(change, _)| matches!(change, Change::Delete { .. }));
        let expected = self.model.write(&batch);
        let answer = self.store().write(batch).await;
        if let Err(error) = &answer {
            same("what the error says was written", &error.outcome(), &Applied::NotApplied)?;
        }
        same("write", &answer.map_err(|error| error.kind()), &expected)?;
        if deletes {
            // Logs of deleted threads may go a little later.
            self.settle().await?;
        }
        Ok(())
    }

    async fn append(&mut self, entries: &[LogEntry]) -> Verdict {
        let before = self.store().max_log_id(LogFilter::new()).await?;
        let ids = self.store().append(entries.to_vec()).await?;
        let query =
            LogQuery::new(LogFilter::new().after_id(before)).direction(Direction::Ascending);
        let stored = self.store().query(query).await?.items;
        let greatest = self.model.greatest_log_id();
        if stored.first().is_some_and(|row| row.id <= greatest) {
            return Err(Failure::new(format!("append: {greatest} was given out before")));
        }
        if !stored.is_sorted_by(|a, b| a.id < b.id) {
            return Err(Failure::new("append: the numbers do not grow"));
        }
        let found: Vec<_> = stored.iter().map(|row| row.entry.clone()).collect();
        same("appended entries", &found, &entries.to_vec())?;
        let ends = stored.first().zip(stored.last()).map(|(first, last)| (first.id, last.id));
        same("numbers given out", &ids.map(|ids| (ids.first, ids.last)), &ends)?;
        self.model.append(stored);
        Ok(())
    }

    async fn prune(&mut self, limits: &Limits) -> Verdict {
        let mut retention = Retention::default();
        retention.before = limits.before;
        retention.thread_rows = limits.thread_rows;
        retention.thread_bytes = limits.thread_bytes;
        let pruned = self.store().prune(retention, Duration::MAX).await?.rows;
        same("pruned logs", &pruned, &self.model.prune(limits))
    }

    async fn settle(&mut self) -> Verdict {
        for _ in 0..1_000 {
            if self.store().maintain(Duration::from_secs(1)).await?.done {
                return Ok(());
            }
        }
        Err(Failure::new("maintain: there is always something left to do"))
    }

    async fn reopen(&mut self, close: bool) -> Verdict {
        if !self.lab.declares(Capability::Persistent) {
            return Ok(());
        }
        let shared = self.lab.declares(Capability::MultiProcess);
        if close || !shared {
            self.store().close().await?;
        }
        let opened = self.lab.open().await?;
        if shared {
            self.handles[self.current] = opened;
        } else {
            self.handles.fill(opened);
        }
        Ok(())
    }

    /// What is asked after every step.
    async fn look(&self) -> Verdict {
        let mut ids = IDS.to_vec();
        ids.push(ThreadId::from_bytes([0; 16]));
        ids.push(IDS[0]);
        let rows = self.store().threads(ids.clone()).await?;
        let expected: Vec<_> = ids
            .iter()
            .map(|id| self.model.thread(*id).and_then(|known| known.row.clone()))
            .collect();
        same("threads", &rows, &expected)?;
        for id in IDS {
            let expected = self.model.thread(id).and_then(|known| known.tools.clone());
            same("dynamic tools", &self.store().dynamic_tools(id).await?, &expected)?;
        }
        let stats = self.store().stats().await?;
        let count = |wanted: &dyn Fn(&super::store::Known) -> bool| {
            self.model.threads.iter().filter(|known| wanted(known)).count() as u64
        };
        same("threads counted", &stats.threads, &count(&|known| known.row.is_some()))?;
        let archived =
            count(&|known| known.row.as_ref().is_some_and(|row| row.archived_at.is_some()));
        same("archived threads counted", &stats.archived, &archived)?;
        let with_tools = count(&|known| known.tools.is_some());
        same("threads with tools counted", &stats.threads_with_tools, &with_tools)?;
        let tombstones = count(&|known| known.deleted_at.is_some());
        same("tombstones counted", &stats.tombstones, &tombstones)?;
        same("log entries counted", &stats.log_entries, &(self.model.logs.len() as u64))?;
        for query in EVERYTHING
            .map(|(sort, direction)| ThreadQuery::everything().sort(sort).direction(direction))
        {
            let expected = self.model.list(&query, None);
            self.page(&query, &expected, false).await?;
        }
        let logs = LogQuery::new(LogFilter::new()).limit(limits::PAGE_ITEMS);
        let page = self.store().query(logs.clone()).await?;
        let deleted = page.deleted_through;
        same("the log", &(page.items, page.more), &self.model.logs(&logs))?;
        // Of what went, a page may tell a little more than that.
        let (least, greatest) = (self.model.deleted_log_id, self.model.greatest_log_id());
        if deleted < least || deleted > if least == 0 { 0 } else { greatest } {
            return Err(Failure::new(format!(
                "deleted through {deleted}, of numbers up to {greatest}: {least} was deleted"
            )));
        }
        Ok(())
    }

    async fn probe(&mut self, probe: &Probe) -> Verdict {
        match probe {
            Probe::List(query) => {
                self.list(query).await?;
                self.reader.get_or_insert(Reader { query: query.clone(), last: None });
                Ok(())
            }
            Probe::Checkpoints { prefix, after, limit } => {
                let found = self.store().checkpoints(prefix.clone(), after.clone(), *limit).await?;
                let expected = self.model.checkpoints(prefix, after.as_deref(), *limit);
                same(&format!("{probe:?}"), &found, &expected)
            }
            Probe::Logs(query) => {
                let page = self.store().query(query.clone()).await?;
                let expected = self.model.logs(query);
                same(&format!("{probe:?}"), &(page.items, page.more), &expected)
            }
            Probe::MaxLogId(filter) => {
                let found = self.store().max_log_id(filter.clone()).await?;
                same(&format!("{probe:?}"), &found, &self.model.max_log_id(filter))
            }
            Probe::BadLimit(limit) => self.bad_limit(*limit).await,
            Probe::ForeignCursor(queries) => self.foreign_cursor(&queries.0, &queries.1).await,
        }
    }

    async fn bad_limit(&self, limit: usize) -> Verdict {
        let store = self.store();
        let query = || ThreadQuery::new().limit(limit);
        let logs = LogQuery::new(LogFilter::new()).limit(limit);
        for (what, kind) in [
            ("list", kind(store.list(query()).await)),
            ("list_ids", kind(store.list_ids(query()).await)),
            ("query", kind(store.query(logs).await)),
        ] {
            same(&format!("{what} of {limit}"), &kind, &Some(ErrorKind::InvalidInput))?;
        }
        Ok(())
    }

    async fn foreign_cursor(&self, from: &ThreadQuery, to: &ThreadQuery) -> Verdict {
        let cursor = self.store().list(from.clone().limit(1)).await?.next;
        let alike = from.sort == to.sort
            && from.direction == to.direction
            && format!("{:?}", from.filter) == format!("{:?}", to.filter);
        if cursor.is_none() || alike {
            return Ok(());
        }
        let query = to.clone().after(cursor);
        let kinds = (
            kind(self.store().list(query.clone()).await),
            kind(self.store().list_ids(query).await),
        );
        let refused = Some(ErrorKind::InvalidCursor);
        same(&format!("{to:?}\nwith a cursor of {from:?}"), &kinds, &(refused, refused))
    }

    /// All pages of a listing, rows and ids.
    async fn list(&self, query: &ThreadQuery) -> Verdict {
        let expected = self.model.list(query, None);
        let mut after: Option<Cursor> = None;
        let mut rest = expected.as_slice();
        loop {
            let (page, left) = rest.split_at(query.limit.min(rest.len()));
            let asked = query.clone().after(after);
            after = self.page(&asked, page, !left.is_empty()).await?;
            rest = left;
            if after.is_none() {
                return Ok(());
            }
        }
    }

    /// One page of a listing, rows and ids; answers where the next begins.
    async fn page(
        &self,
        query: &ThreadQuery,
        expected: &[&ThreadMetadata],
        more: bool,
    ) -> Verdict<Option<Cursor>> {
        let what = format!("{query:?}");
        let page = self.store().list(query.clone()).await?;
        same(&what, &page.items.iter().collect::<Vec<_>>(), &expected.to_vec())?;
        same(&format!("a next page of {what}"), &page.next.is_some(), &more)?;
        same(&format!("rows skipped by {what}"), &page.skipped, &Vec::new())?;

        let ids = self.store().list_ids(query.clone()).await?;
        let expected_ids: Vec<_> = expected.iter().map(|row| row.id).collect();
        same(&format!("ids of {what}"), &ids.items, &expected_ids)?;
        same(&format!("next page of ids of {what}"), &ids.next, &page.next)?;
        Ok(page.next.map(|cursor| cursor.to_string().parse()).transpose()?)
    }

    /// The next page of the listing that is read slowly.
    async fn read_on(&mut self) -> Verdict {
        let Some(Reader { mut query, last }) = self.reader.take() else {
            return Ok(());
        };
        let expected = self.model.list(&query, last);
        let size = query.limit.min(expected.len());
        let last = size.checked_sub(1).map(|at| position(&query, expected[at]));
        query.after = self.page(&query, &expected[..size], size < expected.len()).await?;
        if query.after.is_some() {
            self.reader = Some(Reader { query, last });
        }
        Ok(())
    }

    async fn end(mut self) -> Verdict {
        self.reopen(true).await?;
        self.look().await?;
        self.list(&ThreadQuery::everything()).await?;
        let report = self.store().check().await?;
        same("problems found by check", &report.problems, &Vec::new())?;
        same("damage found by check", &report.damaged, &Vec::new())?;
        self.store().close().await?;
        let closed = self.store().flush().await.map_err(|error| error.kind());
        same("flush after closing", &closed, &Err(ErrorKind::Closed))
    }
}

/// How a call failed, if it did.
fn kind<T>(result: Result<T>) -> Option<ErrorKind> {
    result.err().map(|error| error.kind())
}
