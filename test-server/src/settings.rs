//! What a server is started with.

use std::fmt::Write as _;
use std::path::Path;

/// How a server is set up. [`Settings::default`] suits tests of what a store answers.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Whether an acknowledged commit survives a power cut, as a server does by default.
    ///
    /// `false` sets `fsync` and `full_page_writes` off, and keeps the files in memory (`/dev/shm`)
    /// where there are 4 GiB of it: faster, and safe against everything but a crash of the
    /// operating system. A server for many gigabytes is better durable. A commit still waits for its log to be written (and for a
    /// synchronous standby), so killing the server loses nothing in either case.
    pub durable: bool,
    /// How many connections the server takes; 200 by default.
    pub max_connections: u16,
    /// A password that every TCP connection must give (SCRAM-SHA-256). The Unix socket stays open
    /// to the server's own account, without one.
    pub password: Option<String>,
    /// Whether TCP connections must use TLS, with a certificate made for `localhost` and
    /// `127.0.0.1`; see [`Server::root_certificate`](crate::Server::root_certificate). Needs `openssl`.
    pub tls: bool,
    /// Lines for `postgresql.conf`, after and therefore above all others.
    pub lines: Vec<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self { durable: false, max_connections: 200, password: None, tls: false, lines: Vec::new() }
    }
}

impl Settings {
    /// The defaults with [`durable`](Self::durable) set.
    pub fn durable() -> Self {
        Self { durable: true, ..Self::default() }
    }

    /// Adds a line for `postgresql.conf`, such as `lock_timeout = '1s'`.
    #[must_use]
    pub fn line(mut self, line: impl Into<String>) -> Self {
        self.lines.push(line.into());
        self
    }

    /// The whole of `postgresql.conf`.
    pub(crate) fn configuration(&self, folder: &Path, port: u16) -> String {
        let mut text = format!(
            "listen_addresses = '127.0.0.1'\n\
             port = {port}\n\
             unix_socket_directories = '{}'\n\
             max_connections = {}\n\
             shared_buffers = '128MB'\n\
             dynamic_shared_memory_type = mmap\n\
             timezone = 'UTC'\n\
             log_timezone = 'UTC'\n\
             lc_messages = 'C'\n",
            folder.display(),
            self.max_connections,
        );
        if !self.durable {
            text.push_str("fsync = off\nfull_page_writes = off\n");
        }
        if self.tls {
            text.push_str("ssl = on\n");
        }
        for line in &self.lines {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{line}");
        }
        text
    }

    /// The whole of `pg_hba.conf`.
    pub(crate) fn access(&self) -> String {
        let host = if self.tls { "hostssl" } else { "host" };
        let method = if self.password.is_some() { "scram-sha-256" } else { "trust" };
        format!(
            "local all all trust\n\
             local replication all trust\n\
             {host} all all 127.0.0.1/32 {method}\n\
             {host} replication all 127.0.0.1/32 {method}\n"
        )
    }
}
