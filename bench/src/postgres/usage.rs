//! What a stretch of work took from the machine.

use std::path::Path;
use std::time::Instant;

use anyhow::{Context as _, Result};
use threadkeep_test_server::Server;

/// Ticks of a processor's time in a second, as Linux counts them for programs.
const TICKS: f64 = 100.0;

/// What was taken until a moment.
pub(crate) struct Usage {
    at: Instant,
    server: f64,
    own: f64,
    wal: u64,
}

/// What was taken between two moments.
pub(crate) struct Taken {
    /// Seconds that passed.
    pub(crate) seconds: f64,
    /// Seconds of a processor that the server took.
    pub(crate) server: f64,
    /// The same of this process.
    pub(crate) own: f64,
    /// Bytes of log written by the server.
    pub(crate) wal: f64,
}

impl Usage {
    pub(crate) fn of(server: &Server) -> Result<Self> {
        let wal = server.psql("select (pg_current_wal_lsn() - '0/0')::bigint")?.parse()?;
        Ok(Self {
            at: Instant::now(),
            server: server_seconds(server)?,
            own: seconds(Path::new("/proc/self/stat")).map_or(0.0, |(_, used)| used),
            wal,
        })
    }

    /// What was taken since then.
    pub(crate) fn taken(&self, server: &Server) -> Result<Taken> {
        // Asking takes time too.
        let seconds = self.at.elapsed().as_secs_f64();
        let now = Self::of(server)?;
        Ok(Taken {
            seconds,
            server: now.server - self.server,
            own: now.own - self.own,
            wal: now.wal.saturating_sub(self.wal) as f64,
        })
    }
}

impl Taken {
    /// How many processors the server kept busy, and how many this process did.
    pub(crate) fn busy(&self) -> String {
        format!("{:.2}, {:.2}", self.server / self.seconds, self.own / self.seconds)
    }

    /// Microseconds of a processor that each of so many took the server, and this process.
    pub(crate) fn each(&self, count: f64) -> String {
        format!("{:.1}, {:.1}", self.server / count * 1e6, self.own / count * 1e6)
    }
}

/// Seconds of a processor that all processes of a server have taken.
fn server_seconds(server: &Server) -> Result<f64> {
    let folder = server.folder().context("the server is not the bench's own")?;
    let first = std::fs::read_to_string(folder.join("data/postmaster.pid"))?;
    let first: u32 = first.lines().next().context("the server runs no more")?.parse()?;
    let mut sum = 0.0;
    for entry in std::fs::read_dir("/proc")? {
        let path = entry?.path();
        let number = path.file_name().and_then(|name| name.to_str()?.parse::<u32>().ok());
        // A process may end between two looks.
        let Some((number, (parent, used))) = number.zip(seconds(&path.join("stat"))) else {
            continue;
        };
        if number == first || parent == first {
            sum += used;
        }
    }
    Ok(sum)
}

/// The parent of a process, and the seconds of a processor that it and its children that have ended
/// have taken.
fn seconds(stat: &Path) -> Option<(u32, f64)> {
    let text = std::fs::read_to_string(stat).ok()?;
    // The name, in brackets, may hold anything.
    let fields: Vec<_> = text.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks: f64 = fields.get(11..15)?.iter().filter_map(|field| field.parse::<f64>().ok()).sum();
    Some((fields.get(1)?.parse().ok()?, ticks / TICKS))
}
