//! Rollout files: the JSON lines an agent writes of a thread, and what they say of it.
//!
//! [`parse_line`] reads one line, leniently: what it does not know it reports as
//! [`RolloutItem::Unknown`], and a damaged line is an error of that line alone. [`fold`] turns
//! lines into a [`ThreadPatch`](crate::ThreadPatch). [`RolloutName`] reads what a file's name says.
//!
//! ```
//! use threadkeep_core::rollout::{fold, parse_line};
//! use threadkeep_core::{FieldPatch, ThreadId};
//!
//! let line = br#"{"timestamp":"2026-03-01T09:30:00.000Z","type":"event_msg",
//!     "payload":{"type":"user_message","message":"fix the build"}}"#;
//! let lines: Vec<_> = parse_line(line)?.into_iter().collect();
//! let patch = fold(ThreadId::new(), &lines);
//! assert_eq!(patch.title, FieldPatch::SetIfEmpty("fix the build".into()));
//! # Ok::<(), threadkeep_core::rollout::MalformedLine>(())
//! ```

mod fold;
mod item;
mod kinds;
mod line;
mod name;
mod object;
mod text;
mod usual;

pub use fold::{Fold, fold};
pub use item::{Git, RolloutItem, RolloutLine, SessionMeta, TurnContext, UserMessage};
pub use line::{MalformedLine, parse_line};
pub use name::{RolloutName, file_key};
pub(crate) use text::Word;
