//! Stores in memory that write down what they do on a disk that fails on command.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use threadkeep_conformance::{Declared, FaultyDisk, Fixture, Unsynced, async_trait};
use threadkeep_core::{
    Error, ErrorKind, LogEntry, LogIds, Outcome, Pruned, Result, Retention, Retry, Store,
    WriteBatch,
};
use threadkeep_memory::MemoryStore;

use crate::platter::{File, RECORD};
use crate::sabotage::{Inner, Sabotage, Sabotaged};

/// What is wrong with a journal.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flaw {
    /// Nothing: what the tier has to let pass.
    Nothing,
    /// A sync that fails counts as done.
    ShrugsOffSyncs,
    /// Each half of a batch is written and synced by itself.
    Halves,
    /// What is written is never synced.
    NeverSyncs,
    /// After one failed call no other is made, and nobody is told to open the store again.
    StaysBroken,
    /// Whatever the disk refuses is taken for damage.
    CriesDamage,
    /// A journal that ends in the middle of a record is refused.
    WantsItsEnd,
}

/// A store with a journal.
pub(crate) struct Journaled(pub(crate) Flaw);

/// What a record of the journal stands for.
#[derive(Clone)]
enum Job {
    Write(WriteBatch),
    Append(Vec<LogEntry>),
    Prune(Retention),
}

/// What every record stands for, by number. No disk ever fails here: it stands for bytes that the
/// journal would have.
type Jobs = Arc<Mutex<Vec<Job>>>;

struct Disk {
    flaw: Flaw,
    file: Arc<File>,
    jobs: Jobs,
}

/// The write side of a handle.
struct Journal {
    flaw: Flaw,
    file: Arc<File>,
    jobs: Jobs,
    /// The disk's power when it was opened.
    power: u64,
    turn: tokio::sync::Mutex<()>,
    broken: AtomicBool,
}

impl Journal {
    /// Writes down what was done. After a failure what is in memory is not what is on the disk.
    fn note(&self, job: Job) -> Result<()> {
        let number = {
            let mut jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
            jobs.push(job);
            jobs.len() as u64
        };
        let written = self.file.append(self.power, number).and_then(|()| {
            if self.flaw == Flaw::NeverSyncs { Ok(()) } else { self.file.sync(self.power) }.or_else(
                |error| if self.flaw == Flaw::ShrugsOffSyncs { Ok(()) } else { Err(error) },
            )
        });
        written.map_err(|error| {
            self.broken.store(true, Ordering::SeqCst);
            self.told(error).maybe_applied()
        })
    }

    fn told(&self, error: Error) -> Error {
        match self.flaw {
            Flaw::CriesDamage => Error::new(ErrorKind::Corrupted, "the journal is damaged"),
            _ => error,
        }
    }
}

#[async_trait]
impl Sabotage for Journal {
    async fn before(&self, _inner: &Inner) -> Result<()> {
        if !self.broken.load(Ordering::SeqCst) {
            return Ok(());
        }
        let error = Error::new(ErrorKind::Io, "the journal failed before");
        let hopeless = self.flaw == Flaw::StaysBroken;
        Err(if hopeless { error.with_retry(Retry::Never) } else { error })
    }

    async fn write(&self, inner: &Inner, batch: WriteBatch) -> Result<Vec<Outcome>> {
        let _turn = self.turn.lock().await;
        let outcomes = inner.write(batch.clone()).await?;
        let noted = if self.flaw == Flaw::Halves && batch.changes().len() > 1 {
            let (first, second) = batch.changes().split_at(batch.changes().len() / 2);
            [first, second].into_iter().try_for_each(|changes| {
                let half = changes.iter().cloned();
                let half = half
                    .fold(WriteBatch::new(), |half, (change, expect)| half.and_if(expect, change));
                self.note(Job::Write(half))
            })
        } else {
            self.note(Job::Write(batch))
        };
        let hopeless = self.flaw == Flaw::StaysBroken;
        noted.map_err(|error| if hopeless { error.with_retry(Retry::Never) } else { error })?;
        Ok(outcomes)
    }

    async fn append(&self, inner: &Inner, entries: Vec<LogEntry>) -> Result<Option<LogIds>> {
        let _turn = self.turn.lock().await;
        let ids = inner.append(entries.clone()).await?;
        self.note(Job::Append(entries))?;
        Ok(ids)
    }

    async fn prune(
        &self,
        inner: &Inner,
        retention: Retention,
        budget: std::time::Duration,
    ) -> Result<Pruned> {
        let _turn = self.turn.lock().await;
        let pruned = inner.prune(retention, budget).await?;
        self.note(Job::Prune(retention))?;
        Ok(pruned)
    }
}

#[async_trait]
impl FaultyDisk for Disk {
    async fn open(&self) -> Result<Arc<dyn Store>> {
        let power = self.file.power();
        let journal = Journal {
            flaw: self.flaw,
            file: Arc::clone(&self.file),
            jobs: Arc::clone(&self.jobs),
            power,
            turn: tokio::sync::Mutex::default(),
            broken: AtomicBool::new(false),
        };
        let told = |error| journal.told(error);
        let (numbers, bytes) = self.file.read(power).map_err(told)?;
        let whole = numbers.len() * RECORD;
        if whole < bytes {
            if self.flaw == Flaw::WantsItsEnd {
                return Err(Error::new(ErrorKind::Corrupted, "the journal has no end"));
            }
            // The next record is not to be glued to what is left of one.
            self.file.shorten(power, whole).map_err(told)?;
        }
        let jobs: Vec<Job> = {
            let jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
            numbers.into_iter().filter_map(|number| jobs.get(number - 1).cloned()).collect()
        };
        let inner: Inner = Arc::new(MemoryStore::new());
        for job in jobs {
            match job {
                Job::Write(batch) => drop(inner.write(batch).await?),
                Job::Append(entries) => drop(inner.append(entries).await?),
                Job::Prune(retention) => {
                    inner.prune(retention, std::time::Duration::from_secs(1)).await?;
                }
            }
        }
        Ok(Arc::new(Sabotaged::new(inner, journal)))
    }

    fn copy(&self) -> Arc<dyn FaultyDisk> {
        let (flaw, jobs) = (self.flaw, Arc::clone(&self.jobs));
        Arc::new(Self { flaw, jobs, file: Arc::new(self.file.copy()) })
    }

    fn arm(&self, fault: threadkeep_conformance::Fault) {
        self.file.arm(fault);
    }

    fn disarm(&self) -> u64 {
        self.file.disarm()
    }

    fn struck(&self) -> bool {
        self.file.struck()
    }

    fn cut_power(&self, unsynced: Unsynced) {
        self.file.cut_power(unsynced);
    }
}

#[async_trait]
impl Fixture for Journaled {
    fn name(&self) -> &'static str {
        match self.0 {
            Flaw::Nothing => "a sound journal",
            Flaw::ShrugsOffSyncs => "shrugs off syncs that fail",
            Flaw::Halves => "two halves, two syncs",
            Flaw::NeverSyncs => "never syncs",
            Flaw::StaysBroken => "stays broken",
            Flaw::CriesDamage => "takes a fault for damage",
            Flaw::WantsItsEnd => "refuses half a record",
        }
    }

    fn declared(&self) -> Declared {
        Declared::everything()
    }

    async fn open(&self, _workspace: &Path) -> Result<Arc<dyn Store>> {
        Err(Error::new(ErrorKind::Unsupported, "it is only on a disk that fails"))
    }

    fn disk(&self) -> Option<Arc<dyn FaultyDisk>> {
        Some(Arc::new(Disk { flaw: self.0, file: Arc::default(), jobs: Arc::default() }))
    }
}
