//! From the flags of `logs` to the entries they mean.

use std::collections::BTreeSet;
use std::time::SystemTime;

use threadkeep::{Error, ErrorKind, LogFilter, Store, ThreadId};

use super::amounts;
use super::sieve::Sieve;
use crate::args::SelectArgs;
use crate::exit::Failure;
use crate::ids;
use crate::when::{self, End};

/// Which entries are shown.
#[derive(Debug)]
pub(super) struct Selection {
    /// What the store looks after.
    pub(super) filter: LogFilter,
    /// And the rest.
    pub(super) sieve: Sieve,
}

impl Selection {
    pub(super) fn read(args: &SelectArgs) -> Result<Self, Error> {
        let now = SystemTime::now().into();
        let time = |text: &Option<String>, end| {
            let when = text.as_deref().map(|text| when::parse(text, end, now)).transpose();
            when.map(|when| when.map(|when| when.time))
        };
        let any = |parts: &[String]| -> Option<BTreeSet<String>> {
            (!parts.is_empty()).then(|| parts.iter().cloned().collect())
        };
        let mut filter = LogFilter::new();
        if let Some(levels) = &args.priority {
            let (least, most) = amounts::levels(levels)?;
            (filter.min_level, filter.max_level) = (Some(least), Some(most));
        }
        filter.from = time(&args.since, End::From)?;
        filter.to = time(&args.until, End::To)?;
        filter.targets = any(&args.target);
        filter.modules = any(&args.module);
        filter.files = any(&args.file);
        filter.process_id.clone_from(&args.process);
        if args.no_thread {
            filter = filter.threadless();
        }
        Ok(Self { filter, sieve: Sieve::new(&args.exclude, &args.grep)? })
    }

    /// The threads among the conditions: their ids are looked for in the store.
    pub(super) async fn add_threads(
        &mut self,
        store: &dyn Store,
        args: &SelectArgs,
    ) -> Result<(), Failure> {
        let threads = match &args.thread[..] {
            [] => return Ok(()),
            _ => self.filter.threads.get_or_insert_default(),
        };
        for given in &args.thread {
            threads.ids.insert(thread(store, given).await?);
        }
        Ok(())
    }
}

/// The id of a stored thread, else the text as it stands: entries may be of threads that are not
/// stored, and of ids that are no UUIDs.
async fn thread(store: &dyn Store, given: &str) -> Result<String, Failure> {
    // A whole id needs no looking for.
    if given.len() == 36
        && let Ok(id) = given.parse::<ThreadId>()
    {
        return Ok(id.to_string());
    }
    match ids::resolve_one(store, given).await {
        Ok(id) => Ok(id.to_string()),
        Err(Failure::Failed(error)) if error.kind() == ErrorKind::NotFound => Ok(given.to_owned()),
        Err(failure) => Err(failure),
    }
}
