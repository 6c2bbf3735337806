//! What every value begins with: the version of its encoding and a checksum.

use serde::{Deserialize, Serialize};
use threadkeep_core::{Error, ErrorKind, Result};
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

/// Bytes before the body.
pub(super) const HEADER: usize = 9;

/// A value with this body, to be stored under this key. The checksum is over both, so that a value
/// that lies under another key is seen too.
pub(super) fn seal(version: u8, key: &[u8], body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER + body.len());
    bytes.push(version);
    bytes.extend(checksum(version, key, body).to_be_bytes());
    bytes.extend(body);
    bytes
}

/// The body of a value of this version that lies under this key.
pub(super) fn open<'a>(version: u8, key: &[u8], bytes: &'a [u8]) -> Result<&'a [u8]> {
    let (header, body) = bytes
        .split_at_checked(HEADER)
        .ok_or_else(|| damaged(format!("{} bytes are too few", bytes.len())))?;
    if header[0] != version {
        return Err(damaged(format!("its version is {}, expected {version}", header[0])));
    }
    if header[1..] != checksum(version, key, body).to_be_bytes() {
        return Err(damaged("its checksum does not match"));
    }
    Ok(body)
}

/// The same for a body in `postcard`.
pub(super) fn seal_value(version: u8, key: &[u8], value: &impl Serialize) -> Result<Vec<u8>> {
    Ok(seal(version, key, &to_bytes(value)?))
}

/// Reads what [`seal_value`] made.
pub(super) fn open_value<'a, T: Deserialize<'a>>(
    version: u8,
    key: &[u8],
    bytes: &'a [u8],
) -> Result<T> {
    from_bytes(open(version, key, bytes)?)
}

pub(super) fn to_bytes(value: &impl Serialize) -> Result<Vec<u8>> {
    postcard::to_allocvec(value).map_err(|error| {
        Error::new(ErrorKind::Internal, "a value has no stored form").with_source(error)
    })
}

pub(super) fn from_bytes<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T> {
    postcard::from_bytes(bytes).map_err(|error| damaged("it is not readable").with_source(error))
}

pub(super) fn damaged(why: impl Into<String>) -> Error {
    Error::new(ErrorKind::Corrupted, why)
}

fn checksum(version: u8, key: &[u8], body: &[u8]) -> u64 {
    xxh3_64_with_seed(body, xxh3_64(key).wrapping_add(u64::from(version)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flipped_bit_is_seen() {
        let sealed = seal(1, b"key", b"some body");
        assert_eq!(open(1, b"key", &sealed).unwrap(), b"some body");
        for bit in 0..sealed.len() * 8 {
            let mut bytes = sealed.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let error = open(1, b"key", &bytes).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Corrupted, "bit {bit}");
        }
        assert!(open(1, b"yek", &sealed).is_err(), "under another key");
        assert!(open(1, b"key", &sealed[..5]).is_err(), "cut short");
        assert!(open(2, b"key", &sealed).is_err(), "of another version");
    }
}
