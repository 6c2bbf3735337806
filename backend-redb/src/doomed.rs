//! Taking entries out of a segment: which ones, how many there are, and the blocks they are in.

use std::collections::BTreeSet;
use std::ops::Bound::{Excluded, Unbounded};
use std::time::{Duration, Instant};

use redb::{ReadableTable, WriteTransaction};
use threadkeep_migrations::kv::{self, BlockEntry, BlockHead, BlockRows};

use crate::errors::Failure;
use crate::segment::{Block, Blocks, next_id};
use crate::tables::{LOG_THREADS, STATE};

/// How long one step may hold the write lock.
const STEP: Duration = Duration::from_millis(20);

/// Which entries are to go.
#[derive(Clone, Debug)]
pub(crate) enum Doomed {
    /// Those before this time, in seconds since 1970 and nanoseconds.
    Before((i64, u32)),
    /// Those up to this number.
    Through(u64),
    /// Those of these threads.
    Threads(BTreeSet<String>),
}

/// How much of a segment is doomed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    Nothing,
    Part,
    /// All of it, so many entries.
    Whole(u64),
}

/// What one step took out.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Taken {
    pub(crate) rows: u64,
    /// Whether nothing is left to take out.
    pub(crate) done: bool,
}

/// Which numbers of the segment are doomed.
enum DoomedNumbers {
    Before((i64, u32)),
    Through(u64),
    Threads(BTreeSet<u32>),
}

impl DoomedNumbers {
    fn of(
        threads: &impl ReadableTable<u32, &'static str>,
        doomed: &Doomed,
    ) -> Result<Self, Failure> {
        Ok(match doomed {
            Doomed::Before(time) => Self::Before(*time),
            Doomed::Through(id) => Self::Through(*id),
            Doomed::Threads(names) => {
                let mut numbers = BTreeSet::new();
                for entry in threads.iter()? {
                    let (number, name) = entry?;
                    if names.contains(name.value()) {
                        numbers.insert(number.value());
                    }
                }
                Self::Threads(numbers)
            }
        })
    }

    /// Whether some entry of the block may be doomed.
    fn touches(&self, first: u64, head: &BlockHead) -> bool {
        match self {
            Self::Before(time) => head.from < *time,
            Self::Through(id) => first <= *id,
            Self::Threads(numbers) => !head.threads.is_disjoint(numbers),
        }
    }

    /// Whether every entry of the block is.
    fn covers(&self, head: &BlockHead) -> bool {
        match self {
            Self::Before(time) => head.to < *time,
            Self::Through(id) => head.last_id <= *id,
            Self::Threads(numbers) => !head.threadless && head.threads.is_subset(numbers),
        }
    }

    fn includes(&self, first: u64, entry: &BlockEntry<'_>) -> bool {
        match self {
            Self::Before(time) => entry.time() < *time,
            Self::Through(id) => entry.id(first) <= *id,
            Self::Threads(numbers) => entry.thread.is_some_and(|number| numbers.contains(&number)),
        }
    }
}

/// How much of a segment is doomed, by its heads and the numbers of its threads.
pub(crate) fn extent(
    heads: &impl ReadableTable<u64, &'static [u8]>,
    threads: &impl ReadableTable<u32, &'static str>,
    doomed: &Doomed,
) -> Result<Extent, Failure> {
    let doomed = DoomedNumbers::of(threads, doomed)?;
    let (mut touched, mut spared, mut rows) = (false, false, 0);
    for entry in heads.iter()? {
        let (first, head) = entry?;
        let first = first.value();
        let head = kv::decode_head(first, head.value())?;
        touched |= doomed.touches(first, &head);
        spared |= !doomed.covers(&head);
        rows += u64::from(head.count);
        if touched && spared {
            return Ok(Extent::Part);
        }
    }
    Ok(if touched { Extent::Whole(rows) } else { Extent::Nothing })
}

/// Takes entries out of the blocks after one, for a short while. Moves `after` on.
pub(crate) fn take_out(
    transaction: &WriteTransaction,
    first_of_segment: u64,
    doomed: &Doomed,
    after: &mut Option<u64>,
) -> Result<Taken, Failure> {
    let begun = Instant::now();
    let doomed = DoomedNumbers::of(&transaction.open_table(LOG_THREADS)?, doomed)?;
    let mut blocks = Blocks::open(transaction)?;
    let mut state = transaction.open_table(STATE)?;
    // Numbers that were given out are not given out again, whatever goes.
    let next = next_id(&state, &blocks.heads, first_of_segment)?;
    let mut taken = Taken::default();
    while begun.elapsed() < STEP {
        let from = after.map_or(Unbounded, Excluded);
        let Some(entry) = blocks.heads.range::<u64>((from, Unbounded))?.next() else {
            taken.done = true;
            break;
        };
        let (first, head) = entry.map(|(first, head)| {
            let first = first.value();
            (first, kv::decode_head(first, head.value()))
        })?;
        let head = head?;
        *after = Some(first);
        if doomed.covers(&head) {
            taken.rows += u64::from(head.count);
            blocks.remove(first)?;
        } else if doomed.touches(first, &head) {
            taken.rows += thin_out(&mut blocks, first, head, &doomed)?;
        }
    }
    if taken.rows > 0 {
        state.insert(kv::NEXT_ID, next)?;
    }
    Ok(taken)
}

/// Takes the doomed entries out of a block, and answers how many.
fn thin_out(
    blocks: &mut Blocks<'_>,
    first: u64,
    head: BlockHead,
    doomed: &DoomedNumbers,
) -> Result<u64, Failure> {
    let block = blocks.get(first, head)?;
    let mut kept = Block::new(first);
    let mut gone = 0;
    for entry in BlockRows::new(&block.bytes) {
        let entry = entry?;
        if doomed.includes(first, &entry) {
            gone += 1;
        } else {
            kept.add(entry.id(first), &entry)?;
        }
    }
    match gone {
        0 => {}
        _ if kept.head.count == 0 => blocks.remove(first)?,
        // It keeps its place, though its first number may be gone.
        _ => blocks.put(kept)?,
    }
    Ok(gone)
}
