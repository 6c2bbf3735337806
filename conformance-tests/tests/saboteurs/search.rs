//! Saboteurs of searches.

use std::collections::BTreeSet;

use threadkeep_conformance::async_trait;
use threadkeep_core::{
    Checkpoint, LogFilter, LogPage, LogQuery, LogRow, Page, Result, ThreadMetadata, ThreadQuery,
    ThreadStore, limits,
};

use crate::Saboteur;
use crate::fixtures::memory;
use crate::imitate::{Listing, Lists, cut, whole};
use crate::logs::{deleted_through, every_entry, page_of};
use crate::sabotage::{Inner, Sabotage};

pub(crate) fn all() -> Vec<Saboteur> {
    vec![
        Saboteur {
            name: "wildcards_in_titles",
            breaks: "`%` and `_` in the text to search threads for stand for any characters.",
            seen: "`title LIKE '%' || ? || '%'` without an ESCAPE.",
            rules: "L-29",
            fixture: |name| memory(name, |_| Lists(TextBy(like))),
        },
        Saboteur {
            name: "folds_the_case_of_every_letter",
            breaks: "A search finds `É` by `é`, which others do not.",
            seen: "`to_lowercase()` on both sides, and databases with a collation of their own.",
            rules: "L-28",
            fixture: |name| memory(name, |_| Lists(TextBy(folded))),
        },
        Saboteur {
            name: "wildcards_in_logs",
            breaks: "`%` and `_` in the parts to search log entries for stand for any characters.",
            seen: "`message LIKE '%' || ? || '%'` without an ESCAPE.",
            rules: "G-19",
            fixture: |name| memory(name, |_| LogsLike),
        },
        Saboteur {
            name: "wildcards_in_keys",
            breaks: "`%` and `_` in a prefix of checkpoints stand for any characters, and case \
                     does not matter.",
            seen: "`key LIKE ? || '%'`, the shortest way to ask for a prefix.",
            rules: "T-82",
            fixture: |name| memory(name, |_| KeysLike),
        },
    ]
}

/// Whether the text contains the part, as LIKE does it.
fn like(text: &str, part: &str) -> bool {
    matches_like(text, &format!("%{part}%"))
}

fn matches_like(text: &str, pattern: &str) -> bool {
    fn matches(text: &[char], pattern: &[char]) -> bool {
        match pattern.split_first() {
            None => text.is_empty(),
            Some(('%', rest)) => (0..=text.len()).any(|at| matches(&text[at..], rest)),
            Some((wanted, rest)) => text.split_first().is_some_and(|(found, left)| {
                (*wanted == '_' || found.eq_ignore_ascii_case(wanted)) && matches(left, rest)
            }),
        }
    }

    let characters = |text: &str| text.chars().collect::<Vec<_>>();
    matches(&characters(text), &characters(pattern))
}

fn folded(text: &str, part: &str) -> bool {
    text.to_lowercase().contains(&part.to_lowercase())
}

/// Compares texts by this.
struct TextBy(fn(&str, &str) -> bool);

#[async_trait]
impl Listing for TextBy {
    async fn page(&self, inner: &Inner, query: ThreadQuery) -> Result<Page<ThreadMetadata>> {
        let Some(text) = &query.filter.text else {
            return inner.list(query).await;
        };
        query.validate()?;
        let mut other = query.clone().after(None);
        other.filter.text = None;
        let mut rows = whole(inner, &other).await?;
        rows.retain(|row| {
            [Some(&row.title), row.name.as_ref(), row.preview.as_ref()]
                .into_iter()
                .flatten()
                .any(|field| (self.0)(field, text))
        });
        Ok(cut(&query, rows))
    }
}

struct LogsLike;

impl LogsLike {
    async fn matching(inner: &Inner, filter: &LogFilter) -> Result<Vec<LogRow>> {
        let mut other = filter.clone();
        (other.modules, other.files, other.targets, other.messages) = (None, None, None, None);
        let mut rows = every_entry(inner, other).await?;
        let any = |parts: &Option<BTreeSet<String>>, text: Option<&String>| {
            parts.as_ref().is_none_or(|parts| {
                text.is_some_and(|text| parts.iter().any(|part| like(text, part)))
            })
        };
        rows.retain(|LogRow { entry, .. }| {
            any(&filter.modules, entry.module_path.as_ref())
                && any(&filter.files, entry.file.as_ref())
                && any(&filter.targets, Some(&entry.target))
                && any(&filter.messages, entry.message.as_ref())
        });
        Ok(rows)
    }
}

#[async_trait]
impl Sabotage for LogsLike {
    async fn query(&self, inner: &Inner, query: LogQuery) -> Result<LogPage> {
        query.validate()?;
        let rows = Self::matching(inner, &query.filter).await?;
        Ok(page_of(&query, rows, deleted_through(inner).await?))
    }

    async fn max_log_id(&self, inner: &Inner, filter: LogFilter) -> Result<u64> {
        Ok(Self::matching(inner, &filter).await?.last().map_or(0, |row| row.id))
    }
}

struct KeysLike;

#[async_trait]
impl Sabotage for KeysLike {
    async fn checkpoints(
        &self,
        inner: &Inner,
        prefix: String,
        after: Option<String>,
        limit: usize,
    ) -> Result<Vec<Checkpoint>> {
        limits::check_checkpoint_limit(limit)?;
        let mut found = inner.checkpoints(String::new(), after, limits::CHECKPOINTS).await?;
        let pattern = prefix + "%";
        found.retain(|checkpoint| matches_like(&checkpoint.key, &pattern));
        found.truncate(limit);
        Ok(found)
    }
}
