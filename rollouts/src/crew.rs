//! The threads that work for a run.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use flume::{Receiver, RecvTimeoutError, Sender};
use threadkeep_core::Result;

use crate::Home;
use crate::job::{Findings, Job};
use crate::meter::Meter;
use crate::plan::Plan;
use crate::read::Reader;
use crate::state::{Keys, States};
use crate::wait::spawn;
use crate::work::run;

/// Results that may wait to be written: workers wait when there are more.
const WAITING: usize = 1_024;

/// How long a worker waits before it looks again whether there is room.
const PAUSE: Duration = Duration::from_millis(2);

/// How often the run wakes up when nothing else happens.
const TICK: Duration = Duration::from_millis(100);

/// What the threads tell.
pub(crate) enum Event {
    /// What there is to do.
    Planned(Box<Plan>),
    /// A job is done.
    Done(Box<Job>, Box<Findings>),
    /// Time goes by.
    Tick,
    /// The plan could not be made, by a fault.
    Failed,
}

/// What the planner looks at.
pub(crate) struct Task {
    pub(crate) home: Home,
    pub(crate) keys: Keys,
    pub(crate) states: States,
    pub(crate) full: bool,
    pub(crate) default_provider: String,
    pub(crate) workers: usize,
}

/// The threads that work for a run. Dropping it stops them: none reads more than a buffer then.
pub(crate) struct Crew {
    pub(crate) jobs: Sender<Job>,
    pub(crate) events: Receiver<Event>,
    pub(crate) meter: Arc<Meter>,
    threads: Vec<JoinHandle<()>>,
    _until: Sender<()>,
}

impl Crew {
    /// Starts a planner, which tells its plan, and the workers, which wait for jobs.
    pub(crate) fn start(task: Task) -> Result<Self> {
        let meter = Arc::new(Meter::default());
        let (jobs, waiting) = flume::unbounded();
        let (tell, events) = flume::bounded(WAITING);
        let (until, ended) = flume::bounded(0);
        let mut crew =
            Self { jobs, events, meter: Arc::clone(&meter), threads: Vec::new(), _until: until };
        for _ in 0..task.workers {
            let (waiting, tell) = (waiting.clone(), tell.clone());
            let (meter, provider) = (Arc::clone(&meter), task.default_provider.clone());
            let work = move || work(&waiting, &tell, &meter, &provider);
            crew.threads.push(spawn("threadkeep-reader", work)?);
        }
        let ticks = tell.clone();
        crew.threads.push(spawn("threadkeep-ticker", move || tick(&ended, &ticks))?);
        crew.threads.push(spawn("threadkeep-planner", move || plan(task, meter, &tell))?);
        Ok(crew)
    }

    /// Ends the threads, which have nothing left to do.
    pub(crate) fn end(mut self) {
        let threads = std::mem::take(&mut self.threads);
        drop(self);
        for thread in threads {
            // A panic was reported as an event already.
            let _ = thread.join();
        }
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        self.meter.stop();
    }
}

fn plan(task: Task, meter: Arc<Meter>, tell: &Sender<Event>) {
    let mut reader = Reader::new(meter);
    let plan = catch_unwind(AssertUnwindSafe(|| {
        Plan::new(&task.home, &task.keys, task.states, task.full, &mut reader)
    }));
    // Nobody listens any more where the run was dropped.
    let _ = tell.send(plan.map_or(Event::Failed, |plan| Event::Planned(Box::new(plan))));
}

fn work(jobs: &Receiver<Job>, tell: &Sender<Event>, meter: &Arc<Meter>, provider: &str) {
    let mut reader = Reader::new(Arc::clone(meter));
    while let Ok(job) = jobs.recv() {
        let found = catch_unwind(AssertUnwindSafe(|| run(&job, &mut reader, provider)));
        let found = found.unwrap_or_else(|_| {
            // One bad file must not cost the others their index, whatever is wrong with it.
            let mut found = Findings::default();
            for file in &job.files {
                found.skip(file, "reading it met a fault of this library".to_owned());
            }
            found
        });
        meter.hold(found.weight());
        let done = Event::Done(Box::new(job), Box::new(found));
        if meter.is_stopped() || tell.send(done).is_err() {
            return;
        }
        while meter.is_full() && !meter.is_stopped() {
            thread::sleep(PAUSE);
        }
    }
}

fn tick(ended: &Receiver<()>, tell: &Sender<Event>) {
    while ended.recv_timeout(TICK) == Err(RecvTimeoutError::Timeout) {
        // Where the queue is full, the run has enough to wake up for.
        let _ = tell.try_send(Event::Tick);
    }
}
