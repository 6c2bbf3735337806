//! The claim to index a home: one run at a time, whoever crashes.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use threadkeep_core::{
    Change, Checkpoint, Error, ErrorKind, Expect, Result, Store, Timestamp, WriteBatch, path,
};

use crate::Home;
use crate::owner::{Owner, Running};
use crate::wait::sleep;

/// How often a run shows that it lives.
const BEAT: Duration = Duration::from_secs(1);
/// After how long without that a run counts as dead.
const DEAD: Duration = Duration::from_secs(10);
/// How often a run that waits looks again.
const POLL: Duration = Duration::from_millis(50);

/// The right to index a home, held as long as it is renewed.
pub(crate) struct Claim {
    key: String,
    owner: Owner,
    revision: u64,
    renewed: Instant,
    _running: Running,
}

/// What is stored of a claim.
#[derive(Serialize, Deserialize)]
struct Held {
    owner: Owner,
    /// When it was last renewed, by the owner's clock.
    beat: Timestamp,
}

impl Claim {
    /// Takes the claim, waiting for at most `wait` while a living run has it.
    ///
    /// Dropping the future, or the claim, leaves a claim that counts as dead.
    pub(crate) async fn take(store: &dyn Store, home: &Home, wait: Duration) -> Result<Self> {
        let key = format!("claim:{}", path::to_text(home.root()));
        let start = Instant::now();
        // What was last found, and since when: whatever the clocks say, a claim that nobody
        // renews is dead.
        let mut seen: Option<(u64, Instant)> = None;
        loop {
            let found = find(store, &key).await?;
            let since = match (&found, seen) {
                (Some(found), Some((revision, since))) if revision == found.revision => since,
                _ => Instant::now(),
            };
            seen = found.as_ref().map(|found| (found.revision, since));
            let held = found.as_ref().and_then(|found| serde_json::from_str(&found.value).ok());
            let is_free = since.elapsed() >= DEAD || held.as_ref().is_some_and(is_dead);
            let expect = match &found {
                None => Some(Expect::Absent),
                Some(found) => is_free.then_some(Expect::Revision(found.revision)),
            };
            if let Some(expect) = expect
                && let Some(claim) = Self::write(store, key.clone(), expect).await?
            {
                return Ok(claim);
            }
            if start.elapsed() >= wait {
                return Err(busy(home, held.as_ref()));
            }
            sleep(POLL.min(wait.saturating_sub(start.elapsed()))).await;
        }
    }

    /// Tries to become the owner; `None` where another run was faster.
    async fn write(store: &dyn Store, key: String, expect: Expect) -> Result<Option<Self>> {
        let (owner, running) = Owner::new();
        let renewed = Instant::now();
        let mut claim = Self { key, owner, revision: 0, renewed, _running: running };
        match store.write(WriteBatch::new().and_if(expect, claim.change())).await {
            Ok(outcomes) => {
                claim.renewed_as(outcomes.first().map_or(0, |outcome| outcome.revision));
                Ok(Some(claim))
            }
            Err(error) if is_refusal(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// What has to stand first in every batch: it renews the claim, and refuses the batch where
    /// the claim is lost.
    pub(crate) fn renewal(&self) -> (Expect, Change) {
        (Expect::Revision(self.revision), self.change())
    }

    /// Takes note that a batch with the renewal was written.
    pub(crate) fn renewed_as(&mut self, revision: u64) {
        self.revision = revision;
        self.renewed = Instant::now();
    }

    /// Renews the claim if it is time to. [`Busy`](ErrorKind::Busy) where it is lost.
    pub(crate) async fn keep_alive(&mut self, store: &dyn Store) -> Result<()> {
        if self.renewed.elapsed() < BEAT { Ok(()) } else { self.renew(store).await }
    }

    /// Renews the claim. [`Busy`](ErrorKind::Busy) where it is lost.
    pub(crate) async fn renew(&mut self, store: &dyn Store) -> Result<()> {
        let (expect, change) = self.renewal();
        match store.write(WriteBatch::new().and_if(expect, change)).await {
            Ok(outcomes) => {
                self.renewed_as(outcomes.first().map_or(0, |outcome| outcome.revision));
                Ok(())
            }
            Err(error) if is_refusal(&error) => Err(lost(error)),
            Err(error) => Err(error),
        }
    }

    /// Gives the claim back.
    pub(crate) async fn release(self, store: &dyn Store) {
        let expect = Expect::Revision(self.revision);
        let change = Change::SetCheckpoint { key: self.key.clone(), value: None };
        if let Err(error) = store.write(WriteBatch::new().and_if(expect, change)).await {
            // The next run finds its owner dead.
            tracing::debug!(%error, "the claim could not be given back");
        }
    }

    fn change(&self) -> Change {
        let held = Held { owner: self.owner.clone(), beat: Timestamp::now() };
        Change::SetCheckpoint {
            key: self.key.clone(),
            value: Some(serde_json::to_string(&held).unwrap_or_default()),
        }
    }
}

async fn find(store: &dyn Store, key: &str) -> Result<Option<Checkpoint>> {
    // The key itself comes before every longer one.
    let found = store.checkpoints(key.to_owned(), None, 1).await?;
    Ok(found.into_iter().find(|checkpoint| checkpoint.key == key))
}

fn is_dead(held: &Held) -> bool {
    let age = Timestamp::now().as_millis() - held.beat.as_millis();
    Duration::from_millis(u64::try_from(age).unwrap_or(0)) >= DEAD || held.owner.is_dead()
}

fn is_refusal(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Conflict | ErrorKind::AlreadyExists)
}

fn busy(home: &Home, held: Option<&Held>) -> Error {
    let root = home.root().display();
    let message = match held {
        Some(Held { owner, beat }) => format!(
            "{root} is being indexed by process {} on {}, which last showed at {beat}",
            owner.pid, owner.host
        ),
        None => format!("{root} is being indexed by another run"),
    };
    Error::new(ErrorKind::Busy, message).during("index").hint("wait until that run has ended")
}

fn lost(error: Error) -> Error {
    Error::new(ErrorKind::Busy, "another run took over, because this one did not show for long")
        .during("index")
        .hint("wait until that run has ended, then index again")
        .with_source(error)
}
