//! The power of the machine cut at any moment.

mod disk;
mod parts;

use std::thread;
use std::time::Duration;

use proptest::prelude::Rng as _;
use threadkeep_core::Capability;

use self::disk::{Bay, Disk};
use super::PERSISTENT;
use crate::cases::{Tier, group};
use crate::fixture::Need;
use crate::lab::{Failure, Lab, Verdict};
use crate::random;
use crate::role::Role;
use crate::setting::Setting;

const DURABLE: Need = Need::Backend(Capability::Durable);

group! { sync Tier::Power;
    P_40: acknowledged_writes_are_there_after_a_power_cut
        [PERSISTENT, DURABLE, Need::PowerCut],
}

pub(crate) fn roles() -> Vec<Role> {
    parts::roles()
}

/// Cuts in a row that one disk is to survive.
const CUTS_OF_A_DISK: u64 = 4;

/// The last batch of each task that was acknowledged.
type Acknowledged = [u32; parts::TASKS as usize];

fn acknowledged_writes_are_there_after_a_power_cut(setting: &Setting) -> Verdict {
    let lab = Lab::new(setting)?;
    let mut bay = Bay::new(&lab)?;
    let empty = bay.format()?;
    let mut disk = bay.copy(&empty)?;
    let mut acknowledged = Acknowledged::default();
    for (number, seed) in (0..).zip(setting.seeds(8)) {
        if number % CUTS_OF_A_DISK == 0 {
            disk = bay.copy(&empty)?;
            acknowledged = Acknowledged::default();
        }
        disk = cut_and_look(&mut bay, &disk, &mut acknowledged, seed).map_err(|failure| {
            let before = number % CUTS_OF_A_DISK;
            failure.during(format!("cut {} with {before} before it", number + 1)).at_seed(seed)
        })?;
    }
    Ok(())
}

/// Lets a process write, cuts the power, and lets another process look. Answers the disk as it is
/// then.
fn cut_and_look(
    bay: &mut Bay<'_>,
    disk: &Disk,
    acknowledged: &mut Acknowledged,
    seed: u64,
) -> Verdict<Disk> {
    let mut random = random::rng(seed);
    let while_opening = random.next_u32().is_multiple_of(4);
    let range = if while_opening { 40_000 } else { 400_000 };
    let delay = Duration::from_micros(u64::from(random.next_u32() % range));
    let mut writer = bay.start(disk, parts::WRITER)?;
    if !while_opening {
        writer.expect(parts::OPENED)?;
    }
    thread::sleep(delay);
    disk::freeze(&writer)?;
    let left = bay.copy(disk)?;
    writer.kill()?;
    // It said nothing more since it was stopped.
    while let Some(line) = writer.line()? {
        match line.as_str() {
            parts::OPENED => {}
            parts::ELSEWHERE => {
                return Err(Failure::cannot_run("the store is elsewhere than in its folder"));
            }
            line => note(line, acknowledged)?,
        }
    }
    let when = if while_opening { "its start" } else { "opening" };
    let story = |failure: Failure| {
        failure.during(format!("the power was cut {} ms after {when}", delay.as_millis()))
    };
    let numbers = acknowledged.map(|number| number.to_string()).join(" ");
    bay.play(&left, parts::READER, &numbers).map_err(story)?;
    Ok(left)
}

/// Notes what was acknowledged: a task and its number.
fn note(line: &str, acknowledged: &mut Acknowledged) -> Verdict {
    let numbers = line.split_once(' ').and_then(|(task, number)| {
        Some((task.parse::<usize>().ok()?, number.parse::<u32>().ok()?))
    });
    let known = numbers.and_then(|(task, number)| Some((acknowledged.get_mut(task)?, number)));
    let (last, number) = known.ok_or_else(|| Failure::new(format!("the writer said: {line:?}")))?;
    *last = number;
    Ok(())
}
