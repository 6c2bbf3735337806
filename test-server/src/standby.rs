//! Streaming replicas, and making one the primary.

use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::USER;
use crate::error::{Error, Result};
use crate::programs::run;
use crate::server::{START_LIMIT, Server};
use crate::settings::Settings;

impl Server {
    /// Starts a replica of this server that follows it by streaming, with `name` as its
    /// `application_name`, and waits until it does.
    ///
    /// With `synchronous`, this server's commits wait for the replica from now on, one replica
    /// only: the last one asked for. Such a server stands still while its replica is down.
    pub fn standby(&self, synchronous: bool, name: &str) -> Result<Self> {
        let primary = self.private()?;
        let socket = primary.process.folder().display().to_string();
        let port = primary.port.to_string();
        let follow = format!(
            "primary_conninfo = 'host={socket} port={port} user={USER} application_name={name}'\n"
        );
        let settings = Settings { tls: false, ..primary.settings.clone() };
        let standby = Self::start_with(settings, |data, programs, account, base| {
            run(programs
                .command("pg_basebackup", account, base)
                .args(["-h", &socket, "-p", &port, "-U", USER])
                .args(["-X", "stream", "-c", "fast", "--no-sync", "-D"])
                .arg(data))?;
            // The primary's own list of standbys would make a promoted standby wait for itself.
            for (file, text) in [("postgresql.auto.conf", follow.as_str()), ("standby.signal", "")]
            {
                let path = data.join(file);
                std::fs::write(&path, text).map_err(|cause| Error::failed(file, cause))?;
                account.own(&path)?;
            }
            Ok(())
        })?;
        if synchronous {
            self.psql(&format!("alter system set synchronous_standby_names = '\"{name}\"'"))?;
            self.psql("alter system set synchronous_commit = 'on'")?;
            self.psql("select pg_reload_conf()")?;
        }
        let wanted = if synchronous { "sync_state = 'sync'" } else { "state = 'streaming'" };
        self.wait_for(&format!(
            "select count(*) > 0 from pg_stat_replication \
             where application_name = '{name}' and {wanted}"
        ))?;
        Ok(standby)
    }

    /// Lets this server's commits no longer wait for a replica, for when the replica is gone.
    pub fn forget_standbys(&self) -> Result<()> {
        self.psql("alter system reset synchronous_standby_names")?;
        self.psql("select pg_reload_conf()").map(drop)
    }

    /// Makes a replica a primary and waits until it takes writes.
    pub fn promote(&self) -> Result<()> {
        self.private()?;
        self.psql("select pg_promote(true, 60)")?;
        self.wait_for("select not pg_is_in_recovery()")
    }

    /// Waits until the replica has applied everything that `primary` has written so far.
    pub fn catch_up_with(&self, primary: &Self) -> Result<()> {
        let position = primary.psql("select pg_current_wal_lsn()")?;
        self.wait_for(&format!("select pg_last_wal_replay_lsn() >= '{position}'::pg_lsn"))
    }

    /// Asks until the answer is yes, at most 60 seconds.
    fn wait_for(&self, question: &str) -> Result<()> {
        let end = Instant::now() + START_LIMIT;
        while self.psql(question)? != "t" {
            if Instant::now() > end {
                return Err(Error::failed("waited in vain for", question));
            }
            sleep(Duration::from_millis(10));
        }
        Ok(())
    }
}
