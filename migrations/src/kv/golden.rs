//! Golden files: what was once stored is read for ever, and written alike while its version is.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use chrono::DateTime;
use threadkeep_core::{
    BatchId, Checkpoint, DynamicToolSpec, Effect, LogEntry, LogLevel, Outcome, ThreadId,
    ThreadMetadata, ThreadSeed, Timestamp, Tombstone,
};

use super::*;

const ID: ThreadId = ThreadId::from_bytes([7; 16]);
const NAME: BatchId = BatchId::from_bytes([9; 16]);

fn row() -> ThreadMetadata {
    let at = Timestamp::from_millis;
    let mut row = ThreadSeed::new(ID, "/sessions/a\u{0}é.jsonl", at(-1)).into_metadata();
    row.updated_at = at(1_793_000_000_123);
    row.source = "{\"subagent\":\"review\"}".into();
    row.model_provider = "azure".into();
    row.model = Some("o5".into());
    row.cli_version = Some(String::new());
    row.cwd = "/home/mira/src".into();
    row.title = "正時に俳句".into();
    row.preview = Some("preview".into());
    row.name = Some("name".into());
    row.named_at = Some(Timestamp::MIN);
    row.tokens_used = i64::MAX;
    row.has_user_event = true;
    row.archived_at = Some(Timestamp::MAX);
    row.git_sha = Some("0d15ea5e".into());
    row.git_branch = None;
    row.git_origin_url = Some("https://example.org/r.git".into());
    row.applied_file = "rollout-x.jsonl".into();
    row.applied_through = u64::MAX;
    row.revision = 300;
    row
}

fn tools() -> Vec<DynamicToolSpec> {
    vec![DynamicToolSpec::from_json(r#"{"name":"t", "x":1.00,"a":"\ud83d"}"#).unwrap()]
}

fn tombstone() -> Tombstone {
    Tombstone { deleted_at: Timestamp::from_millis(-5), revision: 70_000 }
}

fn checkpoint() -> Checkpoint {
    Checkpoint { key: "file/é".into(), value: "{}".into(), revision: 3 }
}

fn outcomes() -> Vec<Outcome> {
    let effects = (1..=6).map(|code| Effect::from_code(code).unwrap());
    effects.map(|effect| Outcome { effect, revision: u64::from(effect.code()) << 40 }).collect()
}

fn site() -> Site {
    Site {
        level: LogLevel::Warn,
        target: "agent::turn".into(),
        module_path: Some("agent::turn".into()),
        file: None,
        line: Some(4_000_000_000),
    }
}

fn entry(number: u64) -> LogEntry {
    let time = DateTime::from_timestamp(-7, 999_999_999).unwrap();
    LogEntry::new(time, LogLevel::Warn, "", format!("entry {number} of the golden block"))
}

/// A block of these entries.
fn block(entries: &[LogEntry]) -> (BlockHead, Vec<u8>) {
    let (mut head, mut block) = (BlockHead::default(), Vec::new());
    for (id, entry) in (1_000..).zip(entries) {
        let thread = u32::try_from(id).ok().filter(|id| id % 2 == 0);
        let entry = BlockEntry::new(1_000, id, entry, [Some(5), thread, Some(1)]).unwrap();
        add_to_block(&mut block, &entry).unwrap();
        head.add(id, &entry);
    }
    head.bytes = u32::try_from(block.len()).unwrap();
    (head, block)
}

/// Compares with the file of this name, which `THREADKEEP_GOLDEN=write` makes where it is missing.
#[track_caller]
fn is_golden(name: &str, bytes: &[u8]) -> Vec<u8> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/kv");
    // The first byte of every value is the version of its encoding.
    let path = folder.join(format!("{name}-{}.bin", bytes[0]));
    if !path.exists() && std::env::var_os("THREADKEEP_GOLDEN").is_some_and(|how| how == "write") {
        fs::write(&path, bytes).unwrap();
    }
    let golden = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert_eq!(bytes, golden, "{name} is written otherwise: give it a new version and file");
    golden
}

#[test]
fn rows() {
    let golden = is_golden("thread", &encode_thread(&row()).unwrap());
    assert_eq!(decode_thread(ID, &golden).unwrap(), row());
    assert_eq!(thread_revision(&golden), 300);
    assert_eq!(thread_revision(&golden[..12]), 0);
}

#[test]
fn small_values() {
    let golden = is_golden("tools", &encode_tools(ID, &tools()));
    assert_eq!(decode_tools(ID, &golden).unwrap(), tools());
    let golden = is_golden("tombstone", &encode_tombstone(ID, tombstone()).unwrap());
    assert_eq!(decode_tombstone(ID, &golden).unwrap(), tombstone());
    let golden = is_golden("checkpoint", &encode_checkpoint(&checkpoint()).unwrap());
    assert_eq!(decode_checkpoint("file/é", &golden).unwrap(), checkpoint());
    let golden = is_golden("batch", &encode_batch(NAME, &outcomes()).unwrap());
    assert_eq!(decode_batch(NAME, &golden).unwrap(), outcomes());
    let golden = is_golden("site", &encode_site(8, &site()).unwrap());
    assert_eq!(decode_site(8, &golden).unwrap(), site());
}

#[test]
fn blocks() {
    // One too short to be packed, and one that is packed. What zstd makes of it may change with
    // its version, so the packed one is only read.
    for (name, count) in [("block-plain", 2), ("block-packed", 40)] {
        let entries: Vec<_> = (0..count).map(entry).collect();
        let (head, block) = block(&entries);
        let packed = pack_block(1_000, &block).unwrap();
        let golden = if name == "block-plain" {
            is_golden(name, &packed)
        } else {
            assert!(packed.len() < block.len() / 2, "{} of {}", packed.len(), block.len());
            let path = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/kv/block-packed-1.bin");
            if !PathBuf::from(path).exists() {
                is_golden(name, &packed);
            }
            fs::read(path).unwrap()
        };
        assert_eq!(unpack_block(1_000, &golden).unwrap(), block);
        let read: Vec<_> = BlockRows::new(&block).map(Result::unwrap).collect();
        let messages: Vec<_> = read.iter().map(|entry| entry.message.unwrap()).collect();
        assert!(entries.iter().map(|entry| entry.message.as_deref().unwrap()).eq(messages));
        assert_eq!(read[1].id(1_000), 1_001);
        assert_eq!(read[1].datetime().unwrap(), entries[1].time);
        assert_eq!(read[1].moved(1_000, 1_001).id(1_001), 1_001);
        if count == 2 {
            let golden = is_golden("head", &encode_head(1_000, &head).unwrap());
            assert_eq!(decode_head(1_000, &golden).unwrap(), head);
            assert_eq!((head.count, head.last_id, head.threadless), (2, 1_001, true));
            assert_eq!(head.threads, BTreeSet::from([1_000]));
        }
    }
}

#[test]
fn names_of_tables_are_told_apart() {
    let names = [
        META,
        THREADS,
        INDEX,
        TOOLS,
        TOMBSTONES,
        PENDING,
        CHECKPOINTS,
        BATCHES,
        BATCH_ORDER,
        HEADS,
        BLOCKS,
        SITES,
        LOG_THREADS,
        LOG_PROCESSES,
        STATE,
    ];
    assert_eq!(BTreeSet::from(names).len(), names.len());
    assert!(THREADS_STEPS.is_sorted_by_key(|step| step.version));
    assert!(LOGS_STEPS.is_sorted_by_key(|step| step.version));
}
