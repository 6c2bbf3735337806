//! How late a timer is on the runtime that the store is called on.

use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use tokio::runtime::Builder;
use tokio::time::{sleep, sleep_until};

use super::calls::{self, Call, Turn};
use crate::cases::{Tier, group};
use crate::lab::{Failure, Lab, Verdict};
use crate::role::{Part, Role};
use crate::setting::Setting;

group! { sync Tier::Runtime;
    P_50: a_timer_on_a_single_threaded_runtime_is_never_late,
}

const ROLE: &str = "runtime-timer";

pub(super) fn roles() -> Vec<Role> {
    vec![Role { name: ROLE, play: measure_in_time }]
}

/// How late the timer may be.
const LIMIT: Duration = Duration::from_millis(20);
/// What the timer waits for.
const PERIOD: Duration = Duration::from_millis(1);
/// Rows or entries of one call. Without optimisation the processor takes ten times as long for
/// each, which is not what the rule is about.
const SIZE: u32 = if cfg!(debug_assertions) { 200 } else { 500 };
/// How often each call is made in one measurement.
const ROUNDS: u32 = 3;
/// A machine has its own reasons to stop a thread, but hardly as often as this, and each time
/// during the same call.
const ATTEMPTS: usize = 3;
/// Measuring that takes longer hangs.
const PATIENCE: Duration = Duration::from_mins(2);

fn a_timer_on_a_single_threaded_runtime_is_never_late(setting: &Setting) -> Verdict {
    // Other cases in the same process would make the timer late.
    let lab = Lab::new(setting)?;
    setting.start(ROLE, &lab.workspace(), "")?.finish()
}

/// Measures on a thread of its own: where the store never lets go of it, nothing on it ends.
fn measure_in_time(part: Part) -> Verdict {
    let (answer, answered) = mpsc::channel();
    thread::spawn(move || answer.send(measure_all(part)));
    let late = |_| Failure::new(format!("still measuring after {PATIENCE:?}"));
    answered.recv_timeout(PATIENCE).map_err(late)?
}

fn measure_all(part: Part) -> Verdict {
    let control = Timer::default();
    let other = control.clone();
    thread::spawn(move || other.run());
    let runtime = Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let timer = Timer::default();
        tokio::spawn(timer.clone().tick());
        let store = part.fixture.open(&part.workspace).await?;
        let nowhere = part.workspace.with_file_name("nowhere");
        let Part { fixture, workspace, .. } = part;
        let mut turn = Turn { fixture, store, workspace, nowhere, number: 1, size: SIZE };
        calls::fill(&turn).await?;
        let calls = calls::reads().into_iter().chain(calls::writes());
        for call in calls {
            measure(&call, &mut turn, &timer, &control).await?;
        }
        Ok(turn.store.close().await?)
    })
}

/// Measures one call, again where the timer was late.
async fn measure(call: &Call, turn: &mut Turn, timer: &Timer, control: &Timer) -> Verdict {
    let mut found = Vec::new();
    for _ in 0..ATTEMPTS {
        timer.forget();
        control.forget();
        for _ in 0..ROUNDS {
            turn.number += 1;
            turn.nowhere.set_extension(turn.number.to_string());
            (call.run)(turn.clone()).await?;
            // What the timer missed in the meantime it makes up for now.
            sleep(5 * PERIOD).await;
        }
        let control = control.late();
        let blamed = timer.late().iter().map(|late| late.beyond(&control)).max();
        match blamed.filter(|blamed| *blamed > LIMIT) {
            Some(blamed) => found.push(format!("{} ms", blamed.as_millis())),
            None => return Ok(()),
        }
    }
    Err(Failure::new(format!(
        "{}, {ROUNDS} times, with {SIZE} rows or entries: a timer of {PERIOD:?} on the same \
         single-threaded runtime was late by {}, in {ATTEMPTS} measurements; the time is taken off \
         in which one on another thread was late, too, or no processor was free",
        call.name,
        found.join(", ")
    )))
}

/// Notes when it comes late.
#[derive(Clone, Default)]
struct Timer(Arc<Mutex<Vec<Late>>>);

/// From when the timer was due to when it came.
#[derive(Clone, Copy)]
struct Late {
    due: Instant,
    came: Instant,
    /// How long its thread waited for a processor meanwhile, where the system tells.
    waited: Duration,
}

impl Timer {
    /// Runs on a runtime of its own for as long as the process.
    fn run(self) {
        if let Ok(runtime) = Builder::new_current_thread().enable_all().build() {
            runtime.block_on(self.tick());
        }
    }

    async fn tick(self) {
        loop {
            let due = Instant::now() + PERIOD;
            let before = waited();
            sleep_until(due.into()).await;
            let came = Instant::now();
            let late = Late { due, came, waited: waited().saturating_sub(before) };
            // An undisturbed timer may come up to two periods late: it counts in whole ones.
            if late.came > late.due + 4 * PERIOD {
                self.0.lock().unwrap_or_else(PoisonError::into_inner).push(late);
            }
        }
    }

    fn forget(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    fn late(&self) -> Vec<Late> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Late {
    /// How late it was without the time in which the control was late as well, or the processors
    /// were busy with something else.
    fn beyond(&self, control: &[Self]) -> Duration {
        let common = control.iter().map(|other| {
            other.came.min(self.came).saturating_duration_since(other.due.max(self.due))
        });
        (self.came - self.due).saturating_sub(common.sum::<Duration>().max(self.waited))
    }
}

/// How long this thread has been waiting for a processor in its life; Linux tells.
fn waited() -> Duration {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanos = told.split(' ').nth(1).and_then(|nanos| nanos.parse().ok());
    Duration::from_nanos(nanos.unwrap_or_default())
}
