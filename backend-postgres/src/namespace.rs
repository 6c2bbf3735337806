//! What transactions of one namespace begin with.

use std::time::Duration;

use xxhash_rust::xxh3::xxh3_64;

use crate::sql::Sql;

/// A number for a namespace, for notices. Those of another one with the same only wake in vain.
pub(crate) fn key(namespace: &str) -> i64 {
    xxh3_64(namespace.as_bytes()).cast_signed()
}

/// The class of the locks that mean namespaces: "thre".
const NAMESPACE_LOCK: i64 = 0x7468_7265;

/// The lock that whoever writes to a namespace shares with all others who do, until the transaction
/// ends. Whoever wants a moment without any writing takes it alone.
pub(crate) fn shared_lock(namespace: &str) -> Sql {
    Sql::new("SELECT pg_advisory_xact_lock_shared(?::int, hashtext(?))")
        .number(NAMESPACE_LOCK)
        .text(namespace)
}

/// The limits of a transaction: so long a statement may wait for a lock, and take in all.
pub(crate) fn limits(lock: Duration, statement: Duration) -> Sql {
    // 0 would be no limit.
    let limit = |wait: Duration| format!("{}ms", wait.as_millis().clamp(1, 1_000_000_000));
    Sql::new("SELECT set_config('lock_timeout', ?, true), set_config('statement_timeout', ?, true)")
        .text(&limit(lock))
        .text(&limit(statement))
}
