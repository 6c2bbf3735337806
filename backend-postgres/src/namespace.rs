//! What transactions of one namespace begin with.

use std::time::Duration;

use xxhash_rust::xxh3::xxh3_64;

use crate::sql::Sql;

/// A number for a namespace, for notices. Those of another one with the same only wake in vain.
pub(crate) fn key(namespace: &str) -> i64 {
    xxh3_64(namespace.as_bytes()).cast_signed()
}

/// The class of the advisory locks that mean namespaces: "thre". Whoever takes that of a namespace
/// exclusively freezes it, to move or to copy it: `SELECT pg_advisory_lock(1953002085,
/// hashtext('NAME'))`. Where the hashes of two names are the same, both are frozen, which harms neither.
const NAMESPACE_LOCK: i64 = 0x7468_7265;

/// The lock that whoever writes to a namespace shares with all others who do, until the transaction
/// ends. Whoever wants a moment without any writing takes it alone.
pub(crate) fn shared_lock(namespace: &str) -> Sql {
    Sql::new("SELECT pg_advisory_xact_lock_shared(?::int, hashtext(?))")
        .number(NAMESPACE_LOCK)
        .text(namespace)
}

/// Begins a transaction of several messages. A host that stops between two of them holds its locks no
/// longer than this.
pub(crate) fn begin(idle: Duration) -> Sql {
    Sql::new("BEGIN; SELECT set_config('idle_in_transaction_session_timeout', ?, true)")
        .text(&limit(idle))
}

/// A setting of the server. 0 would be no limit.
fn limit(time: Duration) -> String {
    format!("{}ms", time.as_millis().clamp(1, 1_000_000_000))
}

/// The limits of a transaction: so long a statement may wait for a lock, and take in all.
pub(crate) fn limits(lock: Duration, statement: Duration) -> Sql {
    Sql::new("SELECT set_config('lock_timeout', ?, true), set_config('statement_timeout', ?, true)")
        .text(&limit(lock))
        .text(&limit(statement))
}
