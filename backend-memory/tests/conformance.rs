//! The conformance suite on the store in memory.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use threadkeep_conformance::{Declared, Fixture, async_trait};
use threadkeep_core::{Capability, Result, Retention, Store};
use threadkeep_memory::MemoryStore;

struct Memory;

#[async_trait]
impl Fixture for Memory {
    fn name(&self) -> &'static str {
        "memory"
    }

    fn declared(&self) -> Declared {
        Declared::everything()
            .without(Capability::Persistent, "it is gone with its last handle")
            .without(Capability::Durable, "it has no files")
            .without(Capability::MultiProcess, "other processes cannot reach it")
            .without(Capability::Backup, "it has no files")
            .without(Capability::ReadOnly, "there is nothing to open")
            .without_tamper("it has no files")
            .without_previous_format("it has no files")
            .without_hold("other processes cannot reach it")
            .without_faults("it has no files")
            .without_spoiling("it has no files")
    }

    async fn open(&self, _workspace: &Path) -> Result<Arc<dyn Store>> {
        Ok(Arc::new(MemoryStore::new()))
    }

    async fn open_keeping(
        &self,
        _workspace: &Path,
        retention: Retention,
    ) -> Result<Arc<dyn Store>> {
        Ok(Arc::new(MemoryStore::keeping(retention)))
    }
}

fn main() -> ExitCode {
    threadkeep_conformance::run(Memory)
}
