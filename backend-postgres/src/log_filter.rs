//! A filter as conditions of SQL.
//!
//! They admit whatever the filter admits. They may admit more where a text has U+0000, U+0001 or
//! U+0002, because the stored forms of two characters can meet to look like that of a third, so that
//! whoever searches looks at what was found again.

use std::collections::BTreeSet;

use threadkeep_core::{LogFilter, LogOwner, LogThreads};

use crate::log_row::owner_key;
use crate::sql::Sql;

/// The owners whose entries are the only ones that can match; `None` where it can be anybody's.
pub(crate) fn owners(filter: &LogFilter) -> Option<BTreeSet<i64>> {
    let threads = filter.threads.as_ref()?;
    let mut owners: BTreeSet<_> =
        threads.ids.iter().map(|thread| owner_key(LogOwner::Thread(thread))).collect();
    if threads.threadless {
        // Without a thread it is the process's.
        let process = filter.process_id.as_deref()?;
        owners.insert(owner_key(LogOwner::Process(Some(process))));
    }
    Some(owners)
}

/// Conditions on the columns of an entry, each after an `AND`; numbers are left out.
pub(crate) fn conditions(mut sql: Sql, filter: &LogFilter) -> Sql {
    if let Some(level) = filter.level {
        sql = sql.then(" AND level = ?").number(level.code().into());
    }
    if let Some(level) = filter.min_level {
        sql = sql.then(" AND level >= ?").number(level.code().into());
    }
    if let Some(level) = filter.max_level {
        sql = sql.then(" AND level <= ?").number(level.code().into());
    }
    // What a row comparison says of the seconds alone is said too: there is an index for it.
    if let Some(from) = filter.from {
        let (seconds, nanos) = (from.timestamp(), from.timestamp_subsec_nanos());
        sql = sql.then(" AND seconds >= ? AND (seconds, nanos) >= (?, ?)").number(seconds);
        sql = sql.number(seconds).number(nanos.into());
    }
    if let Some(to) = filter.to {
        let (seconds, nanos) = (to.timestamp(), to.timestamp_subsec_nanos());
        sql = sql.then(" AND seconds <= ? AND (seconds, nanos) <= (?, ?)").number(seconds);
        sql = sql.number(seconds).number(nanos.into());
    }
    if let Some(process) = &filter.process_id {
        sql = sql.then(" AND process_id = ?").text(process);
    }
    if let Some(LogThreads { ids, threadless }) = &filter.threads {
        sql = sql.then(" AND (thread_id = ANY(?)").texts(ids.iter().map(String::as_str));
        sql = sql.then(if *threadless { " OR thread_id IS NULL)" } else { ")" });
    }
    for (parts, column) in [
        (&filter.modules, "strpos(lower(module_path), ?) > 0"),
        (&filter.files, "strpos(lower(file), ?) > 0"),
        (&filter.targets, "strpos(lower(target), ?) > 0"),
        (&filter.messages, "strpos(lower(message), ?) > 0"),
    ] {
        let Some(parts) = parts else { continue };
        sql = sql.then(" AND (false");
        for part in parts {
            // In the byte-wise collation of the columns only ASCII letters have another case.
            sql = sql.then(" OR ").then(column).text(&part.to_ascii_lowercase());
        }
        sql = sql.then(")");
    }
    sql
}
