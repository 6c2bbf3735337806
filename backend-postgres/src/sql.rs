//! Statements with their values written into them.
//!
//! The simple query protocol takes any number of statements in one round trip and leaves nothing
//! behind on the connection, so that poolers may lend it to another client after each transaction.
//! It has no parameters, which is why values are written as literals here, and only here.

use std::fmt::Write as _;

use threadkeep_core::ThreadId;
use uuid::Uuid;

use crate::escape::escape;

/// Statements being put together: a fixed text with a `?` for each value, which are given in order.
#[derive(Debug, Default)]
#[must_use]
pub(crate) struct Sql {
    text: String,
    rest: &'static str,
}

impl Sql {
    pub(crate) fn new(text: &'static str) -> Self {
        Self { text: String::with_capacity(text.len() + 64), rest: text }
    }

    /// A fixed text in which a `?` is nothing but that.
    pub(crate) fn raw(text: &'static str) -> Self {
        Self { text: text.to_owned(), rest: "" }
    }

    /// Goes on with another fixed text.
    pub(crate) fn then(mut self, text: &'static str) -> Self {
        self.take_rest();
        self.rest = text;
        self
    }

    /// Goes on with a text that has its values already.
    pub(crate) fn then_all(mut self, other: Self) -> Self {
        self.take_rest();
        self.text.push_str(&other.finish());
        self
    }

    /// Another statement, or several, after these.
    pub(crate) fn and(mut self, other: Self) -> Self {
        self.take_rest();
        self.text.push_str("; ");
        self.text.push_str(&other.finish());
        self
    }

    /// Bytes of the text.
    pub(crate) fn len(&self) -> usize {
        self.text.len() + self.rest.len()
    }

    /// The whole text.
    pub(crate) fn finish(mut self) -> String {
        self.take_rest();
        self.text
    }

    fn take_rest(&mut self) {
        debug_assert!(!self.rest.contains('?'), "a value is missing in {:?}", self.rest);
        self.text.push_str(self.rest);
        self.rest = "";
    }

    /// Everything up to the next value.
    fn next(&mut self) -> &mut String {
        let (before, after) = self.rest.split_once('?').unwrap_or((self.rest, ""));
        debug_assert!(self.rest.contains('?'), "one value too many after {:?}", self.text);
        self.text.push_str(before);
        self.rest = after;
        &mut self.text
    }

    pub(crate) fn text(mut self, value: &str) -> Self {
        quote(self.next(), &escape(value));
        self
    }

    pub(crate) fn number(mut self, value: i64) -> Self {
        // In brackets, because a cast binds more than a sign does.
        let _ = write!(self.next(), "({value})");
        self
    }

    pub(crate) fn flag(mut self, value: bool) -> Self {
        self.next().push_str(if value { "true" } else { "false" });
        self
    }

    pub(crate) fn id(self, value: ThreadId) -> Self {
        self.uuid(value.as_bytes())
    }

    pub(crate) fn uuid(mut self, value: &[u8; 16]) -> Self {
        let _ = write!(self.next(), "'{}'::uuid", Uuid::from_bytes(*value));
        self
    }

    pub(crate) fn uuids<'a>(self, values: impl IntoIterator<Item = &'a [u8; 16]>) -> Self {
        let values = values.into_iter().map(|bytes| Some(Uuid::from_bytes(*bytes)));
        self.plain_array(values, "uuid")
    }

    pub(crate) fn numbers(self, values: impl IntoIterator<Item = i64>) -> Self {
        self.plain_array(values.into_iter().map(Some), "bigint")
    }

    pub(crate) fn optional_numbers(self, values: impl IntoIterator<Item = Option<i64>>) -> Self {
        self.plain_array(values, "bigint")
    }

    pub(crate) fn flags(self, values: impl IntoIterator<Item = bool>) -> Self {
        self.plain_array(values.into_iter().map(Some), "boolean")
    }

    pub(crate) fn texts<'a>(self, values: impl IntoIterator<Item = &'a str>) -> Self {
        self.optional_texts(values.into_iter().map(Some))
    }

    pub(crate) fn optional_texts<'a>(
        mut self,
        values: impl IntoIterator<Item = Option<&'a str>>,
    ) -> Self {
        let text = self.next();
        text.push_str("E'{");
        for (nth, value) in values.into_iter().enumerate() {
            if nth > 0 {
                text.push(',');
            }
            match value {
                Some(value) => quote_element(text, &escape(value)),
                None => text.push_str("NULL"),
            }
        }
        text.push_str("}'::text[]");
        self
    }

    /// Byte strings as an array of their hexadecimal texts, each to be read with
    /// `decode(…, 'hex')`.
    pub(crate) fn hex_texts<'a>(mut self, values: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let text = self.next();
        text.push_str("'{");
        for (nth, value) in values.into_iter().enumerate() {
            text.push_str(if nth > 0 { ",\"" } else { "\"" });
            for byte in value {
                let _ = write!(text, "{byte:02x}");
            }
            text.push('"');
        }
        text.push_str("}'::text[]");
        self
    }

    /// An array whose elements need no quotes.
    fn plain_array<T: std::fmt::Display>(
        mut self,
        values: impl IntoIterator<Item = Option<T>>,
        of: &str,
    ) -> Self {
        let text = self.next();
        text.push_str("'{");
        for (nth, value) in values.into_iter().enumerate() {
            if nth > 0 {
                text.push(',');
            }
            let _ = match value {
                Some(value) => write!(text, "{value}"),
                None => text.write_str("NULL"),
            };
        }
        let _ = write!(text, "}}'::{of}[]");
        self
    }
}

/// A string constant. In this form a backslash is an escape whatever the server's settings are.
fn quote(text: &mut String, value: &str) {
    text.push_str("E'");
    for part in value.split_inclusive(['\'', '\\']) {
        match part.as_bytes().last() {
            Some(b'\'') => {
                text.push_str(part);
                text.push('\'');
            }
            Some(b'\\') => {
                text.push_str(part);
                text.push('\\');
            }
            _ => text.push_str(part),
        }
    }
    text.push('\'');
}

/// An element of an array, within a string constant: what stands for itself in the array needs a
/// backslash there, and that another in the constant.
fn quote_element(text: &mut String, value: &str) {
    text.push('"');
    for part in value.split_inclusive(['\'', '\\', '"']) {
        let Some(last @ (b'\'' | b'\\' | b'"')) = part.as_bytes().last() else {
            text.push_str(part);
            continue;
        };
        text.push_str(&part[..part.len() - 1]);
        text.push_str(match last {
            b'\'' => "''",
            b'\\' => r"\\\\",
            _ => r#"\\""#,
        });
    }
    text.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_go_where_they_belong() {
        let sql =
            Sql::new("SELECT ? WHERE a = ?").number(-1).text("x").then(" AND b = ?").flag(true);
        let sql = sql.and(Sql::new("SELECT ?").numbers([1, -2]));
        assert_eq!(
            sql.finish(),
            "SELECT (-1) WHERE a = E'x' AND b = true; SELECT '{1,-2}'::bigint[]"
        );
    }

    #[test]
    fn a_value_ends_no_constant() {
        let hostile = r#"'; DROP TABLE x; -- \' \\ " {},NULL"#;
        let sql = Sql::new("?").text(hostile).finish();
        assert_eq!(sql, r#"E'''; DROP TABLE x; -- \\'' \\\\ " {},NULL'"#);
        let sql = Sql::new("?").texts([hostile, "NULL", ""]).finish();
        assert_eq!(
            sql,
            r#"E'{"''; DROP TABLE x; -- \\\\'' \\\\\\\\ \\" {},NULL","NULL",""}'::text[]"#
        );
    }
}
