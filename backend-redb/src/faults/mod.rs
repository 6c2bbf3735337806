//! A disk in memory that fails on command, for tests of what a store does then.

mod file;

use std::any::Any;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use redb::StorageBackend;
use threadkeep_core::Result;

use self::file::SimulatedFile;
use crate::files::{Files, Found};

/// A disk in memory. Only handles of this process that were opened with
/// [`RedbOptions::disk`](crate::RedbOptions::disk) find what is on it.
///
/// Every read, write, sync and change of a length or a name is a call, and can be made to fail. A
/// file has two states: what programs see, and what is on the disk for sure because it was synced; at
/// a power cut the second is what is left. Changes of names are on the disk at once, as the store
/// syncs the folder with each of them.
#[derive(Clone, Debug, Default)]
pub struct SimulatedDisk(Arc<Mutex<Disk>>);

#[derive(Debug, Default)]
struct Disk {
    files: BTreeMap<PathBuf, Arc<Mutex<Contents>>>,
    faults: Faults,
    /// Handles of an earlier life of the machine get errors.
    life: u64,
}

#[derive(Clone, Debug, Default)]
struct Contents {
    seen: Vec<u8>,
    synced: Vec<u8>,
    /// What was done since the last sync, in order.
    unsynced: Vec<Change>,
}

#[derive(Clone, Debug)]
enum Change {
    Write(usize, Vec<u8>),
    Length(usize),
}

#[derive(Clone, Copy, Debug, Default)]
struct Faults {
    calls: u64,
    written: u64,
    plan: Plan,
    struck: bool,
}

#[derive(Clone, Copy, Debug, Default)]
enum Plan {
    #[default]
    None,
    Once(u64),
    From(u64),
    FullAfter(u64),
}

impl SimulatedDisk {
    /// A disk with nothing on it.
    pub fn new() -> Self {
        Self::default()
    }

    /// Another disk that holds what this one holds now.
    #[must_use]
    pub fn copy(&self) -> Self {
        let files = self.lock().files.clone().into_iter();
        let copied = files.map(|(path, contents)| {
            let contents = lock(&contents).clone();
            (path, Arc::new(Mutex::new(contents)))
        });
        Self(Arc::new(Mutex::new(Disk { files: copied.collect(), ..Disk::default() })))
    }

    /// Counts calls from 0 again, and lets the one with this number fail, once.
    pub fn fail_once(&self, call: u64) {
        self.arm(Plan::Once(call));
    }

    /// The same for that call and every one after it.
    pub fn fail_from(&self, call: u64) {
        self.arm(Plan::From(call));
    }

    /// Counts calls from 0 again, and is full once so many more bytes were written.
    pub fn fill_after(&self, bytes: u64) {
        self.arm(Plan::FullAfter(bytes));
    }

    /// Fails no more; answers how many calls there were since it was told to.
    pub fn disarm(&self) -> u64 {
        let faults = &mut self.lock().faults;
        faults.plan = Plan::None;
        faults.calls
    }

    /// Whether a call was let fail since the disk was told to.
    pub fn struck(&self) -> bool {
        self.lock().faults.struck
    }

    /// Cuts the power. What is open fails from now on. Of what was not synced nothing is left, or,
    /// with a seed, any part of it: whole writes and such as are torn at 512 bytes, in any order.
    pub fn cut_power(&self, seed: Option<u64>) {
        let mut disk = self.lock();
        disk.life += 1;
        let mut random = Random(seed.unwrap_or_default());
        for contents in disk.files.values() {
            let mut contents = lock(contents);
            let mut left = contents.synced.clone();
            if seed.is_some() {
                for change in &contents.unsynced {
                    change.apply_partly(&mut left, &mut random);
                }
            }
            *contents = Contents { seen: left.clone(), synced: left, unsynced: Vec::new() };
        }
    }

    pub(crate) fn files(&self) -> Arc<dyn Files> {
        Arc::new(self.clone())
    }

    fn arm(&self, plan: Plan) {
        self.lock().faults = Faults { plan, ..Faults::default() };
    }

    fn lock(&self) -> MutexGuard<'_, Disk> {
        lock(&self.0)
    }

    /// Counts a call, which may have to fail.
    fn call(&self, writes: usize) -> io::Result<()> {
        self.lock().faults.call(writes as u64)
    }

    fn file(&self, path: &Path) -> io::Result<Arc<dyn StorageBackend>> {
        let disk = self.lock();
        let contents = disk.files.get(path).ok_or(io::ErrorKind::NotFound)?;
        let file =
            SimulatedFile { disk: self.clone(), life: disk.life, contents: Arc::clone(contents) };
        Ok(Arc::new(file))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Faults {
    fn call(&mut self, writes: u64) -> io::Result<()> {
        let number = self.calls;
        self.calls += 1;
        let failure = match self.plan {
            Plan::Once(call) if call == number => {
                Some(io::Error::other("the disk was told to fail once"))
            }
            Plan::From(call) if call <= number => {
                Some(io::Error::other("the disk was told to fail"))
            }
            Plan::FullAfter(room) if writes > 0 && self.written + writes > room => {
                Some(io::Error::new(io::ErrorKind::StorageFull, "the disk was told to be full"))
            }
            _ => None,
        };
        if let Some(failure) = failure {
            self.struck = true;
            return Err(failure);
        }
        self.written += writes;
        Ok(())
    }
}

impl Change {
    fn apply(&self, to: &mut Vec<u8>) {
        match self {
            Self::Write(at, bytes) => put(to, *at, bytes),
            Self::Length(length) => to.resize(*length, 0),
        }
    }

    fn apply_partly(&self, to: &mut Vec<u8>, random: &mut Random) {
        match self {
            Self::Write(at, bytes) => {
                for (nth, sector) in bytes.chunks(512).enumerate() {
                    if random.next().is_multiple_of(2) {
                        put(to, at + nth * 512, sector);
                    }
                }
            }
            Self::Length(_) if random.next().is_multiple_of(2) => self.apply(to),
            Self::Length(_) => {}
        }
    }
}

fn put(to: &mut Vec<u8>, at: usize, bytes: &[u8]) {
    let end = at + bytes.len();
    if to.len() < end {
        to.resize(end, 0);
    }
    to[at..end].copy_from_slice(bytes);
}

/// Numbers that look random and are the same for the same seed (splitmix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

impl Files for SimulatedDisk {
    fn identity(&self) -> Option<(usize, u64)> {
        // What was open when the power was cut is nobody's any more.
        Some((Arc::as_ptr(&self.0).addr(), self.lock().life))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn StorageBackend>> {
        self.call(0)?;
        self.file(path)
    }

    fn open_to_read(&self, path: &Path) -> io::Result<Arc<dyn StorageBackend>> {
        self.open(path)
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn StorageBackend>> {
        self.call(1)?;
        self.lock().files.insert(path.to_owned(), Arc::default());
        self.file(path)
    }

    fn find(&self, path: &Path) -> io::Result<Option<Found>> {
        self.call(0)?;
        Ok(self.lock().files.get(path).map(|contents| Found {
            bytes: lock(contents).seen.len() as u64,
            file: Arc::as_ptr(contents).addr() as u64,
        }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.call(1)?;
        let mut disk = self.lock();
        let contents = disk.files.remove(from).ok_or(io::ErrorKind::NotFound)?;
        disk.files.insert(to.to_owned(), contents);
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<bool> {
        self.call(0)?;
        Ok(self.lock().files.remove(path).is_some())
    }

    fn create_folder(&self, _folder: &Path) -> io::Result<()> {
        self.call(1)
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<PathBuf>> {
        self.call(0)?;
        let disk = self.lock();
        let inside = disk.files.keys().filter(|path| path.parent() == Some(folder));
        Ok(inside.cloned().collect())
    }

    fn lock(&self, _path: &Path, _wait: Duration) -> Result<Box<dyn Any + Send>> {
        Ok(Box::new(()))
    }

    fn note(&self, _path: &Path) -> io::Result<String> {
        Ok(String::new())
    }

    fn set_note(&self, _path: &Path, _text: &str) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(disk: &SimulatedDisk) -> Arc<dyn StorageBackend> {
        disk.create(Path::new("a")).unwrap()
    }

    fn contents(disk: &SimulatedDisk) -> Vec<u8> {
        let file = disk.open(Path::new("a")).unwrap();
        let mut bytes = vec![0; usize::try_from(file.len().unwrap()).unwrap()];
        file.read(0, &mut bytes).unwrap();
        bytes
    }

    #[test]
    fn only_what_was_synced_outlives_a_power_cut() {
        let disk = SimulatedDisk::new();
        let open = file(&disk);
        open.set_len(4).unwrap();
        open.write(0, b"one.").unwrap();
        open.sync_data().unwrap();
        open.write(0, b"two.").unwrap();
        assert_eq!(contents(&disk), b"two.");
        disk.cut_power(None);
        assert!(open.write(0, b"x").is_err(), "a handle of the life before");
        assert_eq!(contents(&disk), b"one.");
    }

    #[test]
    fn parts_of_what_was_not_synced_may_outlive_it() {
        let mut left = std::collections::BTreeSet::new();
        for seed in 0..64 {
            let disk = SimulatedDisk::new();
            let open = file(&disk);
            open.set_len(1_024).unwrap();
            open.sync_data().unwrap();
            open.write(0, &[1; 1_024]).unwrap();
            disk.cut_power(Some(seed));
            let bytes = contents(&disk);
            left.insert((bytes[0], bytes[1_023]));
        }
        assert_eq!(left.len(), 4, "either half, both and none: {left:?}");
    }

    #[test]
    fn calls_fail_as_told() {
        let disk = SimulatedDisk::new();
        let open = file(&disk);
        disk.fail_once(1);
        assert!(open.write(0, b"a").is_ok());
        assert!(open.write(0, b"a").is_err() && disk.struck());
        assert!(open.write(0, b"a").is_ok());
        assert_eq!(disk.disarm(), 3);
        disk.fill_after(2);
        assert!(open.write(0, b"ab").is_ok());
        assert_eq!(open.write(0, b"c").unwrap_err().kind(), io::ErrorKind::StorageFull);
        assert!(open.sync_data().is_ok(), "what needs no room");
        let copy = disk.copy();
        assert!(copy.open(Path::new("a")).unwrap().write(0, b"d").is_ok());
        assert_eq!(contents(&disk)[0], b'a');
    }
}
