//! How a layer is set up.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use threadkeep_core::{LogStore, Result, Timestamp};
use tracing_core::{LevelFilter, Subscriber};
use tracing_subscriber::filter::Filtered;
use tracing_subscriber::registry::LookupSpan;

use crate::control::Control;
use crate::entries::{Entries, Redact};
use crate::filter::Admitted;
use crate::guard::{Handle, LogGuard};
use crate::layer::LogLayer;
use crate::queue::{Queue, Shared};
use crate::writer::{Pace, Writer};

/// How a [`LogLayer`] is set up; made by [`LogLayer::builder`].
#[must_use = "nothing is logged before it is built"]
pub struct LogLayerBuilder {
    store: Box<dyn LogStore>,
    admitted: Admitted,
    process_id: Option<String>,
    queue: usize,
    queue_bytes: usize,
    pace: Pace,
    close_timeout: Duration,
    redact: Option<Redact>,
}

impl LogLayerBuilder {
    pub(crate) fn new(store: Box<dyn LogStore>) -> Self {
        Self {
            store,
            admitted: Admitted { level: LevelFilter::INFO, excluded: Vec::new() },
            process_id: None,
            queue: 8_192,
            queue_bytes: 8 * 1024 * 1024,
            pace: Pace {
                batch: 512,
                interval: Duration::from_millis(250),
                retry_for: Duration::from_secs(10),
            },
            close_timeout: Duration::from_secs(1),
            redact: None,
        }
    }

    /// Keeps events of this level and graver ones. Default: `INFO`.
    ///
    /// `OFF` keeps nothing: there is no thread, and the store is never touched, so that no file is
    /// made. `TRACE` leaves the choice to a filter around the layer.
    pub fn level(mut self, level: LevelFilter) -> Self {
        self.admitted.level = level;
        self
    }

    /// Keeps nothing of this target and of what is below it, `hyper` and `hyper::client` say: for
    /// a store whose own threads trace. sqlx, redb and the crates of threadkeep's stores are always
    /// excluded, and so is whatever the thread that writes traces.
    pub fn exclude(mut self, target: impl Into<String>) -> Self {
        self.admitted.excluded.push(target.into());
        self
    }

    /// What the entries have as their process. Default: `pid:` with the process's number, `:` and
    /// the time at which the layer was built in milliseconds of Unix time, which tells two runs
    /// apart that were given the same number: `pid:4242:1772357400123`.
    pub fn process_id(mut self, process_id: impl Into<String>) -> Self {
        self.process_id = Some(process_id.into());
        self
    }

    /// Entries that may be queued, at least 1, those that are being written among them; further
    /// ones are dropped and counted. Default: 8,192. Room for them is taken at once, about 120
    /// bytes each.
    pub fn queue(mut self, entries: usize) -> Self {
        self.queue = entries.max(1);
        self
    }

    /// Bytes of text that may be queued; further entries are dropped and counted. Default: 8 MiB.
    pub fn queue_bytes(mut self, bytes: usize) -> Self {
        self.queue_bytes = bytes;
        self
    }

    /// Entries that are appended at once, at least 1. Default: 512.
    pub fn batch(mut self, entries: usize) -> Self {
        self.pace.batch = entries.max(1);
        self
    }

    /// How long an entry waits for a batch to get full. Default: 250 ms.
    pub fn interval(mut self, interval: Duration) -> Self {
        self.pace.interval = interval;
        self
    }

    /// How long a store that refuses entries for now, because it is busy, say, or its disk is full,
    /// is asked again before they are dropped and counted. Meanwhile others are queued. Default:
    /// 10 s.
    pub fn retry_for(mut self, retry_for: Duration) -> Self {
        self.pace.retry_for = retry_for;
        self
    }

    /// How long dropping or closing the [`LogGuard`] takes at most. Default: 1 s.
    pub fn close_timeout(mut self, timeout: Duration) -> Self {
        self.close_timeout = timeout;
        self
    }

    /// What every string passes before it is stored: messages as a whole, with fields and spans,
    /// and targets, modules, files, threads and processes.
    ///
    /// It runs on the thread that writes, once for every string and once more for each time a
    /// busy store is asked again. In a message it sees values as they are written there: quoted,
    /// with escapes, and cut where they are too long. Where it panics, the entry is dropped and
    /// counted.
    ///
    /// ```
    /// # use std::borrow::Cow;
    /// # let store = threadkeep_memory::MemoryStore::new();
    /// # let builder =
    /// threadkeep_tracing::LogLayer::builder(store).redact(|text| match text.find("sk-") {
    ///     Some(at) => Cow::Owned(format!("{}[redacted]", &text[..at])),
    ///     None => Cow::Borrowed(text),
    /// });
    /// ```
    pub fn redact(
        mut self,
        redact: impl for<'a> Fn(&'a str) -> Cow<'a, str> + Send + Sync + 'static,
    ) -> Self {
        self.redact = Some(Box::new(redact));
        self
    }

    /// Starts the writer. The layer is put into a subscriber, the guard into a variable of `main`.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](threadkeep_core::ErrorKind::InvalidInput) where the process's text is too
    /// long, [`Io`](threadkeep_core::ErrorKind::Io) where the system gives no thread.
    pub fn build<S>(self) -> Result<(Filtered<LogLayer, Admitted, S>, LogGuard)>
    where
        S: Subscriber + for<'span> LookupSpan<'span>,
    {
        let Self { store, admitted, process_id, queue, queue_bytes, pace, close_timeout, redact } =
            self;
        let shared = Arc::new(Shared::new(queue, queue_bytes));
        let (mut sender, mut writer) = (None, None);
        if admitted.level != LevelFilter::OFF {
            let entries = Entries::new(process_id.unwrap_or_else(default_process_id), redact)?;
            let control = Arc::new(Control::default());
            let (queue, receiver) = Queue::new(Arc::clone(&shared));
            let thread = Writer {
                store,
                receiver,
                shared: Arc::clone(&shared),
                control: Arc::clone(&control),
                entries,
                pace,
            }
            .spawn()?;
            shared.set_writer(thread.thread().clone());
            sender = Some(queue);
            writer = Some(Handle { control, thread });
        }
        let layer = Filtered::new(LogLayer::new(sender, admitted.clone()), admitted);
        Ok((layer, LogGuard::new(shared, writer, close_timeout)))
    }
}

fn default_process_id() -> String {
    format!("pid:{}:{}", std::process::id(), Timestamp::now().as_millis())
}

impl fmt::Debug for LogLayerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogLayerBuilder")
            .field("admitted", &self.admitted)
            .field("process_id", &self.process_id)
            .field("queue", &self.queue)
            .field("queue_bytes", &self.queue_bytes)
            .field("pace", &self.pace)
            .field("close_timeout", &self.close_timeout)
            .finish_non_exhaustive()
    }
}
