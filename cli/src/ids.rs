//! Threads by parts of their ids.

use threadkeep::{Error, ErrorKind, Store, ThreadId, ThreadQuery, limits};

use crate::exit::{Ambiguous, Failure};
use crate::output::table;

/// Two threads begun in the same minute share more than any three characters.
const SHORTEST_BEGINNING: usize = 4;
/// Candidates to show of an ambiguous part.
const CANDIDATES: usize = 10;

/// The thread of an id, of its beginning or of its end.
pub(crate) async fn resolve_one(store: &dyn Store, given: &str) -> Result<ThreadId, Failure> {
    let ids = resolve(store, std::slice::from_ref(&given.to_owned())).await?;
    ids.first().copied().ok_or_else(|| not_found(given).into())
}

/// The threads of these ids, of their beginnings or of their ends, each thread once. Fails where
/// one of them is no thread's or several threads', so that a command does all or nothing.
pub(crate) async fn resolve(store: &dyn Store, given: &[String]) -> Result<Vec<ThreadId>, Failure> {
    let mut wanted: Vec<_> = given.iter().map(|given| Wanted::new(given)).collect();
    for wanted in &mut wanted {
        if let Ok(id) = wanted.given.parse()
            && exists(store, id).await?
        {
            wanted.matches.push(id);
        }
    }
    if wanted.iter().any(|wanted| wanted.matches.is_empty()) {
        scan(store, &mut wanted).await?;
    }
    let mut ids = Vec::new();
    for Wanted { given, matches, .. } in wanted {
        match matches[..] {
            [] => return Err(not_found(given).into()),
            [id] if ids.contains(&id) => {}
            [id] => ids.push(id),
            _ => return Err(ambiguous(store, given, &matches).await?),
        }
    }
    Ok(ids)
}

/// A part of an id and the threads that it fits.
struct Wanted<'a> {
    given: &'a str,
    /// Without hyphens, which people leave out.
    digits: String,
    matches: Vec<ThreadId>,
}

impl<'a> Wanted<'a> {
    fn new(given: &'a str) -> Self {
        Self { given, digits: digits(given), matches: Vec::new() }
    }

    fn fits(&self, id: &str) -> bool {
        !self.digits.is_empty()
            && (id.ends_with(&self.digits)
                || self.digits.len() >= SHORTEST_BEGINNING && id.starts_with(&self.digits))
    }
}

fn digits(id: &str) -> String {
    id.trim().replace('-', "").to_ascii_lowercase()
}

async fn exists(store: &dyn Store, id: ThreadId) -> Result<bool, Error> {
    match store.threads(vec![id]).await {
        Ok(rows) => Ok(rows.iter().any(Option::is_some)),
        // A damaged row is there, and can be deleted.
        Err(error) if error.kind() == ErrorKind::Corrupted => Ok(true),
        Err(error) => Err(error),
    }
}

async fn scan(store: &dyn Store, wanted: &mut [Wanted<'_>]) -> Result<(), Error> {
    let mut query = ThreadQuery::everything().limit(limits::PAGE_ITEMS);
    loop {
        let page = store.list_ids(query.clone()).await?;
        for id in page.items {
            let text = digits(&id.to_string());
            for wanted in wanted.iter_mut() {
                if wanted.fits(&text) && !wanted.matches.contains(&id) {
                    wanted.matches.push(id);
                }
            }
        }
        match page.next {
            Some(next) => query.after = Some(next),
            None => return Ok(()),
        }
    }
}

async fn ambiguous(store: &dyn Store, given: &str, matches: &[ThreadId]) -> Result<Failure, Error> {
    let mut candidates = Vec::new();
    for &id in matches.iter().take(CANDIDATES) {
        // A damaged row is a candidate too, only without a title.
        let rows = store.threads(vec![id]).await.unwrap_or_default();
        let title = rows.into_iter().flatten().next();
        candidates.push((id, title.map_or_else(String::new, |row| table::title(&row).to_owned())));
    }
    let (given, matches) = (given.to_owned(), matches.len());
    Ok(Failure::Ambiguous(Box::new(Ambiguous { given, matches, candidates })))
}

fn not_found(given: &str) -> Error {
    let error = Error::new(ErrorKind::NotFound, format!("no thread has the id {given:?}"));
    if digits(given).len() < SHORTEST_BEGINNING {
        error.hint(format!(
            "give the id's end, or at least {SHORTEST_BEGINNING} characters of its beginning"
        ))
    } else {
        error.hint(
            "look for it with `threadkeep list --any --include-empty`, or index the home first",
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beginnings_need_four_characters_and_ends_do_not() {
        let id = digits("019d714c-f076-71e5-8f95-e0866396e022");
        for (given, fits) in [
            ("019d", true),
            ("019D714C-F0", true),
            ("019d714cf0", true),
            ("e022", true),
            ("22", true),
            ("e0866396e022", true),
            ("019", false),
            ("f076", false),
            ("", false),
            ("-", false),
        ] {
            assert_eq!(Wanted::new(given).fits(&id), fits, "{given}");
        }
    }
}
