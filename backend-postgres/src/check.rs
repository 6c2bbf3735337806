//! Reading everything and comparing it with its checksums.

use std::time::{Duration, Instant};

use threadkeep_core::{CheckReport, Skipped, ThreadId, tools};
use xxhash_rust::xxh3::xxh3_64;

use crate::connection::{number, optional_number, optional_text};
use crate::errors::Failed;
use crate::readers::Lent;
use crate::row;
use crate::sql::Sql;

/// Rows read in one go.
const PAGE: i64 = 500;
/// So long each of these may take: how long all do depends on the store.
const PAGE_TIME: Duration = Duration::from_mins(1);

/// Checks a namespace, a page at a time, each of one moment.
pub(crate) async fn everything(lent: &mut Lent, namespace: &str) -> Result<CheckReport, Failed> {
    let mut report = CheckReport::default();
    rows(lent, namespace, &mut report).await?;
    for (statement, problem) in [
        (
            "SELECT count(*) FROM threadkeep.dynamic_tools AS x WHERE namespace = ? AND NOT EXISTS (
                 SELECT FROM threadkeep.threads WHERE namespace = ? AND id = x.thread_id)",
            "lists of tools belong to no thread",
        ),
        (
            "SELECT count(*) FROM threadkeep.tombstones AS x WHERE namespace = ? AND EXISTS (
                 SELECT FROM threadkeep.threads WHERE namespace = ? AND id = x.thread_id)",
            "threads are both there and deleted",
        ),
    ] {
        let sql = Sql::new(statement).text(namespace).text(namespace);
        let answer = lent.connection.rows(sql, Instant::now() + PAGE_TIME).await?;
        let count = answer.first().map_or(Ok(0), |row| number(row, 0))?;
        if count > 0 {
            report.problems.push(format!("threads: {count} {problem}"));
        }
    }
    Ok(report)
}

async fn rows(lent: &mut Lent, namespace: &str, report: &mut CheckReport) -> Result<(), Failed> {
    let mut after: Option<ThreadId> = None;
    loop {
        let mut sql = Sql::new(
            "SELECT t.id, t.body, t.checksum, t.created_at, t.updated_at, t.source_key,
                 t.provider_key, t.cwd_key, t.archived, t.visible, t.source, t.model_provider,
                 t.cwd, d.tools, d.checksum
             FROM threadkeep.threads AS t LEFT JOIN threadkeep.dynamic_tools AS d
                 ON d.namespace = t.namespace AND d.thread_id = t.id
             WHERE t.namespace = ?",
        )
        .text(namespace);
        if let Some(after) = after {
            sql = sql.then(" AND t.id > ?").id(after);
        }
        let sql = sql.then(" ORDER BY t.id LIMIT ?").number(PAGE);
        let rows = lent.connection.rows(sql, Instant::now() + PAGE_TIME).await?;
        let Some(last) = rows.last() else {
            return Ok(());
        };
        after = Some(row::id(last, 0)?);
        for row in &rows {
            report.threads += 1;
            let id = row::id(row, 0)?;
            match row::decode(row, id, 1, 2) {
                Ok(metadata) => {
                    if !row::columns_agree(row, &metadata, 3)? {
                        let reason = "the columns it is listed by do not match it".into();
                        report.damaged.push(Skipped { id, reason });
                    }
                }
                Err(skipped) => report.damaged.push(skipped),
            }
            if let Some(text) = optional_text(row, 13)?
                && (optional_number(row, 14)? != Some(xxh3_64(text.as_bytes()).cast_signed())
                    || tools::decode(&text).is_err())
            {
                report.damaged.push(Skipped { id, reason: "its tools are damaged".into() });
            }
        }
    }
}
