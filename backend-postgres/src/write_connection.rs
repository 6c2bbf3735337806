//! The connection of one writer.

use std::sync::Arc;
use std::time::Instant;

use threadkeep_core::{BatchId, Error};

use crate::cluster::{Cluster, Purpose};
use crate::connection::Connection;
use crate::errors::Failed;
use crate::readers::Readers;
use crate::sql::Sql;

/// A connection to the primary that comes back by itself, and the writer's row in
/// `threadkeep.writers`, which says after a lost connection whether the last commit happened.
pub(crate) struct WriteConnection {
    cluster: Arc<Cluster>,
    /// Whose connections it may take over.
    readers: Arc<Readers>,
    place: Arc<str>,
    /// Which writer this is.
    id: [u8; 16],
    /// The number of the transaction that is under way, or of the last one.
    number: i64,
    connection: Option<Connection>,
}

impl WriteConnection {
    /// `readers` are those of the primary.
    pub(crate) fn new(cluster: Arc<Cluster>, readers: Arc<Readers>, place: Arc<str>) -> Self {
        let id = *BatchId::new().as_bytes();
        Self { cluster, readers, place, id, number: 0, connection: None }
    }

    pub(crate) fn id(&self) -> &[u8; 16] {
        &self.id
    }

    /// The number of a new transaction.
    pub(crate) fn next_number(&mut self) -> i64 {
        self.number += 1;
        self.number
    }

    /// The connection, made anew where there is none; the writer's row is there.
    pub(crate) async fn get(&mut self, until: Instant) -> Result<&mut Connection, Failed> {
        let connection = if let Some(connection) = self.connection.take() {
            connection
        } else {
            let mut connection = match self.readers.take_idle() {
                Some(idle) => idle,
                None => self.cluster.connect(Purpose::Write, until).await?,
            };
            // One below the number that is next, or under way.
            let row = Sql::new(
                "INSERT INTO threadkeep.writers (id, number) VALUES (?, ?)
                 ON CONFLICT (id) DO NOTHING",
            );
            connection.run(row.uuid(&self.id).number(self.number - 1), until).await?;
            connection
        };
        Ok(self.connection.insert(connection))
    }

    /// Gives the connection up, because what became of it is not known.
    pub(crate) fn drop_connection(&mut self) {
        self.connection = None;
    }

    /// An error in the words of the contract.
    pub(crate) fn translate(&self, error: Failed, operation: &'static str) -> Error {
        error.translate(&self.place, operation)
    }
}
