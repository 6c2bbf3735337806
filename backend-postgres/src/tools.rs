//! The tools of threads.

use async_trait::async_trait;
use threadkeep_core::{
    DynamicToolSpec, DynamicToolStore, Error, ErrorKind, Result, ThreadId, tools,
};
use xxhash_rust::xxh3::xxh3_64;

use crate::PostgresStore;
use crate::connection::{number, text};
use crate::sql::Sql;

#[async_trait]
impl DynamicToolStore for PostgresStore {
    async fn dynamic_tools(&self, id: ThreadId) -> Result<Option<Vec<DynamicToolSpec>>> {
        self.handle.check_open()?;
        let namespace = self.handle.options.namespace.clone();
        let read = self.handle.readers.read("dynamic_tools", move |mut lent| {
            let sql = Sql::new(
                "SELECT tools, checksum FROM threadkeep.dynamic_tools
                 WHERE namespace = ? AND thread_id = ?",
            );
            let sql = sql.text(&namespace).id(id);
            async move {
                let rows = lent.connection.rows(sql, lent.until).await?;
                let found = match rows.first() {
                    Some(row) => Some((text(row, 0)?, number(row, 1)?)),
                    None => None,
                };
                Ok((lent, found))
            }
        });
        let Some((text, checksum)) = read.await? else {
            return Ok(None);
        };
        if xxh3_64(text.as_bytes()).cast_signed() != checksum {
            return Err(Error::new(
                ErrorKind::Corrupted,
                format!("the tools of thread {id} do not match their checksum"),
            )
            .hint("replace the tools, or index the thread anew"));
        }
        tools::decode(&text).map(Some)
    }
}
