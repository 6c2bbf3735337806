//! Identifiers: of threads, and of batches of changes.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

use crate::{Error, ErrorKind};

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Uuid);

        impl $name {
            /// A new identifier whose order follows the time it was made (UUID version 7).
            #[allow(clippy::new_without_default, reason = "a default id would be a shared one")]
            pub fn new() -> Self {
                Self(Uuid::now_v7())
            }

            /// The identifier with these bytes, most significant first.
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(Uuid::from_bytes(bytes))
            }

            /// The bytes, most significant first: their order is the order of identifiers.
            pub const fn as_bytes(&self) -> &[u8; 16] {
                self.0.as_bytes()
            }
        }

        impl FromStr for $name {
            type Err = Error;

            /// Accepts every usual spelling of a UUID; fails with
            /// [`InvalidInput`](ErrorKind::InvalidInput) otherwise.
            fn from_str(text: &str) -> Result<Self, Error> {
                Uuid::try_parse(text).map(Self).map_err(|error| {
                    Error::new(ErrorKind::InvalidInput, format!(concat!($what, " {:?} is no UUID"), text))
                        .with_source(error)
                })
            }
        }

        /// The lower-case form with hyphens.
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.as_hyphenated().fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                crate::text_form::deserialize(deserializer, str::parse)
            }
        }
    };
}

uuid_id! {
    /// A thread: the UUID its agent gave it.
    ///
    /// ```
    /// use threadkeep_core::ThreadId;
    ///
    /// let id: ThreadId = "019D2308-C368-7ca0-8331-65a7d470352c".parse()?;
    /// assert_eq!(id.to_string(), "019d2308-c368-7ca0-8331-65a7d470352c");
    /// # Ok::<(), threadkeep_core::Error>(())
    /// ```
    ThreadId, "thread id"
}

uuid_id! {
    /// A batch of changes, so that repeating one after an error of unknown outcome is safe.
    BatchId, "batch id"
}
