//! A file of records on a disk that fails on command.

use std::sync::{Mutex, MutexGuard, PoisonError};

use threadkeep_conformance::{Fault, Unsynced};
use threadkeep_core::{Error, ErrorKind, Result};

/// Bytes of a record: its number, and the same inverted, by which a torn one is known.
pub(crate) const RECORD: usize = 16;

#[derive(Default)]
pub(crate) struct File(Mutex<Platter>);

#[derive(Clone, Default)]
struct Platter {
    synced: Vec<u8>,
    written: Vec<u8>,
    /// Grows with each cut. Who remembers another has lost the disk.
    power: u64,
    fault: Option<Fault>,
    calls: u64,
    bytes: u64,
    struck: bool,
}

impl Platter {
    /// Counts a call, and fails it where it is to fail.
    fn call(&mut self, power: u64, bytes: usize) -> Result<()> {
        if power != self.power {
            return Err(Error::new(ErrorKind::Io, "the power was cut"));
        }
        let number = self.calls;
        self.calls += 1;
        self.bytes += bytes as u64;
        let kind = match self.fault {
            Some(Fault::Once(at)) if number == at => ErrorKind::Io,
            Some(Fault::From(at)) if number >= at => ErrorKind::Io,
            Some(Fault::FullAfter(room)) if bytes > 0 && self.bytes > room => {
                ErrorKind::StorageFull
            }
            _ => return Ok(()),
        };
        self.struck = true;
        Err(Error::new(kind, "the disk failed"))
    }
}

impl File {
    pub(crate) fn power(&self) -> u64 {
        self.platter().power
    }

    /// The numbers of the whole records, and how many bytes there are in all.
    pub(crate) fn read(&self, power: u64) -> Result<(Vec<usize>, usize)> {
        let mut platter = self.platter();
        platter.call(power, 0)?;
        let number = |record: &[u8]| {
            let (number, inverted) = record.split_at(RECORD / 2);
            let number = u64::from_le_bytes(number.try_into().ok()?);
            let inverted = u64::from_le_bytes(inverted.try_into().ok()?);
            usize::try_from(number).ok().filter(|_| number == !inverted)
        };
        let numbers = platter.written.chunks_exact(RECORD).map_while(number).collect();
        Ok((numbers, platter.written.len()))
    }

    /// Writes a record. Of one that fails the first half is there.
    pub(crate) fn append(&self, power: u64, number: u64) -> Result<()> {
        let mut platter = self.platter();
        let called = platter.call(power, RECORD);
        if platter.power == power {
            platter.written.extend(number.to_le_bytes());
        }
        called?;
        platter.written.extend((!number).to_le_bytes());
        Ok(())
    }

    pub(crate) fn sync(&self, power: u64) -> Result<()> {
        let platter = &mut *self.platter();
        platter.call(power, 0)?;
        platter.synced.clone_from(&platter.written);
        Ok(())
    }

    pub(crate) fn shorten(&self, power: u64, bytes: usize) -> Result<()> {
        let mut platter = self.platter();
        platter.call(power, 0)?;
        platter.written.truncate(bytes);
        Ok(())
    }

    pub(crate) fn copy(&self) -> Self {
        let Platter { synced, written, .. } = self.platter().clone();
        Self(Mutex::new(Platter { synced, written, ..Platter::default() }))
    }

    pub(crate) fn arm(&self, fault: Fault) {
        let mut platter = self.platter();
        (platter.fault, platter.struck) = (Some(fault), false);
        (platter.calls, platter.bytes) = (0, 0);
    }

    pub(crate) fn disarm(&self) -> u64 {
        let mut platter = self.platter();
        platter.fault = None;
        platter.calls
    }

    pub(crate) fn struck(&self) -> bool {
        self.platter().struck
    }

    pub(crate) fn cut_power(&self, unsynced: Unsynced) {
        let platter = &mut *self.platter();
        platter.power += 1;
        let synced = platter.synced.clone();
        platter.written = match unsynced {
            Unsynced::Partly(choice) => torn(&synced, &platter.written, choice),
            _ => synced,
        };
        // What is there after a cut is there for good.
        platter.synced.clone_from(&platter.written);
    }

    fn platter(&self) -> MutexGuard<'_, Platter> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What was synced, and of what was written since then some bytes, with zeros for the others.
fn torn(synced: &[u8], written: &[u8], mut choice: u64) -> Vec<u8> {
    let mut random = || {
        choice = choice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        choice >> 33
    };
    let Some(unsynced) = written.strip_prefix(synced) else {
        return if random().is_multiple_of(2) { synced } else { written }.to_vec();
    };
    let mut left = synced.to_vec();
    for half in unsynced.chunks(RECORD / 2) {
        let kept = random().is_multiple_of(2);
        left.extend(half.iter().map(|byte| if kept { *byte } else { 0 }));
    }
    if random().is_multiple_of(2) {
        left.truncate(synced.len() + unsynced.len() / 2);
    }
    left
}
