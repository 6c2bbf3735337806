//! Locking and loading what batches touch, in a constant number of statements.
//!
//! Each statement locks the rows that are there and answers them as they are then. What is absent
//! cannot be locked: it is taken for absent, and where that matters, [`store`](crate::store) makes
//! sure that it still is.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use threadkeep_core::{
    BatchId, Outcome, Record, Records, Slot, Subject, ThreadId, Timestamp, Tombstone, WriteBatch,
};

use crate::checkpoint::{checkpoint, head};
use crate::connection::{Answers, flag, number, text, uuid};
use crate::errors::Failed;
use crate::sql::Sql;
use crate::{batches, row};

/// What batches touch; of threads and checkpoints also whether one of them touches anything else.
#[derive(Default)]
pub(crate) struct Wanted {
    pub(crate) threads: BTreeMap<ThreadId, bool>,
    pub(crate) checkpoints: BTreeMap<String, bool>,
    names: BTreeSet<BatchId>,
}

/// What was loaded.
pub(crate) struct Loaded {
    pub(crate) records: Records,
    /// What those named batches were answered that were applied before.
    pub(crate) named: HashMap<BatchId, Vec<Outcome>>,
    pub(crate) found: Found,
}

/// The subjects of which anything is stored: of threads their row or their tombstone.
#[derive(Default)]
pub(crate) struct Found {
    pub(crate) threads: HashSet<ThreadId>,
    pub(crate) checkpoints: HashSet<String>,
}

impl Wanted {
    pub(crate) fn of<'a>(jobs: impl Iterator<Item = &'a WriteBatch>) -> Self {
        let mut wanted = Self::default();
        for job in jobs {
            wanted.names.extend(job.id());
            let subjects = job.subjects();
            // A name is something else too: by then it is remembered or not.
            let among_others = subjects.len() > 1 || job.id().is_some();
            for subject in subjects {
                *match subject {
                    Subject::Thread(id) => wanted.threads.entry(id).or_default(),
                    Subject::Checkpoint(key) => wanted.checkpoints.entry(key).or_default(),
                } |= among_others;
            }
        }
        wanted
    }

    /// The statements: those of threads, of checkpoints and of names, as far as there are any.
    ///
    /// Rows are locked in one order, table by table, so that no two transactions wait for each other.
    pub(crate) fn statements(&self, mut sql: Sql, namespace: &str) -> Sql {
        if !self.threads.is_empty() {
            let ids = || self.threads.keys().map(ThreadId::as_bytes);
            let threads = Sql::new(
                "SELECT id, body, checksum, revision FROM threadkeep.threads
                 WHERE namespace = ? AND id = ANY(?) ORDER BY id FOR UPDATE",
            );
            let tombstones = Sql::new(
                "SELECT thread_id, deleted_at, revision FROM threadkeep.tombstones
                 WHERE namespace = ? AND thread_id = ANY(?) ORDER BY thread_id FOR UPDATE",
            );
            for statement in [threads, tombstones] {
                sql = sql.and(statement.text(namespace).uuids(ids()));
            }
            // The lock of a thread is that of its tools too. What was absent one after the other may
            // never have been so together, which is why it is looked at once more, in one moment.
            let all = Sql::new(
                "SELECT thread_id, true FROM threadkeep.dynamic_tools
                 WHERE namespace = ? AND thread_id = ANY(?)
                 UNION ALL SELECT id, false FROM threadkeep.threads
                 WHERE namespace = ? AND id = ANY(?)
                 UNION ALL SELECT thread_id, false FROM threadkeep.tombstones
                 WHERE namespace = ? AND thread_id = ANY(?)",
            );
            sql = sql.and((0..3).fold(all, |all, _| all.text(namespace).uuids(ids())));
        }
        if !self.checkpoints.is_empty() {
            let keys = || self.checkpoints.keys().map(String::as_str);
            let checkpoints = Sql::new(
                "SELECT c.key, c.value, c.revision
                 FROM unnest(?, ?) AS wanted (head, key)
                 JOIN threadkeep.checkpoints AS c ON c.namespace = ? AND c.head = wanted.head
                     AND md5(c.key) = md5(wanted.key) AND c.key = wanted.key
                 ORDER BY c.head, c.key FOR UPDATE OF c",
            );
            sql = sql.and(checkpoints.texts(keys().map(head)).texts(keys()).text(namespace));
        }
        if !self.names.is_empty() {
            let names = Sql::new(
                "SELECT id, encode(outcomes, 'hex') FROM threadkeep.batches
                 WHERE namespace = ? AND id = ANY(?)",
            );
            sql = sql.and(names.text(namespace).uuids(self.names.iter().map(BatchId::as_bytes)));
        }
        sql
    }

    /// Reads what the statements answered; `None` where something came between them.
    pub(crate) fn read(&self, answers: Answers) -> Result<Option<Loaded>, Failed> {
        let mut answers = answers.into_iter();
        let mut next = || answers.next().ok_or(Failed::decode("an answer is missing"));
        let mut loaded =
            Loaded { records: Records::new(), named: HashMap::new(), found: Found::default() };
        if !self.threads.is_empty() {
            let mut found: HashMap<ThreadId, Record> = HashMap::new();
            for row in next()? {
                let id = row::id(&row, 0)?;
                let thread = row::slot(&row, id, [1, 2, 3]);
                found.insert(id, Record { thread, ..Record::default() });
            }
            for row in next()? {
                let tombstone = Tombstone {
                    deleted_at: Timestamp::from_millis(number(&row, 1)?),
                    revision: number(&row, 2)?.cast_unsigned(),
                };
                found.entry(row::id(&row, 0)?).or_default().tombstone = Some(tombstone);
            }
            for row in next()? {
                let is_tools = flag(&row, 1)?;
                match found.get_mut(&row::id(&row, 0)?) {
                    Some(record) => record.has_tools |= is_tools && record.thread != Slot::Absent,
                    None => return Ok(None),
                }
            }
            for (id, record) in found {
                loaded.found.threads.insert(id);
                loaded.records.insert_thread(id, record);
            }
        }
        if !self.checkpoints.is_empty() {
            for row in next()? {
                let checkpoint = checkpoint(&row)?;
                loaded.found.checkpoints.insert(checkpoint.key.clone());
                loaded.records.insert_checkpoint(checkpoint);
            }
        }
        if !self.names.is_empty() {
            for row in next()? {
                let outcomes = batches::decode(&text(&row, 1)?)?;
                loaded.named.insert(BatchId::from_bytes(uuid(&row, 0)?), outcomes);
            }
        }
        Ok(Some(loaded))
    }
}
