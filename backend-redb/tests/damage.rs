//! Files damaged at random places: whatever is answered is right, or says what is wrong.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use threadkeep_core::{
    Change, ErrorKind, Result, Store, ThreadId, ThreadMetadata, ThreadQuery, ThreadSeed,
    ThreadStore, Timestamp, WriteBatch,
};
use threadkeep_redb::{RedbOptions, RedbStore, Sharing};

const ROWS: u8 = 200;
const IMAGES: u64 = 150;

/// Numbers that look random and are the same in every run (xorshift).
struct Random(u64);

impl Random {
    fn below(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % below as u64).unwrap()
    }
}

async fn open(path: &Path) -> Result<RedbStore> {
    RedbStore::open_with(path, RedbOptions::default().sharing(Sharing::Exclusive)).await
}

fn rows() -> Vec<ThreadMetadata> {
    let row = |number: u8| {
        let id = ThreadId::from_bytes([number; 16]);
        let at = Timestamp::from_millis(i64::from(number));
        let mut row = ThreadSeed::new(id, "/a.jsonl", at).into_metadata();
        row.title = format!("thread {number} ").repeat(20);
        row.has_user_event = true;
        row
    };
    (0..ROWS).map(row).collect()
}

/// One bit turned over, a sector of zeros, or the end cut off.
fn damage(bytes: &mut Vec<u8>, random: &mut Random) -> String {
    let at = random.below(bytes.len());
    match random.below(5) {
        0 | 1 => {
            let bit = random.below(8);
            bytes[at] ^= 1 << bit;
            format!("bit {bit} of byte {at}")
        }
        2 | 3 => {
            let from = at / 512 * 512;
            let to = (from + 512).min(bytes.len());
            bytes[from..to].fill(0);
            format!("zeros from {from} to {to}")
        }
        _ => {
            bytes.truncate(at);
            format!("cut at {at}")
        }
    }
}

#[tokio::test]
async fn damaged_files_are_never_believed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("threads.redb");
    let store = open(&path).await.unwrap();
    let mut batch = WriteBatch::new();
    for row in rows() {
        batch.push(Change::Put(Box::new(row)));
    }
    store.write(batch).await.unwrap();
    let right: BTreeMap<_, _> = store
        .list(ThreadQuery::new().limit(1_000))
        .await
        .unwrap()
        .items
        .into_iter()
        .map(|row| (row.id, row))
        .collect();
    assert_eq!(right.len(), usize::from(ROWS));
    store.close().await.unwrap();
    let sound = fs::read(&path).unwrap();

    let mut random = Random(0x1234_5678_9abc_def1);
    let (mut refused, mut told, mut unharmed) = (0, 0, 0);
    // What panics inside redb is caught; its words would fill the screen.
    std::panic::set_hook(Box::new(|_| {}));
    for number in 0..IMAGES {
        let path = folder.path().join(format!("damaged {number}.redb"));
        let mut bytes = sound.clone();
        let how = damage(&mut bytes, &mut random);
        fs::write(&path, &bytes).unwrap();
        match look(&path, &right).await {
            Ok(true) => unharmed += 1,
            Ok(false) => told += 1,
            Err(error) => {
                let kind = error.kind();
                assert!(matches!(kind, ErrorKind::Corrupted | ErrorKind::Io), "{how}: {error:?}");
                refused += 1;
            }
        }
        fs::remove_file(path).unwrap();
    }
    let _ = std::panic::take_hook();
    println!("{refused} refused, {told} told by the check or the list, {unharmed} unharmed");
    assert!(refused > 0 && told > 0 && unharmed > 0);
}

/// Whether everything is there and sound; whatever is listed has to be as it was written.
async fn look(path: &Path, right: &BTreeMap<ThreadId, ThreadMetadata>) -> Result<bool> {
    let store = open(path).await?;
    let found = look_into(&store, right).await;
    // Closing what is damaged may fail too.
    let closed = store.close().await;
    let whole = found?;
    Ok(whole && closed.is_ok())
}

async fn look_into(store: &RedbStore, right: &BTreeMap<ThreadId, ThreadMetadata>) -> Result<bool> {
    let page = store.list(ThreadQuery::new().limit(1_000)).await?;
    for row in &page.items {
        assert_eq!(Some(row), right.get(&row.id));
    }
    let report = store.check().await?;
    let whole = page.items.len() == right.len() && page.skipped.is_empty();
    assert!(whole || !report.is_sound(), "threads are missing and nothing says so");
    Ok(whole && report.is_sound())
}
