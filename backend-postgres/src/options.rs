//! How a store is opened: by URL, and by options on top of it.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use sqlx::ConnectOptions as _;
use sqlx::postgres::PgConnectOptions;
use threadkeep_core::{Error, Result, Retention};

/// The namespace where none is named.
const NAMESPACE: &str = "default";
/// Bytes of the name of a namespace.
const NAMESPACE_BYTES: usize = 200;
/// Options of a URL that are handed on as they are.
const PASSED_ON: [&str; 10] = [
    "host",
    "port",
    "user",
    "password",
    "dbname",
    "sslmode",
    "sslrootcert",
    "sslcert",
    "sslkey",
    "application_name",
];
/// Those of them that name files.
const FILES: [&str; 3] = ["sslrootcert", "sslcert", "sslkey"];

/// How a [`PostgresStore`](crate::PostgresStore) is opened. Made from a URL; its `Debug` form holds
/// no password.
#[derive(Clone)]
pub struct PostgresOptions {
    /// The hosts, one of which is the primary.
    pub(crate) hosts: Vec<PgConnectOptions>,
    /// Standbys that lists are read from.
    pub(crate) replicas: Vec<PgConnectOptions>,
    pub(crate) namespace: String,
    pub(crate) deadline: Duration,
    pub(crate) readers: usize,
    pub(crate) retention: Retention,
    pub(crate) read_only: bool,
}

impl PostgresOptions {
    /// Options from a URL: `postgres://USER:PASSWORD@HOST:PORT/DATABASE`, where there may be several
    /// hosts parted by commas, of which the primary is found. After a `?` come options, parted by
    /// `&`, their values percent-encoded:
    ///
    /// | option | says |
    /// |---|---|
    /// | `namespace=NAME` | whose threads and logs, of all that share the database; 1 to 200 bytes, `default` where absent |
    /// | `mode=ro` | only to be read, see [`read_only`](Self::read_only) |
    /// | `retention=off` | every log entry is kept, instead of those of [`Retention::standard`] |
    /// | `replica=HOST:PORT,…` | lists of threads and pages of logs are read from these standbys and may be stale |
    /// | `sslmode`, `sslrootcert`, `sslcert`, `sslkey` | TLS, as of libpq: `sslmode=verify-full` checks the server's name |
    /// | `host`, `port`, `user`, `password`, `dbname`, `application_name` | as of libpq; `host=/FOLDER` is a Unix socket |
    ///
    /// What the URL leaves open comes from `PGHOST`, `PGPORT`, `PGUSER`, `PGPASSWORD`, `PGDATABASE`
    /// and the password file.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](threadkeep_core::ErrorKind::InvalidInput) for anything else. No error
    /// repeats a password.
    pub fn from_url(url: &str) -> Result<Self> {
        let rest = ["postgres://", "postgresql://"]
            .iter()
            .find_map(|scheme| url.strip_prefix(scheme))
            .ok_or_else(|| {
                Error::invalid_input("the URL of a PostgreSQL store begins with postgres://")
                    .hint("use postgres://USER@HOST/DATABASE")
            })?;
        let (address, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, database) = address.split_once('/').unwrap_or((address, ""));
        let (user, hosts) = authority.rsplit_once('@').unwrap_or(("", authority));
        let mut options = Self {
            hosts: Vec::new(),
            replicas: Vec::new(),
            namespace: NAMESPACE.to_owned(),
            deadline: Duration::from_secs(10),
            readers: 8,
            retention: Retention::standard(),
            read_only: false,
        };
        let mut passed_on = form_urlencoded::Serializer::new(String::new());
        let mut replicas = String::new();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match (&*name, &*value) {
                ("namespace", value) => options = options.namespace(value)?,
                ("mode", "ro") => options.read_only = true,
                ("retention", "off") => options.retention = Retention::default(),
                ("replica", hosts) => hosts.clone_into(&mut replicas),
                (name, value) if PASSED_ON.contains(&name) => {
                    if FILES.contains(&name) {
                        check_readable(name, value)?;
                    }
                    passed_on.append_pair(name, value);
                }
                // The value may be a secret under a mistyped name.
                (name, _) => return Err(no_option(name)),
            }
        }
        let passed_on = passed_on.finish();
        let each = |hosts: &str| -> Result<Vec<PgConnectOptions>> {
            let hosts = hosts.split(',').map(|host| {
                // Where a host is named as an option it replaces this one.
                let host = if host.is_empty() { "localhost" } else { host };
                let at = if user.is_empty() { "" } else { "@" };
                connect_options(&format!("postgres://{user}{at}{host}/{database}?{passed_on}"))
            });
            hosts.collect()
        };
        options.hosts = each(hosts)?;
        if !replicas.is_empty() {
            options.replicas = each(&replicas)?;
        }
        Ok(options)
    }

    /// Whose threads and logs, of all that share the database: 1 to 200 bytes.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](threadkeep_core::ErrorKind::InvalidInput) for a name of another length.
    pub fn namespace(mut self, name: impl Into<String>) -> Result<Self> {
        let name = name.into();
        if name.is_empty() || name.len() > NAMESPACE_BYTES {
            let text = format!("the name of a namespace has {} bytes", name.len());
            return Err(Error::invalid_input(text)
                .hint(format!("use a name of 1 to {NAMESPACE_BYTES} bytes")));
        }
        self.namespace = name;
        Ok(self)
    }

    /// How long a call waits for locks and for the server before it is
    /// [`Busy`](threadkeep_core::ErrorKind::Busy) or
    /// [`Unavailable`](threadkeep_core::ErrorKind::Unavailable). Default: 10 s.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Connections for reading, at least 1, opened as they are needed. Default: 8. Two more write.
    #[must_use]
    pub fn readers(mut self, readers: usize) -> Self {
        self.readers = readers.max(1);
        self
    }

    /// What is kept of the logs of this namespace. Default: [`Retention::standard`];
    /// `Retention::default()` keeps everything.
    #[must_use]
    pub fn retention(mut self, retention: Retention) -> Self {
        self.retention = retention;
        self
    }

    /// Opens it only to be read: nothing is created, and any of the hosts will do, also a standby,
    /// whose answers may be stale. Every write is
    /// [`ReadOnly`](threadkeep_core::ErrorKind::ReadOnly).
    #[must_use]
    pub fn read_only(mut self, read_only: bool) -> Self {
        self.read_only = read_only;
        self
    }

    /// What errors call the store: hosts and database, nothing secret.
    pub(crate) fn place(&self) -> String {
        use fmt::Write as _;

        let mut place = "postgres://".to_owned();
        for (nth, host) in self.hosts.iter().enumerate() {
            let part = if nth > 0 { "," } else { "" };
            let _ = match host.get_socket() {
                Some(folder) => write!(place, "{part}{}", folder.display()),
                None => write!(place, "{part}{}:{}", host.get_host(), host.get_port()),
            };
        }
        let database =
            self.hosts.first().and_then(PgConnectOptions::get_database).unwrap_or_default();
        let _ = write!(place, "/{database}");
        if self.namespace != NAMESPACE {
            let _ = write!(place, " (namespace {:?})", self.namespace);
        }
        place
    }
}

impl FromStr for PostgresOptions {
    type Err = Error;

    fn from_str(url: &str) -> Result<Self> {
        Self::from_url(url)
    }
}

impl fmt::Debug for PostgresOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresOptions")
            .field("place", &self.place())
            .field("namespace", &self.namespace)
            .field("deadline", &self.deadline)
            .field("readers", &self.readers)
            .field("retention", &self.retention)
            .field("read_only", &self.read_only)
            .finish_non_exhaustive()
    }
}

fn connect_options(url: &str) -> Result<PgConnectOptions> {
    // What the driver says of a URL may repeat parts of it, so it is left out.
    let parsed = url.parse::<PgConnectOptions>().map_err(|_| {
        Error::invalid_input("the URL is not one of a PostgreSQL store").hint(
            "use postgres://USER:PASSWORD@HOST:PORT/DATABASE, with percent-encoding in its parts",
        )
    })?;
    // Poolers refuse the settings the driver would ask for, and keep no statement prepared. Statements
    // hold what is stored, which is nobody's to log, least of all into the store itself.
    Ok(parsed.extra_float_digits(None).statement_cache_capacity(0).disable_statement_logging())
}

/// Says at once what the driver would say of every try to connect.
fn check_readable(name: &str, path: &str) -> Result<()> {
    std::fs::File::open(path).map(drop).map_err(|error| {
        Error::invalid_input(format!("{name}: cannot read the file {path:?}"))
            .hint("name a file in PEM format that this user may read")
            .with_source(error)
    })
}

fn no_option(name: &str) -> Error {
    Error::invalid_input(format!("{name:?}, with this value, is no option of a PostgreSQL store"))
        .hint(
            "use namespace=NAME, mode=ro, retention=off, replica=HOST:PORT, or an option of libpq \
             for the address and TLS",
        )
}

#[cfg(test)]
mod tests {
    use threadkeep_core::ErrorKind;

    use super::*;

    #[test]
    fn parts_of_a_url_are_found() {
        let url = "postgres://me:p%40ss@one,two:6000/base?namespace=team%20a&replica=three&mode=ro";
        let options = PostgresOptions::from_url(url).unwrap();
        assert_eq!(options.place(), "postgres://one:5432,two:6000/base (namespace \"team a\")");
        assert_eq!(options.replicas[0].get_host(), "three");
        assert_eq!(options.replicas[0].get_username(), "me");
        assert!(options.read_only);
        let socket = PostgresOptions::from_url("postgres://me@/base?host=/run/x&port=7").unwrap();
        assert_eq!(socket.place(), "postgres:///run/x/base");
        assert_eq!(socket.hosts[0].get_port(), 7);
    }

    #[test]
    fn secrets_are_in_no_text() {
        let secret = "s3cret";
        let url = format!("postgres://me:{secret}@one/base?sslmode=disable&password={secret}");
        let options = PostgresOptions::from_url(&url).unwrap();
        assert!(!format!("{options:?} {}", options.place()).contains(secret));
        for wrong in [
            format!("postgres://me:{secret}@one:port/base"),
            format!("postgres://me:{secret}/x@one/base"),
            format!("postgres://me@one/base?pasword={secret}"),
            format!("postgres://me@one/base?sslmode={secret}"),
            format!("mysql://me:{secret}@one/base"),
        ] {
            let error = PostgresOptions::from_url(&wrong).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            assert!(error.hint_text().is_some());
            assert!(!format!("{error} {error:?}").contains(secret), "{error:?}");
        }
    }

    #[test]
    fn namespaces_have_names() {
        for wrong in [String::new(), "x".repeat(201)] {
            let url = format!("postgres://one/base?namespace={wrong}");
            assert!(PostgresOptions::from_url(&url).is_err());
        }
    }
}
