//! Reading threads: single rows and pages. What one call reads is of one moment.

use std::collections::HashMap;
use std::sync::Arc;

use sqlx::postgres::PgRow;
use threadkeep_core::{
    Checkpoint, Error, ErrorKind, Page, PageFill, Result, Skipped, ThreadId, ThreadMetadata,
    ThreadQuery,
};

use crate::PostgresStore;
use crate::checkpoint::{after_prefix, checkpoint, head};
use crate::errors::Failed;
use crate::listing::{Columns, Listing};
use crate::readers::Lent;
use crate::row;
use crate::sql::Sql;

/// Rows looked at in one go where not every one of them matches.
const FILTERED: usize = 256;

impl PostgresStore {
    pub(crate) async fn read_threads(
        &self,
        ids: Vec<ThreadId>,
    ) -> Result<Vec<Option<ThreadMetadata>>> {
        self.handle.check_open()?;
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let ids: Arc<[ThreadId]> = ids.into();
        let (wanted, namespace) = (Arc::clone(&ids), self.handle.options.namespace.clone());
        let rows = self.handle.readers.read("threads", move |mut lent| {
            let sql = Sql::new(
                "SELECT id, body, checksum FROM threadkeep.threads
                 WHERE namespace = ? AND id = ANY(?)",
            );
            let sql = sql.text(&namespace).uuids(wanted.iter().map(ThreadId::as_bytes));
            async move {
                let rows = lent.connection.rows(sql, lent.until).await?;
                let rows: Vec<_> = rows
                    .iter()
                    .map(|row| Ok(row::decode(row, row::id(row, 0)?, 1, 2)))
                    .collect::<Result<_, Failed>>()?;
                Ok((lent, rows))
            }
        });
        let mut found = HashMap::new();
        for row in rows.await? {
            let metadata = row.map_err(|Skipped { id, reason }| {
                Error::new(ErrorKind::Corrupted, format!("the row of thread {id}: {reason}"))
                    .hint("index the thread anew, or delete it")
            })?;
            found.insert(metadata.id, metadata);
        }
        Ok(ids.iter().map(|id| found.get(id).cloned()).collect())
    }

    pub(crate) async fn read_page(&self, query: ThreadQuery) -> Result<Page<ThreadMetadata>> {
        let filtered = Listing::needs_filter(&query.filter);
        self.page(query, Columns::Rows, move |query, id, row| {
            let metadata = row::decode(row, id, 3, 2)?;
            Ok((!filtered || query.filter.matches(&metadata)).then_some(metadata))
        })
        .await
    }

    pub(crate) async fn read_id_page(&self, query: ThreadQuery) -> Result<Page<ThreadId>> {
        if Listing::needs_filter(&query.filter) {
            let page = self.read_page(query).await?;
            let items = page.items.into_iter().map(|row| row.id).collect();
            return Ok(Page { items, next: page.next, skipped: page.skipped });
        }
        self.page(query, Columns::Ids, |_, id, _| Ok(Some(id))).await
    }

    /// A page of rows; `pick` decodes one and leaves out what does not match.
    async fn page<T: Send + 'static>(
        &self,
        query: ThreadQuery,
        columns: Columns,
        pick: impl Fn(&ThreadQuery, ThreadId, &PgRow) -> Result<Option<T>, Skipped>
        + Copy
        + Send
        + Sync
        + 'static,
    ) -> Result<Page<T>> {
        self.handle.check_open()?;
        query.validate()?;
        if query.filter.matches_nothing() {
            return Ok(Page::default());
        }
        let (query, namespace) = (Arc::new(query), self.handle.options.namespace.clone());
        let read = self.handle.list_readers.read("list", move |mut lent| {
            let (query, namespace) = (Arc::clone(&query), namespace.clone());
            async move {
                let listing = Listing::new(&namespace, &query, columns);
                let pick = |id, row: &PgRow| pick(&query, id, row);
                let page = fill(&listing, &query, &mut lent, pick).await?;
                Ok((lent, page))
            }
        });
        read.await
    }

    pub(crate) async fn read_checkpoints(
        &self,
        prefix: String,
        after: Option<String>,
        limit: usize,
    ) -> Result<Vec<Checkpoint>> {
        self.handle.check_open()?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let namespace = self.handle.options.namespace.clone();
        let read = self.handle.readers.read("checkpoints", move |mut lent| {
            let mut sql = Sql::new(
                "SELECT key, value, revision FROM threadkeep.checkpoints WHERE namespace = ?",
            )
            .text(&namespace);
            // The index has only the heads of keys, in the same order.
            sql = match &after {
                Some(after) if *after >= prefix => {
                    sql.then(" AND head >= ? AND key > ?").text(head(after)).text(after)
                }
                _ => sql.then(" AND head >= ? AND key >= ?").text(head(&prefix)).text(&prefix),
            };
            if let Some(end) = after_prefix(&prefix) {
                sql = sql.then(" AND head <= ? AND key < ?").text(head(&end)).text(&end);
            }
            let sql = sql.then(" ORDER BY head, key LIMIT ?").number(limit);
            async move {
                let rows = lent.connection.rows(sql, lent.until).await?;
                let checkpoints = rows.iter().map(checkpoint).collect::<Result<_, Failed>>()?;
                Ok((lent, checkpoints))
            }
        });
        read.await
    }
}

/// Reads until a page is full or the listing ends.
async fn fill<T>(
    listing: &Listing<'_>,
    query: &ThreadQuery,
    lent: &mut Lent,
    pick: impl Fn(ThreadId, &PgRow) -> Result<Option<T>, Skipped>,
) -> Result<Page<T>, Failed> {
    let several = listing.takes_several();
    let mut begin = several.then(|| Sql::new("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY"));
    let mut page = PageFill::new(query);
    let mut position = query.after.map(|cursor| (cursor.value(), cursor.id()));
    'rows: loop {
        let least = if Listing::needs_filter(&query.filter) { FILTERED } else { 1 };
        let wanted = page.missing().max(least);
        let (rows, ended) = listing.fetch(lent, begin.take(), position, wanted).await?;
        for (at, row) in rows {
            position = Some(at);
            if page.take(at, pick(at.1, &row)).is_break() {
                break 'rows;
            }
        }
        if ended {
            break;
        }
    }
    if several {
        lent.connection.run(Sql::new("COMMIT"), lent.until).await?;
    }
    Ok(page.finish())
}
