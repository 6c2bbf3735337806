//! What is stored of threads and checkpoints, inside a write transaction.

use std::collections::BTreeSet;

use redb::{ReadableTable as _, Table, WriteTransaction};
use threadkeep_core::{
    Changed, ChangedThread, Checkpoint, Record, Records, Result, Slot, Subject, ThreadId,
    ToolsChange, index,
};
use threadkeep_migrations::kv;

use crate::errors::Failure;
use crate::tables::{CHECKPOINTS, INDEX, PENDING, THREADS, TOMBSTONES, TOOLS};

type BytesTable<'a> = Table<'a, &'static [u8], &'static [u8]>;

/// The tables that a batch works on.
pub(crate) struct Rows<'a> {
    threads: BytesTable<'a>,
    index: BytesTable<'a>,
    tools: BytesTable<'a>,
    tombstones: BytesTable<'a>,
    pending: BytesTable<'a>,
    checkpoints: Table<'a, &'static str, &'static [u8]>,
}

impl<'a> Rows<'a> {
    pub(crate) fn open(transaction: &'a WriteTransaction) -> Result<Self, Failure> {
        Ok(Self {
            threads: transaction.open_table(THREADS)?,
            index: transaction.open_table(INDEX)?,
            tools: transaction.open_table(TOOLS)?,
            tombstones: transaction.open_table(TOMBSTONES)?,
            pending: transaction.open_table(PENDING)?,
            checkpoints: transaction.open_table(CHECKPOINTS)?,
        })
    }

    /// Everything stored of these subjects.
    pub(crate) fn load(&self, subjects: BTreeSet<Subject>) -> Result<Records, Failure> {
        let mut records = Records::new();
        for subject in subjects {
            match subject {
                Subject::Thread(id) => records.insert_thread(id, self.record(id)?),
                Subject::Checkpoint(key) => {
                    if let Some(found) = self.checkpoints.get(key.as_str())? {
                        records.insert_checkpoint(kv::decode_checkpoint(&key, found.value())?);
                    }
                }
            }
        }
        Ok(records)
    }

    fn record(&self, id: ThreadId) -> Result<Record, Failure> {
        let key = &id.as_bytes()[..];
        let thread = match self.threads.get(key)? {
            None => Slot::Absent,
            Some(found) => match kv::decode_thread(id, found.value()) {
                Ok(row) => Slot::Present(Box::new(row)),
                Err(error) => Slot::Damaged {
                    reason: error.message().to_owned(),
                    revision: kv::thread_revision(found.value()),
                },
            },
        };
        let tombstone = self.tombstones.get(key)?;
        let tombstone =
            tombstone.map(|found| kv::decode_tombstone(id, found.value())).transpose()?;
        let has_tools = self.tools.get(key)?.is_some();
        Ok(Record { thread, tombstone, has_tools, ..Record::default() })
    }

    fn store_thread(
        &mut self,
        ChangedThread { id, before, after }: ChangedThread,
    ) -> Result<(), Failure> {
        let key = &id.as_bytes()[..];
        self.store_index(id, &before.thread, &after.thread)?;
        match &after.thread {
            Slot::Present(row) => {
                self.threads.insert(key, kv::encode_thread(row)?.as_slice())?;
            }
            Slot::Absent | Slot::Damaged { .. } => {
                self.threads.remove(key)?;
            }
        }
        match after.tombstone {
            _ if after.tombstone == before.tombstone => {}
            Some(tombstone) => {
                self.tombstones.insert(key, kv::encode_tombstone(id, tombstone)?.as_slice())?;
                self.pending.insert(key, &[][..])?;
            }
            None => {
                self.tombstones.remove(key)?;
                self.pending.remove(key)?;
            }
        }
        match after.tools_change {
            Some(ToolsChange::Store(list)) => {
                self.tools.insert(key, kv::encode_tools(id, &list).as_slice())?;
            }
            Some(ToolsChange::Remove) => {
                self.tools.remove(key)?;
            }
            None => {}
        }
        Ok(())
    }

    /// Writes only the keys that differ: a row that was merely used moves by its time alone.
    fn store_index(&mut self, id: ThreadId, before: &Slot, after: &Slot) -> Result<(), Failure> {
        let keys = |slot: &Slot| match slot {
            Slot::Present(row) => index::keys(row).into_iter().collect(),
            Slot::Absent | Slot::Damaged { .. } => BTreeSet::new(),
        };
        let (mut old, new) = (keys(before), keys(after));
        if matches!(before, Slot::Damaged { .. }) {
            // Where it was listed can no longer be told from the row.
            old = self.keys_of(id)?;
        }
        for key in old.difference(&new) {
            self.index.remove(&key[..])?;
        }
        for key in new.difference(&old) {
            self.index.insert(&key[..], &[][..])?;
        }
        Ok(())
    }

    fn keys_of(&self, id: ThreadId) -> Result<BTreeSet<index::Key>, Failure> {
        let mut keys = BTreeSet::new();
        for entry in self.index.iter()? {
            let (key, _) = entry?;
            if index::position(key.value())?.1 == id
                && let Ok(key) = index::Key::try_from(key.value())
            {
                keys.insert(key);
            }
        }
        Ok(keys)
    }

    fn store_checkpoint(
        &mut self,
        key: &str,
        checkpoint: Option<&Checkpoint>,
    ) -> Result<(), Failure> {
        match checkpoint {
            Some(checkpoint) => {
                self.checkpoints.insert(key, kv::encode_checkpoint(checkpoint)?.as_slice())?;
            }
            None => {
                self.checkpoints.remove(key)?;
            }
        }
        Ok(())
    }
}

/// Stores what changed.
pub(crate) fn store(rows: &mut Rows<'_>, changed: Changed) -> Result<(), Failure> {
    for thread in changed.threads {
        rows.store_thread(thread)?;
    }
    for (key, checkpoint) in changed.checkpoints {
        rows.store_checkpoint(&key, checkpoint.as_ref())?;
    }
    Ok(())
}
