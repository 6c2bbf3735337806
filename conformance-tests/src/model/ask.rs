//! What the model answers to questions.

use std::collections::BTreeSet;

use threadkeep_core::{
    Archived, Checkpoint, Direction, LogFilter, LogQuery, LogRow, SortKey, ThreadFilter, ThreadId,
    ThreadMetadata, ThreadQuery, TimeRange, Timestamp,
};

use super::store::Model;

/// Where a listing stands.
pub(crate) type Position = (Timestamp, ThreadId);

impl Model {
    /// Everything that matches, in order, strictly after a position.
    pub(crate) fn list(
        &self,
        query: &ThreadQuery,
        after: Option<Position>,
    ) -> Vec<&ThreadMetadata> {
        let mut rows: Vec<_> = self.rows().filter(|row| wanted(&query.filter, row)).collect();
        rows.sort_by_key(|row| position(query, row));
        if query.direction == Direction::Descending {
            rows.reverse();
        }
        rows.retain(|row| {
            after.is_none_or(|after| match query.direction {
                Direction::Ascending => position(query, row) > after,
                Direction::Descending => position(query, row) < after,
            })
        });
        rows
    }

    pub(crate) fn checkpoints(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Vec<Checkpoint> {
        let mut found = self.checkpoints.clone();
        found.retain(|checkpoint| checkpoint.key.starts_with(prefix));
        found.retain(|checkpoint| after.is_none_or(|after| checkpoint.key.as_str() > after));
        found.sort_by(|a, b| a.key.cmp(&b.key));
        found.truncate(limit);
        found
    }

    /// The entries of a page, and whether there are more.
    pub(crate) fn logs(&self, query: &LogQuery) -> (Vec<LogRow>, bool) {
        let mut found: Vec<_> =
            self.logs.iter().filter(|row| logged(&query.filter, row)).cloned().collect();
        if query.direction == Direction::Descending {
            found.reverse();
        }
        let more = found.len() > query.limit;
        found.truncate(query.limit);
        (found, more)
    }

    pub(crate) fn max_log_id(&self, filter: &LogFilter) -> u64 {
        self.logs.iter().filter(|row| logged(filter, row)).map(|row| row.id).max().unwrap_or(0)
    }
}

/// Where a row stands in a listing.
pub(crate) fn position(query: &ThreadQuery, row: &ThreadMetadata) -> Position {
    let time = match query.sort {
        SortKey::CreatedAt => row.created_at,
        SortKey::UpdatedAt => row.updated_at,
    };
    (time, row.id)
}

fn wanted(filter: &ThreadFilter, row: &ThreadMetadata) -> bool {
    let archived = row.archived_at.is_some();
    if filter.archived == Archived::Active && archived {
        return false;
    }
    if filter.archived == Archived::Archived && !archived {
        return false;
    }
    if !filter.include_empty && !row.has_user_event {
        return false;
    }
    if filter.sources.as_ref().is_some_and(|set| !set.iter().any(|one| *one == row.source)) {
        return false;
    }
    if filter
        .providers
        .as_ref()
        .is_some_and(|set| !set.iter().any(|one| *one == row.model_provider))
    {
        return false;
    }
    // Spelling counts.
    let cwd = row.cwd.as_os_str();
    if filter.cwds.as_ref().is_some_and(|set| !set.iter().any(|one| one.as_os_str() == cwd)) {
        return false;
    }
    if !within(filter.created, row.created_at) || !within(filter.updated, row.updated_at) {
        return false;
    }
    let Some(text) = &filter.text else {
        return true;
    };
    contains(&row.title, text)
        || row.name.as_ref().is_some_and(|name| contains(name, text))
        || row.preview.as_ref().is_some_and(|preview| contains(preview, text))
}

fn within(range: TimeRange, time: Timestamp) -> bool {
    !(range.from.is_some_and(|from| time < from) || range.to.is_some_and(|to| time > to))
}

fn contains(text: &str, part: &str) -> bool {
    text.to_ascii_lowercase().contains(&part.to_ascii_lowercase())
}

fn logged(filter: &LogFilter, row: &LogRow) -> bool {
    let entry = &row.entry;
    let contains_one = |set: &Option<BTreeSet<String>>, text: Option<&String>| match (set, text) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(set), Some(text)) => set.iter().any(|part| contains(text, part)),
    };
    if filter.level.is_some_and(|level| entry.level != level)
        || filter.min_level.is_some_and(|level| entry.level.code() < level.code())
        || filter.max_level.is_some_and(|level| entry.level.code() > level.code())
        || filter.from.is_some_and(|from| entry.time < from)
        || filter.to.is_some_and(|to| entry.time > to)
        || filter.after_id.is_some_and(|id| row.id <= id)
        || filter.before_id.is_some_and(|id| row.id >= id)
    {
        return false;
    }
    if filter.process_id.is_some() && filter.process_id != entry.process_id {
        return false;
    }
    if let Some(threads) = &filter.threads {
        let of_these = match &entry.thread_id {
            Some(id) => threads.ids.iter().any(|wanted| wanted == id),
            None => threads.threadless,
        };
        if !of_these {
            return false;
        }
    }
    contains_one(&filter.modules, entry.module_path.as_ref())
        && contains_one(&filter.files, entry.file.as_ref())
        && contains_one(&filter.targets, Some(&entry.target))
        && contains_one(&filter.messages, entry.message.as_ref())
}
