//! Keeps what a program traces in a threadkeep store of logs.
//!
//! [`LogLayer`] is a layer for [`tracing_subscriber`] in front of any
//! [`LogStore`](threadkeep_core::LogStore). Whoever logs never waits for the store: entries go
//! through a bounded queue to a thread of their own, which appends them in batches. What is lost is
//! counted, and the log itself says where.
//!
//! ```
//! use std::time::Duration;
//! use threadkeep_core::{LogFilter, LogLevel, LogQuery, LogStore as _};
//! use threadkeep_memory::MemoryStore;
//! use threadkeep_tracing::LogLayer;
//! use tracing_subscriber::layer::SubscriberExt as _;
//!
//! let store = MemoryStore::new();
//! let (layer, guard) = LogLayer::builder(store.clone()).build()?;
//! // A program does so once, at its start: `tracing_subscriber::registry().with(layer).init()`.
//! tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
//!     let _turn = tracing::info_span!("turn", thread_id = "0198-a", number = 3).entered();
//!     let _tool = tracing::info_span!("tool").entered();
//!     tracing::warn!(seconds = 1.5, command = "ls -l", "the command is slow");
//!     tracing::debug!("below the level");
//! });
//! guard.flush(Duration::from_secs(1))?;
//!
//! # futures_executor::block_on(async {
//! let page = store.query(LogQuery::new(LogFilter::new().thread("0198-a"))).await?;
//! let entry = &page.items[0].entry;
//! assert_eq!(
//!     entry.message.as_deref(),
//!     Some(r#"the command is slow seconds=1.5 command="ls -l" | turn{number=3}:tool"#)
//! );
//! assert_eq!(entry.level, LogLevel::Warn);
//! assert_eq!(page.items.len(), 1);
//! # Ok::<(), threadkeep_core::Error>(())
//! # })?;
//! assert_eq!(guard.close().written, 1);
//! # Ok::<(), threadkeep_core::Error>(())
//! ```
//!
//! # What is kept
//!
//! Events at level `INFO` and graver, unless [another level](LogLayerBuilder::level) is set. The
//! level is this layer's alone; what other layers in the same subscriber see does not change by it.
//! A filter around the layer, or around all layers, narrows what comes here.
//!
//! Never kept is what the thread that writes traces, and what has the target of a store: `sqlx`,
//! `redb`, `threadkeep_…`, and `threadkeep::store` of the hooks. Otherwise each append would log, and
//! so ask for the next.
//!
//! # What an entry has
//!
//! - *time*, *level*, *target*, *module*, *file* and *line*: those of the event. For events that come
//!   from the `log` crate, they are those of the call there.
//! - *thread*: the event's own field `thread_id`, otherwise that of the nearest span around it that
//!   has one, also where it was recorded later. Any type of value will do. Spans are looked at from
//!   the level on that is kept, and at every level where they have such a field.
//! - *process*: the text that was [set](LogLayerBuilder::process_id), by default different for each
//!   run of a program.
//! - *message*: see below.
//!
//! # The form of a message
//!
//! ```text
//! MESSAGE FIELD=VALUE FIELD="a value" | SPAN{FIELD=VALUE}:INNER
//! ```
//!
//! The event's message comes first, as it is, line ends included. Then come its fields in the order
//! they were given, each after a space, then ` | ` and the spans around it, the outermost first, with
//! `:` between them and their fields in braces. What there is none of leaves no trace: an event
//! without a message begins with its fields, one without fields and message with `| `. `thread_id` is
//! not repeated.
//!
//! - A value stands bare unless it is empty or has white space, control characters or one of `"\{}`
//!   in it. Then it stands in `"`, with the escapes `\"`, `\\`, `\n`, `\r`, `\t` and `\u{1b}`. So
//!   nothing behind the message ends a line.
//! - Names are quoted likewise, and also where they have one of `=:|` in them.
//! - Values given with `?` are written as [`Debug`](std::fmt::Debug) writes them, those with `%` as
//!   [`Display`](std::fmt::Display) does, and errors with what lies underneath them, parted by `: `.
//! - A field of a span that was recorded again has its last value, behind the others.
//! - A message is cut at 1 MiB, and the values of one span at 8 KiB; `… [cut]` stands there.
//!
//! # What is lost
//!
//! Nothing is lost without being counted in [`LogStats`], whose counts add up to the events that came.
//!
//! - Where the queue is full, an event is dropped before it is formatted. As soon as there is room
//!   again, an entry in its place says so, at level `WARN` with the target `threadkeep_tracing`, once
//!   a gap and whatever the level of the layer: `187 log entries were dropped: the queue was full`.
//! - A store that refuses entries for now is asked again [for a while](LogLayerBuilder::retry_for).
//!   Those it refuses for longer, or for good, are dropped; an entry says so when it takes one.
//! - Where a store fails in the middle of an append, nobody knows whether the entries are there. They
//!   are not appended again, and count as [uncertain](LogCounts::uncertain).
//! - When the [guard](LogGuard) is dropped, what is queued is written for up to a second.
//!
//! # Runtimes
//!
//! The thread that writes has a small tokio runtime of its own, because some stores need one. So
//! the layer works in programs without one, and its last entries are written when the program's has
//! ended. It does not matter on which runtime a store was opened.

mod builder;
mod control;
mod entries;
mod fields;
mod filter;
mod guard;
mod layer;
mod losses;
mod queue;
mod spans;
mod stats;
mod text;
mod writer;

pub use builder::LogLayerBuilder;
pub use filter::Admitted;
pub use guard::LogGuard;
pub use layer::LogLayer;
pub use stats::{LogCounts, LogStats};
