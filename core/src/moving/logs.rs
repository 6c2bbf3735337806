//! Putting log entries into a store, each once, whatever interrupts it.
//!
//! Logs have files of their own, so that no commit holds both entries and how far they go. Before
//! each append the target is therefore told, in a checkpoint, what is about to be appended and
//! after which number. Whoever finds such an intent looks whether those entries are there: an
//! append is made whole or not at all, and its entries have numbers next to one another. The
//! checkpoint of the next append also says that the last one is done.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::pages::PAGE_ENTRIES;
use super::threads::is_race;
use super::{COPY_KEYS, encode};
use crate::{
    Change, Direction, Error, ErrorKind, Expect, LogFilter, LogQuery, LogRow, Result, Store,
    WriteBatch, limits,
};

const VERSION: u32 = 1;
/// Bytes of the name of a source at most.
const NAME_BYTES: usize = 3_000;

/// What the target remembers of a log that is copied into it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Position {
    version: u32,
    /// The number, in the source, of the last entry that was copied; 0 where none was.
    copied: u64,
    /// The hash of that entry.
    hash: Option<Hash>,
    intent: Option<Intent>,
}

/// An append that was to be made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Intent {
    /// Its entries get numbers above this one.
    after: u64,
    /// The number, in the source, of its last entry.
    through: u64,
    /// Its entries.
    count: u64,
    /// The hash of the first.
    first: Hash,
    /// The hash of the last.
    last: Hash,
    /// The hash of all in their order.
    all: Hash,
}

/// A hash in its text form, since not every reader of JSON takes numbers of that size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
struct Hash(u128);

impl From<Hash> for String {
    fn from(hash: Hash) -> Self {
        format!("{:032x}", hash.0)
    }
}

impl TryFrom<String> for Hash {
    type Error = std::num::ParseIntError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        u128::from_str_radix(&text, 16).map(Self)
    }
}

/// A store that the entries of one log are appended to.
pub(super) struct LogTarget<'a> {
    store: &'a dyn Store,
    /// The name of the log.
    name: String,
    key: String,
    position: Position,
    /// Of the checkpoint, where there is one.
    revision: Option<u64>,
    /// The target's greatest number, once it is known.
    end: Option<u64>,
    /// Whether the checkpoint does not yet say that the last append is done.
    unsaid: bool,
}

impl<'a> LogTarget<'a> {
    /// Finds out how far the target has the log of this name.
    pub(super) async fn open(store: &'a dyn Store, name: &str) -> Result<Self> {
        limits::check("the name of a log's source", name.len(), NAME_BYTES, "bytes")?;
        let key = format!("{COPY_KEYS}logs:{name}");
        // The key itself comes before every longer one.
        let found = store.checkpoints(key.clone(), None, 1).await?;
        let found = found.into_iter().find(|checkpoint| checkpoint.key == key);
        let revision = found.as_ref().map(|found| found.revision);
        let position = found.map(|found| Position::read(&found.value, name)).transpose()?;
        let mut target = Self {
            store,
            name: name.to_owned(),
            key,
            position: position.unwrap_or_default(),
            revision,
            end: None,
            unsaid: false,
        };
        target.settle().await?;
        Ok(target)
    }

    /// The number, in the source, of the last entry that the target has.
    pub(super) fn copied(&self) -> u64 {
        self.position.copied
    }

    /// Fails where this entry of the source is not the one that was copied under its number.
    pub(super) fn check(&self, row: &LogRow) -> Result<()> {
        let hash = Some(Hash(encode::log_entry(&row.entry)));
        if row.id == self.position.copied && hash != self.position.hash {
            return Err(self.another());
        }
        Ok(())
    }

    /// The log of the source is not the one that was copied under its name.
    pub(super) fn another(&self) -> Error {
        let text = format!(
            "the log of {:?} is not the one that was copied under that name before, up to number {}",
            self.name, self.position.copied
        );
        Error::new(ErrorKind::Conflict, text)
            .during("copy")
            .hint("give the log another name, by which it is copied from its first entry")
    }

    /// Appends entries that follow those copied before.
    pub(super) async fn append(&mut self, rows: Vec<LogRow>) -> Result<()> {
        let hashes: Vec<_> = rows.iter().map(|row| encode::log_entry(&row.entry)).collect();
        let (Some(last), [first, ..], [.., end]) = (rows.last(), &hashes[..], &hashes[..]) else {
            return Ok(());
        };
        let after = match self.end {
            Some(end) => end,
            None => self.store.max_log_id(LogFilter::new()).await?,
        };
        let through = last.id;
        self.position.intent = Some(Intent {
            after,
            through,
            count: hashes.len() as u64,
            first: Hash(*first),
            last: Hash(*end),
            all: Hash(chain(hashes.iter().copied())),
        });
        self.tell().await?;
        let entries = rows.into_iter().map(|row| row.entry).collect();
        let ids = self.store.append(entries).await?;
        self.end = ids.map(|ids| ids.last);
        self.done(through, Hash(*end));
        Ok(())
    }

    /// Says that the last append is done.
    pub(super) async fn finish(mut self) -> Result<()> {
        if self.unsaid { self.tell().await } else { Ok(()) }
    }

    fn done(&mut self, through: u64, last: Hash) {
        self.position =
            Position { version: VERSION, copied: through, hash: Some(last), intent: None };
        self.unsaid = true;
    }

    /// Finds out what became of an append that nobody said was done.
    async fn settle(&mut self) -> Result<()> {
        let Some(intent) = self.position.intent.take() else {
            return Ok(());
        };
        self.unsaid = true;
        if was_appended(self.store, &intent).await? {
            self.done(intent.through, intent.last);
        }
        Ok(())
    }

    async fn tell(&mut self) -> Result<()> {
        self.position.version = VERSION;
        let value = serde_json::to_string(&self.position).map_err(|error| {
            Error::new(ErrorKind::Internal, "a position has no text form").with_source(error)
        })?;
        let expect = self.revision.map_or(Expect::Absent, Expect::Revision);
        let change = Change::SetCheckpoint { key: self.key.clone(), value: Some(value) };
        let batch = WriteBatch::new().and_if(expect, change);
        let outcomes = match self.store.write(batch).await {
            Ok(outcomes) => outcomes,
            Err(error) if is_race(&error) => return Err(self.busy(error)),
            Err(error) => return Err(error),
        };
        self.revision = outcomes.first().map(|outcome| outcome.revision);
        self.unsaid = false;
        Ok(())
    }

    fn busy(&self, error: Error) -> Error {
        let text = format!("the log of {:?} is being copied into this store by others", self.name);
        Error::new(ErrorKind::Busy, text)
            .during("copy")
            .hint("wait until that copy has ended")
            .with_source(error)
    }
}

impl Position {
    fn read(text: &str, name: &str) -> Result<Self> {
        let damaged = || {
            let text = format!("how far the log of {name:?} was copied cannot be read");
            Error::new(ErrorKind::Corrupted, text)
                .during("copy")
                .hint("give the log another name, by which it is copied from its first entry")
        };
        let position: Self =
            serde_json::from_str(text).map_err(|error| damaged().with_source(error))?;
        if position.version == VERSION { Ok(position) } else { Err(damaged()) }
    }
}

fn chain(hashes: impl IntoIterator<Item = u128>) -> u128 {
    hashes.into_iter().fold(0, encode::chain)
}

/// Whether the entries of an intent are in the store. Others may have appended before and after.
async fn was_appended(store: &dyn Store, intent: &Intent) -> Result<bool> {
    let count = usize::try_from(intent.count).unwrap_or(usize::MAX);
    let mut window = VecDeque::new();
    let (mut position, mut last_is_there, mut deleted_through) = (intent.after, false, 0);
    loop {
        let filter = LogFilter::new().after_id(position);
        let query = LogQuery::new(filter).direction(Direction::Ascending).limit(PAGE_ENTRIES / 16);
        let page = store.query(query).await?;
        deleted_through = page.deleted_through.max(deleted_through);
        for row in page.items {
            position = row.id;
            let hash = encode::log_entry(&row.entry);
            last_is_there |= Hash(hash) == intent.last;
            window.push_back(hash);
            if window.len() > count {
                window.pop_front();
            }
            if window.len() == count
                && window.front() == Some(&intent.first.0)
                && chain(window.iter().copied()) == intent.all.0
            {
                return Ok(true);
            }
        }
        if !page.more {
            // Of entries that were deleted since, the last stays longest.
            return Ok(last_is_there && deleted_through > intent.after);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pinned: what an earlier copy remembered must be understood.
    #[test]
    fn positions_have_a_text_form() {
        let hash = |number| Hash(u128::MAX - number);
        let intent =
            Intent { after: 7, through: 9, count: 2, first: hash(1), last: hash(2), all: hash(3) };
        let position =
            Position { version: 1, copied: 4, hash: Some(Hash(5)), intent: Some(intent) };
        let text = serde_json::to_string(&position).unwrap();
        let expected = "{\"version\":1,\"copied\":4,\"hash\":\"00000000000000000000000000000005\",\
            \"intent\":{\"after\":7,\"through\":9,\"count\":2,\
            \"first\":\"fffffffffffffffffffffffffffffffe\",\
            \"last\":\"fffffffffffffffffffffffffffffffd\",\
            \"all\":\"fffffffffffffffffffffffffffffffc\"}}";
        assert_eq!(text, expected);
        assert_eq!(Position::read(&text, "a").unwrap(), position);
        let newer = text.replace("\"version\":1", "\"version\":2");
        assert_eq!(Position::read(&newer, "a").unwrap_err().kind(), ErrorKind::Corrupted);
    }
}
