//! A routing table: which server has which namespace.

use std::path::Path;

use threadkeep_core::{Error, ErrorKind, Result};

/// The name that stands for every namespace without a line of its own.
const ALL_OTHERS: &str = "*";

/// The URL of a namespace's store, by the table in a file: a line each, `NAMESPACE URL`, where `*` is
/// every namespace that is not named. Empty lines and those that begin with `#` are passed over.
pub(crate) fn route(path: &Path, namespace: &str) -> Result<String> {
    let table = std::fs::read_to_string(path).map_err(|error| {
        let kind = match error.kind() {
            std::io::ErrorKind::NotFound => ErrorKind::NotFound,
            _ => ErrorKind::Io,
        };
        Error::new(kind, format!("cannot read the routing table {}", path.display()))
            .hint("check the path after routes:")
            .with_source(error)
    })?;
    let url = find(&table, namespace, path)?;
    let parting = if url.contains('?') { '&' } else { '?' };
    let mut option = form_urlencoded::Serializer::new(String::new());
    option.append_pair("namespace", namespace);
    Ok(format!("{url}{parting}{}", option.finish()))
}

fn find<'a>(table: &'a str, namespace: &str, path: &Path) -> Result<&'a str> {
    let mut fallback = None;
    for (number, line) in (1..).zip(table.lines().map(str::trim)) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        // The line may hold a password, so it is not repeated.
        let wrong = |what: &str| {
            Error::invalid_input(format!("line {number} of {} {what}", path.display()))
                .hint("write a namespace, a space, and a URL postgres://… without a namespace")
        };
        let (name, url) =
            line.split_once(char::is_whitespace).ok_or_else(|| wrong("has no URL"))?;
        let url = url.trim();
        if !(url.starts_with("postgres://") || url.starts_with("postgresql://")) {
            return Err(wrong("names no PostgreSQL server"));
        }
        if url.contains("namespace=") {
            return Err(wrong("names its namespace twice"));
        }
        if name == namespace {
            return Ok(url);
        }
        if name == ALL_OTHERS {
            fallback = Some(url);
        }
    }
    fallback.ok_or_else(|| {
        let text = format!("{} has no line for the namespace {namespace:?}", path.display());
        Error::new(ErrorKind::NotFound, text).hint("add one, or one for all others: * URL")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "\
# who is where
team-a   postgres://agents:s3cret@db1,db2/threads?sslmode=verify-full
team-b\tpostgres://db3/threads

*        postgres://db4/threads
";

    #[test]
    fn a_namespace_is_found_by_its_line_or_by_that_for_all_others() {
        let find = |namespace| find(TABLE, namespace, Path::new("routes")).unwrap();
        assert!(find("team-a").contains("db1,db2"));
        assert_eq!(find("team-b"), "postgres://db3/threads");
        assert_eq!(find("team"), "postgres://db4/threads");
    }

    #[test]
    fn wrong_lines_are_named_without_what_they_hold() {
        for (table, says) in [
            ("\nteam-a", "line 2"),
            ("team-a sqlite:s3cret", "no PostgreSQL server"),
            ("team-a postgres://u:s3cret@db/t?namespace=b", "twice"),
            ("team-b postgres://u:s3cret@db/t", "no line for the namespace \"team-a\""),
        ] {
            let error = find(table, "team-a", Path::new("routes")).unwrap_err();
            assert!(error.to_string().contains(says), "{error}");
            assert!(error.hint_text().is_some());
            assert!(!format!("{error:?}").contains("s3cret"));
        }
    }
}
