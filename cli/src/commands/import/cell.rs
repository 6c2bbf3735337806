//! Values as a database of another program holds them: of any type in any column.

use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, TypeInfo as _, ValueRef as _};

/// One value of one row.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) enum Cell {
    /// No value, or no such column.
    #[default]
    Null,
    Integer(i64),
    Real(f64),
    Text(String),
    /// Bytes, or a text that is not UTF-8.
    Bytes(Vec<u8>),
}

impl Cell {
    /// The values of a row, in order.
    pub(super) fn all(row: &SqliteRow) -> Result<Vec<Self>, sqlx::Error> {
        (0..row.len()).map(|at| Self::at(row, at)).collect()
    }

    fn at(row: &SqliteRow, at: usize) -> Result<Self, sqlx::Error> {
        let raw = row.try_get_raw(at)?;
        if raw.is_null() {
            return Ok(Self::Null);
        }
        let name = raw.type_info().name().to_owned();
        Ok(match name.as_str() {
            "TEXT" => match String::from_utf8(row.try_get_unchecked(at)?) {
                Ok(text) => Self::Text(text),
                Err(error) => Self::Bytes(error.into_bytes()),
            },
            "BLOB" => Self::Bytes(row.try_get_unchecked(at)?),
            "REAL" => Self::Real(row.try_get_unchecked(at)?),
            _ => Self::Integer(row.try_get_unchecked(at)?),
        })
    }

    /// About how much memory it takes.
    pub(super) fn bytes(&self) -> usize {
        size_of::<Self>()
            + match self {
                Self::Text(text) => text.len(),
                Self::Bytes(bytes) => bytes.len(),
                Self::Null | Self::Integer(_) | Self::Real(_) => 0,
            }
    }

    /// The value for whoever looks for it in the database, its beginning where it is long.
    pub(super) fn shown(&self) -> String {
        match self {
            Self::Null => "no value".into(),
            Self::Integer(number) => number.to_string(),
            Self::Real(number) => number.to_string(),
            Self::Text(text) => format!("{:?}", threadkeep::limits::cut(text, 80)),
            Self::Bytes(bytes) => format!("{} bytes that are not UTF-8", bytes.len()),
        }
    }
}

/// A row with the names of its columns.
#[derive(Debug)]
pub(super) struct Row<'a> {
    /// Its number in its table.
    pub(super) number: i64,
    pub(super) columns: &'a [String],
    pub(super) cells: Vec<Cell>,
}

impl Row<'_> {
    /// The value of a column; [`Cell::Null`] where the table has no such column.
    pub(super) fn get(&self, column: &str) -> &Cell {
        let at = self.columns.iter().position(|name| name.eq_ignore_ascii_case(column));
        at.and_then(|at| self.cells.get(at)).unwrap_or(&Cell::Null)
    }

    /// Whether the table has a column.
    pub(super) fn has(&self, column: &str) -> bool {
        self.columns.iter().any(|name| name.eq_ignore_ascii_case(column))
    }
}
