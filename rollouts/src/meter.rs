//! Counting what is read, and stopping it.

use std::fs::File;
use std::io::{Error, Read, Result, Seek, SeekFrom};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// What was found and is not written yet takes about this many bytes at most. Writing needs a few
/// times as many.
const MOST_HELD: u64 = 16 * 1024 * 1024;

/// Shared by everything that reads for one run.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    bytes: AtomicU64,
    /// Bytes of what was found and is not written yet.
    held: AtomicU64,
    stopped: AtomicBool,
}

impl Meter {
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// More was found.
    pub(crate) fn hold(&self, bytes: u64) {
        self.held.fetch_add(bytes, Ordering::Relaxed);
    }

    /// That much was written.
    pub(crate) fn release(&self, bytes: u64) {
        self.held.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Whether enough was found to be written first.
    pub(crate) fn is_full(&self) -> bool {
        self.held.load(Ordering::Relaxed) >= MOST_HELD
    }

    /// Lets every read from now on fail.
    pub(crate) fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }
}

/// A file whose bytes are counted as they are read.
pub(crate) struct Metered {
    file: File,
    meter: Arc<Meter>,
}

impl Metered {
    pub(crate) fn open(path: &std::path::Path, meter: &Arc<Meter>) -> Result<Self> {
        Ok(Self { file: File::open(path)?, meter: Arc::clone(meter) })
    }
}

impl Read for Metered {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        if self.meter.is_stopped() {
            return Err(Error::other("the run was stopped"));
        }
        let bytes = self.file.read(buffer)?;
        self.meter.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        Ok(bytes)
    }
}

impl Seek for Metered {
    fn seek(&mut self, to: SeekFrom) -> Result<u64> {
        self.file.seek(to)
    }
}
