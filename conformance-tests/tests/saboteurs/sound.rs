//! What saboteurs are built from, with nothing broken in it. The suite must let these pass: then it
//! is the break that a saboteur is caught for, and not how it was built.

use threadkeep_conformance::async_trait;
use threadkeep_core::{
    Change, Error, ErrorKind, Outcome, Page, Record, Result, ThreadMetadata, ThreadQuery,
    ThreadStore, WriteBatch,
};

use crate::Saboteur;
use crate::fixtures::{memory, own_logs, sqlite};
use crate::imitate::{Known, Listing, Lists, Names, Rewrite, Rewrites, cut, whole};
use crate::own_logs::{LogFault, OwnLogs};
use crate::sabotage::{Inner, Sabotage};

pub(crate) fn all() -> Vec<Saboteur> {
    let sound = |name, fixture| Saboteur { name, breaks: "", seen: "", rules: "", fixture };
    vec![
        sound("sound_memory", |name| memory(name, |_| Nothing)),
        sound("sound_sqlite", |name| sqlite(name, |_| Nothing)),
        sound("sound_listing", |name| memory(name, |_| Lists(WholeListings))),
        sound("sound_rewriting", |name| memory(name, |_| Rewrites::new(AsItIs))),
        sound("sound_foretelling", |name| memory(name, |_| Foretells::default())),
        sound("sound_logs", |name| own_logs(name, |_| OwnLogs::new(LogFault::Nothing))),
    ]
}

pub(crate) struct Nothing;

impl Sabotage for Nothing {}

struct WholeListings;

#[async_trait]
impl Listing for WholeListings {
    async fn page(&self, inner: &Inner, query: ThreadQuery) -> Result<Page<ThreadMetadata>> {
        let rows = whole(inner, &query).await?;
        Ok(cut(&query, rows))
    }
}

struct AsItIs;

impl Rewrite for AsItIs {
    fn rewrite(&self, _record: &Record, change: Change) -> Change {
        change
    }
}

/// Fails where what was foretold is not what is answered.
#[derive(Default)]
struct Foretells {
    known: Known,
    names: Names,
    turn: tokio::sync::Mutex<()>,
}

#[async_trait]
impl Sabotage for Foretells {
    async fn write(&self, inner: &Inner, batch: WriteBatch) -> Result<Vec<Outcome>> {
        let _turn = self.turn.lock().await;
        let foretold = match self.names.get(&batch) {
            Some(outcomes) => Ok(outcomes),
            None => self.known.foretell(inner, &batch).await,
        };
        let answer = inner.write(batch.clone()).await;
        let same = match (&foretold, &answer) {
            (Ok(foretold), Ok(answer)) => foretold == answer,
            (Err(foretold), Err(answer)) => foretold.kind() == answer.kind(),
            _ => false,
        };
        if !same {
            let message = format!("foretold {foretold:?}, answered {answer:?}");
            return Err(Error::new(ErrorKind::Internal, message));
        }
        let outcomes = answer?;
        self.known.note(&batch, &outcomes);
        self.names.note(&batch, &outcomes);
        Ok(outcomes)
    }
}
