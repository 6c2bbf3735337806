//! What to list, in which order, and from where on.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::PathBuf;

use crate::{Cursor, Error, Result, ThreadId, ThreadMetadata, Timestamp, limits};

/// Active threads, archived ones, or both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Archived {
    /// Those that are not archived.
    #[default]
    Active,
    /// Those that are.
    Archived,
    /// Both.
    Any,
}

impl Archived {
    /// Whether a thread in this state is wanted.
    pub const fn admits(self, archived: bool) -> bool {
        match self {
            Self::Active => !archived,
            Self::Archived => archived,
            Self::Any => true,
        }
    }
}

/// A range of time, both ends included; an end that is absent is open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct TimeRange {
    /// The earliest time.
    pub from: Option<Timestamp>,
    /// The latest time.
    pub to: Option<Timestamp>,
}

impl TimeRange {
    /// Whether the time lies in it.
    pub fn contains(&self, time: Timestamp) -> bool {
        self.from.is_none_or(|from| from <= time) && self.to.is_none_or(|to| time <= to)
    }

    /// Whether it holds every time.
    pub const fn is_open(&self) -> bool {
        self.from.is_none() && self.to.is_none()
    }
}

/// Which threads. All conditions must hold; one that is absent holds for every thread, and an
/// empty set holds for none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ThreadFilter {
    /// Active, archived, or both.
    pub archived: Archived,
    /// Also threads no person ever wrote in.
    pub include_empty: bool,
    /// The source is one of these.
    pub sources: Option<BTreeSet<String>>,
    /// The provider is one of these.
    pub providers: Option<BTreeSet<String>>,
    /// The folder is spelled like one of these: `/a/` is another spelling than `/a`.
    pub cwds: Option<BTreeSet<OsString>>,
    /// It began in this range.
    pub created: TimeRange,
    /// It last changed in this range.
    pub updated: TimeRange,
    /// The title, name or preview contains this text, ASCII letters of either case alike.
    pub text: Option<String>,
}

impl ThreadFilter {
    /// Whether this thread is one of them.
    pub fn matches(&self, row: &ThreadMetadata) -> bool {
        fn one_of<T: Ord>(set: Option<&BTreeSet<T>>, value: &T) -> bool {
            set.is_none_or(|set| set.contains(value))
        }

        self.archived.admits(row.is_archived())
            && (self.include_empty || row.has_user_event)
            && one_of(self.sources.as_ref(), &row.source)
            && one_of(self.providers.as_ref(), &row.model_provider)
            && self.cwds.as_ref().is_none_or(|cwds| cwds.contains(row.cwd.as_os_str()))
            && self.created.contains(row.created_at)
            && self.updated.contains(row.updated_at)
            && self.text.as_deref().is_none_or(|text| {
                [Some(row.title.as_str()), row.name.as_deref(), row.preview.as_deref()]
                    .into_iter()
                    .flatten()
                    .any(|field| contains_ignoring_case(field, text))
            })
    }

    /// Whether a set is empty, so that nothing can match.
    pub fn matches_nothing(&self) -> bool {
        self.sources.as_ref().is_some_and(BTreeSet::is_empty)
            || self.providers.as_ref().is_some_and(BTreeSet::is_empty)
            || self.cwds.as_ref().is_some_and(BTreeSet::is_empty)
    }
}

/// Whether `text` contains `part`, ASCII letters of either case alike. Nothing is a wildcard.
pub fn contains_ignoring_case(text: &str, part: &str) -> bool {
    let (text, part) = (text.as_bytes(), part.as_bytes());
    part.is_empty() || text.windows(part.len()).any(|window| window.eq_ignore_ascii_case(part))
}

/// What a listing is ordered by. Threads of equal time are ordered by id, in the same direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum SortKey {
    /// When the thread began.
    CreatedAt,
    /// When it last changed.
    #[default]
    UpdatedAt,
}

impl SortKey {
    /// The value a thread is sorted by.
    pub const fn of(self, row: &ThreadMetadata) -> Timestamp {
        match self {
            Self::CreatedAt => row.created_at,
            Self::UpdatedAt => row.updated_at,
        }
    }
}

/// Which end comes first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Direction {
    /// The newest, or greatest.
    #[default]
    Descending,
    /// The oldest, or least.
    Ascending,
}

/// A page of a listing.
///
/// ```
/// use threadkeep_core::{SortKey, ThreadQuery};
///
/// let query = ThreadQuery::new().provider("openai").sort(SortKey::CreatedAt).limit(20);
/// assert!(query.validate().is_ok());
/// assert!(query.limit(0).validate().is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ThreadQuery {
    /// Which threads.
    pub filter: ThreadFilter,
    /// Ordered by what.
    pub sort: SortKey,
    /// Which end first.
    pub direction: Direction,
    /// How many at most, 1 to [`limits::PAGE_ITEMS`].
    pub limit: usize,
    /// Only those after this position, which a page of the same query gave.
    pub after: Option<Cursor>,
}

impl Default for ThreadQuery {
    fn default() -> Self {
        Self {
            filter: ThreadFilter::default(),
            sort: SortKey::default(),
            direction: Direction::default(),
            limit: 50,
            after: None,
        }
    }
}

impl ThreadQuery {
    /// The 50 active threads that changed last and that a person wrote in.
    pub fn new() -> Self {
        Self::default()
    }

    /// Every thread there is, archived or empty ones too.
    pub fn everything() -> Self {
        Self::new().archived(Archived::Any).include_empty()
    }

    /// Active, archived, or both.
    #[must_use]
    pub fn archived(mut self, archived: Archived) -> Self {
        self.filter.archived = archived;
        self
    }

    /// Also threads no person ever wrote in.
    #[must_use]
    pub fn include_empty(mut self) -> Self {
        self.filter.include_empty = true;
        self
    }

    /// Only threads of this source, or of those named before.
    #[must_use]
    pub fn source(mut self, source: impl Into<String>) -> Self {
        self.filter.sources.get_or_insert_default().insert(source.into());
        self
    }

    /// Only threads of these sources; of none where there are none.
    #[must_use]
    pub fn sources(mut self, sources: impl IntoIterator<Item = String>) -> Self {
        self.filter.sources.get_or_insert_default().extend(sources);
        self
    }

    /// Only threads of this provider, or of those named before.
    #[must_use]
    pub fn provider(mut self, provider: impl Into<String>) -> Self {
        self.filter.providers.get_or_insert_default().insert(provider.into());
        self
    }

    /// Only threads of these providers; of none where there are none.
    #[must_use]
    pub fn providers(mut self, providers: impl IntoIterator<Item = String>) -> Self {
        self.filter.providers.get_or_insert_default().extend(providers);
        self
    }

    /// Only threads that work in this folder, or in those named before.
    #[must_use]
    pub fn cwd(mut self, cwd: impl Into<PathBuf>) -> Self {
        self.filter.cwds.get_or_insert_default().insert(cwd.into().into_os_string());
        self
    }

    /// Only threads that began in this range.
    #[must_use]
    pub fn created(mut self, range: TimeRange) -> Self {
        self.filter.created = range;
        self
    }

    /// Only threads that last changed in this range.
    #[must_use]
    pub fn updated(mut self, range: TimeRange) -> Self {
        self.filter.updated = range;
        self
    }

    /// Only threads whose title, name or preview contains this text.
    #[must_use]
    pub fn text(mut self, text: impl Into<String>) -> Self {
        self.filter.text = Some(text.into());
        self
    }

    /// Ordered by what.
    #[must_use]
    pub fn sort(mut self, sort: SortKey) -> Self {
        self.sort = sort;
        self
    }

    /// Which end first.
    #[must_use]
    pub fn direction(mut self, direction: Direction) -> Self {
        self.direction = direction;
        self
    }

    /// How many at most, 1 to [`limits::PAGE_ITEMS`].
    #[must_use]
    pub fn limit(mut self, limit: usize) -> Self {
        self.limit = limit;
        self
    }

    /// Goes on after this position.
    #[must_use]
    pub fn after(mut self, cursor: impl Into<Option<Cursor>>) -> Self {
        self.after = cursor.into();
        self
    }

    /// Checks the limits and that the cursor belongs to this query. Every store does so first.
    pub fn validate(&self) -> Result<()> {
        check_limit(self.limit, limits::PAGE_ITEMS)?;
        let text = self.filter.text.as_ref().map_or(0, String::len);
        limits::check("the text to search for", text, limits::TEXT_BYTES, "bytes")?;
        self.after.as_ref().map_or(Ok(()), |cursor| cursor.check(self))
    }

    /// The range the sort value must lie in.
    pub fn sort_range(&self) -> TimeRange {
        match self.sort {
            SortKey::CreatedAt => self.filter.created,
            SortKey::UpdatedAt => self.filter.updated,
        }
    }
}

pub(crate) fn check_limit(limit: usize, most: usize) -> Result<()> {
    if (1..=most).contains(&limit) {
        return Ok(());
    }
    Err(Error::invalid_input(format!("limit is {limit}, expected 1 to {most}"))
        .hint("ask for fewer, then for the next page"))
}

/// One page of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// What was found, in order; as many as asked for unless the listing ends here.
    pub items: Vec<T>,
    /// Where the next page begins; `None` only where nothing follows.
    pub next: Option<Cursor>,
    /// Rows passed over because they could not be decoded.
    pub skipped: Vec<Skipped>,
}

impl<T> Default for Page<T> {
    fn default() -> Self {
        Self { items: Vec::new(), next: None, skipped: Vec::new() }
    }
}

/// A stored row that is not what was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// The thread.
    pub id: ThreadId,
    /// What is wrong with it.
    pub reason: String,
}
