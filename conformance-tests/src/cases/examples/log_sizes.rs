//! Logs that are to be no larger than so many bytes.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use proptest::prelude::Rng as _;
use threadkeep_core::{
    Direction, LogEntry, LogFilter, LogLevel, LogQuery, LogStore as _, Result, Retention, Store,
    ThreadQuery,
};

use super::say::{at, store_all, thread};
use crate::cases::{Tier, group};
use crate::lab::{Failure, Lab, Verdict};
use crate::random;

group! { Tier::Examples;
    G_35: pruning_to_a_size_keeps_the_newest,
    G_35: pruning_to_a_size_that_is_kept_deletes_nothing,
    G_35: pruning_to_no_bytes_ends_and_numbers_go_on,
}

const ENTRIES: usize = 2_000;
const PATIENCE: Duration = Duration::from_secs(20);

/// Appends entries of about a kilobyte that no store can make much smaller.
pub(super) async fn fill(store: &dyn Store) -> Result<()> {
    for texts in NOISE.chunks(100) {
        let entries = texts.iter().zip(0..).map(|(text, number)| {
            LogEntry::new(at(number).to_datetime(), LogLevel::Info, "target", text.clone())
        });
        store.append(entries.collect()).await?;
    }
    Ok(())
}

/// Texts of random letters, made once for all cases.
static NOISE: LazyLock<Vec<String>> = LazyLock::new(|| {
    let mut random = random::rng(7);
    let mut bytes = [0; 1_000];
    let mut text = || {
        random.fill_bytes(&mut bytes);
        bytes.iter().map(|byte| char::from(b'@' + byte % 64)).collect()
    };
    (0..ENTRIES).map(|_| text()).collect()
});

/// The numbers of the entries, and the bytes that the logs take: their files, or their texts where
/// there are none.
pub(super) async fn size(store: &dyn Store) -> Result<(Vec<u64>, u64)> {
    let query = LogQuery::new(LogFilter::new()).direction(Direction::Ascending);
    let rows = store.query(query.limit(LogQuery::MAX_LIMIT)).await?.items;
    let texts = rows.iter().map(|row| row.entry.text_bytes()).sum();
    let files = store.stats().await?.log_bytes;
    Ok((rows.into_iter().map(|row| row.id).collect(), if files == 0 { texts } else { files }))
}

async fn pruning_to_a_size_keeps_the_newest(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    store_all(&store, [thread(1)]).await?;
    fill(&*store).await?;
    let (before, bytes) = size(&*store).await?;
    assert_eq!(before.len(), ENTRIES);
    let most = bytes / 2;
    let begun = Instant::now();
    let mut gone = 0;
    let (after, left) = loop {
        gone += store.prune(Retention::max_bytes(most), Duration::from_secs(5)).await?.rows;
        store.maintain(Duration::from_secs(5)).await?;
        let (after, left) = size(&*store).await?;
        if left <= most {
            break (after, left);
        }
        if begun.elapsed() > PATIENCE {
            return Err(Failure::new(format!("the logs have {left} bytes, not at most {most}")));
        }
    };
    assert!(before.ends_with(&after), "the newest stay, and none is passed over");
    assert_eq!(gone, (before.len() - after.len()) as u64);
    // Entries are taken some at a time, but not all of them for half of the bytes.
    assert!(after.len() > ENTRIES / 8, "{} entries are left, {left} bytes", after.len());
    assert_eq!(store.list(ThreadQuery::everything()).await?.items.len(), 1);
    Ok(())
}

async fn pruning_to_a_size_that_is_kept_deletes_nothing(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    assert_eq!(store.prune(Retention::max_bytes(0), Duration::from_secs(5)).await?.rows, 0);
    fill(&*store).await?;
    let (before, bytes) = size(&*store).await?;
    let pruned = store.prune(Retention::max_bytes(4 * bytes), Duration::from_secs(5)).await?;
    assert_eq!(pruned.rows, 0);
    assert_eq!(size(&*store).await?.0, before);
    Ok(())
}

async fn pruning_to_no_bytes_ends_and_numbers_go_on(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    fill(&*store).await?;
    let last = store.max_log_id(LogFilter::new()).await?;
    let begun = Instant::now();
    let mut gone = 0;
    while gone < ENTRIES as u64 {
        gone += store.prune(Retention::max_bytes(0), Duration::from_secs(5)).await?.rows;
        if begun.elapsed() > PATIENCE {
            return Err(Failure::new(format!("{gone} of {ENTRIES} entries went")));
        }
    }
    assert!(size(&*store).await?.0.is_empty());
    let entry = LogEntry::new(at(1).to_datetime(), LogLevel::Info, "target", "after");
    let ids = store.append(vec![entry]).await?;
    assert_eq!(ids.map(|ids| ids.first), Some(last + 1));
    Ok(())
}
