//! Taking entries out of a segment: which ones, how many there are, and the blocks they are in.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use redb::{ReadableTable, WriteTransaction};
use threadkeep_migrations::kv::{self, BlockEntry, BlockHead, BlockRows};

use crate::blocks::{Block, Blocks, next_id};
use crate::errors::Failure;
use crate::names::Names;
use crate::outline::{BlockOutline, Outline};
use crate::owner::{Owner, OwnerNumber};
use crate::tables::STATE;
use crate::tally::{Gone, add};

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
    /// Those of these owners, of each up to a number.
    Owners(HashMap<Owner, u64>),
}

/// How much of a segment is doomed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Extent {
    /// The blocks with entries that are, the last first.
    pub(crate) blocks: Vec<u64>,
    /// How many entries there are, where all of them are.
    pub(crate) whole: Option<u64>,
}

/// What one step took out.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Taken {
    pub(crate) rows: u64,
    /// Whether nothing is left to take out.
    pub(crate) done: bool,
}

/// What a step changed, for whoever remembers the segment.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    pub(crate) rows: u64,
    /// How many entries were taken out of the segment before, and are now.
    pub(crate) taken: (u64, u64),
    /// Something was taken out that is not told of here.
    pub(crate) unknown: bool,
    /// The blocks, with what is left of them.
    pub(crate) heads: Vec<(u64, Option<BlockHead>)>,
    /// The blocks, with what was taken out of them.
    pub(crate) gone: Vec<(u64, Gone)>,
}

/// Which numbers of a segment are doomed.
#[derive(Debug)]
pub(crate) struct DoomedNumbers {
    names: Arc<Names>,
    which: Which,
}

#[derive(Debug)]
enum Which {
    Before((i64, u32)),
    Through(u64),
    Threads(BTreeSet<u32>),
    Owners { threads: HashMap<u32, u64>, processes: HashMap<Option<u32>, u64> },
}

impl DoomedNumbers {
    pub(crate) fn new(names: &Arc<Names>, doomed: &Doomed) -> Self {
        let which = match doomed {
            Doomed::Before(time) => Which::Before(*time),
            Doomed::Through(id) => Which::Through(*id),
            Doomed::Threads(wanted) => {
                let known = names.threads.iter().filter(|(_, name)| wanted.contains(&***name));
                Which::Threads(known.map(|(number, _)| number).collect())
            }
            Doomed::Owners(owners) => {
                let (mut threads, mut processes) = (HashMap::new(), HashMap::new());
                for (owner, through) in owners {
                    match names.owner_number(owner) {
                        Some(OwnerNumber::Thread(number)) => {
                            threads.insert(number, *through);
                        }
                        Some(OwnerNumber::Process(number)) => {
                            processes.insert(number, *through);
                        }
                        None => {}
                    }
                }
                Which::Owners { threads, processes }
            }
        };
        Self { names: Arc::clone(names), which }
    }

    /// Whether some entry of the block may be doomed.
    fn touches(&self, block: &BlockOutline) -> bool {
        match &self.which {
            Which::Before(time) => block.from < *time,
            Which::Through(id) => block.first <= *id,
            Which::Threads(numbers) => block.threads.iter().any(|thread| numbers.contains(thread)),
            Which::Owners { threads, processes } => {
                let begins = |through: &u64| *through >= block.first;
                block.threads.iter().any(|thread| threads.get(thread).is_some_and(begins))
                    || (block.threadless && processes.values().any(begins))
            }
        }
    }

    /// Whether every entry of the block is doomed for sure.
    fn covers(&self, block: &BlockOutline) -> bool {
        match &self.which {
            Which::Before(time) => block.to < *time,
            Which::Through(id) => block.last_id <= *id,
            Which::Threads(numbers) => {
                !block.threadless && block.threads.iter().all(|thread| numbers.contains(thread))
            }
            // Whose entries of no thread are does not say.
            Which::Owners { threads, .. } => {
                let ends = |through: &u64| *through >= block.last_id;
                !block.threadless
                    && block.threads.iter().all(|thread| threads.get(thread).is_some_and(ends))
            }
        }
    }

    fn includes(&self, first: u64, entry: &BlockEntry<'_>) -> bool {
        match &self.which {
            Which::Before(time) => entry.time() < *time,
            Which::Through(id) => entry.id(first) <= *id,
            Which::Threads(numbers) => entry.thread.is_some_and(|number| numbers.contains(&number)),
            Which::Owners { threads, processes } => {
                let through = match OwnerNumber::of(entry) {
                    OwnerNumber::Thread(number) => threads.get(&number),
                    OwnerNumber::Process(number) => processes.get(&number),
                };
                through.is_some_and(|through| entry.id(first) <= *through)
            }
        }
    }

    /// How much of the segment of this outline is doomed.
    pub(crate) fn extent(&self, outline: &Outline) -> Extent {
        let blocks = outline.blocks();
        let touched = blocks.iter().filter(|block| self.touches(block));
        let touched: Vec<_> = touched.map(|block| block.first).rev().collect();
        let is_whole = !touched.is_empty() && blocks.iter().all(|block| self.covers(block));
        let rows = || blocks.iter().map(|block| u64::from(block.count)).sum();
        Extent { blocks: touched, whole: is_whole.then(rows) }
    }

    /// Whether every entry that is in the segment now is doomed.
    pub(crate) fn covers_all(
        &self,
        heads: &impl ReadableTable<u64, &'static [u8]>,
    ) -> Result<bool, Failure> {
        for entry in heads.iter()? {
            let (first, head) = entry?;
            let first = first.value();
            let head = kv::decode_head(first, head.value())?;
            if !self.covers(&BlockOutline::new(first, &head)) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// Takes entries out of these blocks, of the last of them first, for a short while. Blocks that are
/// done are taken off.
pub(crate) fn take_out(
    transaction: &WriteTransaction,
    first_of_segment: u64,
    doomed: &DoomedNumbers,
    left: &mut Vec<u64>,
) -> Result<Changes, Failure> {
    let begun = Instant::now();
    let mut blocks = Blocks::open(transaction)?;
    let mut state = transaction.open_table(STATE)?;
    let number = |key: &str| Ok::<_, Failure>(state.get(key)?.map_or(0, |found| found.value()));
    let (taken, mut through) = (number(kv::TAKEN)?, number(kv::DELETED_THROUGH)?);
    // Numbers that were given out are not given out again, whatever goes.
    let next = next_id(&state, &blocks.heads, first_of_segment)?;
    let mut changes = Changes::default();
    while begun.elapsed() < STEP
        && let Some(first) = left.pop()
    {
        // Somebody else may have taken it out, or some of it, since.
        let Some(head) = blocks.head(first)? else { continue };
        let outline = BlockOutline::new(first, &head);
        if doomed.touches(&outline) {
            let last = match thin_out(&mut blocks, first, head, doomed, &mut changes) {
                // What cannot be read need not be, where none of it stays.
                Err(Failure::Refused(_)) if doomed.covers(&outline) => {
                    blocks.remove(first)?;
                    changes.rows += u64::from(outline.count);
                    changes.unknown = true;
                    outline.last_id
                }
                last => last?,
            };
            through = through.max(last);
        }
    }
    changes.taken = (taken, taken + changes.rows);
    if changes.rows > 0 {
        state.insert(kv::NEXT_ID, next)?;
        state.insert(kv::TAKEN, changes.taken.1)?;
        state.insert(kv::DELETED_THROUGH, through)?;
    }
    Ok(changes)
}

/// Takes the doomed entries out of a block, and answers the number of the last, 0 where none is.
fn thin_out(
    blocks: &mut Blocks<'_>,
    first: u64,
    head: BlockHead,
    doomed: &DoomedNumbers,
    changes: &mut Changes,
) -> Result<u64, Failure> {
    let block = blocks.get(first, head)?;
    let mut kept = Block::new(first);
    let (mut last, mut rows, mut gone) = (0, 0, Gone::new());
    for entry in BlockRows::new(&block.bytes) {
        let entry = entry?;
        if doomed.includes(first, &entry) {
            last = entry.id(first);
            rows += 1;
            add(&mut gone, OwnerNumber::of(&entry), doomed.names.text_bytes(&entry));
        } else {
            kept.add(entry.id(first), &entry)?;
        }
    }
    if rows == 0 {
        return Ok(0);
    }
    changes.rows += rows;
    changes.gone.push((first, gone));
    if kept.head.count == 0 {
        blocks.remove(first)?;
        changes.heads.push((first, None));
    } else {
        // It keeps its place, though its first number may be gone.
        changes.heads.push((first, Some(blocks.put(kept)?)));
    }
    Ok(last)
}
