//! A number for what a store holds, the same on every backend.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::pages::{CheckpointPages, LogPages, ThreadPages};
use super::{Moved, Parts, encode};
use crate::{Checkpoint, Error, ErrorKind, LogEntry, Result, Skipped, Store};

/// The digest of one part of a store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PartDigest {
    /// How many there are.
    pub count: u64,
    /// Their hash; 0 where there are none.
    #[serde(with = "hex")]
    pub hash: u128,
}

impl PartDigest {
    /// Takes in one more, whatever the order.
    fn add(&mut self, hash: u128) {
        self.count += 1;
        self.hash = self.hash.wrapping_add(hash);
    }

    /// Takes in the next one.
    fn go_on(&mut self, hash: u128) {
        self.count += 1;
        self.hash = encode::chain(self.hash, hash);
    }
}

/// The hash as 32 hexadecimal digits.
impl fmt::Display for PartDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.hash)
    }
}

/// What a store holds, as a number for each of its parts. Two stores with equal digests hold the
/// same, as far as chance goes: it is no protection against somebody who wants them to differ.
///
/// How it is made is laid down in the contract, rule S-14.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Digest {
    /// Threads, without their revisions.
    pub threads: PartDigest,
    /// The tools of threads; counted are the threads that have any.
    pub tools: PartDigest,
    /// Checkpoints without their revisions; `None` where they were left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoints: Option<PartDigest>,
    /// Log entries in their order, without their numbers; `None` where they were left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logs: Option<PartDigest>,
}

impl Digest {
    /// Of nothing.
    pub(super) fn of_nothing(parts: Parts) -> Self {
        Self {
            checkpoints: parts.checkpoints.then(PartDigest::default),
            logs: parts.logs.then(PartDigest::default),
            ..Self::default()
        }
    }

    /// Each part by name, `None` where it was left out.
    pub fn parts(&self) -> [(&'static str, Option<PartDigest>); 4] {
        [
            ("threads", Some(self.threads)),
            ("tools", Some(self.tools)),
            ("checkpoints", self.checkpoints),
            ("logs", self.logs),
        ]
    }

    /// The parts that are not equal, by name.
    pub fn differences(&self, other: &Self) -> Vec<&'static str> {
        let pairs = self.parts().into_iter().zip(other.parts());
        pairs.filter(|(one, two)| one != two).map(|((name, _), _)| name).collect()
    }

    pub(super) fn add_thread(&mut self, thread: &Moved) {
        self.threads.add(encode::row(&thread.row));
        if let Some(tools) = &thread.tools {
            self.tools.add(encode::tools(thread.row.id, tools));
        }
    }

    pub(super) fn add_checkpoint(&mut self, checkpoint: &Checkpoint) {
        let hash = encode::checkpoint(&checkpoint.key, &checkpoint.value);
        self.checkpoints.get_or_insert_default().add(hash);
    }

    pub(super) fn add_entry(&mut self, entry: &LogEntry) {
        self.logs.get_or_insert_default().go_on(encode::log_entry(entry));
    }
}

/// Each part with its number and its hash.
impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parting = "";
        for (name, part) in self.parts() {
            if let Some(part) = part {
                write!(f, "{parting}{name} {} {part}", part.count)?;
                parting = ", ";
            }
        }
        Ok(())
    }
}

/// The digest of what a store holds.
///
/// It reads everything, page by page. What others write meanwhile may or may not be in it.
///
/// # Errors
///
/// [`Corrupted`](ErrorKind::Corrupted), naming the thread, where a row or its tools cannot be read:
/// a digest of the rest would be that of another store. Whatever else the store answers.
pub async fn digest(store: &dyn Store, parts: Parts) -> Result<Digest> {
    let mut digest = Digest::of_nothing(parts);
    let mut pages = ThreadPages::new(store);
    while let Some(page) = pages.next().await? {
        if let Some(skipped) = page.skipped.into_iter().chain(page.skipped_tools).next() {
            return Err(unreadable(&skipped));
        }
        page.threads.iter().for_each(|thread| digest.add_thread(thread));
    }
    if parts.checkpoints {
        let mut pages = CheckpointPages::new(store);
        while let Some(page) = pages.next().await? {
            for checkpoint in &page {
                digest.add_checkpoint(checkpoint);
            }
        }
    }
    if parts.logs {
        let mut pages = LogPages::after(store, 0).await?;
        while let Some(page) = pages.next().await? {
            page.items.iter().for_each(|row| digest.add_entry(&row.entry));
        }
    }
    Ok(digest)
}

fn unreadable(skipped: &Skipped) -> Error {
    let text = format!("thread {} cannot be read: {}", skipped.id, skipped.reason);
    Error::new(ErrorKind::Corrupted, text)
        .during("digest")
        .hint("rebuild the thread from its history, or delete it")
}

mod hex {
    use super::{Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(hash: &u128, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{hash:032x}"))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<u128, D::Error> {
        crate::text_form::deserialize(deserializer, |text| {
            let is_hash = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
            u128::from_str_radix(text, 16)
                .ok()
                .filter(|_| is_hash)
                .ok_or_else(|| format!("{text:?} is no hash of 32 hexadecimal digits"))
        })
    }
}
