//! What stores are called: by which name a log is remembered, and whether two are the same.

use std::fs;
use std::path::{Path, PathBuf};

use threadkeep::{Error, ErrorKind};

/// The name of a store's log: its URL without what only says how it is opened, and the machine,
/// since paths mean something only there.
pub(super) fn log_name(url: &str) -> String {
    match file_of(url) {
        Some((scheme, path)) => {
            let name = threadkeep::path::to_text(&path).into_owned();
            format!("{scheme}:{name} on {}", host())
        }
        None => without_secrets(url),
    }
}

/// Fails where both name the same files.
pub(super) fn check_different(from: &str, to: &str) -> Result<(), Error> {
    let is_same = match (file_of(from), file_of(to)) {
        (Some((_, from)), Some((_, to))) => from == to,
        _ => from == to && !from.starts_with("memory:"),
    };
    if is_same {
        return Err(Error::invalid_input(format!("{} is named twice", without_secrets(from)))
            .during("copy")
            .hint("name another store to copy into"));
    }
    Ok(())
}

/// The URL of a store that is to take log entries of any age.
pub(super) fn keeping_all(url: &str) -> String {
    let options = url.rsplit_once('?').map_or("", |(_, options)| options);
    if !keeps_retention(url) || options.split('&').any(|one| one.starts_with("retention=")) {
        return url.to_owned();
    }
    format!("{url}{}retention=off", if url.contains('?') { '&' } else { '?' })
}

fn keeps_retention(url: &str) -> bool {
    file_of(url).is_some() || url.starts_with("postgres://") || url.starts_with("postgresql://")
}

/// The kind of store and its file, where it has one.
fn file_of(url: &str) -> Option<(&str, PathBuf)> {
    let (scheme, rest) = url.split_once(':')?;
    let path = rest.rsplit_once('?').map_or(rest, |(path, _)| path);
    if !matches!(scheme, "sqlite" | "redb") || path.is_empty() {
        return None;
    }
    let path = Path::new(path);
    Some((scheme, fs::canonicalize(path).or_else(|_| absolute(path)).ok()?))
}

/// The real path of something that is not there yet.
fn absolute(path: &Path) -> std::io::Result<PathBuf> {
    let path = std::path::absolute(path)?;
    match (path.parent().map(fs::canonicalize), path.file_name()) {
        (Some(Ok(folder)), Some(name)) => Ok(folder.join(name)),
        _ => Ok(path),
    }
}

/// The URL of a server's store without who asks and how, its namespace excepted.
fn without_secrets(url: &str) -> String {
    let (place, options) = url.split_once('?').unwrap_or((url, ""));
    let place = match place.split_once("://") {
        Some((scheme, rest)) => {
            let host = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
            format!("{scheme}://{host}")
        }
        None => place.to_owned(),
    };
    match options.split('&').find(|option| option.starts_with("namespace=")) {
        Some(namespace) => format!("{place}?{namespace}"),
        None => place,
    }
}

fn host() -> String {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let name = name.or_else(|| std::env::var("HOSTNAME").ok());
    let name = name.or_else(|| std::env::var("COMPUTERNAME").ok());
    name.map(|name| name.trim().to_owned()).unwrap_or_default()
}

/// The store that is to be copied is not there.
pub(super) fn missing(error: Error, url: &str) -> Error {
    if error.kind() != ErrorKind::NotFound || error.hint_text().is_some() {
        return error;
    }
    error.hint(format!("check the path in {}", without_secrets(url)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_hold_no_secrets_and_no_options() {
        for (url, expected) in [
            ("postgres://ann:s3cret@db:5432/threads", "postgres://db:5432/threads"),
            ("postgres://db/t?password=s3cret&namespace=a&x=y", "postgres://db/t?namespace=a"),
            ("postgres://a:b@c:d@db/t?sslmode=require", "postgres://db/t"),
            ("memory:", "memory:"),
        ] {
            assert_eq!(log_name(url), expected);
        }
        let name = log_name("sqlite:/nowhere/threads.db?mode=ro");
        assert!(name.starts_with("sqlite:/nowhere/threads.db on "), "{name}");
    }

    #[test]
    fn one_store_is_known_by_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db").display().to_string();
        let (one, two) = (format!("sqlite:{path}"), format!("sqlite:{path}?retention=off"));
        assert!(check_different(&one, &two).is_err());
        assert!(check_different(&one, &format!("redb:{path}")).is_err(), "whatever the kind");
        assert!(check_different(&one, &format!("sqlite:{path}2")).is_ok());
        assert!(check_different("memory:", "memory:").is_ok());
        assert!(check_different("postgres://db/t", "postgres://db/t").is_err());
    }

    #[test]
    fn stores_that_prune_by_themselves_are_told_to_keep_all() {
        for (url, expected) in [
            ("sqlite:/a", "sqlite:/a?retention=off"),
            ("redb:/a?sharing=single", "redb:/a?sharing=single&retention=off"),
            ("redb:/a?retention=off", "redb:/a?retention=off"),
            ("postgres://db/t", "postgres://db/t?retention=off"),
            ("postgres://db/t?namespace=a", "postgres://db/t?namespace=a&retention=off"),
            ("memory:", "memory:"),
        ] {
            assert_eq!(keeping_all(url), expected);
        }
    }
}
