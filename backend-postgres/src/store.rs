//! Storing what a transaction changed: a statement for all rows of a kind.
//!
//! What was found is locked, and is updated. What was absent is inserted, without any "on conflict":
//! where somebody else has put it there meanwhile that fails, and the whole transaction is done
//! again. So is what a batch among other things found absent and left so: it is inserted and deleted
//! at once, since otherwise of two batches each could miss what the other creates. Inserts go table by
//! table in the order of keys, as locks do.

use std::collections::BTreeMap;

use threadkeep_core::{
    BatchId, Changed, ChangedThread, Checkpoint, Outcome, ThreadId, Tombstone, ToolsChange, tools,
};
use xxhash_rust::xxh3::xxh3_64;

use crate::checkpoint::head;
use crate::errors::Failed;
use crate::load::{Found, Wanted};
use crate::messages::Messages;
use crate::sql::Sql;
use crate::{batches, thread_rows};

/// The statements that store what changed, and what named batches were answered.
pub(crate) fn statements(
    namespace: &str,
    wanted: &Wanted,
    found: &Found,
    changed: &Changed,
    named: &BTreeMap<BatchId, Vec<Outcome>>,
) -> Result<Messages, Failed> {
    let mut messages = Messages::default();
    thread_rows::store(&mut messages, namespace, wanted, found, &changed.threads)?;
    tombstones(&mut messages, namespace, &changed.threads);
    dynamic_tools(&mut messages, namespace, &changed.threads);
    checkpoints(&mut messages, namespace, wanted, found, &changed.checkpoints);
    if !named.is_empty() {
        messages.push(remember(namespace, named));
    }
    Ok(messages)
}

fn tombstones(messages: &mut Messages, namespace: &str, changed: &[ChangedThread]) {
    let (mut new, mut moved, mut gone) = (Vec::new(), Vec::new(), Vec::new());
    for ChangedThread { id, before, after } in changed {
        match (before.tombstone, after.tombstone) {
            (before, after) if before == after => {}
            (None, Some(tombstone)) => new.push((*id, tombstone)),
            (Some(_), Some(tombstone)) => moved.push((*id, tombstone)),
            (_, None) => gone.push(*id),
        }
    }
    let columns = |sql: Sql, rows: &[(ThreadId, Tombstone)]| {
        sql.uuids(rows.iter().map(|(id, _)| id.as_bytes()))
            .numbers(rows.iter().map(|(_, tombstone)| tombstone.deleted_at.as_millis()))
            .numbers(rows.iter().map(|(_, tombstone)| tombstone.revision.cast_signed()))
    };
    if !new.is_empty() {
        let insert = Sql::new(
            "INSERT INTO threadkeep.tombstones
                 (namespace, logs_pending, thread_id, deleted_at, revision)
             SELECT ?, true, * FROM unnest(?, ?, ?)",
        );
        messages.push(columns(insert.text(namespace), &new));
    }
    if !moved.is_empty() {
        let update = Sql::new(
            "UPDATE threadkeep.tombstones AS t
             SET deleted_at = new.deleted_at, revision = new.revision, logs_pending = true
             FROM unnest(?, ?, ?) AS new (thread_id, deleted_at, revision)
             WHERE t.namespace = ? AND t.thread_id = new.thread_id",
        );
        messages.push(columns(update, &moved).text(namespace));
    }
    if !gone.is_empty() {
        let delete = Sql::new(
            "DELETE FROM threadkeep.tombstones WHERE namespace = ? AND thread_id = ANY(?)",
        );
        messages.push(delete.text(namespace).uuids(gone.iter().map(ThreadId::as_bytes)));
    }
}

fn dynamic_tools(messages: &mut Messages, namespace: &str, changed: &[ChangedThread]) {
    let (mut stored, mut gone) = (Vec::new(), Vec::new());
    for ChangedThread { id, after, .. } in changed {
        match &after.tools_change {
            Some(ToolsChange::Store(list)) => stored.push((*id, tools::encode(list))),
            Some(ToolsChange::Remove) => gone.push(*id),
            None => {}
        }
    }
    if !gone.is_empty() {
        let delete = Sql::new(
            "DELETE FROM threadkeep.dynamic_tools WHERE namespace = ? AND thread_id = ANY(?)",
        );
        messages.push(delete.text(namespace).uuids(gone.iter().map(ThreadId::as_bytes)));
    }
    // The thread is locked or new, and its tools with it.
    messages.push_rows(
        &stored,
        |(_, text)| text.len(),
        |rows| {
            Sql::new(
                "INSERT INTO threadkeep.dynamic_tools (namespace, thread_id, checksum, tools)
                 SELECT ?, * FROM unnest(?, ?, ?)
                 ON CONFLICT (namespace, thread_id) DO UPDATE
                 SET checksum = excluded.checksum, tools = excluded.tools",
            )
            .text(namespace)
            .uuids(rows.iter().map(|(id, _)| id.as_bytes()))
            .numbers(rows.iter().map(|(_, text)| xxh3_64(text.as_bytes()).cast_signed()))
            .texts(rows.iter().map(|(_, text)| text.as_str()))
        },
    );
}

/// Key, revision and value of a checkpoint; one that is only made sure of has neither.
type Line<'a> = (&'a str, i64, &'a str);

fn checkpoints(
    messages: &mut Messages,
    namespace: &str,
    wanted: &Wanted,
    found: &Found,
    changed: &[(String, Option<Checkpoint>)],
) {
    let mut new: BTreeMap<&str, Line<'_>> = BTreeMap::new();
    for (key, among_others) in &wanted.checkpoints {
        if *among_others && !found.checkpoints.contains(key) {
            new.insert(key, (key, 0, ""));
        }
    }
    let (mut updated, mut gone) = (Vec::new(), Vec::new());
    for (key, checkpoint) in changed {
        match checkpoint {
            None => gone.push(key.as_str()),
            Some(Checkpoint { value, revision, .. }) => {
                let line = (key.as_str(), revision.cast_signed(), value.as_str());
                if found.checkpoints.contains(key) {
                    updated.push(line);
                } else {
                    new.insert(key, line);
                }
            }
        }
    }
    // A checkpoint's revision begins with 1.
    gone.extend(new.values().filter(|(_, revision, _)| *revision == 0).map(|(key, ..)| *key));
    let new: Vec<_> = new.into_values().collect();
    let bytes = |(key, _, value): &Line<'_>| key.len() + value.len();
    let columns = |sql: Sql, lines: &[Line<'_>]| {
        sql.texts(lines.iter().map(|(key, ..)| head(key)))
            .texts(lines.iter().map(|(key, ..)| *key))
            .numbers(lines.iter().map(|(_, revision, _)| *revision))
            .texts(lines.iter().map(|(.., value)| *value))
    };
    messages.push_rows(&new, bytes, |lines| {
        let insert = Sql::new(
            "INSERT INTO threadkeep.checkpoints (namespace, head, key, revision, value)
             SELECT ?, * FROM unnest(?, ?, ?, ?)",
        );
        columns(insert.text(namespace), lines)
    });
    messages.push_rows(&updated, bytes, |lines| {
        let update = Sql::new(
            "UPDATE threadkeep.checkpoints AS c SET revision = new.revision, value = new.value
             FROM unnest(?, ?, ?, ?) AS new (head, key, revision, value)
             WHERE c.namespace = ? AND c.head = new.head AND md5(c.key) = md5(new.key)
                 AND c.key = new.key",
        );
        columns(update, lines).text(namespace)
    });
    if !gone.is_empty() {
        let delete = Sql::new(
            "DELETE FROM threadkeep.checkpoints AS c USING unnest(?, ?) AS gone (head, key)
             WHERE c.namespace = ? AND c.head = gone.head AND md5(c.key) = md5(gone.key)
                 AND c.key = gone.key",
        );
        let heads = gone.iter().map(|key| head(key));
        messages.push(delete.texts(heads).texts(gone.iter().copied()).text(namespace));
    }
}

/// Remembers what named batches were answered.
fn remember(namespace: &str, named: &BTreeMap<BatchId, Vec<Outcome>>) -> Sql {
    let outcomes: Vec<_> = named.values().map(|outcomes| batches::encode(outcomes)).collect();
    Sql::new(
        "INSERT INTO threadkeep.batches (namespace, id, outcomes)
         SELECT ?, id, decode(outcomes, 'hex') FROM unnest(?, ?) AS new (id, outcomes)",
    )
    .text(namespace)
    .uuids(named.keys().map(BatchId::as_bytes))
    .hex_texts(outcomes.iter().map(Vec::as_slice))
}
