//! The tools of threads.

use async_trait::async_trait;
use sqlx::Row;
use threadkeep_core::{
    DynamicToolSpec, DynamicToolStore, Error, ErrorKind, Result, ThreadId, tools,
};
use xxhash_rust::xxh3::xxh3_64;

use crate::SqliteStore;
use crate::row::signed;

#[async_trait]
impl DynamicToolStore for SqliteStore {
    async fn dynamic_tools(&self, id: ThreadId) -> Result<Option<Vec<DynamicToolSpec>>> {
        let failed = |error| self.threads.failed(error, "dynamic_tools");
        let mut reader = self.threads.lend().await?;
        let row = sqlx::query("SELECT tools, checksum FROM dynamic_tools WHERE thread_id = ?1")
            .bind(&id.as_bytes()[..])
            .fetch_optional(&mut reader.connection)
            .await
            .map_err(failed)?;
        reader.give_back();
        let Some(row) = row else {
            return Ok(None);
        };
        let text: &str = row.try_get(0).map_err(failed)?;
        let checksum: i64 = row.try_get(1).map_err(failed)?;
        if signed(xxh3_64(text.as_bytes())) != checksum {
            return Err(Error::new(
                ErrorKind::Corrupted,
                format!("the tools of thread {id} do not match their checksum"),
            )
            .hint("replace the tools, or index the thread anew"));
        }
        tools::decode(text).map(Some)
    }
}
