//! A thread's row as text with its checksum.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use threadkeep_core::{Error, ErrorKind, Result, Slot, ThreadId, ThreadMetadata};
use xxhash_rust::xxh3::Xxh3;

/// A text with its checksum, so that damage is noticed where it is.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Sealed {
    text: String,
    checksum: u64,
}

impl Sealed {
    pub(crate) fn new(id: ThreadId, text: String) -> Self {
        let checksum = checksum(id, &text);
        Self { text, checksum }
    }

    /// The text, if it is what was written for this thread.
    pub(crate) fn open(&self, id: ThreadId) -> Option<&str> {
        (self.checksum == checksum(id, &self.text)).then_some(&self.text)
    }
}

fn checksum(id: ThreadId, text: &str) -> u64 {
    let mut hash = Xxh3::new();
    hash.update(id.as_bytes());
    hash.update(text.as_bytes());
    hash.digest()
}

/// A row: what is stored, and what can be read of that.
#[derive(Clone)]
pub(crate) struct Row {
    sealed: Sealed,
    sound: bool,
    /// Of a damaged row as far as it can be read, to find its place in a listing.
    pub(crate) metadata: Option<ThreadMetadata>,
}

impl Row {
    pub(crate) fn new(metadata: ThreadMetadata) -> Result<Self> {
        let text = serde_json::to_string(&metadata).map_err(|error| {
            Error::new(ErrorKind::Internal, "a row has no JSON form").with_source(error)
        })?;
        let sealed = Sealed::new(metadata.id, text);
        Ok(Self { sealed, sound: true, metadata: Some(metadata) })
    }

    fn read(id: ThreadId, sealed: Sealed) -> Self {
        let metadata = serde_json::from_str(&sealed.text).ok();
        let sound = metadata.is_some() && sealed.open(id).is_some();
        Self { sealed, sound, metadata }
    }

    /// The metadata, or what is wrong with it.
    pub(crate) fn sound(&self) -> Result<&ThreadMetadata, String> {
        let sound = self.metadata.as_ref().filter(|_| self.sound);
        sound.ok_or_else(|| "the row does not match its checksum".into())
    }

    /// The same for the core, which lets a damaged row be replaced or deleted.
    pub(crate) fn slot(&self) -> Slot {
        match self.sound() {
            Ok(metadata) => Slot::Present(Box::new(metadata.clone())),
            Err(reason) => {
                let revision = self.metadata.as_ref().map_or(0, |metadata| metadata.revision);
                Slot::Damaged { reason, revision }
            }
        }
    }
}

impl Serialize for Row {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.sealed.serialize(serializer)
    }
}

/// Reads rows, each with the id that it is stored under.
pub(crate) fn read_all<'de, D: Deserializer<'de>>(
    stored: D,
) -> Result<BTreeMap<ThreadId, Row>, D::Error> {
    let stored = BTreeMap::<ThreadId, Sealed>::deserialize(stored)?;
    Ok(stored.into_iter().map(|(id, sealed)| (id, Row::read(id, sealed))).collect())
}
