//! A pooler on the way: pgbouncer in transaction mode, with fewer connections to the server than
//! the handles have.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use common::{Load, Mix, factor, options, say};
use threadkeep_core::Store as _;
use threadkeep_postgres::PostgresStore;
use threadkeep_test_server::{Server, Settings, or_skip};

/// Where Debian puts it, and others.
const PROGRAMS: [&str; 3] =
    ["/usr/sbin/pgbouncer", "/usr/bin/pgbouncer", "/usr/local/bin/pgbouncer"];

/// A pgbouncer of the test's own; it ends with this value.
struct Pooler {
    process: Child,
    folder: tempfile::TempDir,
    port: u16,
}

impl Pooler {
    /// `None` where there is no pgbouncer.
    async fn start(server: &Server, pool: u16) -> Option<Self> {
        let program = PROGRAMS.map(PathBuf::from).into_iter().find(|program| program.exists())?;
        let folder = tempfile::tempdir().unwrap();
        let port = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
        let settings = format!(
            "[databases]\n* = host={} port={} user=threadkeep\n[pgbouncer]\nlisten_addr = 127.0.0.1\n\
             listen_port = {port}\nauth_type = any\npool_mode = transaction\n\
             default_pool_size = {pool}\nmax_client_conn = 500\nunix_socket_dir =\n",
            server.folder().unwrap().display(),
            server.port().unwrap(),
        );
        let file = folder.path().join("pgbouncer.ini");
        fs::write(&file, settings).unwrap();
        let mut command = Command::new(program);
        // It refuses to run as root.
        if fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0) {
            fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
            command.args(["-u", "postgres"]);
        }
        let process = command
            .arg(&file)
            .stdout(Stdio::null())
            .stderr(fs::File::create(folder.path().join("log")).unwrap())
            .spawn()
            .unwrap();
        let pooler = Self { process, folder, port };
        common::until("the pooler", Duration::from_secs(10), || {
            std::net::TcpStream::connect(("127.0.0.1", port)).is_ok()
        })
        .await;
        Some(pooler)
    }

    fn url(&self) -> String {
        format!("postgres://threadkeep@127.0.0.1:{}/postgres", self.port)
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_pooler_may_lend_connections_by_the_transaction() {
    let test = "a_pooler_may_lend_connections_by_the_transaction";
    let Some(server) = or_skip(test, Server::start(Settings::default())) else { return };
    let Some(pooler) = Pooler::start(&server, 2).await else {
        eprintln!("skipped {test}: there is no pgbouncer");
        return;
    };
    let mut loads = Vec::new();
    for nth in 0..3 {
        let store = PostgresStore::open_with(options(&pooler.url())).await;
        let store = store.unwrap_or_else(|error| panic!("{error:?}: {}", pooler.log()));
        let mix = Mix { base: nth * 10, follows: false, ..Mix::default() };
        loads.push((Load::start(&store, mix), store));
    }
    tokio::time::sleep(Duration::from_secs(u64::from(2 * factor()))).await;
    let mut stalls = Vec::new();
    for (load, store) in loads {
        load.progress(Duration::from_secs(6)).await;
        stalls.push(load.longest_stall());
        let verdict = load.stop().await;
        say(test, "3 handles on a pool of 2", &verdict);
        verdict.assert_exact();
        assert!(verdict.errors.is_empty(), "{:?}", verdict.examples);
        assert!(store.check().await.unwrap().is_sound());
        store.maintain(Duration::from_secs(1)).await.unwrap();
    }
    let sessions = server
        .psql("select count(*) from pg_stat_activity where datname = 'postgres' and pid <> pg_backend_pid() and backend_type = 'client backend'")
        .unwrap();
    println!("{test}: longest stalls {stalls:?}, {sessions} sessions on the server");
    assert!(sessions.parse::<u32>().unwrap() <= 2, "{sessions}");
    println!("{test}: {}", pooler.log().lines().filter(|line| line.contains("ERROR")).count());
}
