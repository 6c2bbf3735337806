//! A disk that fails on command, which a fixture may have.

use std::sync::Arc;

use async_trait::async_trait;
use threadkeep_core::{Result, Store};

/// What goes wrong with a disk.
///
/// A call is whatever the store asks of the disk: to read, write, sync, lengthen or cut a file, to
/// open, make or remove one, or to tell its length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// The call with this number, counted from 0 since the disk was armed, fails, once.
    Once(u64),
    /// That call and every one after it fail.
    From(u64),
    /// The disk is full once so many more bytes were written to it: calls that need room fail as
    /// on a full disk, all others go on.
    FullAfter(u64),
}

/// What becomes, at a power cut, of what was not synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unsynced {
    /// All of it is lost.
    Lost,
    /// An arbitrary part of it, chosen by this number, is there. Writes may be torn, and later ones
    /// be there without earlier ones.
    Partly(u64),
}

/// A disk of the fixture's own, with a store on it, that fails on command.
///
/// It is new and sound where [`Fixture::disk`](crate::Fixture::disk) made it, and fails only while
/// it is armed. Several handles may be open on it.
#[async_trait]
pub trait FaultyDisk: Send + Sync + 'static {
    /// Opens the store on this disk, creating it where there is none.
    async fn open(&self) -> Result<Arc<dyn Store>>;

    /// Another disk that holds what this one holds now, what was not synced included. It is not
    /// armed, and no handle is open on it.
    fn copy(&self) -> Arc<dyn FaultyDisk>;

    /// From now on counts calls, from 0, and fails as told.
    fn arm(&self, fault: Fault);

    /// Fails no more; answers how many calls were counted since it was armed.
    fn disarm(&self) -> u64;

    /// Whether the fault has struck since the disk was armed. Asked after [`Self::disarm`] too.
    fn struck(&self) -> bool;

    /// Cuts the power: handles that are open get errors from now on, and what was not synced is
    /// gone as told. The disk can be opened anew at once.
    fn cut_power(&self, unsynced: Unsynced);
}
