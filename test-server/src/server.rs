//! The server itself: where it comes from and how it is reached.

use std::fmt::Write as _;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::account::Account;
use crate::error::{During, Error, Result};
use crate::process::Process;
use crate::programs::{Programs, psql, run};
use crate::settings::Settings;
use crate::watchdog::Watchdog;
use crate::{GIVEN, USER, folder, port, template, tls};

/// How long a start may take on a loaded machine, recovery after a kill included.
pub(crate) const START_LIMIT: Duration = Duration::from_mins(1);

/// How many ports are tried when others take them between the choice and the start.
const PORTS: u32 = 5;

/// A PostgreSQL server: a private one that ends with this value, or one that was given.
///
/// Methods block; those that need power over the server fail on a given one.
#[derive(Debug)]
pub struct Server {
    url: String,
    pub(crate) private: Option<Private>,
}

/// What there is to a server that this process started.
#[derive(Debug)]
pub(crate) struct Private {
    pub(crate) process: Process,
    pub(crate) settings: Settings,
    pub(crate) port: u16,
    watchdog: Watchdog,
}

impl Server {
    /// The server that the environment names in `THREADKEEP_TEST_POSTGRES`, else a private one.
    pub fn find(settings: Settings) -> Result<Self> {
        match std::env::var(GIVEN) {
            Ok(url) if !url.is_empty() => Ok(Self::given(url)),
            _ => Self::start(settings),
        }
    }

    /// A server that somebody else runs.
    pub fn given(url: impl Into<String>) -> Self {
        Self { url: url.into(), private: None }
    }

    /// Starts a private server and waits until it takes connections: on a Unix socket in its
    /// temporary folder, and on a port of `127.0.0.1`. It runs as an account without rights when
    /// this process is root.
    ///
    /// It stops, and its folder goes, when the value is dropped or this process ends, even by
    /// SIGKILL. [`Error::Missing`] where PostgreSQL is not installed.
    pub fn start(settings: Settings) -> Result<Self> {
        Self::start_with(settings, |data, programs, account, base| {
            template::copy(base, programs, account, data)
        })
    }

    /// Starts a server on the data folder that `fill` makes.
    pub(crate) fn start_with(
        settings: Settings,
        fill: impl FnOnce(&Path, &Programs, &Account, &Path) -> Result<()>,
    ) -> Result<Self> {
        let programs = Programs::find()?;
        let account = Account::choose()?;
        let base = folder::base(&account)?;
        let fast = if settings.durable { base.clone() } else { folder::fastest(&base, &account) };
        let folder = folder::fresh(&fast, &account)?;
        let watchdog = Watchdog::start(&folder)?;
        let process = Process::new(programs, account, folder);
        // From here on, dropping the value cleans up.
        let mut server = Self {
            url: String::new(),
            private: Some(Private { process, settings, port: 0, watchdog }),
        };
        server.prepare(&base, fill)?;
        Ok(server)
    }

    fn prepare(
        &mut self,
        base: &Path,
        fill: impl FnOnce(&Path, &Programs, &Account, &Path) -> Result<()>,
    ) -> Result<()> {
        let Some(private) = self.private.as_mut() else { return Ok(()) };
        let process = &private.process;
        fill(&process.data(), &process.programs, &process.account, base)?;
        private.write("pg_hba.conf", &private.settings.access())?;
        if private.settings.tls {
            tls::certify(process)?;
        }
        private.start_on_a_free_port()?;
        self.url = private.socket_url();
        self.set_password()
    }

    fn set_password(&self) -> Result<()> {
        let private = self.private()?;
        let Some(password) = &private.settings.password else { return Ok(()) };
        if private.process.data().join("standby.signal").exists() {
            return Ok(());
        }
        let quoted = password.replace('\'', "''");
        self.psql(&format!("alter role {USER} password '{quoted}'")).map(drop)
    }

    pub(crate) fn private(&self) -> Result<&Private> {
        self.private
            .as_ref()
            .ok_or_else(|| Error::Missing("power over a server that was given".to_owned()))
    }

    /// Whether this process started the server and may therefore kill, stop and pause it.
    pub fn is_private(&self) -> bool {
        self.private.is_some()
    }

    /// The server's URL: over the Unix socket where the server is private. The Unix socket's
    /// folder is the `host` parameter, as libpq takes it.
    pub fn url(&self) -> String {
        self.url.clone()
    }

    /// The URL over TCP, with the password where there is one.
    pub fn tcp_url(&self) -> String {
        self.private.as_ref().map_or_else(|| self.url.clone(), Private::tcp_url)
    }

    /// The port, also of the Unix socket's name; `None` for a given server.
    pub fn port(&self) -> Option<u16> {
        self.private.as_ref().map(|it| it.port)
    }

    /// The address on the loopback interface, for a [`Proxy`](crate::Proxy); `None` for a given
    /// server.
    pub fn address(&self) -> Option<SocketAddr> {
        self.port().map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
    }

    /// The temporary folder: `data` is the cluster, `log` what the server says, and the Unix
    /// socket is in it; `None` for a given server.
    pub fn folder(&self) -> Option<&Path> {
        self.private.as_ref().map(|it| it.process.folder())
    }

    /// The certificate of the authority that signed the server's own; `None` without
    /// [`Settings::tls`].
    pub fn root_certificate(&self) -> Option<PathBuf> {
        let private = self.private.as_ref().filter(|it| it.settings.tls)?;
        Some(private.process.data().join(tls::ROOT))
    }

    /// Runs SQL through `psql` in the URL's database and gives the rows: columns parted by `|`,
    /// no headers, no last line end. Several statements are one transaction.
    pub fn psql(&self, sql: &str) -> Result<String> {
        run(psql()
            .env("PGCONNECT_TIMEOUT", "10")
            .args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-c", sql, "-d"])
            .arg(&self.url))
        .map(|text| text.trim_end_matches('\n').to_owned())
    }

    /// Creates a database and gives its URL. `name` is quoted.
    pub fn create_database(&self, name: &str) -> Result<String> {
        self.psql(&format!("create database \"{}\"", name.replace('"', "\"\"")))?;
        Ok(with_database(&self.url, name))
    }
}

impl Private {
    /// Writes a file of the data folder.
    pub(crate) fn write(&self, name: &str, text: &str) -> Result<()> {
        let path = self.process.data().join(name);
        fs::write(&path, text).during(format_args!("writing {}", path.display()))?;
        self.process.account.own(&path)
    }

    fn start_on_a_free_port(&mut self) -> Result<()> {
        let mut attempt = 1;
        loop {
            self.port = port::free();
            let text = self.settings.configuration(self.process.folder(), self.port);
            self.write("postgresql.conf", &text)?;
            self.process.spawn()?;
            match self.process.wait_until_ready(START_LIMIT) {
                Err(Error::Failed(reason))
                    if attempt < PORTS && reason.contains("could not bind") =>
                {
                    attempt += 1;
                }
                other => return other,
            }
        }
    }

    fn socket_url(&self) -> String {
        let folder = self.process.folder().display();
        // Without a host, parsers of URLs allow no user before it.
        format!("postgres:///postgres?host={folder}&port={}&user={USER}", self.port)
    }

    fn tcp_url(&self) -> String {
        let password = self.settings.password.as_deref().map(escape).unwrap_or_default();
        let tls = if self.settings.tls { "?sslmode=require" } else { "" };
        format!("postgres://{USER}{password}@127.0.0.1:{}/postgres{tls}", self.port)
    }
}

impl Drop for Private {
    fn drop(&mut self) {
        self.watchdog.finish();
        // In case somebody has killed the watchdog.
        self.process.kill();
        let _ = fs::remove_dir_all(self.process.folder());
    }
}

/// `:password`, with everything but letters and digits escaped.
fn escape(password: &str) -> String {
    let mut text = String::from(":");
    for byte in password.bytes() {
        if byte.is_ascii_alphanumeric() {
            text.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(text, "%{byte:02X}");
        }
    }
    text
}

/// The same URL with another database.
fn with_database(url: &str, name: &str) -> String {
    let (base, query) = url.split_once('?').map_or((url, None), |(base, it)| (base, Some(it)));
    let start = base.find("://").map_or(0, |at| at + 3);
    let end = base[start..].find('/').map_or(base.len(), |at| start + at);
    let name = &escape(name)[1..];
    let query = query.map(|it| format!("?{it}")).unwrap_or_default();
    format!("{}/{name}{query}", &base[..end])
}

#[cfg(test)]
mod tests {
    use super::{escape, with_database};

    #[test]
    fn a_url_gets_another_database() {
        assert_eq!(with_database("postgres://u@/a?host=/x", "b"), "postgres://u@/b?host=/x");
        assert_eq!(with_database("postgres://u@h:1", "b c"), "postgres://u@h:1/b%20c");
    }

    #[test]
    fn a_password_is_escaped() {
        assert_eq!(escape("a:@é"), ":a%3A%40%C3%A9");
    }
}
