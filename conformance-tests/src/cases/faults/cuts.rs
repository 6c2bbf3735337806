//! Power cuts in the middle of everything, one disk through several of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use proptest::prelude::RngExt as _;
use threadkeep_core::{Result, Store};
use tokio::task::JoinSet;

use super::bench::watched;
use super::trial::breaks;
use crate::cases::kill::found::{self, Lane, Rules};
use crate::cases::kill::plan::{BROAD, CHURN, NARROW, Plan};
use crate::disk::{Fault, FaultyDisk, Unsynced};
use crate::lab::{Failure, Verdict, run_within};
use crate::random;
use crate::rules::{P_44, P_45, P_46};
use crate::setting::Setting;

/// What a power cut may break.
const RULES: Rules = Rules { lost: P_45, half: P_46, unsound: P_44 };
/// Batches of several threads, of which a cut may leave some.
const WIDE: Plan = Plan { width: 4, ..BROAD };
/// Cuts where nobody says how many; two cases do as many each.
const CUTS: u64 = 250;
/// Cuts that a disk lives through before there is a new one.
const CUTS_OF_A_DISK: u64 = 6;
/// Cuts that cannot all have come before the first acknowledgement.
const ENOUGH: u64 = 10;
/// Steps that a lane makes at most before a cut, so that a quick store is not filled without end.
const STEPS: u32 = 8;
/// Acknowledgements that there are at most before a cut: fewer than all lanes have steps.
const GOAL: u32 = 24;
/// A commit makes about as many calls to the disk.
const CALLS: u64 = 24;
/// The life of a disk does not take so long.
const PATIENCE: Duration = Duration::from_mins(1);

/// Cuts the power of one disk after the other again and again, given what becomes, by the number
/// that a cut begins from, of what was not synced.
pub(super) fn live_through(setting: &Setting, unsynced: fn(u64) -> Unsynced) -> Verdict {
    let begun = Instant::now();
    let seeds: Vec<u64> = setting.seeds(CUTS).collect();
    let mut acknowledged = 0;
    for seeds in seeds.chunks(usize::try_from(CUTS_OF_A_DISK).unwrap_or(1)) {
        let mut life = Life::new(setting, seeds[0])?;
        let seeds = seeds.to_vec();
        acknowledged += run_within(PATIENCE, async move {
            for (before, seed) in seeds.into_iter().enumerate() {
                let cut = Box::pin(life.cut(seed, unsynced(seed))).await;
                // Not the seed of one cut: those before it are a part of the story.
                cut.map_err(|failure| failure.during(format!("cut with {before} before it")))?;
            }
            Ok(life.acknowledged)
        })?;
    }
    if acknowledged == 0 && setting.cases(CUTS) >= ENOUGH {
        return Err(Failure::new(
            "no write was acknowledged before the cuts, which proves nothing",
        ));
    }
    if setting.options.cases.is_some() {
        eprintln!(
            "{} power cuts, {acknowledged} acknowledged writes, none lost, none in part, every \
             check sound, {:.1} s",
            setting.cases(CUTS),
            begun.elapsed().as_secs_f64()
        );
    }
    Ok(())
}

/// A disk, and what is known of it.
struct Life {
    disk: Arc<dyn FaultyDisk>,
    plan: Plan,
    lanes: Vec<Lane>,
    /// The greatest number that a log entry was seen to have.
    last_log_id: u64,
    acknowledged: u64,
}

/// When the power is cut.
#[derive(Clone, Copy, Debug)]
struct Moment {
    /// After so many acknowledgements; none where it is cut while the store is opened.
    acknowledged: Option<u32>,
    /// After so many calls to the disk more.
    calls: u64,
    /// Or so much later, where there are not that many.
    delay: Duration,
    unsynced: Unsynced,
}

impl Moment {
    fn cut(self, disk: &dyn FaultyDisk) {
        // On a quick disk the delay alone would hardly ever end in the middle of a commit.
        disk.arm(Fault::From(self.calls));
        wait(self.delay);
        disk.cut_power(self.unsynced);
        disk.disarm();
    }
}

/// What the tasks that write have in common.
struct Work {
    disk: Arc<dyn FaultyDisk>,
    store: Arc<dyn Store>,
    plan: Plan,
    acknowledged: AtomicU32,
    /// How many of them there are when the moment has come.
    goal: u32,
    moment: Moment,
    /// Whether it has, so that calls may fail.
    failing: AtomicBool,
}

/// A lane, its last step that was acknowledged, and the number of its last log entry.
type Came = (u32, u32, u64);

impl Life {
    fn new(setting: &Setting, seed: u64) -> Verdict<Self> {
        let plan = [NARROW, WIDE, CHURN][usize::try_from(seed / CUTS_OF_A_DISK % 3).unwrap_or(0)];
        let lanes = plan.all_lanes().map(|_| Lane::default()).collect();
        let disk = super::bench::disk(setting)?;
        Ok(Self { disk, plan, lanes, last_log_id: 0, acknowledged: 0 })
    }

    /// Lets tasks write, cuts the power, and looks at what is left.
    async fn cut(&mut self, seed: u64, unsynced: Unsynced) -> Verdict {
        let mut random = random::rng(seed);
        let moment = Moment {
            acknowledged: (!random.random_ratio(1, 10)).then(|| random.random_range(0..GOAL)),
            calls: random.random_range(0..CALLS),
            delay: Duration::from_micros(random.random_range(0..400)),
            unsynced,
        };
        let story = |failure: Failure| failure.during(format!("{moment:?}"));
        let left = match moment.acknowledged {
            None => self.cut_while_opening(moment).await,
            Some(goal) => self.cut_while_writing(moment, goal).await.map(Some),
        };
        let left = left.map_err(story)?;
        // Who held it may let go of it before, or while it is in use again.
        let (before, after) = if random.random() { (left, None) } else { (None, left) };
        end(before).await.map_err(story)?;
        self.look().await.map_err(story)?;
        end(after).await.map_err(story)
    }

    async fn cut_while_opening(&mut self, moment: Moment) -> Verdict<Option<Arc<dyn Store>>> {
        let disk = Arc::clone(&self.disk);
        let opening = tokio::spawn(async move { disk.open().await });
        moment.cut(&*self.disk);
        let opened = watched("opening, at a power cut", opening).await?;
        // It may have been open before the cut, or have failed by it.
        Ok(opened.ok().and_then(Result::ok))
    }

    async fn cut_while_writing(&mut self, moment: Moment, goal: u32) -> Verdict<Arc<dyn Store>> {
        let store = open(&self.disk).await?;
        let work = Arc::new(Work {
            disk: Arc::clone(&self.disk),
            store: Arc::clone(&store),
            plan: self.plan,
            acknowledged: AtomicU32::new(0),
            goal,
            moment,
            failing: AtomicBool::new(false),
        });
        let mut tasks = JoinSet::new();
        for (lane, done) in self.plan.all_lanes().zip(&mut self.lanes) {
            tasks.spawn(Arc::clone(&work).write(lane, done.acknowledged, self.last_log_id));
            done.begun += 1;
        }
        if self.plan.churns {
            tasks.spawn(Arc::clone(&work).keep_up());
        }
        if goal == 0 {
            work.cut();
        }
        let all = tokio::spawn(async move { tasks.join_all().await });
        let ended = watched("a call that the power cut met", all).await?;
        let ended = ended.map_err(|panic| breaks(P_44, format!("a call panics: {panic}")))?;
        for came in ended {
            let Some((lane, step, last_log_id)) = came? else { continue };
            let known = &mut self.lanes[lane as usize];
            self.acknowledged += u64::from(step - known.acknowledged);
            *known = Lane { acknowledged: step, begun: step + 1 };
            self.last_log_id = self.last_log_id.max(last_log_id);
        }
        Ok(store)
    }

    /// Looks whether everything acknowledged is there, and whether what is there is sound.
    async fn look(&mut self) -> Verdict {
        let store = open(&self.disk).await?;
        let found = found::look(&*store, self.plan, &self.lanes, RULES).await;
        let (steps, problems) = found.map_err(|failure| breaks(P_44, failure))?;
        problems.verdict()?;
        // What was there once must stay.
        self.lanes =
            steps.into_iter().map(|step| Lane { acknowledged: step, begun: step }).collect();
        self.last_log_id = store.max_log_id(threadkeep_core::LogFilter::new()).await?;
        Ok(watched("closing", async move { store.close().await }).await??)
    }
}

impl Work {
    /// Makes steps of a lane until the power is cut.
    async fn write(
        self: Arc<Self>,
        lane: u32,
        mut step: u32,
        mut last_log_id: u64,
    ) -> Verdict<Option<Came>> {
        for _ in 0..STEPS {
            match self.step(lane, step + 1).await {
                Ok(None) => {}
                Ok(Some((first, _))) if first <= last_log_id => {
                    let text = format!("entry {first} was appended after entry {last_log_id}");
                    return Err(breaks(P_45, text));
                }
                Ok(Some((_, last))) => last_log_id = last,
                Err(_) if self.failing.load(Ordering::SeqCst) => break,
                Err(error) => return Err(error.into()),
            }
            step += 1;
            if self.acknowledged.fetch_add(1, Ordering::SeqCst) + 1 == self.goal {
                self.cut();
            }
        }
        Ok(Some((lane, step, last_log_id)))
    }

    /// Makes a step, and answers the numbers of the log entries that it appended.
    async fn step(&self, lane: u32, step: u32) -> Result<Option<(u64, u64)>> {
        if self.plan.is_logs(lane) {
            let ids = self.store.append(self.plan.entries(step)).await?;
            return Ok(ids.map(|ids| (ids.first, ids.last)));
        }
        self.store.write(self.plan.batch(lane, step)?).await.map(|_| None)
    }

    /// Maintains the store until the power is cut.
    async fn keep_up(self: Arc<Self>) -> Verdict<Option<Came>> {
        while !self.failing.load(Ordering::SeqCst) {
            let maintained = self.store.maintain(Duration::from_millis(1)).await;
            if !self.failing.load(Ordering::SeqCst) {
                maintained?;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        Ok(None)
    }

    fn cut(&self) {
        self.failing.store(true, Ordering::SeqCst);
        self.moment.cut(&*self.disk);
    }
}

async fn open(disk: &Arc<dyn FaultyDisk>) -> Verdict<Arc<dyn Store>> {
    let disk = Arc::clone(disk);
    let opened = watched("opening after a power cut", async move { disk.open().await }).await?;
    opened.map_err(|error| breaks(P_44, format!("it does not open again: {error:?}")))
}

/// Lets go of a handle that the power cut left.
async fn end(store: Option<Arc<dyn Store>>) -> Verdict {
    let Some(store) = store else { return Ok(()) };
    // It has lost its disk, and may say so.
    watched("closing after a power cut", async move { store.close().await }).await.map(drop)
}

/// Timers are too coarse for this, and others go on meanwhile.
fn wait(delay: Duration) {
    let until = Instant::now() + delay;
    while Instant::now() < until {
        std::thread::yield_now();
    }
}
