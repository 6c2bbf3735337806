//! Saboteurs of listings.

use std::collections::BTreeSet;
use std::path::Path;

use threadkeep_conformance::async_trait;
use threadkeep_core::{
    Cursor, Direction, Error, ErrorKind, Page, Result, ThreadId, ThreadMetadata, ThreadQuery,
    ThreadStore, Timestamp,
};

use crate::Saboteur;
use crate::fixtures::{memory, sqlite};
use crate::imitate::{Listing, Lists, ask_as, cut, cut_where, whole};
use crate::sabotage::{Inner, Sabotage};

pub(crate) fn all() -> Vec<Saboteur> {
    [paging(), choosing()].into_iter().flatten().collect()
}

fn paging() -> Vec<Saboteur> {
    vec![
        Saboteur {
            name: "drops_ties",
            breaks: "Of threads with one sort value a listing shows only one.",
            seen: "Ordered key-value stores whose index key is the time without the id: the later \
                   write takes the place of the earlier one.",
            rules: "L-03, L-35",
            fixture: |name| memory(name, |_| Lists(DropsTies)),
        },
        Saboteur {
            name: "skips_ties_after_a_page",
            breaks: "A cursor counts by its time alone, so the rest of the threads of that time \
                     are missing from the next page.",
            seen: "`WHERE updated_at < ?`, the usual first form of paging by key.",
            rules: "L-35, L-38",
            fixture: |name| memory(name, |_| Lists(TiesAfterACursor { again: false })),
        },
        Saboteur {
            name: "repeats_ties_after_a_page",
            breaks: "The next page begins with the threads of the cursor's time, seen or not.",
            seen: "`WHERE updated_at <= ?`, the usual mend of the form that skips them.",
            rules: "L-35, L-38",
            fixture: |name| memory(name, |_| Lists(TiesAfterACursor { again: true })),
        },
        Saboteur {
            name: "orders_ties_by_rising_id",
            breaks: "Threads of one time come by rising id in descending listings too.",
            seen: "`ORDER BY updated_at DESC, id`: the second column has a direction of its own.",
            rules: "L-03",
            fixture: |name| memory(name, |_| Lists(TiesByRisingId)),
        },
        Saboteur {
            name: "pages_by_offset",
            breaks: "A cursor counts rows from the start, so that what is written or deleted \
                     between two pages moves the second one.",
            seen: "`LIMIT ? OFFSET ?` behind an opaque cursor.",
            rules: "L-42, L-43",
            fixture: |name| memory(name, |_| Lists(Offsets)),
        },
        Saboteur {
            name: "promises_a_page_after_the_last",
            breaks: "A full page has a next one, also where nothing follows.",
            seen: "`next = (rows.len() == limit)`, which saves reading one row more.",
            rules: "L-37",
            fixture: |name| memory(name, |_| Lists(AlwaysNext)),
        },
        Saboteur {
            name: "filters_after_the_limit",
            breaks: "The text is looked for among the rows of a page already cut, so pages are \
                     short or empty while more threads match.",
            seen: "Stores that decode a page and then filter what their index does not know.",
            rules: "L-36",
            fixture: |name| memory(name, |_| Lists(FiltersLate)),
        },
        Saboteur {
            name: "clamps_the_limit",
            breaks: "A limit out of range is brought into it in place of an error.",
            seen: "`limit.clamp(1, MAX)`, common in HTTP services in front of a database.",
            rules: "L-05",
            fixture: |name| memory(name, |_| Clamps),
        },
        Saboteur {
            name: "one_bad_row_fails_the_page",
            breaks: "A page with a row that cannot be read is an error, so that one row hides all \
                     others.",
            seen: "`rows.map(decode).collect::<Result<Vec<_>>>()?`.",
            rules: "S-02",
            fixture: |name| sqlite(name, |_| FailsWholePages),
        },
    ]
}

fn choosing() -> Vec<Saboteur> {
    vec![
        Saboteur {
            name: "takes_an_empty_set_for_no_filter",
            breaks: "A filter of no sources, providers or folders lets every thread through.",
            seen: "`if !sources.is_empty() { sql.push(\" AND source IN (…)\") }`, because `IN ()` \
                   is a syntax error elsewhere.",
            rules: "L-17",
            fixture: |name| memory(name, |_| Lists(EmptyIsAll)),
        },
        Saboteur {
            name: "compares_folders_as_paths",
            breaks: "A folder that is spelled otherwise, `/a/` for `/a`, passes the filter too.",
            seen: "`Path` equality, which looks at components and not at bytes.",
            rules: "L-15",
            fixture: |name| memory(name, |_| Lists(FoldersAsPaths)),
        },
        Saboteur {
            name: "answers_ids_in_its_own_order",
            breaks: "Rows asked for by id come in the order of the ids, not of the question.",
            seen: "`SELECT … WHERE id IN (…)` answered by the primary key.",
            rules: "T-02",
            fixture: |name| memory(name, |_| OwnOrder),
        },
    ]
}

struct DropsTies;

#[async_trait]
impl Listing for DropsTies {
    async fn page(&self, inner: &Inner, query: ThreadQuery) -> Result<Page<ThreadMetadata>> {
        let mut rows = whole(inner, &query).await?;
        rows.dedup_by_key(|row| query.sort.of(row));
        Ok(cut(&query, rows))
    }
}

struct TiesAfterACursor {
    again: bool,
}

#[async_trait]
impl Listing for TiesAfterACursor {
    async fn page(&self, inner: &Inner, query: ThreadQuery) -> Result<Page<ThreadMetadata>> {
        query.validate()?;
        let to_the_end = (query.direction == Direction::Ascending) != self.again;
        let edge = ThreadId::from_bytes(if to_the_end { [255; 16] } else { [0; 16] });
        let after = query.after.map(|cursor| Cursor::new(&query, cursor.value(), edge));
        inner.list(query.after(after)).await
    }
}

struct TiesByRisingId;

#[async_trait]
impl Listing for TiesByRisingId {
    async fn page(&self, inner: &Inner, query: ThreadQuery) -> Result<Page<ThreadMetadata>> {
        if query.direction == Direction::Ascending {
            return inner.list(query).await;
        }
        let mut rows = whole(inner, &query).await?;
        rows.sort_by_key(|row| (std::cmp::Reverse(query.sort.of(row)), row.id));
        Ok(cut_where(&query, rows, |cursor, row| {
            let value = query.sort.of(row);
            value < cursor.value() || (value == cursor.value() && row.id > cursor.id())
        }))
    }
}

struct Offsets;

#[async_trait]
impl Listing for Offsets {
    async fn page(&self, inner: &Inner, query: ThreadQuery) -> Result<Page<ThreadMetadata>> {
        let rows = whole(inner, &query).await?;
        let start = query.after.map_or(0, |cursor| cursor.value().as_millis());
        let end = start.saturating_add(i64::try_from(query.limit).unwrap_or(i64::MAX));
        let place = |offset| usize::try_from(offset).unwrap_or(usize::MAX).min(rows.len());
        let items = rows[place(start)..place(end)].to_vec();
        let last = items.last().filter(|_| place(end) < rows.len());
        let next = last.map(|row| Cursor::new(&query, Timestamp::from_millis(end), row.id));
        Ok(Page { items, next, ..Page::default() })
    }
}

struct AlwaysNext;

#[async_trait]
impl Listing for AlwaysNext {
    async fn page(&self, inner: &Inner, query: ThreadQuery) -> Result<Page<ThreadMetadata>> {
        let mut page = inner.list(query.clone()).await?;
        if page.items.len() == query.limit {
            let last = page.items.last();
            page.next = last.map(|row| Cursor::new(&query, query.sort.of(row), row.id));
        }
        Ok(page)
    }
}

struct FiltersLate;

#[async_trait]
impl Listing for FiltersLate {
    async fn page(&self, inner: &Inner, query: ThreadQuery) -> Result<Page<ThreadMetadata>> {
        let mut other = query.clone();
        other.filter.text = None;
        let mut page = ask_as(inner, &query, other).await?;
        page.items.retain(|row| query.filter.matches(row));
        Ok(page)
    }
}

struct Clamps;

#[async_trait]
impl Sabotage for Clamps {
    async fn list(&self, inner: &Inner, mut query: ThreadQuery) -> Result<Page<ThreadMetadata>> {
        query.limit = query.limit.clamp(1, 1_000);
        inner.list(query).await
    }

    async fn list_ids(&self, inner: &Inner, mut query: ThreadQuery) -> Result<Page<ThreadId>> {
        query.limit = query.limit.clamp(1, 1_000);
        inner.list_ids(query).await
    }
}

struct FailsWholePages;

#[async_trait]
impl Sabotage for FailsWholePages {
    async fn list(&self, inner: &Inner, query: ThreadQuery) -> Result<Page<ThreadMetadata>> {
        let page = inner.list(query).await?;
        match page.skipped.first() {
            None => Ok(page),
            Some(skipped) => {
                Err(Error::new(ErrorKind::Corrupted, skipped.reason.clone()).about(skipped.id))
            }
        }
    }
}

struct EmptyIsAll;

#[async_trait]
impl Listing for EmptyIsAll {
    async fn page(&self, inner: &Inner, query: ThreadQuery) -> Result<Page<ThreadMetadata>> {
        let mut other = query.clone();
        other.filter.sources = other.filter.sources.filter(|set| !set.is_empty());
        other.filter.providers = other.filter.providers.filter(|set| !set.is_empty());
        other.filter.cwds = other.filter.cwds.filter(|set| !set.is_empty());
        ask_as(inner, &query, other).await
    }
}

struct FoldersAsPaths;

#[async_trait]
impl Listing for FoldersAsPaths {
    async fn page(&self, inner: &Inner, query: ThreadQuery) -> Result<Page<ThreadMetadata>> {
        let Some(folders) = &query.filter.cwds else {
            return inner.list(query).await;
        };
        query.validate()?;
        let folders: BTreeSet<&Path> = folders.iter().map(Path::new).collect();
        let mut other = query.clone().after(None);
        other.filter.cwds = None;
        let mut rows = whole(inner, &other).await?;
        rows.retain(|row| folders.contains(&*row.cwd));
        Ok(cut(&query, rows))
    }
}

struct OwnOrder;

#[async_trait]
impl Sabotage for OwnOrder {
    async fn threads(
        &self,
        inner: &Inner,
        mut ids: Vec<ThreadId>,
    ) -> Result<Vec<Option<ThreadMetadata>>> {
        ids.sort_unstable();
        inner.threads(ids).await
    }
}
