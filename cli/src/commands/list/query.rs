//! From the flags of `list` to a query.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use threadkeep::{Archived, Cursor, Direction, Error, ErrorKind, SortKey, ThreadQuery, TimeRange};

use crate::args::{ListArgs, Sort};
use crate::exit::Failure;
use crate::when::{self, End, When};

/// The times asked for.
pub(super) struct Times {
    since: Option<When>,
    until: Option<When>,
}

impl Times {
    pub(super) fn read(args: &ListArgs) -> Result<Self, Error> {
        let now = SystemTime::now().into();
        let read = |text: &Option<String>, end| {
            text.as_deref().map(|text| when::parse(text, end, now)).transpose()
        };
        Ok(Self { since: read(&args.since, End::From)?, until: read(&args.until, End::To)? })
    }

    fn range(&self) -> TimeRange {
        let stamp = |when: Option<When>| when.map(|when| when.time.into());
        TimeRange { from: stamp(self.since), to: stamp(self.until) }
    }

    /// The ages among them as times: an age means another time at each run, and a cursor holds
    /// for one and the same query only.
    pub(super) fn fixed(&self) -> impl Iterator<Item = (&'static str, String)> {
        let TimeRange { from, to } = self.range();
        let times = [("since", self.since, from), ("until", self.until, to)];
        times.into_iter().filter_map(|(name, when, time)| {
            when.filter(|when| when.relative).and(time).map(|time| (name, time.to_string()))
        })
    }

    pub(super) fn explain(&self, failure: Failure) -> Failure {
        match failure {
            Failure::Failed(error)
                if error.kind() == ErrorKind::InvalidCursor && self.fixed().next().is_some() =>
            {
                error
                    .hint("repeat the times that were printed beside the cursor, not an age")
                    .into()
            }
            failure => failure,
        }
    }
}

/// The query that the flags describe.
pub(super) fn query(args: &ListArgs, times: &Times) -> Result<ThreadQuery, Error> {
    let mut query = ThreadQuery::new()
        .archived(match (args.archived, args.any) {
            (true, _) => Archived::Archived,
            (_, true) => Archived::Any,
            _ => Archived::Active,
        })
        .direction(if args.reverse { Direction::Ascending } else { Direction::Descending })
        .after(args.after.as_deref().map(str::parse::<Cursor>).transpose()?);
    query = match args.sort {
        Sort::Created => query.sort(SortKey::CreatedAt).created(times.range()),
        Sort::Updated => query.sort(SortKey::UpdatedAt).updated(times.range()),
    };
    if !args.source.is_empty() {
        query = query.sources(args.source.iter().cloned());
    }
    if !args.provider.is_empty() {
        query = query.providers(args.provider.iter().cloned());
    }
    query = args.cwd.iter().flat_map(|folder| spellings(folder)).fold(query, ThreadQuery::cwd);
    if args.include_empty {
        query = query.include_empty();
    }
    if let Some(part) = &args.grep {
        query = query.text(part);
    }
    Ok(query)
}

/// How a thread may have stored the folder that is named here: agents store whole paths, some of
/// them without links, and a path of another system is stored as it is, though it looks relative.
fn spellings(folder: &Path) -> impl Iterator<Item = PathBuf> {
    // Of paths that differ in a trailing slash alone the first counts: the one without.
    let tidy = |path: PathBuf| path.components().collect();
    let whole = std::path::absolute(folder).ok().map(tidy);
    [whole, folder.canonicalize().ok(), Some(folder.to_owned())].into_iter().flatten()
}
