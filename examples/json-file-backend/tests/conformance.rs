//! The conformance suite on the JSON file.

use std::fs::{self, File};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use threadkeep_conformance::{Declared, Fixture, async_trait};
use threadkeep_core::{Capability, Error, ErrorKind, Result, Store, ThreadId};
use threadkeep_json_file::JsonFileStore;

struct JsonFile;

#[async_trait]
impl Fixture for JsonFile {
    fn name(&self) -> &'static str {
        "json-file"
    }

    fn declared(&self) -> Declared {
        Declared::everything()
            .without_previous_format("there is one format so far")
            .without(Capability::ReadOnly, "it has one way to open")
            .without_retention("it prunes only when asked to")
            .without_spoiling("its logs are in the same file")
            .without_faults("its disk cannot be made to fail")
    }

    async fn open(&self, workspace: &Path) -> Result<Arc<dyn Store>> {
        Ok(Arc::new(JsonFileStore::open(workspace).await?))
    }

    async fn tamper(&self, workspace: &Path, id: ThreadId) -> Result<()> {
        let path = workspace.join("store.json");
        let text = fs::read_to_string(&path).map_err(failed)?;
        let row = text.find(&format!("{{\\\"id\\\":\\\"{id}")).unwrap_or(text.len());
        let (before, row) = text.split_at(row);
        let damaged = row.replacen("\\\"title\\\":\\\"", "\\\"title\\\":\\\"~", 1);
        fs::write(path, before.to_owned() + &damaged).map_err(failed)
    }

    async fn hold(&self, workspace: &Path) -> Result<Box<dyn Send>> {
        let lock = File::open(workspace.join("store.lock")).map_err(failed)?;
        lock.lock().map_err(failed)?;
        Ok(Box::new(lock))
    }
}

fn failed(error: std::io::Error) -> Error {
    Error::new(ErrorKind::Io, "the fixture failed").with_source(error)
}

fn main() -> ExitCode {
    threadkeep_conformance::run(JsonFile)
}
