//! Log entries, each imported once however often an import runs or is cut off.
//!
//! The store gives them numbers of its own, so that how far an import came has to be remembered
//! there, as a checkpoint. Entries and checkpoints are not written as one: before a batch is
//! appended, the checkpoint says which one, and whether it was shows in the store.

use serde::{Deserialize, Serialize};
use threadkeep::{
    Change, Direction, Effect, Error, ErrorKind, Expect, LogEntry, LogFilter, LogQuery, Result,
    Retention, Store, path,
};

use super::cell::{Cell, Row};
use super::report::Report;
use super::shape::Table;
use super::source::{Source, quoted};
use super::times;

/// The table.
pub(super) const TABLE: &str = "logs";
/// Columns without which a row is nothing.
pub(super) const NEEDED: [&str; 2] = ["ts", "level"];
/// The columns that have a place in a store, and one that is a sum over the others.
pub(super) const KNOWN: [&str; 14] = [
    "id",
    "ts",
    "ts_nanos",
    "level",
    "target",
    "message",
    "feedback_log_body",
    "module_path",
    "file",
    "line",
    "thread_id",
    "process_uuid",
    "process_id",
    "estimated_bytes",
];
/// The message, by its older and its newer name. No more of it is read than a store keeps.
const MESSAGES: [&str; 2] = ["message", "feedback_log_body"];
const MESSAGE_CHARS: usize = threadkeep::limits::LOG_MESSAGE_BYTES + 1;
/// Entries appended as one, at most.
const STEP: usize = 2_000;
/// What the keys of the checkpoints begin with.
const PREFIX: &str = "import-codex/logs/";

/// How far the entries of one file have been imported.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Mark {
    /// Where the file was.
    file: String,
    /// The number, in the file, of the last entry that is in the store.
    through: i64,
    /// The print of that entry: what the file is known by, wherever it lies.
    print: u64,
    /// What was about to be appended.
    pending: Option<Pending>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Pending {
    /// The number of its last entry in the file.
    through: i64,
    /// The greatest number in the store before.
    after: u64,
    /// Its last entry.
    entry: LogEntry,
}

/// A mark in the store.
struct Place {
    key: String,
    expect: Expect,
    mark: Mark,
}

/// The columns of a log table, and how they are asked for.
struct Columns {
    names: Vec<String>,
    sql: String,
}

/// Imports the entries of a table that were not imported before.
pub(super) async fn import(
    store: &dyn Store,
    source: &mut Source,
    table: &Table,
    report: &mut Report,
) -> Result<()> {
    let columns = Columns::of(table);
    let mut place = Place::find(store, source, table, &columns).await?;
    place.settle(store).await?;
    let sql =
        format!("SELECT count(*) FROM {} WHERE rowid <= {}", quoted(TABLE), place.mark.through);
    report.logs.before += source.number(&sql, &[]).await?;
    let oldest_kept = Retention::standard().oldest();
    let mut after = place.mark.through;
    loop {
        let step = source.step(&table.name, &columns.sql, after, STEP).await?;
        let mut entries = Vec::with_capacity(step.rows.len());
        let mut through = None;
        for (number, cells) in step.rows {
            after = number;
            let row = Row { number, columns: &columns.names, cells };
            match read(&row) {
                Ok(entry) => {
                    entries.push(entry);
                    through = Some(number);
                }
                Err(reason) => {
                    report.logs.left_out += 1;
                    report.leave_out("log row", reason, number.to_string());
                }
            }
        }
        if let Some(through) = through {
            let old = entries.iter().filter(|entry| oldest_kept.is_some_and(|t| entry.time < t));
            report.logs.old += old.count() as u64;
            report.logs.imported += entries.len() as u64;
            place.append(store, entries, through).await?;
            report.show();
        }
        if let Some(damage) = step.damage {
            report.cut_short(TABLE, &damage, after);
            break;
        }
        if !step.more {
            break;
        }
    }
    Ok(())
}

impl Columns {
    fn of(table: &Table) -> Self {
        let names = table.those_of(&KNOWN);
        let one = |name: &String| {
            if MESSAGES.contains(&name.as_str()) {
                format!("substr({name}, 1, {MESSAGE_CHARS})")
            } else {
                name.clone()
            }
        };
        let sql = names.iter().map(one).collect::<Vec<_>>().join(", ");
        Self { names, sql }
    }
}

impl Place {
    /// The mark of a file: the one whose last entry is in it; or the one made of this file, should
    /// the entry have been pruned from it since; or a new one.
    async fn find(
        store: &dyn Store,
        source: &mut Source,
        table: &Table,
        columns: &Columns,
    ) -> Result<Self> {
        let file = path::to_text(source.path()).into_owned();
        let sql = format!("SELECT max(rowid) FROM {}", quoted(&table.name));
        let last = source.number(&sql, &[]).await?;
        let mut own = None;
        let mut taken = Vec::new();
        for found in store.checkpoints(PREFIX.to_owned(), None, 10_000).await? {
            let mark: Mark = serde_json::from_str(&found.value).map_err(|error| {
                let text = format!("the checkpoint {:?} cannot be read", found.key);
                Error::new(ErrorKind::Corrupted, text).with_source(error)
            })?;
            let place = Self { key: found.key, expect: Expect::Revision(found.revision), mark };
            taken.push(place.key.clone());
            let before = place.mark.through - 1;
            let step = source.step(&table.name, &columns.sql, before, 1).await?;
            let there = step.rows.into_iter().find(|(number, _)| *number == place.mark.through);
            let entry = there
                .map(|(number, cells)| read(&Row { number, columns: &columns.names, cells }).ok());
            match entry {
                Some(Some(entry)) if print(&entry)? == place.mark.print => {
                    let mark = Mark { file, ..place.mark };
                    return Ok(Self { mark, ..place });
                }
                Some(_) => {}
                None => {
                    let goes_on = u64::try_from(place.mark.through).is_ok_and(|at| at <= last);
                    if goes_on && place.mark.file == file {
                        own = Some(place);
                    }
                }
            }
        }
        if let Some(place) = own {
            return Ok(place);
        }
        // Another machine may have had a file of this path in this store.
        let name = fnv(file.as_bytes());
        let keys = (0_u32..).map(|number| format!("{PREFIX}{name:016x}-{number}"));
        let key = keys.into_iter().find(|key| !taken.contains(key)).unwrap_or_default();
        Ok(Self { key, expect: Expect::Absent, mark: Mark { file, ..Mark::default() } })
    }

    /// Finds out whether what was about to be appended was.
    async fn settle(&mut self, store: &dyn Store) -> Result<()> {
        let Some(pending) = self.mark.pending.take() else { return Ok(()) };
        let mut after = pending.after;
        loop {
            let mut filter = LogFilter::new().after_id(after);
            filter.from = Some(pending.entry.time);
            filter.to = filter.from;
            let query = LogQuery::new(filter).direction(Direction::Ascending).limit(1_000);
            let page = store.query(query).await?;
            if page.items.iter().any(|row| row.entry == pending.entry) {
                self.mark.through = pending.through;
                self.mark.print = print(&pending.entry)?;
                return self.save(store).await;
            }
            match page.items.last() {
                Some(last) if page.more => after = last.id,
                _ => return Ok(()),
            }
        }
    }

    async fn append(
        &mut self,
        store: &dyn Store,
        entries: Vec<LogEntry>,
        through: i64,
    ) -> Result<()> {
        let Some(entry) = entries.last().cloned() else { return Ok(()) };
        let print = print(&entry)?;
        let after = store.max_log_id(LogFilter::new()).await?;
        self.mark.pending = Some(Pending { through, after, entry });
        self.save(store).await?;
        store.append(entries).await?;
        self.mark.pending = None;
        self.mark.through = through;
        self.mark.print = print;
        self.save(store).await
    }

    async fn save(&mut self, store: &dyn Store) -> Result<()> {
        let value = serde_json::to_string(&self.mark).map_err(unwritable)?;
        let change = Change::SetCheckpoint { key: self.key.clone(), value: Some(value) };
        let batch = threadkeep::WriteBatch::new().and_if(self.expect, change);
        let outcomes = store.write(batch).await.map_err(|error| match error.kind() {
            ErrorKind::Conflict | ErrorKind::AlreadyExists => {
                Error::new(ErrorKind::Busy, "another import of this file is at work")
                    .hint("wait until it has ended, then run this one again")
                    .with_source(error)
            }
            _ => error,
        })?;
        let written = outcomes.first().filter(|outcome| outcome.effect != Effect::Absent);
        self.expect = written.map_or(Expect::Any, |outcome| Expect::Revision(outcome.revision));
        Ok(())
    }
}

/// What an entry is known by.
fn print(entry: &LogEntry) -> Result<u64> {
    Ok(fnv(&serde_json::to_vec(entry).map_err(unwritable)?))
}

fn unwritable(error: serde_json::Error) -> Error {
    Error::new(ErrorKind::Internal, "a mark cannot be written as JSON").with_source(error)
}

/// FNV-1a, which stays the same over all versions.
fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// The entry of a row, or why it is none.
fn read(row: &Row<'_>) -> std::result::Result<LogEntry, String> {
    let text = |column: &str| match row.get(column) {
        Cell::Null => Ok(None),
        Cell::Text(text) => Ok(Some(text.clone())),
        Cell::Integer(number) => Ok(Some(number.to_string())),
        Cell::Real(_) | Cell::Bytes(_) => Err(format!("its {column} is no text")),
    };
    let time = times::to_the_nanosecond(row.get("ts"), row.get("ts_nanos"))
        .ok_or("its ts and ts_nanos are no time between the years 0 and 9999")?;
    let level = text("level")?.unwrap_or_default();
    let level = level.parse().map_err(|error: Error| error.message().to_owned())?;
    let message = text("feedback_log_body")?.or(text("message")?);
    let line = match row.get("line") {
        Cell::Integer(line) => u32::try_from(*line).ok(),
        _ => None,
    };
    let filled = |text: Option<String>| text.filter(|text| !text.is_empty());
    let mut entry = LogEntry::new(time, level, text("target")?.unwrap_or_default(), "");
    entry.message = message;
    entry.thread_id = filled(text("thread_id")?);
    entry.process_id = filled(text("process_uuid")?.or(text("process_id")?));
    entry.module_path = filled(text("module_path")?);
    entry.file = filled(text("file")?);
    entry.line = line;
    entry.prepare().map_err(|error| error.message().to_owned())
}
