//! Paths as text: one reversible form for every backend and for JSON.
//!
//! A path that is Unicode is written as it is. Any other begins with `bytes:` and has every byte
//! outside printable ASCII, and the percent sign, as `%XX`. A Unicode path that itself begins
//! with `bytes:` is written in the second form too, so that reading is unambiguous.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

const ESCAPED: &str = "bytes:";

/// The text form of a path.
///
/// ```
/// use std::path::{Path, PathBuf};
/// use threadkeep_core::path;
///
/// assert_eq!(path::to_text(Path::new("/home/ann/é")), "/home/ann/é");
/// # #[cfg(unix)] {
/// use std::os::unix::ffi::OsStringExt;
/// let odd = PathBuf::from(std::ffi::OsString::from_vec(b"/tmp/\xff".to_vec()));
/// assert_eq!(path::to_text(&odd), "bytes:/tmp/%FF");
/// assert_eq!(path::from_text("bytes:/tmp/%FF"), odd);
/// # }
/// ```
pub fn to_text(path: &Path) -> Cow<'_, str> {
    match path.to_str() {
        Some(text) if !text.starts_with(ESCAPED) => Cow::Borrowed(text),
        _ => {
            let mut text = String::from(ESCAPED);
            for &byte in path.as_os_str().as_encoded_bytes() {
                if matches!(byte, b' '..=b'~') && byte != b'%' {
                    text.push(char::from(byte));
                } else {
                    let _ = write!(text, "%{byte:02X}");
                }
            }
            Cow::Owned(text)
        }
    }
}

/// The path of a text made by [`to_text`]. Every text has one.
pub fn from_text(text: &str) -> PathBuf {
    let Some(escaped) = text.strip_prefix(ESCAPED) else {
        return PathBuf::from(text);
    };
    let mut bytes = Vec::with_capacity(escaped.len());
    let mut rest = escaped.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let escape = (byte == b'%')
            .then(|| after.get(..2).and_then(|hex| std::str::from_utf8(hex).ok()))
            .flatten()
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        bytes.push(escape.unwrap_or(byte));
        rest = if escape.is_some() { &after[2..] } else { after };
    }
    from_bytes(bytes)
}

#[cfg(unix)]
fn from_bytes(bytes: Vec<u8>) -> PathBuf {
    use std::os::unix::ffi::OsStringExt as _;
    std::ffi::OsString::from_vec(bytes).into()
}

/// Elsewhere a path is not made of bytes: what another system wrote is shown as well as it can be.
#[cfg(not(unix))]
fn from_bytes(bytes: Vec<u8>) -> PathBuf {
    String::from_utf8_lossy(&bytes).into_owned().into()
}

/// Whether a rollout file lies in the folder of archived threads.
pub fn is_archived(rollout: &Path) -> bool {
    rollout.parent().is_some_and(|parent| parent.iter().any(|part| part == "archived_sessions"))
}

/// What `serde(with = …)` needs to keep paths in their text form.
pub(crate) mod as_text {
    use std::path::{Path, PathBuf};

    use serde::{Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&super::to_text(path))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<PathBuf, D::Error> {
        crate::text_form::deserialize(deserializer, |text| {
            Ok::<_, std::convert::Infallible>(super::from_text(text))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn every_path_returns_as_it_came() {
        use std::os::unix::ffi::OsStringExt as _;
        for bytes in
            [&b""[..], b"/a b", b"bytes:x", b"/\xff%41", b"bytes:/\xc3\x28", "/é✓".as_bytes()]
        {
            let path = PathBuf::from(std::ffi::OsString::from_vec(bytes.to_vec()));
            assert_eq!(from_text(&to_text(&path)), path);
        }
    }
}
