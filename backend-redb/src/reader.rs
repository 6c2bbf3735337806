//! Reading threads: single rows, pages, checkpoints and tools, each in one transaction.

use redb::ReadTransaction;
use threadkeep_core::{
    Checkpoint, DynamicToolSpec, Error, ErrorKind, Page, PageFill, Result, Skipped, ThreadId,
    ThreadMetadata, ThreadQuery, Timestamp, index,
};
use threadkeep_migrations::kv;

use crate::errors::Failure;
use crate::listing::Merge;
use crate::tables::{CHECKPOINTS, INDEX, THREADS, TOOLS};

pub(crate) fn threads(
    transaction: &ReadTransaction,
    ids: &[ThreadId],
) -> Result<Vec<Option<ThreadMetadata>>, Failure> {
    let table = transaction.open_table(THREADS)?;
    let mut rows = Vec::with_capacity(ids.len());
    for id in ids {
        let found = table.get(&id.as_bytes()[..])?;
        let row = found.map(|found| kv::decode_thread(*id, found.value())).transpose();
        rows.push(row.map_err(|error| {
            let text = format!("the row of thread {id}: {}", error.message());
            Error::new(ErrorKind::Corrupted, text).hint("index the thread anew, or delete it")
        })?);
    }
    Ok(rows)
}

pub(crate) fn page(
    transaction: &ReadTransaction,
    query: &ThreadQuery,
) -> Result<Page<ThreadMetadata>, Failure> {
    let decided = index::decides(query);
    let table = transaction.open_table(THREADS)?;
    fill(transaction, query, |_, id| {
        let skipped = |reason: String| Skipped { id, reason };
        let Some(found) = table.get(&id.as_bytes()[..])? else {
            return Ok(Err(skipped("the index names it, but it is not there".into())));
        };
        let row = match kv::decode_thread(id, found.value()) {
            Ok(row) => row,
            Err(error) => return Ok(Err(skipped(error.message().to_owned()))),
        };
        Ok(Ok((decided || query.filter.matches(&row)).then_some(row)))
    })
}

pub(crate) fn id_page(
    transaction: &ReadTransaction,
    query: &ThreadQuery,
) -> Result<Page<ThreadId>, Failure> {
    if index::decides(query) {
        return fill(transaction, query, |_, id| Ok(Ok(Some(id))));
    }
    let Page { items, next, skipped } = page(transaction, query)?;
    Ok(Page { items: items.into_iter().map(|row| row.id).collect(), next, skipped })
}

/// What a row of a listing turned out to be: an item, none that matches, or a damaged one.
type Picked<T> = Result<Option<T>, Skipped>;

/// Fills a page with what `pick` takes of the positions of a listing.
fn fill<T>(
    transaction: &ReadTransaction,
    query: &ThreadQuery,
    pick: impl Fn(Timestamp, ThreadId) -> Result<Picked<T>, Failure>,
) -> Result<Page<T>, Failure> {
    let mut page = PageFill::new(query);
    if query.filter.matches_nothing() {
        return Ok(page.finish());
    }
    let mut merge = Merge::new(&transaction.open_table(INDEX)?, query)?;
    while let Some((value, id)) = merge.next()? {
        if page.take((value, id), pick(value, id)?).is_break() {
            break;
        }
    }
    Ok(page.finish())
}

pub(crate) fn checkpoints(
    transaction: &ReadTransaction,
    prefix: &str,
    after: Option<&str>,
    limit: usize,
) -> Result<Vec<Checkpoint>, Failure> {
    use std::ops::Bound::{Excluded, Included, Unbounded};

    let from = match after {
        Some(after) if after >= prefix => Excluded(after),
        _ => Included(prefix),
    };
    let table = transaction.open_table(CHECKPOINTS)?;
    let mut checkpoints = Vec::new();
    for entry in table.range::<&str>((from, Unbounded))?.take(limit) {
        let (key, value) = entry?;
        if !key.value().starts_with(prefix) {
            break;
        }
        checkpoints.push(kv::decode_checkpoint(key.value(), value.value())?);
    }
    Ok(checkpoints)
}

pub(crate) fn tools(
    transaction: &ReadTransaction,
    id: ThreadId,
) -> Result<Option<Vec<DynamicToolSpec>>, Failure> {
    let table = transaction.open_table(TOOLS)?;
    let Some(found) = table.get(&id.as_bytes()[..])? else {
        return Ok(None);
    };
    let list = kv::decode_tools(id, found.value()).map_err(|error| {
        let text = format!("the tools of thread {id}: {}", error.message());
        Error::new(ErrorKind::Corrupted, text).hint("replace the tools, or index the thread anew")
    })?;
    Ok(Some(list))
}
