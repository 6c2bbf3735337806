//! Which tables and columns a database has, and which of them have no place in a store.

use threadkeep::{Error, ErrorKind, Result};

use super::cell::Cell;
use super::report::Report;
use super::source::{Source, quoted};

/// Tables that hold nothing of a thread: what Codex notes of its own work.
const BOOKKEEPING: [&str; 2] = ["_sqlx_migrations", "backfill_state"];

/// The tables of a database.
pub(super) struct Shape {
    tables: Vec<Table>,
}

/// A table and its columns.
#[derive(Clone, Debug)]
pub(super) struct Table {
    pub(super) name: String,
    pub(super) columns: Vec<Column>,
    /// Whether its rows have numbers.
    numbered: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Column {
    pub(super) name: String,
    /// What it holds where nothing was said, as far as that is a plain value.
    default: Option<String>,
}

impl Shape {
    pub(super) async fn read(source: &mut Source) -> Result<Self> {
        let listed = source
            .all(
                "SELECT name, wr FROM pragma_table_list \
                 WHERE schema = 'main' AND type IN ('table', 'virtual') ORDER BY name",
                &[],
            )
            .await?;
        let mut tables = Vec::new();
        for row in listed {
            let [Cell::Text(name), without_numbers] = &row[..] else { continue };
            if name.starts_with("sqlite_") {
                continue;
            }
            let sql = "SELECT name, dflt_value FROM pragma_table_info(?)";
            let columns = source.all(sql, &[name]).await?;
            let column = |row: &Vec<Cell>| match &row[..] {
                [Cell::Text(name), default] => {
                    Some(Column { name: name.clone(), default: plain(default) })
                }
                _ => None,
            };
            tables.push(Table {
                name: name.clone(),
                columns: columns.iter().filter_map(column).collect(),
                numbered: *without_numbers == Cell::Integer(0),
            });
        }
        Ok(Self { tables })
    }

    pub(super) fn table(&self, name: &str) -> Option<&Table> {
        self.tables.iter().find(|table| table.name.eq_ignore_ascii_case(name))
    }

    /// Names the tables, other than these, that hold rows.
    pub(super) async fn report_tables(
        &self,
        source: &mut Source,
        known: &[&str],
        report: &mut Report,
    ) -> Result<()> {
        for table in &self.tables {
            let mut passed_over = known.iter().chain(&BOOKKEEPING);
            if passed_over.any(|name| name.eq_ignore_ascii_case(&table.name)) {
                continue;
            }
            let reason = format!("the table {} has no place in a store", table.name);
            match source.number(&format!("SELECT count(*) FROM {}", quoted(&table.name)), &[]).await
            {
                Ok(rows) => report.leave_out_all("row", reason, rows),
                // Of a module that is not there, or damaged.
                Err(error) if is_of_the_table(&error) => {
                    let reason = format!("{reason}, and its rows cannot be counted");
                    report.leave_out_all("table", reason, 1);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// Whether another table may be read all the same.
fn is_of_the_table(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Io | ErrorKind::Corrupted)
}

impl Table {
    /// Says why none of its rows can be read, should that be so.
    pub(super) fn lacks(&self, needed: &[&str]) -> Option<String> {
        if !self.numbered {
            return Some(format!("the table {} has no row numbers", self.name));
        }
        let missing = needed.iter().find(|name| !self.has(name))?;
        Some(format!("the table {} has no column {missing}", self.name))
    }

    pub(super) fn has(&self, column: &str) -> bool {
        self.columns.iter().any(|found| found.name.eq_ignore_ascii_case(column))
    }

    /// Those of these columns that it has.
    pub(super) fn those_of(&self, known: &[&str]) -> Vec<String> {
        let found = known.iter().filter(|name| self.has(name));
        found.map(|name| (*name).to_owned()).collect()
    }

    /// Names the columns, other than these, that say something: hold neither nothing nor what they
    /// hold where nothing was said. `echoes` are columns that repeat another, each with that other:
    /// they say something where they differ.
    pub(super) async fn report_columns(
        &self,
        source: &mut Source,
        known: &[&str],
        echoes: &[(&str, &str)],
        report: &mut Report,
    ) -> Result<()> {
        for column in &self.columns {
            if known.iter().any(|name| name.eq_ignore_ascii_case(&column.name)) {
                continue;
            }
            let name = quoted(&column.name);
            let echo = echoes.iter().find(|(echo, _)| echo.eq_ignore_ascii_case(&column.name));
            let differs = match echo {
                Some((_, other)) if self.has(other) => {
                    format!(" AND {name} IS NOT {}", quoted(other))
                }
                _ => String::new(),
            };
            let sql = format!(
                "SELECT count(*) FROM {} WHERE {name} IS NOT NULL AND {name} <> '' \
                 AND CAST({name} AS TEXT) IS NOT ?{differs}",
                quoted(&self.name)
            );
            // Where there is no default, the empty text stands in: it was ruled out already.
            let default = column.default.as_deref().unwrap_or_default();
            let reason = format!("{}.{} has no place in a store", self.name, column.name);
            match source.number(&sql, &[default]).await {
                Ok(rows) => report.leave_out_all("value", reason, rows),
                Err(error) if is_of_the_table(&error) => {
                    let reason = format!("{reason}, and its values cannot be counted");
                    report.leave_out_all("column", reason, 1);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// How many rows it has.
    pub(super) async fn rows(&self, source: &mut Source) -> Result<u64> {
        source.number(&format!("SELECT count(*) FROM {}", quoted(&self.name)), &[]).await
    }
}

/// The text of a default that is a number or a text. Anything else would have to be run.
fn plain(default: &Cell) -> Option<String> {
    let Cell::Text(sql) = default else { return None };
    if let Some(text) = sql.strip_prefix('\'').and_then(|text| text.strip_suffix('\'')) {
        return Some(text.replace("''", "'"));
    }
    sql.parse::<i64>().is_ok().then(|| sql.clone())
}
