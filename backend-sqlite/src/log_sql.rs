//! The SQL of questions about logs, put together from fixed parts; every value is bound.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use sqlx::Row;
use sqlx::query::Query;
use sqlx::sqlite::{Sqlite, SqliteArguments, SqliteRow};
use threadkeep_core::{LogEntry, LogFilter, LogLevel, LogRow};

/// What [`decode`] reads.
pub(crate) const COLUMNS: &str =
    "id, seconds, nanos, level, target, message, thread_id, process_id, module_path, file, line";

pub(crate) enum Value {
    Text(String),
    Number(i64),
}

pub(crate) fn bind(
    mut query: Query<'_, Sqlite, SqliteArguments>,
    values: Vec<Value>,
) -> Query<'_, Sqlite, SqliteArguments> {
    for value in values {
        query = match value {
            Value::Text(text) => query.bind(text),
            Value::Number(number) => query.bind(number),
        };
    }
    query
}

/// A statement for these columns of the entries that match.
pub(crate) fn select(columns: &'static str, filter: &LogFilter) -> (String, Vec<Value>) {
    let mut terms = Terms::default();
    let id = |id: u64| i64::try_from(id).unwrap_or(i64::MAX);
    terms.number("id > ?", filter.after_id.map(id));
    terms.number("id < ?", filter.before_id.map(id));
    terms.number("level = ?", filter.level.map(|level| i64::from(level.code())));
    terms.number("level >= ?", filter.min_level.map(|level| i64::from(level.code())));
    terms.time("(seconds, nanos) >= (?, ?)", filter.from);
    terms.time("(seconds, nanos) <= (?, ?)", filter.to);
    if let Some(process) = &filter.process_id {
        terms.add("process_id = ?", [Value::Text(process.clone())]);
    }
    if let Some(threads) = &filter.threads {
        let ids = vec!["?"; threads.ids.len()].join(", ");
        let threadless = if threads.threadless { " OR thread_id IS NULL" } else { "" };
        let values = threads.ids.iter().cloned().map(Value::Text);
        terms.add(&format!("(thread_id IN ({ids}){threadless})"), values);
    }
    terms.any("module_path", filter.modules.as_ref());
    terms.any("file", filter.files.as_ref());
    terms.any("target", filter.targets.as_ref());
    terms.any("message", filter.messages.as_ref());
    let mut sql = format!("SELECT {columns} FROM logs");
    for (nth, term) in terms.sql.iter().enumerate() {
        sql.push_str(if nth == 0 { " WHERE " } else { " AND " });
        sql.push_str(term);
    }
    (sql, terms.values)
}

#[derive(Default)]
struct Terms {
    sql: Vec<String>,
    values: Vec<Value>,
}

impl Terms {
    fn add(&mut self, sql: &str, values: impl IntoIterator<Item = Value>) {
        self.sql.push(sql.to_owned());
        self.values.extend(values);
    }

    fn number(&mut self, sql: &str, number: Option<i64>) {
        if let Some(number) = number {
            self.add(sql, [Value::Number(number)]);
        }
    }

    fn time(&mut self, sql: &str, time: Option<DateTime<Utc>>) {
        if let Some(time) = time {
            let nanos = i64::from(time.timestamp_subsec_nanos());
            self.add(sql, [Value::Number(time.timestamp()), Value::Number(nanos)]);
        }
    }

    /// `lower` folds ASCII only and `instr` knows no wildcards, which is what the contract wants.
    fn any(&mut self, column: &'static str, parts: Option<&BTreeSet<String>>) {
        if let Some(parts) = parts {
            let one = format!("instr(lower({column}), ?) > 0");
            // Without parts nothing matches.
            let terms =
                if parts.is_empty() { "0".into() } else { vec![one; parts.len()].join(" OR ") };
            let values = parts.iter().map(|part| Value::Text(part.to_ascii_lowercase()));
            self.add(&format!("({terms})"), values);
        }
    }
}

pub(crate) fn decode(row: &SqliteRow) -> Result<LogRow, sqlx::Error> {
    let wrong = |what: &str| sqlx::Error::Decode(format!("a log entry has a wrong {what}").into());
    let nanos = u32::try_from(row.try_get::<i64, _>(2)?).map_err(|_| wrong("time"))?;
    let time = DateTime::from_timestamp(row.try_get(1)?, nanos).ok_or_else(|| wrong("time"))?;
    let level = LogLevel::from_code(row.try_get(3)?).map_err(|_| wrong("level"))?;
    let line: Option<i64> = row.try_get(10)?;
    Ok(LogRow {
        id: row.try_get::<i64, _>(0)?.cast_unsigned(),
        entry: LogEntry {
            time,
            level,
            target: row.try_get(4)?,
            message: row.try_get(5)?,
            thread_id: row.try_get(6)?,
            process_id: row.try_get(7)?,
            module_path: row.try_get(8)?,
            file: row.try_get(9)?,
            line: line.map(u32::try_from).transpose().map_err(|_| wrong("line"))?,
        },
    })
}
