//! Power over a private server: ending it, holding it, starting it again.

use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::error::{Error, Result};
use crate::server::{START_LIMIT, Server};

/// How long a stop may take, its last checkpoint included.
const STOP_LIMIT: Duration = Duration::from_secs(30);

/// How a server is asked to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shutdown {
    /// Takes no new connections and waits until the clients have gone by themselves.
    Smart,
    /// Ends every session, rolls back what is open, and writes everything down.
    Fast,
    /// Ends at once; the next start recovers from the log.
    Immediate,
}

impl Server {
    /// SIGKILL to every process of the server, and waits until they are gone.
    pub fn kill(&self) -> Result<()> {
        self.private()?.process.kill();
        Ok(())
    }

    /// Asks the server to stop and waits until it has, at most 30 seconds.
    pub fn stop(&self, shutdown: Shutdown) -> Result<()> {
        let process = &self.private()?.process;
        process.signal(match shutdown {
            Shutdown::Smart => Signal::TERM,
            Shutdown::Fast => Signal::INT,
            Shutdown::Immediate => Signal::QUIT,
        });
        process.wait_until_gone(STOP_LIMIT)
    }

    /// Starts a server that was killed or stopped, on the same port and socket, and waits until
    /// it takes connections.
    pub fn start_again(&self) -> Result<()> {
        let process = &self.private()?.process;
        if process.is_running() {
            return Err(Error::Failed("the server is running already".to_owned()));
        }
        process.spawn()?;
        process.wait_until_ready(START_LIMIT)
    }

    /// Whether the server's first process lives. It need not take connections yet.
    pub fn is_running(&self) -> Result<bool> {
        Ok(self.private()?.process.is_running())
    }

    /// Waits until the server takes connections, at most 60 seconds.
    pub fn wait_until_ready(&self) -> Result<()> {
        self.private()?.process.wait_until_ready(START_LIMIT)
    }

    /// Puts every process of the server on hold (SIGSTOP): connections stay and nothing answers.
    pub fn pause(&self) -> Result<()> {
        self.private()?.process.signal_all(Signal::STOP);
        Ok(())
    }

    /// Lets a server go on that was put on hold.
    pub fn resume(&self) -> Result<()> {
        self.private()?.process.signal_all(Signal::CONT);
        Ok(())
    }

    /// Ends every client's session but its own (`pg_terminate_backend`) and says how many.
    pub fn terminate_backends(&self) -> Result<usize> {
        let count = self.psql(
            "select count(pg_terminate_backend(pid)) from pg_stat_activity \
             where backend_type = 'client backend' and pid <> pg_backend_pid()",
        )?;
        count.parse().map_err(|_| Error::failed("a count was expected", count))
    }

    /// SIGKILL to the process of one client's session, after which the server ends all sessions
    /// and recovers. `false` when no client was connected.
    pub fn kill_one_backend(&self) -> Result<bool> {
        self.private()?;
        let found = self.psql(
            "select pid from pg_stat_activity \
             where backend_type = 'client backend' and pid <> pg_backend_pid() limit 1",
        )?;
        let Some(pid) = found.parse().ok().and_then(Pid::from_raw) else { return Ok(false) };
        // It may have ended by itself.
        Ok(kill_process(pid, Signal::KILL).is_ok())
    }
}
