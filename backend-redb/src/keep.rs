//! Keeping to a retention: what has to go, found out a segment at a time and without any lock.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::DateTime;
use threadkeep_core::{ErrorKind, LogsHeld, Result, Retention, Thrift, plan_prune};

use crate::doomed::Doomed;
use crate::owner::Owner;
use crate::segment::Segment;
use crate::segments::Segments;
use crate::tally::{Cuts, Held};

/// How often it is looked whether something has to go, at most.
const EVERY: Duration = Duration::from_secs(1);
/// How long one bit of upkeep looks.
const STEP: Duration = Duration::from_millis(15);

/// The search for what has to go of threads that have too much.
#[derive(Debug)]
pub(crate) struct Look {
    retention: Retention,
    thrift: Thrift,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    /// Counts what each has, in the segments before this number.
    Count { before: u64, held: HashMap<Owner, Held> },
    /// Looks for the number up to which entries of some have to go, in the segments before this one.
    Cut { before: u64, cuts: Cuts },
}

impl Look {
    pub(crate) fn new(retention: Retention, thrift: Thrift) -> Self {
        let stage = Stage::Count { before: u64::MAX, held: HashMap::new() };
        Self { retention, thrift, stage }
    }

    /// Looks into some segments, at least one, until this time. Answers what has to go once that is
    /// known, which may be nothing.
    pub(crate) fn go_on(&mut self, segments: &Segments, until: Instant) -> Result<Option<Doomed>> {
        let nothing = || Ok(Some(Doomed::Owners(HashMap::new())));
        if !self.retention.limits_threads() {
            return nothing();
        }
        loop {
            match &mut self.stage {
                Stage::Count { before, held } => {
                    if let Some(segment) = segment_before(segments, before)? {
                        let here = readable(segment.held())?.unwrap_or_default();
                        for (owner, (rows, bytes)) in here {
                            let held = held.entry(owner).or_default();
                            *held = (held.0 + rows, held.1 + bytes);
                        }
                    } else {
                        let cuts = self.over();
                        self.stage = Stage::Cut { before: u64::MAX, cuts };
                    }
                }
                Stage::Cut { cuts, .. } if cuts.is_done() => {
                    return Ok(Some(Doomed::Owners(std::mem::take(&mut cuts.found))));
                }
                Stage::Cut { before, cuts } => match segment_before(segments, before)? {
                    Some(segment) => {
                        readable(segment.cut(cuts))?;
                    }
                    None => return Ok(Some(Doomed::Owners(std::mem::take(&mut cuts.found)))),
                },
            }
            if Instant::now() >= until {
                return Ok(None);
            }
        }
    }

    /// Those who have too much. Where some have so much that it is to be taken, that of all others
    /// goes as well: entries of many lie in one block, which is better written once, or not at all.
    fn over(&mut self) -> Cuts {
        let Stage::Count { held, .. } = &mut self.stage else { return Cuts::default() };
        let held = std::mem::take(held);
        let threads = held.iter().map(|(owner, (rows, bytes))| (owner, *rows, *bytes));
        let all = LogsHeld { rows: 0, bytes: 0, threads: threads.collect() };
        // What is too old is looked for elsewhere.
        let plan = plan_prune(&self.retention, all, self.thrift, DateTime::UNIX_EPOCH);
        Cuts::new(&self.retention, plan.threads.into_iter().map(|(owner, _)| owner.clone()))
    }
}

/// The next older segment, where there is one.
fn segment_before(segments: &Segments, before: &mut u64) -> Result<Option<Arc<Segment>>> {
    while let Some(first) = segments.list()?.into_iter().rfind(|first| first < before) {
        *before = first;
        if let Some(Some(segment)) = readable(segments.get(first))? {
            return Ok(Some(segment));
        }
    }
    Ok(None)
}

/// What a damaged segment holds counts for nothing.
pub(crate) fn readable<T>(read: Result<T>) -> Result<Option<T>> {
    match read {
        Err(error) if error.kind() == ErrorKind::Corrupted => {
            tracing::debug!(%error, "a damaged log segment is left out");
            Ok(None)
        }
        read => read.map(Some),
    }
}

/// What upkeep is to do next.
#[derive(Debug)]
pub(crate) enum Task {
    /// Nothing, before something is written.
    Done,
    /// Nothing, before so much time has passed.
    Rest(Duration),
    /// It has to be asked again.
    Again,
    /// These entries are to go.
    TakeOut(Doomed),
}

/// Keeps a log that is written to near its retention, a bit at a time.
#[derive(Debug)]
pub(crate) struct Keeper {
    retention: Retention,
    looked: Option<Instant>,
    stage: Option<Keeping>,
}

#[derive(Debug)]
enum Keeping {
    TooOld { before: u64 },
    Threads(Look),
    Bytes,
}

impl Keeper {
    pub(crate) fn new(retention: Retention) -> Self {
        Self { retention, looked: None, stage: None }
    }

    /// Whether there is anything to keep to.
    pub(crate) fn is_needed(&self) -> bool {
        self.retention != Retention::default()
    }

    /// Looks what is to be done next, for a few milliseconds.
    pub(crate) fn next(&mut self, segments: &Segments) -> Result<Task> {
        let next = self.look(segments);
        if next.is_err() {
            self.stage = None;
        }
        next
    }

    fn look(&mut self, segments: &Segments) -> Result<Task> {
        let until = Instant::now() + STEP;
        match &mut self.stage {
            None => {
                let since = self.looked.map_or(EVERY, |looked| looked.elapsed());
                if since < EVERY {
                    return Ok(Task::Rest(EVERY.saturating_sub(since)));
                }
                self.looked = Some(Instant::now());
                self.stage = Some(Keeping::TooOld { before: u64::MAX });
                Ok(Task::Again)
            }
            Some(Keeping::TooOld { before }) => {
                let Some(oldest) = self.retention.oldest() else {
                    self.stage = Some(self.threads());
                    return Ok(Task::Again);
                };
                let oldest = (oldest.timestamp(), oldest.timestamp_subsec_nanos());
                while let Some(segment) = segment_before(segments, before)? {
                    if readable(segment.has_before(oldest))? == Some(true) {
                        self.stage = Some(self.threads());
                        return Ok(Task::TakeOut(Doomed::Before(oldest)));
                    }
                    if Instant::now() >= until {
                        return Ok(Task::Again);
                    }
                }
                self.stage = Some(self.threads());
                Ok(Task::Again)
            }
            Some(Keeping::Threads(look)) => {
                let Some(doomed) = look.go_on(segments, until)? else { return Ok(Task::Again) };
                self.stage = Some(Keeping::Bytes);
                match doomed {
                    Doomed::Owners(owners) if owners.is_empty() => Ok(Task::Again),
                    doomed => Ok(Task::TakeOut(doomed)),
                }
            }
            Some(Keeping::Bytes) => {
                self.stage = None;
                Ok(match self.surplus(segments)? {
                    Some(last) => Task::TakeOut(Doomed::Through(last)),
                    None => Task::Done,
                })
            }
        }
    }

    fn threads(&self) -> Keeping {
        Keeping::Threads(Look::new(self.retention, Thrift::Lazy))
    }

    /// The number of the last entry of the whole segments that have to go.
    pub(crate) fn surplus(&self, segments: &Segments) -> Result<Option<u64>> {
        let Some(most) = self.retention.max_bytes else { return Ok(None) };
        let firsts = segments.list()?;
        let mut sizes = Vec::with_capacity(firsts.len());
        for first in &firsts {
            sizes.push(segments.bytes(*first)?.unwrap_or(0));
        }
        let mut bytes: u64 = sizes.iter().sum();
        if bytes <= most {
            return Ok(None);
        }
        let aim = Thrift::Lazy.aim(most);
        let mut last = None;
        for (size, next) in sizes.iter().zip(firsts.iter().skip(1)) {
            if bytes <= aim {
                break;
            }
            bytes -= size;
            last = Some(next - 1);
        }
        Ok(last)
    }
}
