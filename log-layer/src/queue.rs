//! The bounded queue between the threads that log and the one that writes.
//!
//! Room is taken before anything is formatted and given back when it is known what became of the
//! entry, so that what is just being written counts too. Nobody who logs waits for a lock.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering, fence};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, OnceLock};
use std::thread::Thread;
use std::time::SystemTime;

use tracing_core::Metadata;

/// What becomes of an entry.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fate {
    Written,
    Uncertain,
    QueueFull,
    Refused,
    Panicked,
    Closed,
}

/// What both sides know of the queue.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    /// Entries that may be held at once.
    entries: usize,
    /// Bytes of text that may be held at once.
    text_bytes: usize,
    /// Entries whose fate is open.
    held: AtomicUsize,
    /// Bytes of their texts.
    bytes: AtomicUsize,
    fates: [AtomicU64; 6],
    /// Entries that were dropped since the last one that was let in.
    gap: AtomicU64,
    /// Entries that panicked and that the log does not tell of yet.
    panics: AtomicU64,
    closed: AtomicBool,
    /// The writer sleeps until so many entries are held.
    wake_at: AtomicUsize,
    writer: OnceLock<Thread>,
}

impl Shared {
    pub(crate) fn new(entries: usize, text_bytes: usize) -> Self {
        Self { entries, text_bytes, wake_at: AtomicUsize::new(usize::MAX), ..Self::default() }
    }

    pub(crate) fn count(&self, fate: Fate) -> u64 {
        self.fates[fate as usize].load(Ordering::Relaxed)
    }

    pub(crate) fn held(&self) -> usize {
        self.held.load(Ordering::Acquire)
    }

    /// Lets in no entry from now on.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Release);
    }

    /// The entries that were dropped because the queue was full, once each.
    pub(crate) fn take_gap(&self) -> u64 {
        take(&self.gap)
    }

    /// The entries that panicked while they were formatted, once each.
    pub(crate) fn take_panics(&self) -> u64 {
        take(&self.panics)
    }

    /// This is the thread to wake. It is told before anybody can log.
    pub(crate) fn set_writer(&self, thread: Thread) {
        self.writer.get_or_init(|| thread);
    }

    pub(crate) fn wake(&self) {
        if let Some(writer) = self.writer.get() {
            writer.unpark();
        }
    }

    /// From now on the writer is to be woken when so many entries are held. It looks once more
    /// whether there are any before it sleeps.
    pub(crate) fn wake_at(&self, entries: usize) {
        self.wake_at.store(entries, Ordering::SeqCst);
        fence(Ordering::SeqCst);
    }

    /// Wakes the writer where it waits for as much as there is. It and whoever logs each write
    /// first and read then, so that one of the two sees the other.
    fn nudge(&self) {
        fence(Ordering::SeqCst);
        if self.held() >= self.wake_at.load(Ordering::SeqCst)
            && self.wake_at.swap(usize::MAX, Ordering::SeqCst) != usize::MAX
        {
            self.wake();
        }
    }

    fn add(&self, fate: Fate) {
        self.fates[fate as usize].fetch_add(1, Ordering::Relaxed);
    }
}

/// What the counter holds, which is nothing most of the time.
fn take(counter: &AtomicU64) -> u64 {
    match counter.load(Ordering::Relaxed) {
        0 => 0,
        _ => counter.swap(0, Ordering::Relaxed),
    }
}

/// The place of one entry in the queue. Dropped without a word, for a panic or with the queue, it
/// counts as lost.
#[derive(Debug)]
pub(crate) struct Ticket {
    shared: Arc<Shared>,
    bytes: usize,
    /// Entries that were dropped right before this one.
    gap: u64,
    fate: Option<Fate>,
}

impl Ticket {
    pub(crate) fn settle(mut self, fate: Fate) {
        self.fate = Some(fate);
    }

    /// How many entries were dropped right before this one.
    pub(crate) fn gap(&self) -> u64 {
        self.gap
    }

    /// Takes room for a text; `false` where there is none.
    fn take_bytes(&mut self, bytes: usize) -> bool {
        self.bytes = bytes;
        let before = self.shared.bytes.fetch_add(bytes, Ordering::Relaxed);
        before.saturating_add(bytes) <= self.shared.text_bytes
    }

    fn drop_for_want_of_room(self) {
        self.shared.gap.fetch_add(self.gap + 1, Ordering::Relaxed);
        self.settle(Fate::QueueFull);
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let fate = self.fate.unwrap_or_else(|| {
            // Somebody else has to tell of the gap.
            self.shared.gap.fetch_add(self.gap, Ordering::Relaxed);
            if std::thread::panicking() { Fate::Panicked } else { Fate::Closed }
        });
        if matches!(fate, Fate::Panicked) {
            self.shared.panics.fetch_add(1, Ordering::Relaxed);
        }
        self.shared.add(fate);
        self.shared.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
        self.shared.held.fetch_sub(1, Ordering::Release);
    }
}

/// Where an event came from that was first logged by other means than tracing.
#[derive(Debug, Default)]
pub(crate) struct OtherPlace {
    pub(crate) target: Option<String>,
    pub(crate) module_path: Option<String>,
    pub(crate) file: Option<String>,
    pub(crate) line: Option<u32>,
}

/// An entry on its way to the writer.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) time: SystemTime,
    pub(crate) metadata: &'static Metadata<'static>,
    pub(crate) place: Option<Box<OtherPlace>>,
    pub(crate) message: Option<String>,
    pub(crate) thread_id: Option<Arc<str>>,
}

impl Record {
    fn text_bytes(&self) -> usize {
        self.message.as_ref().map_or(0, String::len)
            + self.thread_id.as_ref().map_or(0, |thread| thread.len())
    }
}

pub(crate) struct Queued {
    pub(crate) record: Record,
    pub(crate) ticket: Ticket,
}

/// The side that logs.
#[derive(Debug)]
pub(crate) struct Queue {
    shared: Arc<Shared>,
    sender: SyncSender<Queued>,
}

impl Queue {
    pub(crate) fn new(shared: Arc<Shared>) -> (Self, Receiver<Queued>) {
        let (sender, receiver) = sync_channel(shared.entries);
        (Self { shared, sender }, receiver)
    }

    /// Takes a place; `None`, and the entry is counted as lost, where there is none.
    pub(crate) fn reserve(&self) -> Option<Ticket> {
        let shared = &*self.shared;
        if shared.closed.load(Ordering::Relaxed) {
            shared.add(Fate::Closed);
            return None;
        }
        // Looking first keeps a full queue cheap.
        if shared.held.load(Ordering::Relaxed) < shared.entries
            && shared.bytes.load(Ordering::Relaxed) < shared.text_bytes
        {
            if shared.held.fetch_add(1, Ordering::Relaxed) < shared.entries {
                let shared = Arc::clone(&self.shared);
                return Some(Ticket { gap: shared.take_gap(), shared, bytes: 0, fate: None });
            }
            shared.held.fetch_sub(1, Ordering::Relaxed);
        }
        shared.gap.fetch_add(1, Ordering::Relaxed);
        shared.add(Fate::QueueFull);
        None
    }

    /// Hands an entry over.
    pub(crate) fn send(&self, mut ticket: Ticket, record: Record) {
        if !ticket.take_bytes(record.text_bytes()) {
            return ticket.drop_for_want_of_room();
        }
        // There is room for whoever has a ticket. It fails when the writer has gone, and the entry
        // then counts as lost by closing.
        if self.sender.try_send(Queued { record, ticket }).is_ok() {
            self.shared.nudge();
        }
    }
}
