//! Reading threads: single rows and pages. Each statement is a transaction of its own.

use sqlx::Row;
use sqlx::sqlite::SqliteRow;
use threadkeep_core::{
    Checkpoint, Error, ErrorKind, Page, PageFill, Result, Skipped, ThreadId, ThreadMetadata,
    ThreadQuery,
};

use crate::errors::translate;
use crate::listing::{Columns, Line, Listing};
use crate::row;
use crate::threads::ThreadFile;

/// Rows looked at in one go where not every one of them matches.
const FILTERED: usize = 256;

impl ThreadFile {
    pub(crate) async fn read_threads(
        &self,
        ids: &[ThreadId],
    ) -> Result<Vec<Option<ThreadMetadata>>> {
        let failed = |error| self.failed(error, "threads");
        let mut reader = self.lend().await?;
        let rows = sqlx::query(
            "SELECT id, body, checksum FROM threads
             WHERE id IN (SELECT unhex(value) FROM json_each(?1))",
        )
        .bind(hex_array(ids))
        .fetch_all(&mut reader.connection)
        .await
        .map_err(failed)?;
        reader.give_back();
        let mut found = std::collections::HashMap::with_capacity(rows.len());
        for row in &rows {
            let id = row::id(row, 0).map_err(failed)?;
            let metadata = row::decode(row, id, 1, 2).map_err(|Skipped { id, reason }| {
                Error::new(ErrorKind::Corrupted, format!("the row of thread {id}: {reason}"))
                    .hint("index the thread anew, or delete it")
            })?;
            found.insert(id, metadata);
        }
        Ok(ids.iter().map(|id| found.get(id).cloned()).collect())
    }

    pub(crate) async fn read_page(&self, query: &ThreadQuery) -> Result<Page<ThreadMetadata>> {
        let filtered = Listing::needs_filter(&query.filter);
        self.page(query, Columns::Rows, |line| {
            let metadata = row::verified(line.id, line.body, line.checksum)?;
            Ok((!filtered || query.filter.matches(&metadata)).then_some(metadata))
        })
        .await
    }

    pub(crate) async fn read_id_page(&self, query: &ThreadQuery) -> Result<Page<ThreadId>> {
        if Listing::needs_filter(&query.filter) {
            let page = self.read_page(query).await?;
            let items = page.items.into_iter().map(|row| row.id).collect();
            return Ok(Page { items, next: page.next, skipped: page.skipped });
        }
        self.page(query, Columns::Ids, |line| Ok(Some(line.id))).await
    }

    /// Fills a page from rows; `pick` decodes one and leaves out what does not match.
    async fn page<T>(
        &self,
        query: &ThreadQuery,
        columns: Columns,
        pick: impl Fn(&Line<'_>) -> Result<Option<T>, Skipped>,
    ) -> Result<Page<T>> {
        query.validate()?;
        let failed = |error| self.failed(error, "list");
        let mut page = PageFill::new(query);
        let mut reader = self.lend().await?;
        if query.filter.matches_nothing() {
            reader.give_back();
            return Ok(page.finish());
        }
        let listing = Listing::new(query, columns);
        // What several statements read together has to be of one moment.
        let several = listing.takes_several();
        if several {
            sqlx::query("BEGIN").execute(&mut reader.connection).await.map_err(failed)?;
        }
        let mut position = query.after.map(|cursor| (cursor.value(), cursor.id()));
        'rows: loop {
            let least = if Listing::needs_filter(&query.filter) { FILTERED } else { 1 };
            let wanted = page.missing().max(least);
            let (rows, ended) = listing
                .fetch(&mut reader.connection, position, wanted, &pick)
                .await
                .map_err(failed)?;
            for (at, picked) in rows {
                position = Some(at);
                if page.take(at, picked).is_break() {
                    break 'rows;
                }
            }
            if ended {
                break;
            }
        }
        if several {
            sqlx::query("COMMIT").execute(&mut reader.connection).await.map_err(failed)?;
        }
        reader.give_back();
        Ok(page.finish())
    }

    pub(crate) async fn read_checkpoints(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Checkpoint>> {
        let failed = |error| self.failed(error, "checkpoints");
        // Texts are compared byte by byte here, so a prefix is a range.
        let query = match after {
            Some(after) if after >= prefix => sqlx::query(
                "SELECT key, value, revision FROM checkpoints WHERE key > ?1 ORDER BY key LIMIT +?2",
            )
            .bind(after),
            _ => sqlx::query(
                "SELECT key, value, revision FROM checkpoints WHERE key >= ?1 ORDER BY key LIMIT +?2",
            )
            .bind(prefix),
        };
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let mut reader = self.lend().await?;
        let rows = query.bind(limit).fetch_all(&mut reader.connection).await.map_err(failed)?;
        reader.give_back();
        let mut checkpoints = Vec::with_capacity(rows.len());
        for row in &rows {
            let checkpoint = checkpoint(row).map_err(failed)?;
            if !checkpoint.key.starts_with(prefix) {
                break;
            }
            checkpoints.push(checkpoint);
        }
        Ok(checkpoints)
    }

    pub(crate) fn failed(&self, error: sqlx::Error, operation: &'static str) -> Error {
        translate(error, self.path(), operation)
    }
}

/// A checkpoint from its key, value and revision.
pub(crate) fn checkpoint(row: &SqliteRow) -> Result<Checkpoint, sqlx::Error> {
    let revision: i64 = row.try_get(2)?;
    Ok(Checkpoint {
        key: row.try_get(0)?,
        value: row.try_get(1)?,
        revision: revision.cast_unsigned(),
    })
}

/// Ids as a JSON array of hexadecimal texts, so that a statement is the same for any number.
pub(crate) fn hex_array(ids: &[ThreadId]) -> String {
    use std::fmt::Write as _;

    let mut text = String::with_capacity(2 + ids.len() * 35);
    text.push('[');
    for (nth, id) in ids.iter().enumerate() {
        text.push_str(if nth == 0 { "\"" } else { ",\"" });
        for byte in id.as_bytes() {
            let _ = write!(text, "{byte:02x}");
        }
        text.push('"');
    }
    text.push(']');
    text
}
