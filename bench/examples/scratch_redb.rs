//! scratch
#![allow(missing_docs, clippy::all, clippy::pedantic)]
#[path = "../src/redb/entries.rs"]
mod entries;
use redb::{
    ReadableDatabase as _, ReadableTable as _, ReadableTableMetadata as _, TableDefinition,
};
use threadkeep_core::*;
use threadkeep_migrations::kv;
use threadkeep_redb::*;
#[tokio::main]
async fn main() {
    let folder = tempfile::tempdir().unwrap();
    let options = RedbOptions::default().retention(Retention::default());
    let store = RedbStore::open_with(folder.path().join("t.redb"), options).await.unwrap();
    let mut made = entries::Entries::new();
    let each: usize = std::env::args().nth(1).unwrap().parse().unwrap();
    for _ in 0..200_000 / each {
        store.append(made.batch(each)).await.unwrap();
    }
    store.close().await.unwrap();
    for f in std::fs::read_dir(folder.path().join("t-logs")).unwrap() {
        let p = f.unwrap().path();
        let len = p.metadata().unwrap().len();
        let db = redb::Database::open(&p).unwrap();
        let txn = db.begin_read().unwrap();
        let b = txn.open_table(TableDefinition::<u64, &[u8]>::new("blocks.1")).unwrap();
        let h = txn.open_table(TableDefinition::<u64, &[u8]>::new("heads.1")).unwrap();
        let (bs, hs) = (b.stats().unwrap(), h.stats().unwrap());
        println!(
            "{} len {len} blocks {} stored {} frag {} meta {}; heads stored {} frag {}",
            p.display(),
            b.len().unwrap(),
            bs.stored_bytes(),
            bs.fragmented_bytes(),
            bs.metadata_bytes(),
            hs.stored_bytes(),
            hs.fragmented_bytes()
        );
        let all: Vec<(u64, Vec<u8>)> = b
            .iter()
            .unwrap()
            .map(|e| {
                let (k, v) = e.unwrap();
                (k.value(), v.value().to_vec())
            })
            .collect();
        let mut sizes: Vec<_> = all.iter().map(|(_, v)| v.len()).collect();
        sizes.sort();
        println!("sizes {} {} {}", sizes[0], sizes[sizes.len() / 2], sizes[sizes.len() - 1]);
        let t = std::time::Instant::now();
        let mut n = 0;
        for (k, v) in &all {
            n += kv::unpack_block(*k, v).unwrap().len();
        }
        println!("unpack {:?} each, {} bytes each", t.elapsed() / all.len() as u32, n / all.len());
        let un: Vec<_> = all.iter().map(|(k, v)| kv::unpack_block(*k, v).unwrap()).collect();
        let t = std::time::Instant::now();
        let mut n = 0;
        for u in &un {
            n += kv::BlockRows::new(u).map(|e| e.unwrap().site as usize & 1).sum::<usize>();
            n += 0;
        }
        println!(
            "decode {:?} each {n}, entries {}",
            t.elapsed() / all.len() as u32,
            kv::BlockRows::new(&un[5]).count()
        );
        let t = std::time::Instant::now();
        for (k, _) in &all {
            n += b.get(*k).unwrap().unwrap().value().len();
        }
        println!("get {:?} each {n}", t.elapsed() / all.len() as u32);
        let t = std::time::Instant::now();
        let mut m = 0;
        for e in h.iter().unwrap() {
            let (k, v) = e.unwrap();
            m += kv::decode_head(k.value(), v.value()).unwrap().sites.len();
        }
        println!("head {:?} each {}", t.elapsed() / all.len() as u32, m / all.len());
    }
}
