//! Tools of threads.

use async_trait::async_trait;
use threadkeep_core::{DynamicToolSpec, DynamicToolStore, Result, ThreadId};

use crate::MemoryStore;

#[async_trait]
impl DynamicToolStore for MemoryStore {
    async fn dynamic_tools(&self, id: ThreadId) -> Result<Option<Vec<DynamicToolSpec>>> {
        self.read("dynamic_tools", |state| Ok(state.tools.get(&id).cloned()))
    }
}
