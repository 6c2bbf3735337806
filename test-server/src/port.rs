//! TCP ports that nobody uses.

use std::hash::{BuildHasher, RandomState};
use std::net::{Ipv4Addr, TcpListener};

/// Below the range from which systems give ports to outgoing connections, so that a server that
/// is stopped and started again finds its port still free.
const RANGE: std::ops::Range<u16> = 20_000..32_000;

/// A random port of `127.0.0.1` that could be listened on a moment ago.
pub(crate) fn free() -> u16 {
    let random = RandomState::new();
    let size = u64::from(RANGE.end - RANGE.start);
    (0_u32..10_000)
        .map(|attempt| {
            let offset = random.hash_one(attempt) % size;
            RANGE.start + u16::try_from(offset).unwrap_or(0)
        })
        .find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok())
        .unwrap_or(RANGE.start)
}
