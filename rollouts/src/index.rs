//! Indexing a home.

use std::time::{Duration, Instant};

use threadkeep_core::{Error, ErrorKind, Result, Store};

use crate::claim::Claim;
use crate::commit::{Committed, Ready, commit, remember};
use crate::crew::{Crew, Event, Task};
use crate::job::Job;
use crate::plan::Plan;
use crate::state::{Keys, load};
use crate::{Home, IndexOptions, IndexProgress, IndexReport};

/// Jobs that make a commit worth its while.
const ENOUGH: usize = 500;
/// Jobs in one commit at most, so that what waits for it stays small.
const MOST: usize = 2_000;
/// How long a job that is done waits for others.
const PATIENCE: Duration = Duration::from_millis(500);

/// Brings a store up to date with the rollout files of a home.
///
/// Only what changed is read: a file that is as it was is not opened, one that grew is read from
/// where it ended, any other from its start. Rows are made and changed, never deleted, and what a
/// person did to a row is kept. What is remembered of the files is written in the same commits, so
/// a run that was interrupted anywhere is continued by the next.
///
/// One run works on a home at a time, in whatever process; others wait for it, as long as
/// [`IndexOptions::wait`] says, and then find nothing left to do.
///
/// Files are read by threads of its own; no async runtime is needed. Dropping the future stops
/// them, and leaves every commit whole.
///
/// # Errors
///
/// [`NotFound`](ErrorKind::NotFound) where there is no such home, [`Busy`](ErrorKind::Busy) where
/// another run, named in the message, works on it for too long or took over, and what the store
/// fails with. A file that cannot be read is no error: it is in [`IndexReport::skipped`].
pub async fn index(store: &dyn Store, home: &Home, options: IndexOptions) -> Result<IndexReport> {
    home.check()?;
    let mut claim = Claim::take(store, home, options.wait).await?;
    let result = run(store, home, options, &mut claim).await;
    claim.release(store).await;
    result.map_err(|error| error.during("index"))
}

async fn run(
    store: &dyn Store,
    home: &Home,
    options: IndexOptions,
    claim: &mut Claim,
) -> Result<IndexReport> {
    let start = Instant::now();
    let keys = Keys::new(home);
    let states = load(store, &keys, Some(claim)).await?;
    let crew = Crew::start(Task {
        home: home.clone(),
        keys,
        states,
        full: options.full,
        default_provider: options.default_provider.clone(),
        workers: options.workers,
    })?;
    let mut run = Run { store, claim, crew, options, open: None, ready: Vec::new(), since: start };
    let mut report = run.until_done().await?;
    run.crew.end();
    report.sort();
    report.elapsed = start.elapsed();
    Ok(report)
}

struct Run<'a> {
    store: &'a dyn Store,
    claim: &'a mut Claim,
    crew: Crew,
    options: IndexOptions,
    /// What is going on, once it is known what there is to do.
    open: Option<Open>,
    ready: Vec<Ready>,
    /// When the first of `ready` came.
    since: Instant,
}

struct Open {
    report: IndexReport,
    progress: IndexProgress,
    /// Jobs that are not written yet.
    jobs: usize,
}

impl Run<'_> {
    async fn until_done(&mut self) -> Result<IndexReport> {
        loop {
            let event = self.crew.events.recv_async().await.map_err(|_| fault())?;
            self.take(event).await?;
            while self.ready.len() < MOST
                && let Ok(event) = self.crew.events.try_recv()
            {
                self.take(event).await?;
            }
            self.commit_if_due().await?;
            self.claim.keep_alive(self.store).await?;
            self.tell();
            if let Some(open) = self.open.take_if(|open| open.jobs == 0) {
                return Ok(open.report);
            }
        }
    }

    async fn take(&mut self, event: Event) -> Result<()> {
        match event {
            Event::Tick => Ok(()),
            Event::Failed => Err(fault()),
            Event::Planned(plan) => self.begin(*plan).await,
            Event::Done(job, found) => {
                if self.ready.is_empty() {
                    self.since = Instant::now();
                }
                self.ready.push(Ready { job, found });
                Ok(())
            }
        }
    }

    async fn begin(&mut self, plan: Plan) -> Result<()> {
        let progress = IndexProgress {
            files_total: plan.jobs.iter().map(|job| job.files.len() as u64).sum(),
            bytes_total: plan.jobs.iter().map(Job::bytes).sum(),
            ..IndexProgress::default()
        };
        self.open = Some(Open { report: plan.report, progress, jobs: plan.jobs.len() });
        for job in plan.jobs {
            self.crew.jobs.send(job).map_err(|_| fault())?;
        }
        remember(self.store, self.claim, plan.states).await
    }

    async fn commit_if_due(&mut self) -> Result<()> {
        let Some(open) = &mut self.open else {
            return Ok(());
        };
        let is_due = self.ready.len() >= ENOUGH.min(open.jobs)
            || self.since.elapsed() >= PATIENCE
            || self.crew.meter.is_full();
        if self.ready.is_empty() || !is_due {
            return Ok(());
        }
        let ready = std::mem::take(&mut self.ready);
        let weight = ready.iter().map(|ready| ready.found.weight()).sum();
        let Committed { done, again } = commit(self.store, self.claim, ready).await?;
        self.crew.meter.release(weight);
        open.jobs -= done.len();
        for Ready { job, found } in done {
            open.progress.files_done += job.files.len() as u64;
            open.report.unchanged += (job.files.len() as u64).saturating_sub(found.opened);
            open.report.add(*found);
        }
        for job in again {
            self.crew.jobs.send(job).map_err(|_| fault())?;
        }
        Ok(())
    }

    fn tell(&mut self) {
        if let Some(open) = &mut self.open {
            let bytes = self.crew.meter.bytes();
            open.report.bytes_read = bytes;
            open.progress.bytes_done = bytes;
            if let Some(progress) = &self.options.progress {
                progress(open.progress);
            }
        }
    }
}

fn fault() -> Error {
    Error::new(ErrorKind::Internal, "the threads that read files ended early")
        .hint("index again; what was written is kept")
}
