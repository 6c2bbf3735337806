//! Storing the rows of threads.

use std::borrow::Cow;
use std::collections::BTreeMap;

use threadkeep_core::{ChangedThread, Slot, ThreadId, ThreadMetadata, path};

use crate::errors::Failed;
use crate::load::{Found, Wanted};
use crate::messages::Messages;
use crate::row::key;
use crate::sql::Sql;

/// A row as its columns.
#[derive(Default)]
struct Columns<'a> {
    revision: i64,
    created_at: i64,
    updated_at: i64,
    checksum: i64,
    archived: bool,
    visible: bool,
    source: &'a str,
    model_provider: &'a str,
    cwd: Cow<'a, str>,
    body: String,
}

type Line<'a> = (ThreadId, Columns<'a>);

/// The statements that store rows which changed, and those that make sure of what was absent.
pub(crate) fn store(
    messages: &mut Messages,
    namespace: &str,
    wanted: &Wanted,
    found: &Found,
    changed: &[ChangedThread],
) -> Result<(), Failed> {
    let mut new: BTreeMap<ThreadId, Columns<'_>> = BTreeMap::new();
    // In these the row only makes whoever creates the same thread wait.
    let mut absent = Vec::new();
    for (id, among_others) in &wanted.threads {
        if *among_others && !found.threads.contains(id) {
            new.insert(*id, Columns::default());
            absent.push(*id);
        }
    }
    let (mut rewritten, mut moved, mut deleted) = (Vec::new(), Vec::new(), Vec::new());
    for ChangedThread { id, before, after } in changed {
        match (&before.thread, &after.thread) {
            (Slot::Absent, Slot::Present(row)) => {
                new.insert(*id, Columns::of(row)?);
            }
            // It was created and deleted.
            (Slot::Absent, _) if before.tombstone.is_none() => {
                new.insert(*id, Columns::default());
                absent.push(*id);
            }
            (Slot::Absent, _) => {}
            (Slot::Present(before), Slot::Present(row)) if same_listing(before, row) => {
                rewritten.push((*id, Columns::of(row)?));
            }
            (_, Slot::Present(row)) => moved.push((*id, Columns::of(row)?)),
            (_, Slot::Absent | Slot::Damaged { .. }) => deleted.push(*id),
        }
    }
    absent.retain(|id| new.get(id).is_some_and(|columns| columns.body.is_empty()));
    let never_deleted: Vec<_> =
        new.keys().filter(|id| !found.threads.contains(id)).copied().collect();
    let new: Vec<Line<'_>> = new.into_iter().collect();
    messages.push_rows(&new, bytes, |lines| insert(namespace, lines));
    if !absent.is_empty() {
        messages.push(delete(namespace, &absent));
    }
    if !never_deleted.is_empty() {
        messages.push(no_tombstones(namespace, &never_deleted));
    }
    messages.push_rows(&rewritten, bytes, |lines| rewrite(namespace, lines));
    messages.push_rows(&moved, bytes, |lines| update(namespace, lines));
    if !deleted.is_empty() {
        messages.push(delete(namespace, &deleted));
    }
    Ok(())
}

impl<'a> Columns<'a> {
    fn of(row: &'a ThreadMetadata) -> Result<Self, Failed> {
        let body = serde_json::to_string(row)
            .map_err(|error| Failed(sqlx::Error::Encode(error.into())))?;
        Ok(Self {
            revision: row.revision.cast_signed(),
            created_at: row.created_at.as_millis(),
            updated_at: row.updated_at.as_millis(),
            checksum: row.checksum().cast_signed(),
            archived: row.is_archived(),
            visible: row.has_user_event,
            source: &row.source,
            model_provider: &row.model_provider,
            cwd: path::to_text(&row.cwd),
            body,
        })
    }
}

fn bytes((_, columns): &Line<'_>) -> usize {
    let texts = [columns.source, columns.model_provider, &columns.cwd, &columns.body];
    texts.map(str::len).iter().sum()
}

fn insert(namespace: &str, lines: &[Line<'_>]) -> Sql {
    let sql = Sql::new(
        "INSERT INTO threadkeep.threads (namespace, id, revision, created_at, updated_at, checksum,
             archived, visible, source, model_provider, cwd, body,
             source_key, provider_key, cwd_key)
         SELECT ?, * FROM unnest(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    );
    all_columns(sql.text(namespace), lines)
}

fn update(namespace: &str, lines: &[Line<'_>]) -> Sql {
    let sql = Sql::new(
        "UPDATE threadkeep.threads AS t SET revision = new.revision, created_at = new.created_at,
             updated_at = new.updated_at, checksum = new.checksum, archived = new.archived,
             visible = new.visible, source = new.source, model_provider = new.model_provider,
             cwd = new.cwd, body = new.body, source_key = new.source_key,
             provider_key = new.provider_key, cwd_key = new.cwd_key
         FROM unnest(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
             AS new (id, revision, created_at, updated_at, checksum, archived, visible, source,
                 model_provider, cwd, body, source_key, provider_key, cwd_key)
         WHERE t.namespace = ? AND t.id = new.id",
    );
    all_columns(sql, lines).text(namespace)
}

fn all_columns(sql: Sql, lines: &[Line<'_>]) -> Sql {
    let numbers = |pick: fn(&Columns<'_>) -> i64| lines.iter().map(move |(_, line)| pick(line));
    sql.uuids(lines.iter().map(|(id, _)| id.as_bytes()))
        .numbers(numbers(|line| line.revision))
        .numbers(numbers(|line| line.created_at))
        .numbers(numbers(|line| line.updated_at))
        .numbers(numbers(|line| line.checksum))
        .flags(lines.iter().map(|(_, line)| line.archived))
        .flags(lines.iter().map(|(_, line)| line.visible))
        .texts(lines.iter().map(|(_, line)| line.source))
        .texts(lines.iter().map(|(_, line)| line.model_provider))
        .texts(lines.iter().map(|(_, line)| &*line.cwd))
        .texts(lines.iter().map(|(_, line)| line.body.as_str()))
        .numbers(numbers(|line| key(line.source)))
        .numbers(numbers(|line| key(line.model_provider)))
        .numbers(numbers(|line| key(&line.cwd)))
}

/// Rewrites rows that stay where they are listed, or move only by their time.
fn rewrite(namespace: &str, lines: &[Line<'_>]) -> Sql {
    let numbers = |pick: fn(&Columns<'_>) -> i64| lines.iter().map(move |(_, line)| pick(line));
    Sql::new(
        "UPDATE threadkeep.threads AS t SET revision = new.revision, updated_at = new.updated_at,
             checksum = new.checksum, body = new.body
         FROM unnest(?, ?, ?, ?, ?) AS new (id, revision, updated_at, checksum, body)
         WHERE t.namespace = ? AND t.id = new.id",
    )
    .uuids(lines.iter().map(|(id, _)| id.as_bytes()))
    .numbers(numbers(|line| line.revision))
    .numbers(numbers(|line| line.updated_at))
    .numbers(numbers(|line| line.checksum))
    .texts(lines.iter().map(|(_, line)| line.body.as_str()))
    .text(namespace)
}

fn delete(namespace: &str, ids: &[ThreadId]) -> Sql {
    Sql::new("DELETE FROM threadkeep.threads WHERE namespace = ? AND id = ANY(?)")
        .text(namespace)
        .uuids(ids.iter().map(ThreadId::as_bytes))
}

/// Fails, as a race, where one of these was created and deleted again since it was found absent: its
/// tombstone is inserted a second time.
fn no_tombstones(namespace: &str, ids: &[ThreadId]) -> Sql {
    Sql::new(
        "INSERT INTO threadkeep.tombstones
         SELECT * FROM threadkeep.tombstones WHERE namespace = ? AND thread_id = ANY(?)",
    )
    .text(namespace)
    .uuids(ids.iter().map(ThreadId::as_bytes))
}

/// Whether two rows stand at the same place in every listing but those by time of update.
fn same_listing(one: &ThreadMetadata, other: &ThreadMetadata) -> bool {
    one.created_at == other.created_at
        && one.is_archived() == other.is_archived()
        && one.has_user_event == other.has_user_event
        && one.source == other.source
        && one.model_provider == other.model_provider
        && one.cwd.as_os_str() == other.cwd.as_os_str()
}
