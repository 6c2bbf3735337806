//! The tools of threads.

use async_trait::async_trait;
use threadkeep_core::{DynamicToolSpec, DynamicToolStore, Result, ThreadId};

use crate::{RedbStore, reader};

#[async_trait]
impl DynamicToolStore for RedbStore {
    async fn dynamic_tools(&self, id: ThreadId) -> Result<Option<Vec<DynamicToolSpec>>> {
        self.read(move |store| store.threads.read("dynamic_tools", |from| reader::tools(from, id)))
            .await
    }
}
