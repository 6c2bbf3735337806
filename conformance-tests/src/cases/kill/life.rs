//! The life of a store from kill to kill.

use std::thread;
use std::time::{Duration, Instant};

use proptest::prelude::RngExt as _;
use proptest::test_runner::TestRng;

use super::found::{self, Lane, Rules};
use super::plan::Plan;
use super::toil::TOILER;
use crate::lab::{Failure, Lab, Verdict, run_within};
use crate::random;
use crate::rules::{P_30, P_31, P_32};
use crate::setting::Setting;

/// Kills that a store lives through before there is a new one.
const KILLS: usize = 10;
/// Looking at a store for longer hangs.
const PATIENCE: Duration = Duration::from_mins(1);
/// Kills that cannot all have come before the first acknowledgement.
const ENOUGH: u64 = 5;

/// What a kill may break.
const RULES: Rules = Rules { lost: P_30, half: P_31, unsound: P_32 };

/// When a process is killed.
#[derive(Clone, Copy, Debug)]
enum Moment {
    /// So long after it began to open the store.
    Opening(Duration),
    /// So long after the store was open.
    Open(Duration),
    /// So long after the first write was acknowledged, however long a slow machine took for it.
    Acknowledged(Duration),
}

/// Kills a process again and again, `otherwise` many times where nobody says how many.
pub(super) fn kills(setting: &Setting, otherwise: u64, plan: Plan) -> Verdict {
    let begun = Instant::now();
    let mut life = Life::new(setting, plan)?;
    let (mut kills, mut acknowledged) = (0, 0);
    for (number, seed) in setting.seeds(otherwise).enumerate() {
        if number > 0 && number.is_multiple_of(KILLS) {
            acknowledged += life.acknowledged;
            life = Life::new(setting, plan)?;
        }
        let moments = moments(number, &mut random::rng(seed));
        kills += moments.len();
        life.kill(plan, &moments).map_err(|failure| {
            let before = number % KILLS;
            failure.during(format!("kill {moments:?} of a store that survived {before}"))
        })?;
    }
    acknowledged += life.acknowledged;
    if acknowledged == 0 && setting.cases(otherwise) >= ENOUGH {
        return Err(Failure::new(
            "no write was acknowledged before the kills, which proves nothing",
        ));
    }
    // Whoever asks for a number of kills does not ask whether, but how often.
    if setting.options.cases.is_some() {
        eprintln!(
            "{}: {kills} kills, {acknowledged} acknowledged writes, none lost, none in part, every \
             check sound, {:.1} s",
            plan.name,
            begun.elapsed().as_secs_f64()
        );
    }
    Ok(())
}

/// When to kill before the store is looked at: mostly once, while it is written to.
fn moments(number: usize, rng: &mut TestRng) -> Vec<Moment> {
    let opening = Moment::Opening(Duration::from_micros(rng.random_range(0..15_000)));
    let open = Moment::Open(Duration::from_micros(rng.random_range(5_000..60_000)));
    let acknowledged = Moment::Acknowledged(Duration::from_micros(rng.random_range(0..40_000)));
    match rng.random_range(0..10) {
        // While the store is created.
        _ if number.is_multiple_of(KILLS) => vec![opening, open],
        // While what a kill left behind is put in order.
        0 => vec![open, opening],
        1..=3 => vec![acknowledged],
        _ => vec![open],
    }
}

/// A store, and what is known of it.
struct Life {
    lab: Lab,
    lanes: Vec<Lane>,
    acknowledged: u64,
}

impl Life {
    fn new(setting: &Setting, plan: Plan) -> Verdict<Self> {
        let lanes = plan.all_lanes().map(|_| Lane::default()).collect();
        Ok(Self { lab: Lab::new(setting)?, lanes, acknowledged: 0 })
    }

    /// Starts a process, once for each of these moments, to kill it then, and looks at what is left.
    fn kill(&mut self, plan: Plan, moments: &[Moment]) -> Verdict {
        for moment in moments {
            self.run_until(plan, *moment)?;
        }
        let (fixture, folder) = (self.lab.setting().fixture.clone(), self.lab.workspace());
        let lanes = self.lanes.clone();
        let (steps, problems) = run_within(PATIENCE, async move {
            fixture.settle(&folder).await?;
            let store = fixture.open(&folder).await?;
            let found = found::look(&*store, plan, &lanes, RULES).await?;
            store.close().await?;
            Ok(found)
        })?;
        problems.verdict()?;
        // What was there once must stay.
        self.lanes =
            steps.into_iter().map(|step| Lane { acknowledged: step, begun: step }).collect();
        Ok(())
    }

    fn run_until(&mut self, plan: Plan, moment: Moment) -> Verdict {
        let mut toiler = self.lab.setting().start(TOILER.name, &self.lab.workspace(), plan.name)?;
        toiler.expect("opening")?;
        let mut first = None;
        match moment {
            Moment::Opening(delay) => thread::sleep(delay),
            Moment::Open(delay) => {
                toiler.expect("open")?;
                thread::sleep(delay);
            }
            Moment::Acknowledged(delay) => {
                toiler.expect("open")?;
                first = toiler.line()?;
                thread::sleep(delay);
            }
        }
        toiler.kill()?;
        for lane in &mut self.lanes {
            // One step can always be under way.
            lane.begun += 1;
        }
        if let Some(line) = first {
            self.acknowledge(&line)?;
        }
        while let Some(line) = toiler.line()? {
            if line != "open" {
                self.acknowledge(&line)?;
            }
        }
        Ok(())
    }

    /// Notes the lane and the step of this line.
    fn acknowledge(&mut self, said: &str) -> Verdict {
        let numbers: Option<Vec<u32>> = said.split(' ').map(|number| number.parse().ok()).collect();
        let Some([lane, step]) = numbers.as_deref() else {
            return Err(Failure::new(format!("no acknowledgement: {said:?}")));
        };
        let lane = &mut self.lanes[*lane as usize];
        if *step <= lane.acknowledged {
            return Err(Failure::new(format!(
                "{said:?} was acknowledged again, so that it was lost before, as found by the process \
                 that was started next"
            )));
        }
        *lane = Lane { acknowledged: *step, begun: *step + 1 };
        self.acknowledged += 1;
        Ok(())
    }
}
