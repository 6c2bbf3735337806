//! What became of the entries.

use std::sync::Arc;

use crate::queue::{Fate, Shared};

/// What became of the entries so far. An entry is in one of these counts, never in two.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LogCounts {
    /// Waiting, or about to be written.
    pub queued: u64,
    /// In the store.
    pub written: u64,
    /// Perhaps in the store: it failed in the middle, or was still at it when the time was over.
    /// They are not written again, because entries would come twice.
    pub uncertain: u64,
    /// Dropped because the queue was full.
    pub queue_full: u64,
    /// Dropped because the store refused them, for longer than refusals are waited for.
    pub refused: u64,
    /// Dropped because a value, or the redaction, panicked while it was formatted.
    pub panicked: u64,
    /// Dropped because the layer was closed, or because closing left no time for them.
    pub closed: u64,
}

impl LogCounts {
    /// Entries that are lost, whyever.
    pub const fn dropped(&self) -> u64 {
        self.queue_full + self.refused + self.panicked + self.closed
    }

    /// Events that came to the layer.
    pub const fn emitted(&self) -> u64 {
        self.queued + self.written + self.uncertain + self.dropped()
    }
}

/// A handle on the counts of a layer, for whoever reports them. It holds nothing of the store, and
/// goes on to work when the layer was closed.
///
/// While events come in, counts that are read one after the other may be apart by a few.
#[derive(Clone, Debug)]
pub struct LogStats(pub(crate) Arc<Shared>);

impl LogStats {
    /// All counts.
    pub fn counts(&self) -> LogCounts {
        let of = |fate| self.0.count(fate);
        LogCounts {
            queued: self.0.held() as u64,
            written: of(Fate::Written),
            uncertain: of(Fate::Uncertain),
            queue_full: of(Fate::QueueFull),
            refused: of(Fate::Refused),
            panicked: of(Fate::Panicked),
            closed: of(Fate::Closed),
        }
    }

    /// Entries that wait or are about to be written.
    pub fn queued(&self) -> u64 {
        self.counts().queued
    }

    /// Entries in the store.
    pub fn written(&self) -> u64 {
        self.counts().written
    }

    /// Entries that are lost, whyever.
    pub fn dropped(&self) -> u64 {
        self.counts().dropped()
    }
}
