//! An operation that meets a fault, and everything that has to hold then.

use std::sync::Arc;

use threadkeep_core::{Applied, Error, ErrorKind, Result, Retry, Store};

use super::bench::{Bench, perform, watched};
use super::content::Content;
use super::operations::{SERVED, Work};
use crate::diff::same;
use crate::disk::{Fault, FaultyDisk, Unsynced};
use crate::lab::{Failure, Verdict};
use crate::rules::{P_41, P_42, P_43, P_44, Rule};

/// A rule, and what shows that it is broken.
pub(super) fn breaks(rule: Rule, text: impl std::fmt::Display) -> Failure {
    Failure::new(format!("\nbreaks {}: {text}", rule.id))
}

/// What became of the operation.
type Outcome = Result<(String, Option<Arc<dyn Store>>)>;

impl Bench {
    /// Lets the operation meet a fault. Answers whether it did; it does not where it makes fewer
    /// calls, or writes fewer bytes.
    pub(super) async fn meet(&self, fault: Fault) -> Verdict<bool> {
        let story = |failure: Failure| {
            let name = self.operation.name;
            failure.during(format!("{name}, which makes {} calls, at {fault:?}", self.calls))
        };
        let (struck, acknowledged) = self.go_on_after(fault).await.map_err(story)?;
        if struck && acknowledged && self.durable {
            let cut = self.cut_after(fault).await;
            cut.map_err(|failure| story(failure.during("followed by a power cut")))?;
        }
        Ok(struck)
    }

    /// Goes on with the store after the fault.
    async fn go_on_after(&self, fault: Fault) -> Verdict<(bool, bool)> {
        let (disk, old) = self.ready().await?;
        let (outcome, struck) = self.strike(&disk, old.clone(), fault).await?;
        if !struck {
            if let Err(error) = outcome {
                return Err(Failure::new(format!("it fails though nothing does: {error:?}")));
            }
            return Ok((false, true));
        }
        self.told_rightly(&outcome, fault)?;
        let (mut handles, content) = self.serving(&disk, old, &outcome).await?;
        self.is_whole(&content, &outcome)?;
        let content = match (self.operation.work, handles.last().cloned()) {
            (Work::Call(call), Some(store)) if self.operation.repeats => {
                self.repeat(call, store).await?
            }
            _ => content,
        };
        // The oldest first, which is the one that failed.
        for store in handles.drain(..) {
            // A handle that met a fault may say so once more.
            let _ = watched("closing after the fault", async move { store.close().await }).await?;
        }
        reopened(&disk, &content).await?;
        Ok((true, outcome.is_ok()))
    }

    /// Cuts the power after the fault, which the operation did not find worth an error.
    async fn cut_after(&self, fault: Fault) -> Verdict {
        let (disk, old) = self.ready().await?;
        let (outcome, _) = self.strike(&disk, old.clone(), fault).await?;
        disk.cut_power(Unsynced::Lost);
        let opened = outcome.as_ref().ok().and_then(|(_, opened)| opened.clone());
        for store in [old, opened].into_iter().flatten() {
            // It has nothing left to close, and may say so.
            let _ =
                watched("closing after the power cut", async move { store.close().await }).await?;
        }
        let store = open(&disk, P_44).await?;
        let content = read(&store).await.map_err(|error| breaks(P_44, format!("{error:?}")))?;
        self.is_whole(&content, &outcome)
    }

    /// Does the operation on a disk that fails meanwhile. Answers what came of it, and whether
    /// anything failed.
    async fn strike(
        &self,
        disk: &Arc<dyn FaultyDisk>,
        store: Option<Arc<dyn Store>>,
        fault: Fault,
    ) -> Verdict<(Outcome, bool)> {
        disk.arm(fault);
        let outcome = perform(disk, store, self.operation.work).await;
        disk.disarm();
        Ok((outcome?, disk.struck()))
    }

    /// Whether an answer is the right one, and an error says what went wrong.
    fn told_rightly(&self, outcome: &Outcome, fault: Fault) -> Verdict {
        match outcome {
            Ok((answer, _)) => same("it answers in spite of the fault", answer, &self.answer)
                .map_err(|failure| breaks(P_42, failure)),
            Err(error) => {
                let expected = match fault {
                    Fault::FullAfter(_) => ErrorKind::StorageFull,
                    _ => ErrorKind::Io,
                };
                if error.kind() == expected {
                    return Ok(());
                }
                Err(breaks(P_42, format!("it is to fail with {expected:?}: {error:?}")))
            }
        }
    }

    /// Finds a handle that serves, and what is there. Answers every handle that is open, the one
    /// that serves as the last.
    async fn serving(
        &self,
        disk: &Arc<dyn FaultyDisk>,
        old: Option<Arc<dyn Store>>,
        outcome: &Outcome,
    ) -> Verdict<(Vec<Arc<dyn Store>>, Content)> {
        let opened = outcome.as_ref().ok().and_then(|(_, opened)| opened.clone());
        let mut handles: Vec<_> = old.into_iter().chain(opened).collect();
        let told_to_reopen = outcome.as_ref().is_err_and(|error| error.retry() == Retry::Reopen);
        let closed = matches!(self.operation.work, Work::Close);
        if let Some(store) = handles.last().filter(|_| !told_to_reopen && !closed) {
            match serve(store).await? {
                Ok(content) => return Ok((handles, content)),
                Err(error) if error.retry() == Retry::Reopen => {}
                Err(error) => {
                    let text = "the disk works again, but not the handle, and the error does not \
                                say Reopen";
                    return Err(breaks(P_43, format!("{text}: {error:?}")));
                }
            }
        }
        // The handle that failed is open still.
        let store = open(disk, P_43).await?;
        let served = serve(&store).await?;
        handles.push(store);
        let text = "a new handle does not work either";
        Ok((handles, served.map_err(|error| breaks(P_43, format!("{text}: {error:?}")))?))
    }

    /// Whether this is what may be there after such an answer.
    fn is_whole(&self, content: &Content, outcome: &Outcome) -> Verdict {
        let (before, after) = (&self.before, &self.after);
        let differs = |what, from| same(what, content, from).map_err(|said| breaks(P_41, said));
        match outcome {
            Ok(_) => differs("it was acknowledged; what is there then", after),
            Err(error) if error.outcome() == Applied::NotApplied => differs(
                &format!("what is there after an error of nothing written: {error}"),
                before,
            ),
            Err(_) if content == after || content.is_between(before, after) => Ok(()),
            Err(error) => differs(
                &format!("what is there is neither as before nor as after: {error}"),
                before,
            ),
        }
    }

    /// Makes the call again, which is to answer as the first time would have, and to be made once.
    async fn repeat(
        &self,
        call: fn(Arc<dyn Store>) -> super::operations::Answer,
        store: Arc<dyn Store>,
    ) -> Verdict<Content> {
        let again = watched("the same call again", call(Arc::clone(&store))).await?;
        let again = again.map_err(|error| breaks(P_43, format!("the same again: {error:?}")))?;
        let wrong = |failure| breaks(P_41, failure);
        same("the same call again", &again, &self.answer).map_err(wrong)?;
        let content = read(&store).await?;
        same("what is there after the same again", &content, &self.after).map_err(wrong)?;
        Ok(content)
    }
}

async fn open(disk: &Arc<dyn FaultyDisk>, rule: Rule) -> Verdict<Arc<dyn Store>> {
    let disk = Arc::clone(disk);
    let opened = watched("opening anew", async move { disk.open().await }).await?;
    opened.map_err(|error| breaks(rule, format!("it does not open again: {error:?}")))
}

async fn read(store: &Arc<dyn Store>) -> Result<Content> {
    Content::read(Arc::clone(store)).await
}

/// Reads everything through a handle, and writes and reads something.
async fn serve(store: &Arc<dyn Store>) -> Verdict<Result<Content, Error>> {
    let store = Arc::clone(store);
    watched("a call after the fault", async move {
        let content = read(&store).await?;
        store.write(SERVED.batch(1)?).await?;
        Ok(content)
    })
    .await
}

/// Opens the disk again, on which everything is to be as it was shown to be.
async fn reopened(disk: &Arc<dyn FaultyDisk>, content: &Content) -> Verdict {
    let store = open(disk, P_44).await?;
    let wrong = |error: Error| breaks(P_44, format!("{error:?}"));
    let found = read(&store).await.map_err(wrong)?;
    same("what is there after opening again", &found, content)
        .map_err(|failure| breaks(P_41, failure))?;
    let mark = SERVED.mark(&*store).await?;
    if mark != 1 {
        return Err(breaks(P_41, "what was written after the fault is not there"));
    }
    let report = store.check().await.map_err(wrong)?;
    if !report.is_sound() {
        return Err(breaks(P_44, format!("the store is not sound: {report:?}")));
    }
    Ok(watched("closing", async move { store.close().await }).await??)
}
