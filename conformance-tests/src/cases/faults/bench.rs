//! What an operation does where nothing fails: the measure of what it does where something does.

use std::sync::Arc;
use std::time::Duration;

use threadkeep_core::{Capability, Result, Store};
use tokio::time::timeout;

use super::content::Content;
use super::operations::{self, Base, Operation, Work};
use super::trial::breaks;
use crate::disk::{Fault, FaultyDisk, Unsynced};
use crate::lab::{Failure, Verdict};
use crate::rules::P_41;
use crate::setting::Setting;

/// How long a call may take, also one that fails.
const PATIENCE: Duration = Duration::from_secs(10);

/// An operation, and what is known of it.
pub(super) struct Bench {
    pub(super) operation: Operation,
    base: Arc<dyn FaultyDisk>,
    /// What is there before it and after it.
    pub(super) before: Content,
    pub(super) after: Content,
    /// What it answers.
    pub(super) answer: String,
    /// Calls to the disk that it makes.
    pub(super) calls: u64,
    /// Whether what it acknowledges outlives a power cut.
    pub(super) durable: bool,
}

/// A disk and the handle that an operation is done with; none where it opens one.
pub(super) type Ready = (Arc<dyn FaultyDisk>, Option<Arc<dyn Store>>);

impl Bench {
    pub(super) async fn prepare(setting: &Setting, operation: Operation) -> Verdict<Self> {
        let base = base(setting, operation.base).await?;
        let (disk, store) = ready(&base, operation).await?;
        // Counts the calls, and strikes at none of them.
        disk.arm(Fault::Once(u64::MAX));
        let done = perform(&disk, store.clone(), operation.work).await?;
        let calls = disk.disarm();
        let (answer, opened) = done?;
        if operation.writes && calls == 0 {
            return Err(breaks(P_41, "it is done without any call to the disk"));
        }
        for store in [store, opened].into_iter().flatten() {
            watched("closing", async move { store.close().await }).await??;
        }
        let after = content(&disk).await?;
        let (disk, store) = ready(&base, operation).await?;
        if let Some(store) = store {
            watched("closing", async move { store.close().await }).await??;
        }
        let before = content(&disk).await?;
        let durable = setting.fixture.declared().has(Capability::Durable);
        Ok(Self { operation, base, before, after, answer, calls, durable })
    }

    /// A disk of its own to do the operation on.
    pub(super) async fn ready(&self) -> Verdict<Ready> {
        ready(&self.base, self.operation).await
    }
}

async fn ready(base: &Arc<dyn FaultyDisk>, operation: Operation) -> Verdict<Ready> {
    let disk = base.copy();
    if let Work::Open = operation.work {
        return Ok((disk, None));
    }
    let store = disk.open().await?;
    if operation.warm {
        operations::warm(&*store).await?;
    }
    Ok((disk, Some(store)))
}

/// Does it, and answers what it answered and the handle that it opened.
pub(super) async fn perform(
    disk: &Arc<dyn FaultyDisk>,
    store: Option<Arc<dyn Store>>,
    work: Work,
) -> Verdict<Result<(String, Option<Arc<dyn Store>>)>> {
    let disk = Arc::clone(disk);
    let done = watched("the call", async move {
        Ok(match (work, store) {
            (Work::Call(call), Some(store)) => (call(store).await?, None),
            (Work::Close, Some(store)) => (format!("{:#?}", store.close().await?), None),
            _ => (String::new(), Some(disk.open().await?)),
        })
    });
    done.await
}

/// Everything on a disk, which nobody has open.
async fn content(disk: &Arc<dyn FaultyDisk>) -> Verdict<Content> {
    let store = disk.open().await?;
    let content = Content::read(Arc::clone(&store)).await?;
    store.close().await?;
    Ok(content)
}

/// A new disk of the fixture's.
pub(super) fn disk(setting: &Setting) -> Verdict<Arc<dyn FaultyDisk>> {
    setting.fixture.disk().ok_or_else(|| {
        Failure::new(
            "the fixture does not say that it has no disk that fails, and gives none: implement \
             disk, or declare why not with without_faults",
        )
    })
}

async fn base(setting: &Setting, base: Base) -> Verdict<Arc<dyn FaultyDisk>> {
    let disk = disk(setting)?;
    if base == Base::Empty {
        return Ok(disk);
    }
    let store = disk.open().await?;
    operations::fill(&*store).await?;
    if base == Base::Filled {
        store.close().await?;
        return Ok(disk);
    }
    disk.cut_power(Unsynced::Partly(setting.options.seed));
    // What it says of the power cut is of no interest, only that it says it.
    let _ = watched("closing after a power cut", async move { store.close().await }).await?;
    Ok(disk)
}

/// Waits for a call, which has to come back and not to panic.
pub(super) async fn watched<T: Send + 'static>(
    what: &str,
    future: impl Future<Output = T> + Send + 'static,
) -> Verdict<T> {
    match timeout(PATIENCE, tokio::spawn(future)).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(panic)) => Err(breaks(P_41, format!("{what} does not answer: {panic}"))),
        Err(_) => Err(breaks(P_41, format!("{what} hangs, for {PATIENCE:?} so far"))),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use threadkeep_core::{Error, ErrorKind};

    use super::*;
    use crate::lab::run_within;
    use crate::{Declared, Fixture, Options, async_trait};

    struct Diskless;

    #[async_trait]
    impl Fixture for Diskless {
        fn name(&self) -> &'static str {
            "diskless"
        }

        fn declared(&self) -> Declared {
            Declared::everything()
        }

        async fn open(&self, _workspace: &Path) -> Result<Arc<dyn Store>> {
            Err(Error::new(ErrorKind::Unavailable, "it is never opened"))
        }
    }

    #[test]
    fn a_disk_that_is_declared_has_to_be_there() {
        let setting = Setting { fixture: Arc::new(Diskless), options: Options::default() };
        let failure = disk(&setting).err().unwrap().to_string();
        assert!(failure.contains("without_faults"), "{failure}");
    }

    #[test]
    fn a_call_that_panics_breaks_a_rule() {
        let call = async { watched("the call", async { panic!("on purpose") }).await };
        let failure: Failure = run_within::<()>(PATIENCE, call).unwrap_err();
        assert!(failure.to_string().contains("breaks P-41"), "{failure}");
    }
}
