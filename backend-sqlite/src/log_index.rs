//! The index of the logs: of every 4,096 numbers, which are of which call site, thread and process.
//!
//! An ordinary index over (thread, number) is written to at as many places as there are threads with
//! every commit, and each place is a page of 4 KiB. Here the newest entries have no index and are
//! looked through; once 4,096 numbers are given out they get theirs in one piece.

use std::collections::BTreeMap;

use sqlx::{AssertSqlSafe, Row, SqliteConnection};

use crate::log_names::{NONE, Names};

/// Numbers of a chunk.
pub(crate) const CHUNK: i64 = 4_096;

/// The chunk of a number.
pub(crate) fn chunk_of(id: i64) -> i64 {
    id / CHUNK
}

/// What entries are looked up by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Site = 0,
    Thread = 1,
    Process = 2,
    /// Entries of a process and no thread. Only counted: they can be found by both.
    Threadless = 3,
}

/// An entry's number and those of its names.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Key {
    pub(crate) id: i64,
    pub(crate) site: i64,
    pub(crate) thread: i64,
    pub(crate) process: i64,
}

/// What the index has to know of an entry.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Indexed {
    pub(crate) key: Key,
    pub(crate) seconds: i64,
    pub(crate) nanos: u32,
    /// Of all its texts.
    pub(crate) bytes: u64,
}

#[derive(Default)]
struct Posting {
    rows: i64,
    bytes: u64,
    /// The number before the first distance.
    last: i64,
    ids: Vec<u8>,
}

impl Posting {
    fn count(&mut self, bytes: u64) {
        self.rows += 1;
        self.bytes += bytes;
    }

    fn add(&mut self, place: i64, bytes: u64) {
        self.count(bytes);
        let mut distance = place - self.last;
        self.last = place;
        while distance >= 0x80 {
            self.ids.push(0x80 | low_bits(distance));
            distance >>= 7;
        }
        self.ids.push(low_bits(distance));
    }
}

fn low_bits(number: i64) -> u8 {
    (number & 0x7f).to_le_bytes()[0]
}

/// Numbers of one chunk, a bit each.
#[derive(Clone)]
pub(crate) struct Places([u64; 64]);

impl Places {
    pub(crate) fn none() -> Self {
        Self([0; 64])
    }

    /// Adds those that a posting has.
    pub(crate) fn add(&mut self, ids: &[u8]) -> Result<(), sqlx::Error> {
        let (mut place, mut distance, mut shift) = (0_usize, 0_usize, 0);
        for byte in ids {
            distance |= usize::from(byte & 0x7f) << shift;
            shift += 7;
            if byte & 0x80 == 0 {
                place += distance;
                let word = self.0.get_mut(place / 64).ok_or_else(damaged)?;
                *word |= 1 << (place % 64);
                (distance, shift) = (0, 0);
            } else if shift > 14 {
                return Err(damaged());
            }
        }
        Ok(())
    }

    pub(crate) fn intersect(&mut self, other: &Self) {
        for (word, other) in self.0.iter_mut().zip(&other.0) {
            *word &= other;
        }
    }

    /// The numbers of this chunk, ascending.
    pub(crate) fn ids(&self, chunk: i64) -> impl DoubleEndedIterator<Item = i64> {
        let has = |place: &i64| {
            let place = place.unsigned_abs();
            usize::try_from(place / 64).is_ok_and(|word| self.0[word] & (1 << (place % 64)) != 0)
        };
        (0..CHUNK).filter(has).map(move |place| chunk * CHUNK + place)
    }
}

fn damaged() -> sqlx::Error {
    sqlx::Error::Decode("the index of the log entries is damaged".into())
}

/// The entries of one chunk as they are stored.
pub(crate) async fn read(
    connection: &mut SqliteConnection,
    names: &Names,
    chunk: i64,
) -> Result<Vec<Indexed>, sqlx::Error> {
    let rows = sqlx::query(
        "SELECT id, site, thread, process, seconds, nanos, coalesce(octet_length(message), 0)
         FROM entries WHERE id >= ?1 AND id < ?2 ORDER BY id",
    )
    .bind(chunk * CHUNK)
    .bind((chunk + 1) * CHUNK)
    .fetch_all(connection)
    .await?;
    let indexed = rows.iter().map(|row| {
        let key = Key {
            id: row.try_get(0)?,
            site: row.try_get(1)?,
            thread: row.try_get(2)?,
            process: row.try_get(3)?,
        };
        let nanos: i64 = row.try_get(5)?;
        let message: i64 = row.try_get(6)?;
        let bytes = names.text_bytes(key.site, key.thread, key.process) + message.unsigned_abs();
        let nanos = u32::try_from(nanos).unwrap_or(0);
        Ok(Indexed { key, seconds: row.try_get(4)?, nanos, bytes })
    });
    indexed.collect()
}

/// Rows of postings in one statement.
const ROWS: usize = 64;

/// Writes the index of a chunk, whose entries these are, in place of what it had.
pub(crate) async fn write(
    connection: &mut SqliteConnection,
    chunk: i64,
    entries: &[Indexed],
) -> Result<(), sqlx::Error> {
    for sql in ["DELETE FROM postings WHERE chunk = ?1", "DELETE FROM chunks WHERE chunk = ?1"] {
        sqlx::query(sql).bind(chunk).execute(&mut *connection).await?;
    }
    let (Some(from), Some(to)) = (
        entries.iter().map(|entry| entry.seconds).min(),
        entries.iter().map(|entry| entry.seconds).max(),
    ) else {
        return Ok(());
    };
    sqlx::query(
        "INSERT INTO chunks (chunk, rows, from_seconds, to_seconds) VALUES (?1, ?2, ?3, ?4)",
    )
    .bind(chunk)
    .bind(i64::try_from(entries.len()).unwrap_or(i64::MAX))
    .bind(from)
    .bind(to)
    .execute(&mut *connection)
    .await?;
    let mut postings: BTreeMap<(Kind, i64), Posting> = BTreeMap::new();
    for Indexed { key, bytes, .. } in entries {
        let place = key.id - chunk * CHUNK;
        postings.entry((Kind::Site, key.site)).or_default().add(place, *bytes);
        postings.entry((Kind::Thread, key.thread)).or_default().add(place, *bytes);
        if key.process != NONE {
            postings.entry((Kind::Process, key.process)).or_default().add(place, *bytes);
        }
        if key.thread == NONE {
            postings.entry((Kind::Threadless, key.process)).or_default().count(*bytes);
        }
    }
    let postings: Vec<_> = postings.into_iter().collect();
    for some in postings.chunks(ROWS) {
        let values = vec!["(?, ?, ?, ?, ?, ?)"; some.len()].join(", ");
        let sql =
            format!("INSERT INTO postings (chunk, kind, number, rows, bytes, ids) VALUES {values}");
        let mut insert = sqlx::query(AssertSqlSafe(sql));
        for ((kind, number), posting) in some {
            insert = insert
                .bind(chunk)
                .bind(*kind as i64)
                .bind(*number)
                .bind(posting.rows)
                .bind(posting.bytes.cast_signed())
                .bind(posting.ids.as_slice());
        }
        // Of the last statement of a chunk there is a text for every number of rows.
        insert.persistent(some.len() == ROWS).execute(&mut *connection).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_return_as_they_were_added() {
        for places in [
            vec![],
            vec![0],
            vec![0, 1, 2, 127, 128, 129, 4_095],
            (0..CHUNK).collect(),
            (0..CHUNK).step_by(129).collect(),
            vec![4_095],
        ] {
            let mut posting = Posting::default();
            for place in &places {
                posting.add(*place, 1);
            }
            let mut found = Places::none();
            found.add(&posting.ids).unwrap();
            let expected: Vec<_> = places.iter().map(|place| 7 * CHUNK + place).collect();
            assert_eq!(found.ids(7).collect::<Vec<_>>(), expected);
            assert_eq!(posting.rows, i64::try_from(places.len()).unwrap());
        }
    }

    #[test]
    fn a_place_beyond_the_chunk_is_damage() {
        assert!(Places::none().add(&[0x80, 0x20]).is_err());
        assert!(Places::none().add(&[0xff, 0xff, 0xff, 0x01]).is_err());
    }
}
