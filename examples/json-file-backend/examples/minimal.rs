//! The least that the suite needs to know of a backend. `tests/conformance.rs` adds to this what a
//! fixture can do beyond it.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use threadkeep_conformance::{Declared, Fixture, async_trait};
use threadkeep_core::{Capability, Result, Store};
use threadkeep_json_file::JsonFileStore;

struct JsonFile;

#[async_trait]
impl Fixture for JsonFile {
    fn name(&self) -> &'static str {
        "json-file"
    }
    fn declared(&self) -> Declared {
        Declared::least("not written yet")
            .without(Capability::ReadOnly, "not written yet")
            .without_previous_format("there is one format so far")
    }
    async fn open(&self, workspace: &Path) -> Result<Arc<dyn Store>> {
        Ok(Arc::new(JsonFileStore::open(workspace).await?))
    }
}

fn main() -> ExitCode {
    threadkeep_conformance::run(JsonFile)
}
