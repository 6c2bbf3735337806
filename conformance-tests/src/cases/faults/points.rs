//! Where faults strike.

use super::bench::Bench;
use super::operations::Operation;
use crate::disk::Fault;
use crate::lab::{Failure, Verdict, run_within};
use crate::setting::Setting;

/// Points of an operation where nobody says how many, in a mode in which not every point counts.
const POINTS: u64 = 40;
/// Calls that an operation may make more than it made where nothing failed.
const MORE: u64 = 10_000;

/// How a disk fails.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// One call fails: each of them in turn.
    Once,
    /// A call and all after it fail.
    From,
    /// It is full.
    Full,
}

/// Lets every one of these operations meet a fault at every point.
pub(super) fn strike(setting: &Setting, mode: Mode, operations: Vec<Operation>) -> Verdict {
    let wanted = setting.cases(POINTS).max(1);
    // Whoever asks for more points has to wait for them.
    let patience = u32::try_from(wanted.div_ceil(POINTS)).unwrap_or(u32::MAX);
    let patience = setting.options.patience.saturating_mul(patience);
    let own = setting.clone();
    let struck = run_within(patience, async move {
        let mut struck = 0;
        for operation in operations {
            let prepared = Box::pin(Bench::prepare(&own, operation)).await;
            let bench = prepared.map_err(|failure| {
                failure.during(format!("{}, where nothing fails", operation.name))
            })?;
            struck += match mode {
                Mode::Once => Box::pin(once(&bench)).await?,
                Mode::From => Box::pin(from(&bench, wanted)).await?,
                Mode::Full => Box::pin(full(&bench, wanted)).await?,
            };
        }
        Ok(struck)
    })?;
    if struck == 0 {
        return Err(Failure::new("no fault has struck, which proves nothing"));
    }
    // Whoever asks for a number does not ask whether, but how often.
    if setting.options.cases.is_some() {
        eprintln!("{struck} faults struck, nothing was lost, half there, or unsound");
    }
    Ok(())
}

async fn once(bench: &Bench) -> Verdict<u64> {
    let mut struck = 0;
    for call in 0..bench.calls + MORE {
        if bench.meet(Fault::Once(call)).await? {
            struck += 1;
        } else if call >= bench.calls {
            return Ok(struck);
        }
    }
    Err(Failure::new(format!("{} makes more calls at each fault", bench.operation.name)))
}

async fn from(bench: &Bench, wanted: u64) -> Verdict<u64> {
    let mut struck = 0;
    for call in sample(bench.calls, wanted) {
        struck += u64::from(bench.meet(Fault::From(call)).await?);
    }
    Ok(struck)
}

async fn full(bench: &Bench, wanted: u64) -> Verdict<u64> {
    // How much it writes is found by giving it ever more room.
    let mut struck = 0;
    let mut room = 0;
    while bench.meet(Fault::FullAfter(room)).await? {
        struck += 1;
        room = (room * 2).max(256);
    }
    for room in sample(room, wanted.saturating_sub(struck)) {
        struck += u64::from(bench.meet(Fault::FullAfter(room)).await?);
    }
    Ok(struck)
}

/// So many numbers below an end, the first and the last among them, or all of them.
fn sample(end: u64, wanted: u64) -> impl Iterator<Item = u64> {
    let count = wanted.min(end);
    // The numbers are few where their product is great, and the other way round.
    let place = move |number: u64| {
        let place = u128::from(number) * u128::from(end - 1) / u128::from((count - 1).max(1));
        u64::try_from(place).unwrap_or(end)
    };
    (0..count).map(place)
}

#[cfg(test)]
mod tests {
    use super::sample;

    #[test]
    fn a_sample_has_both_ends_and_nothing_twice() {
        assert_eq!(sample(0, 9).count(), 0);
        assert_eq!(sample(5, 0).count(), 0);
        assert_eq!(sample(3, 9).collect::<Vec<_>>(), [0, 1, 2]);
        assert_eq!(sample(u64::MAX, 3).last(), Some(u64::MAX - 1));
        for end in 1..60 {
            let mut numbers: Vec<_> = sample(end, 40).collect();
            assert_eq!(numbers.first(), Some(&0));
            assert_eq!(numbers.last(), Some(&(end - 1)));
            numbers.dedup();
            assert_eq!(numbers.len() as u64, end.min(40));
        }
    }
}
