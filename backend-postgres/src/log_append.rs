//! Appending a group of entries: one statement, whose numbers follow the order of commits.
//!
//! The counter's row is locked from the moment it gives out numbers until the commit, so that nobody
//! gets later numbers and is seen earlier. That is short: nothing goes to the server and back within it.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::{Duration, Instant};

use threadkeep_core::LogEntry;

use crate::connection::{Answers, Connection, number};
use crate::errors::Failed;
use crate::log_row::owner_key;
use crate::namespace::{self, key, limits, shared_lock};
use crate::sql::Sql;

/// Who hears of appended entries.
pub(crate) const CHANNEL: &str = "threadkeep_logs";

/// Bytes of texts, and entries, that go to the server in one go. The protocol ends at 1 GiB, and
/// texts grow where characters have to be escaped.
const PIECE_BYTES: u64 = 16 * 1024 * 1024;
const PIECE_ROWS: usize = 50_000;

/// So long it may take to append an entry, and so many bytes of texts.
const ROW: Duration = Duration::from_micros(200);
const BYTES_PER_MILLISECOND: u64 = 1_000;
/// The server keeps the time; this is how much longer its answer may take to come.
pub(crate) const LATE: Duration = Duration::from_millis(500);

/// Which transaction of which writer.
#[derive(Clone, Copy)]
pub(crate) struct Ticket<'a> {
    pub(crate) namespace: &'a str,
    pub(crate) writer: &'a [u8; 16],
    pub(crate) number: i64,
    /// Whether an earlier try may have made it.
    pub(crate) again: bool,
}

impl Ticket<'_> {
    /// What the transaction said when it was made, now or before; nothing where the writer is not
    /// known.
    pub(crate) fn answer(&self) -> Sql {
        let sql = if self.again {
            // What was made before may be on this server alone, when its session ended while it
            // waited for a standby: a commit of its own waits for both.
            "UPDATE threadkeep.writers SET at = now() WHERE id = ? AND number = ? RETURNING answer"
        } else {
            "SELECT answer FROM threadkeep.writers WHERE id = ? AND number = ?"
        };
        Sql::new(sql).uuid(self.writer).number(self.number)
    }
}

/// Entries to be appended in one transaction.
pub(crate) struct Group {
    entries: Vec<LogEntry>,
    bytes: Vec<u64>,
    owners: Vec<i64>,
    /// Entries and bytes of each owner.
    sums: BTreeMap<i64, (i64, i64)>,
    pieces: Vec<Range<usize>>,
}

/// What an append did.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Appended {
    /// The number of the last entry.
    pub(crate) last: i64,
    /// The server's day; `None` where it was done by an earlier try.
    pub(crate) day: Option<i64>,
}

impl Group {
    pub(crate) fn new(entries: Vec<LogEntry>) -> Self {
        let bytes: Vec<_> = entries.iter().map(LogEntry::text_bytes).collect();
        let owners: Vec<_> = entries.iter().map(|entry| owner_key(entry.owner())).collect();
        let mut sums: BTreeMap<i64, (i64, i64)> = BTreeMap::new();
        for (owner, bytes) in owners.iter().zip(&bytes) {
            let sum = sums.entry(*owner).or_default();
            sum.0 += 1;
            sum.1 += bytes.cast_signed();
        }
        let mut pieces = Vec::new();
        let (mut first, mut sum) = (0, 0);
        for (nth, bytes) in bytes.iter().enumerate() {
            if nth > first && (sum + bytes > PIECE_BYTES || nth - first >= PIECE_ROWS) {
                pieces.push(first..nth);
                (first, sum) = (nth, 0);
            }
            sum += bytes;
        }
        pieces.push(first..entries.len());
        Self { entries, bytes, owners, sums, pieces }
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.iter().sum()
    }

    pub(crate) fn owners(&self) -> impl Iterator<Item = i64> {
        self.sums.keys().copied()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn rows(&self) -> i64 {
        i64::try_from(self.entries.len()).unwrap_or(i64::MAX)
    }

    /// So long it may take beside the waiting.
    pub(crate) fn work(&self) -> Duration {
        let rows = u32::try_from(self.entries.len()).unwrap_or(u32::MAX);
        ROW * rows + Duration::from_millis(self.bytes() / BYTES_PER_MILLISECOND)
    }

    /// Appends them, or learns that an earlier try did, waiting until then for locks. `None` where the
    /// writer is not known.
    pub(crate) async fn append(
        &self,
        connection: &mut Connection,
        ticket: Ticket<'_>,
        notify: bool,
        until: Instant,
    ) -> Result<Option<Appended>, Failed> {
        let patience = until.saturating_duration_since(Instant::now());
        let limits = limits(patience, patience + self.work());
        let begin = limits.and(shared_lock(ticket.namespace));
        let first = self.first_piece(ticket, notify).and(ticket.answer());
        let until = until + self.work() + LATE;
        let is_whole = self.pieces.len() == 1;
        // Several statements in one message are a transaction by themselves.
        let begin = if is_whole {
            begin
        } else {
            namespace::begin(Duration::from_secs(1) + self.work()).and(begin)
        };
        let answers = connection.run(begin.and(first), until).await?;
        let appended = appended(&answers)?;
        if !is_whole {
            if let Some(Appended { last, day: Some(day) }) = appended {
                let base = last - self.rows();
                for piece in &self.pieces[1..] {
                    connection.run(self.further_piece(ticket, piece, base, day), until).await?;
                }
            }
            connection.run(Sql::new("COMMIT"), until).await?;
        }
        Ok(appended)
    }

    /// Takes numbers for all, counts all, and stores the first piece. `w` is empty where an earlier
    /// try did it, and then nothing is done.
    fn first_piece(&self, ticket: Ticket<'_>, notify: bool) -> Sql {
        let seconds = || self.entries.iter().map(|entry| entry.time.timestamp());
        let sql = Sql::new(
            "WITH w AS (
                 SELECT id FROM threadkeep.writers WHERE id = ? AND number < ? FOR UPDATE
             ), head AS (
                 UPDATE threadkeep.namespaces AS n SET last_log_id = n.last_log_id + ?
                 FROM w WHERE n.name = ?
                 RETURNING n.last_log_id AS last, (now() AT TIME ZONE 'utc')::date AS day
             ), mine AS (
                 UPDATE threadkeep.writers AS u SET number = ?, answer = head.last, at = now()
                 FROM head WHERE u.id = ?
             ), days AS (
                 INSERT INTO threadkeep.log_days AS d
                     (namespace, day, rows, bytes, first_id, last_id, oldest, newest)
                 SELECT ?, head.day, ?, ?, head.last - ?, head.last, ?, ? FROM head
                 ON CONFLICT (namespace, day) DO UPDATE SET
                     rows = d.rows + excluded.rows,
                     bytes = d.bytes + excluded.bytes,
                     last_id = excluded.last_id,
                     oldest = least(d.oldest, excluded.oldest),
                     newest = greatest(d.newest, excluded.newest)
             ), owners AS (
                 INSERT INTO threadkeep.log_owners AS o (namespace, owner, day, rows, bytes)
                 SELECT ?, own.owner, head.day, own.rows, own.bytes
                 FROM head, unnest(?, ?, ?) AS own (owner, rows, bytes)
                 ON CONFLICT (namespace, owner, day) DO UPDATE SET
                     rows = o.rows + excluded.rows, bytes = o.bytes + excluded.bytes
             ), entries AS (",
        )
        .uuid(ticket.writer)
        .number(ticket.number)
        .number(self.rows())
        .text(ticket.namespace)
        .number(ticket.number)
        .uuid(ticket.writer)
        .text(ticket.namespace)
        .number(self.rows())
        .number(self.bytes().cast_signed())
        .number(self.rows() - 1)
        .number(seconds().min().unwrap_or(0))
        .number(seconds().max().unwrap_or(0))
        .text(ticket.namespace)
        .numbers(self.sums.keys().copied())
        .numbers(self.sums.values().map(|sum| sum.0))
        .numbers(self.sums.values().map(|sum| sum.1));
        let sql = self
            .insert(sql, ticket, &self.pieces[0], |sql| {
                sql.then("head.last - ? + new.nth, head.day").number(self.rows())
            })
            .then(", head) SELECT head.last, head.day - DATE '1970-01-01'");
        let sql = if notify {
            sql.then(", pg_notify(?, ? || ' ' || head.last)")
                .text(CHANNEL)
                .text(&key(ticket.namespace).to_string())
        } else {
            sql
        };
        sql.then(" FROM head")
    }

    /// Stores one more piece, the numbers of which follow those before.
    fn further_piece(&self, ticket: Ticket<'_>, piece: &Range<usize>, base: i64, day: i64) -> Sql {
        let base = base + i64::try_from(piece.start).unwrap_or(i64::MAX);
        self.insert(Sql::default(), ticket, piece, |sql| {
            sql.then("? + new.nth, DATE '1970-01-01' + ?").number(base).number(day)
        })
    }

    fn insert(
        &self,
        sql: Sql,
        ticket: Ticket<'_>,
        piece: &Range<usize>,
        place: impl FnOnce(Sql) -> Sql,
    ) -> Sql {
        let some = &self.entries[piece.clone()];
        let sql = sql
            .then(
                "INSERT INTO threadkeep.logs (namespace, id, day, seconds, owner, nanos, bytes, level,
                     line, target, module_path, file, thread_id, process_id, message)
                 SELECT ?, ",
            )
            .text(ticket.namespace);
        place(sql)
            .then(
                ", new.seconds, new.owner, new.nanos, new.bytes, new.level, new.line, new.target,
                     new.module_path, new.file, new.thread_id, new.process_id, new.message
                 FROM unnest(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) WITH ORDINALITY AS new (seconds,
                     owner, nanos, bytes, level, line, target, module_path, file, thread_id,
                     process_id, message, nth)",
            )
            .numbers(some.iter().map(|entry| entry.time.timestamp()))
            .numbers(self.owners[piece.clone()].iter().copied())
            .numbers(some.iter().map(|entry| entry.time.timestamp_subsec_nanos().into()))
            .numbers(self.bytes[piece.clone()].iter().map(|bytes| bytes.cast_signed()))
            .numbers(some.iter().map(|entry| entry.level.code().into()))
            .optional_numbers(some.iter().map(|entry| entry.line.map(i64::from)))
            .texts(some.iter().map(|entry| entry.target.as_str()))
            .optional_texts(some.iter().map(|entry| entry.module_path.as_deref()))
            .optional_texts(some.iter().map(|entry| entry.file.as_deref()))
            .optional_texts(some.iter().map(|entry| entry.thread_id.as_deref()))
            .optional_texts(some.iter().map(|entry| entry.process_id.as_deref()))
            .optional_texts(some.iter().map(|entry| entry.message.as_deref()))
    }
}

fn appended(answers: &Answers) -> Result<Option<Appended>, Failed> {
    let [.., head, answer] = answers.as_slice() else {
        return Err(Failed::decode("an append has no answer"));
    };
    let Some(answer) = answer.first() else { return Ok(None) };
    let day = head.first().map(|row| number(row, 1)).transpose()?;
    Ok(Some(Appended { last: number(answer, 0)?, day }))
}
