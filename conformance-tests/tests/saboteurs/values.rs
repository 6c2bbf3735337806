//! Saboteurs of single values.

use std::collections::HashMap;
use std::sync::Mutex;

use threadkeep_conformance::async_trait;
use threadkeep_core::{
    Change, FieldPatch, LogPage, LogQuery, LogStore, Outcome, Page, Record, Result, ThreadId,
    ThreadMetadata, ThreadPatch, ThreadQuery, ThreadSeed, ThreadStore, Timestamp, WriteBatch,
    limits,
};

use crate::Saboteur;
use crate::fixtures::memory;
use crate::imitate::{Rewrite, Rewrites, hold};
use crate::sabotage::{Inner, Sabotage};

pub(crate) fn all() -> Vec<Saboteur> {
    vec![
        Saboteur {
            name: "truncates_times_to_seconds",
            breaks: "Times of threads lose their milliseconds.",
            seen: "`unixepoch()` and every column of seconds since 1970.",
            rules: "T-10",
            fixture: |name| memory(name, |_| Rewrites::new(Seconds)),
        },
        Saboteur {
            name: "cuts_titles_by_characters",
            breaks: "A title keeps 512 characters, which may be 2,048 bytes.",
            seen: "`title.chars().take(512)`.",
            rules: "T-14",
            fixture: |name| memory(name, |_| CutsByCharacters::default()),
        },
        Saboteur {
            name: "cuts_titles_inside_a_character",
            breaks: "A title whose 512th byte is inside a character is a panic.",
            seen: "`title.truncate(512)`, right for every title in ASCII.",
            rules: "T-14",
            fixture: |name| memory(name, |_| Rewrites::new(CutsInside)),
        },
        Saboteur {
            name: "loses_text_after_a_zero",
            breaks: "A text that holds U+0000 ends before it when it is read.",
            seen: "Bindings that read a column as a C string.",
            rules: "T-06, G-03",
            fixture: |name| memory(name, |_| EndsAtZero),
        },
        Saboteur {
            name: "takes_empty_for_none",
            breaks: "An optional text that is empty comes back as none.",
            seen: "Oracle's empty strings, and `NULLIF(?, '')` against forms.",
            rules: "T-07",
            fixture: |name| memory(name, |_| EmptyIsNone),
        },
    ]
}

struct Seconds;

fn second(time: Timestamp) -> Timestamp {
    Timestamp::from_millis(time.as_millis().div_euclid(1_000) * 1_000)
}

fn seed_in_seconds(seed: ThreadSeed) -> ThreadSeed {
    let row = seed.into_metadata();
    let seed = ThreadSeed::new(row.id, row.rollout_path, second(row.created_at))
        .source(row.source)
        .model_provider(row.model_provider)
        .cwd(row.cwd)
        .sandbox_policy(row.sandbox_policy)
        .approval_mode(row.approval_mode)
        .archived_at(row.archived_at.map(second));
    match row.cli_version {
        Some(version) => seed.cli_version(version),
        None => seed,
    }
}

fn patch_in_seconds(mut patch: ThreadPatch) -> ThreadPatch {
    patch.updated_at = patch.updated_at.map(second);
    if let Some(naming) = &mut patch.name {
        naming.at = naming.at.map(second);
    }
    patch
}

impl Rewrite for Seconds {
    fn rewrite(&self, _record: &Record, change: Change) -> Change {
        match change {
            Change::Put(mut row) => {
                row.created_at = second(row.created_at);
                row.updated_at = second(row.updated_at);
                row.named_at = row.named_at.map(second);
                row.archived_at = row.archived_at.map(second);
                Change::Put(row)
            }
            Change::Apply(seed, patch) => {
                Change::Apply(seed_in_seconds(*seed).into(), patch_in_seconds(*patch).into())
            }
            Change::Rebuild(seed, patch) => {
                Change::Rebuild(seed_in_seconds(*seed).into(), patch_in_seconds(*patch).into())
            }
            Change::Patch(id, patch) => Change::Patch(id, patch_in_seconds(*patch).into()),
            Change::Move { id, path, archived_at } => {
                Change::Move { id, path, archived_at: second(archived_at) }
            }
            Change::Archive { id, path, at } => Change::Archive { id, path, at: second(at) },
            Change::Rename { id, name, at } => Change::Rename { id, name, at: second(at) },
            Change::Delete { id, at } => Change::Delete { id, at: second(at) },
            other => other,
        }
    }
}

/// The titles a change may store.
fn titles(change: &mut Change) -> Option<&mut String> {
    match change {
        Change::Put(row) => Some(&mut row.title),
        Change::Apply(_, patch) | Change::Rebuild(_, patch) | Change::Patch(_, patch) => {
            match &mut patch.title {
                FieldPatch::Set(title) | FieldPatch::SetIfEmpty(title) => Some(title),
                FieldPatch::Keep => None,
            }
        }
        _ => None,
    }
}

/// The store underneath cuts by bytes, so what that takes away is kept here.
#[derive(Default)]
struct CutsByCharacters {
    /// Titles as cut here, by how they were cut underneath.
    longer: Mutex<HashMap<String, String>>,
}

impl CutsByCharacters {
    fn show(&self, row: &mut ThreadMetadata) {
        if let Some(title) = hold(&self.longer).get(&row.title) {
            row.title.clone_from(title);
        }
    }
}

#[async_trait]
impl Sabotage for CutsByCharacters {
    async fn threads(
        &self,
        inner: &Inner,
        ids: Vec<ThreadId>,
    ) -> Result<Vec<Option<ThreadMetadata>>> {
        let mut rows = inner.threads(ids).await?;
        rows.iter_mut().flatten().for_each(|row| self.show(row));
        Ok(rows)
    }

    async fn list(&self, inner: &Inner, query: ThreadQuery) -> Result<Page<ThreadMetadata>> {
        let mut page = inner.list(query).await?;
        page.items.iter_mut().for_each(|row| self.show(row));
        Ok(page)
    }

    async fn write(&self, inner: &Inner, batch: WriteBatch) -> Result<Vec<Outcome>> {
        for (change, _) in batch.changes() {
            if let Some(title) = titles(&mut change.clone())
                && title.len() > limits::TITLE_BYTES
            {
                let by_bytes = limits::cut(title, limits::TITLE_BYTES).to_owned();
                let by_characters = title.chars().take(limits::TITLE_BYTES).collect();
                hold(&self.longer).insert(by_bytes, by_characters);
            }
        }
        inner.write(batch).await
    }
}

struct CutsInside;

impl Rewrite for CutsInside {
    fn rewrite(&self, _record: &Record, mut change: Change) -> Change {
        if let Some(title) = titles(&mut change) {
            title.truncate(limits::TITLE_BYTES);
        }
        change
    }
}

fn end_at_zero(text: &mut String) {
    if let Some(zero) = text.find('\0') {
        text.truncate(zero);
    }
}

fn required_texts(row: &mut ThreadMetadata) -> [&mut String; 5] {
    [
        &mut row.source,
        &mut row.model_provider,
        &mut row.title,
        &mut row.sandbox_policy,
        &mut row.approval_mode,
    ]
}

fn optional_texts(row: &mut ThreadMetadata) -> [&mut Option<String>; 7] {
    [
        &mut row.model,
        &mut row.cli_version,
        &mut row.preview,
        &mut row.name,
        &mut row.git_sha,
        &mut row.git_branch,
        &mut row.git_origin_url,
    ]
}

struct EndsAtZero;

impl EndsAtZero {
    fn show(row: &mut ThreadMetadata) {
        required_texts(row).into_iter().for_each(end_at_zero);
        optional_texts(row).into_iter().flatten().for_each(end_at_zero);
    }
}

#[async_trait]
impl Sabotage for EndsAtZero {
    async fn threads(
        &self,
        inner: &Inner,
        ids: Vec<ThreadId>,
    ) -> Result<Vec<Option<ThreadMetadata>>> {
        let mut rows = inner.threads(ids).await?;
        rows.iter_mut().flatten().for_each(Self::show);
        Ok(rows)
    }

    async fn list(&self, inner: &Inner, query: ThreadQuery) -> Result<Page<ThreadMetadata>> {
        let mut page = inner.list(query).await?;
        page.items.iter_mut().for_each(Self::show);
        Ok(page)
    }

    async fn query(&self, inner: &Inner, query: LogQuery) -> Result<LogPage> {
        let mut page = inner.query(query).await?;
        for row in &mut page.items {
            end_at_zero(&mut row.entry.target);
            row.entry.message.as_mut().map(end_at_zero);
        }
        Ok(page)
    }
}

struct EmptyIsNone;

impl EmptyIsNone {
    fn show(row: &mut ThreadMetadata) {
        for text in optional_texts(row) {
            text.take_if(|text| text.is_empty());
        }
    }
}

#[async_trait]
impl Sabotage for EmptyIsNone {
    async fn threads(
        &self,
        inner: &Inner,
        ids: Vec<ThreadId>,
    ) -> Result<Vec<Option<ThreadMetadata>>> {
        let mut rows = inner.threads(ids).await?;
        rows.iter_mut().flatten().for_each(Self::show);
        Ok(rows)
    }

    async fn list(&self, inner: &Inner, query: ThreadQuery) -> Result<Page<ThreadMetadata>> {
        let mut page = inner.list(query).await?;
        page.items.iter_mut().for_each(Self::show);
        Ok(page)
    }
}
