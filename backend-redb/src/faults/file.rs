//! A file of a simulated disk.

use std::io;
use std::ops::Bound;
use std::sync::{Arc, Mutex};

use redb::{BackendError, StorageBackend};

use super::{Change, Contents, SimulatedDisk, lock};

/// An open file. There is one handle at a time, so that every lock is to be had.
#[derive(Debug)]
pub(super) struct SimulatedFile {
    pub(super) disk: SimulatedDisk,
    pub(super) life: u64,
    pub(super) contents: Arc<Mutex<Contents>>,
}

impl SimulatedFile {
    /// Counts a call, which fails where the power was cut since the file was opened.
    fn call(&self, writes: usize) -> io::Result<()> {
        let mut disk = self.disk.lock();
        if disk.life != self.life {
            return Err(io::Error::other("the power was cut"));
        }
        disk.faults.call(writes as u64)
    }

    fn change(&self, change: Change) {
        let mut contents = lock(&self.contents);
        change.apply(&mut contents.seen);
        contents.unsynced.push(change);
    }
}

fn index(number: u64) -> io::Result<usize> {
    usize::try_from(number).map_err(|_| io::ErrorKind::FileTooLarge.into())
}

impl StorageBackend for SimulatedFile {
    fn len(&self) -> io::Result<u64> {
        self.call(0)?;
        Ok(lock(&self.contents).seen.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.call(0)?;
        let (contents, from) = (lock(&self.contents), index(offset)?);
        let found = contents.seen.get(from..from + out.len());
        out.copy_from_slice(found.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let length = index(len)?;
        let grows = length.saturating_sub(lock(&self.contents).seen.len());
        self.call(grows)?;
        self.change(Change::Length(length));
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        self.call(0)?;
        let contents = &mut *lock(&self.contents);
        contents.synced.clone_from(&contents.seen);
        contents.unsynced.clear();
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.call(data.len())?;
        self.change(Change::Write(index(offset)?, data.to_vec()));
        Ok(())
    }

    fn try_lock_range(&self, _: Bound<u64>, _: Bound<u64>) -> Result<bool, BackendError> {
        Ok(true)
    }

    fn try_lock_shared_range(&self, _: Bound<u64>, _: Bound<u64>) -> Result<bool, BackendError> {
        Ok(true)
    }

    fn lock_range(&self, _: Bound<u64>, _: Bound<u64>) -> Result<(), BackendError> {
        Ok(())
    }

    fn lock_shared_range(&self, _: Bound<u64>, _: Bound<u64>) -> Result<(), BackendError> {
        Ok(())
    }

    fn unlock_range(&self, _: Bound<u64>, _: Bound<u64>) -> Result<(), BackendError> {
        Ok(())
    }

    fn query_lock_range(&self, _: Bound<u64>, _: Bound<u64>) -> Result<bool, BackendError> {
        Ok(false)
    }
}
