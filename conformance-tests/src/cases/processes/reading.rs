//! A process that reads what others are writing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use threadkeep_core::{
    Change, FieldPatch, Result, Store, ThreadId, ThreadMetadata, ThreadQuery, ThreadStore as _,
    WriteBatch,
};

use super::{ATTEMPTS, PATIENCE};
use crate::cases::examples::say::{id, patch, patch_of, store_all, thread as row_of};
use crate::cases::{MULTI_PROCESS, PERSISTENT, Tier, group};
use crate::lab::{Failure, Lab, Verdict, run_within};
use crate::role::{Actor, Part, Role, hear, say};

group! { Tier::Processes;
    P_23: a_reader_is_answered_at_once_while_others_write [PERSISTENT, MULTI_PROCESS],
}

const THREADS: u32 = 8;
/// Of all shared threads, in the same batch.
const CHECKPOINT: &str = "shared";
/// How long an answer may take on a busy machine.
const PROMPT: Duration = Duration::from_secs(2);
/// How long is read.
const READING: Duration = Duration::from_millis(1_500);
/// So many states have to be met, or nobody wrote meanwhile.
const STATES: usize = 5;

/// Writes all shared threads in one batch, the same text everywhere, again and again.
pub(super) const WRITER: Role = Role { name: "writer", play: write };

fn write(part: Part) -> Verdict {
    let ended = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&ended);
    thread::spawn(move || {
        // It ends with the process that started it, whatever that says last.
        while let Ok(Some(_)) = hear() {}
        told.store(true, Ordering::Relaxed);
    });
    run_within(PATIENCE, async move {
        let store = part.fixture.open(&part.workspace).await?;
        store.write(same_text("first")).await?;
        say("writing")?;
        for count in 0_u64.. {
            if ended.load(Ordering::Relaxed) {
                break;
            }
            store.write(same_text(&format!("{} {count}", std::process::id()))).await?;
        }
        Ok(store.close().await?)
    })
}

fn same_text(text: &str) -> WriteBatch {
    let mut batch = WriteBatch::new();
    for number in 1..=THREADS {
        let patch = patch(|patch| {
            patch.title = FieldPatch::Set(text.into());
            patch.preview = FieldPatch::Set(Some(text.into()));
            patch.model = FieldPatch::Set(Some(text.into()));
        });
        batch.push(patch_of(number, patch));
    }
    batch.and(Change::SetCheckpoint { key: CHECKPOINT.into(), value: Some(text.into()) })
}

/// The rows that writers need.
pub(super) async fn prepare(store: &dyn Store) -> Result<()> {
    store_all(store, (1..=THREADS).map(row_of)).await?;
    store.write(same_text("first")).await.map(drop)
}

async fn a_reader_is_answered_at_once_while_others_write(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    prepare(&*store).await?;
    let start = |_| lab.setting().start(WRITER.name, &lab.workspace(), "");
    let mut writers = (0..2).map(start).collect::<Verdict<Vec<_>>>()?;
    for writer in &mut writers {
        writer.expect("writing")?;
    }
    let mut slowest = ("", Duration::MAX);
    for _ in 0..ATTEMPTS {
        slowest = read_for_a_while(lab, &*store).await?;
        if slowest.1 <= PROMPT {
            return writers.into_iter().try_for_each(Actor::finish);
        }
    }
    Err(Failure::new(format!(
        "with two writing processes, {} took {:?}, and not only once",
        slowest.0, slowest.1
    )))
}

/// What took longest, and how long.
async fn read_for_a_while(lab: &Lab, store: &dyn Store) -> Verdict<(&'static str, Duration)> {
    let begun = Instant::now();
    let ids: Vec<ThreadId> = (1..=THREADS).map(id).collect();
    let query = ThreadQuery::everything();
    let mut states = std::collections::HashSet::new();
    let mut slowest = ("", Duration::ZERO);
    while begun.elapsed() < READING || states.len() < STATES {
        if begun.elapsed() > 10 * READING {
            return Err(Failure::new(
                "the writing processes do not get on while there is a reader",
            ));
        }
        let mut clock = Instant::now();
        let mut lap = |what| {
            slowest = std::cmp::max_by_key(slowest, (what, clock.elapsed()), |(_, took)| *took);
            clock = Instant::now();
        };
        let rows = store.threads(ids.clone()).await?;
        lap("reading rows by id");
        states.insert(whole(&rows.into_iter().flatten().collect::<Vec<_>>())?);
        lap("");
        let page = store.list(query.clone()).await?;
        lap("a list");
        whole(&page.items)?;
        lap("");
        let listed = store.list_ids(query.clone()).await?.items.len();
        lap("a list of ids");
        if listed != ids.len() {
            return Err(Failure::new(format!("{listed} of {THREADS} ids are listed")));
        }
        store.checkpoints(CHECKPOINT.into(), None, 1).await?;
        lap("reading a checkpoint");
        let other = lab.open().await?;
        lap("opening another handle");
        other.threads(ids.clone()).await?;
        lap("the first rows of another handle");
        other.close().await?;
    }
    Ok(slowest)
}

/// The text of all rows, which one batch wrote.
fn whole(rows: &[ThreadMetadata]) -> Verdict<String> {
    let text = rows.first().map(|row| row.title.clone()).unwrap_or_default();
    let same = |row: &ThreadMetadata| {
        let texts = [row.preview.as_deref(), row.model.as_deref()];
        row.title == text && texts == [Some(&*text); 2]
    };
    if rows.len() == THREADS as usize && rows.iter().all(same) {
        return Ok(text);
    }
    let rows: Vec<_> = rows.iter().map(|row| (&row.title, &row.preview, &row.model)).collect();
    Err(Failure::new(format!(
        "every batch writes one text everywhere in {THREADS} threads; one answer was (title, \
         preview, model): {rows:#?}"
    )))
}
